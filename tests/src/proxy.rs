//! A TCP proxy that keeps a copy of all bytes, and can cut, refuse, hold back and alter.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Stands between clients and a relay on this machine.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: SocketAddr,
    /// One copy for each direction of each connection.
    copies: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    streams: Mutex<Vec<TcpStream>>,
    refusing: AtomicBool,
    ended: AtomicBool,
    /// Byte of each link, counted from the relay to the client, that is altered; `u64::MAX` for none.
    altered: AtomicU64,
    /// Bytes of each link after which nothing more comes from the relay.
    held: Mutex<Option<u64>>,
    released: Condvar,
}

impl Proxy {
    /// A proxy to `to` on a port of its own.
    ///
    /// # Panics
    /// When there is no port left.
    #[must_use]
    pub fn new(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            to,
            copies: Mutex::default(),
            streams: Mutex::default(),
            refusing: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            altered: AtomicU64::new(u64::MAX),
            held: Mutex::default(),
            released: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if accepting.ended.load(Ordering::Acquire) {
                    return;
                }
                if !accepting.refusing.load(Ordering::Acquire) {
                    accepting.join(near);
                }
            }
        });
        Self { address, shared }
    }

    /// Where clients are to connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// All bytes so far, one entry for each direction of each connection.
    #[must_use]
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.copies).iter().map(|copy| lock(copy).clone()).collect()
    }

    /// Ends all connections.
    pub fn cut(&self) {
        for stream in lock(&self.shared.streams).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Whether new connections are to be closed at once.
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, Ordering::Release);
    }

    /// Holds back what comes from the relay on a link after `at` bytes of it; `None` lets it go.
    pub fn hold(&self, at: Option<u64>) {
        *lock(&self.shared.held) = at;
        self.shared.released.notify_all();
    }

    /// Flips a bit of byte `at` of everything that comes from the relay on a link; `None` lets it pass.
    pub fn alter(&self, at: Option<u64>) {
        self.shared.altered.store(at.unwrap_or(u64::MAX), Ordering::Release);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.hold(None);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn join(self: &Arc<Self>, near: TcpStream) {
        let Ok(far) = TcpStream::connect(self.to) else { return };
        for stream in [&near, &far] {
            let _ = stream.set_nodelay(true);
            lock(&self.streams).extend(stream.try_clone());
        }
        let link = Arc::new(AtomicBool::new(false));
        if let (Ok(near), Ok(far)) = (near.try_clone(), far.try_clone()) {
            self.carry(near, far, Way::ToRelay(Arc::clone(&link)));
        }
        self.carry(far, near, Way::ToClient(link));
    }

    fn carry(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream, way: Way) {
        let copy = Arc::new(Mutex::new(Vec::new()));
        lock(&self.copies).push(Arc::clone(&copy));
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            let mut passed = 0;
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                lock(&copy).extend_from_slice(&buffer[..count]);
                shared.touch(&way, passed, &mut buffer[..count]);
                passed += count as u64;
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
    }

    /// Looks at bytes that pass, the first being byte `passed` of its direction.
    fn touch(&self, way: &Way, passed: u64, bytes: &mut [u8]) {
        match way {
            Way::ToRelay(link) if passed == 0 => {
                link.store(bytes.starts_with(b"SL"), Ordering::Release);
            }
            Way::ToClient(link) if link.load(Ordering::Acquire) => {
                let at = self.altered.load(Ordering::Acquire).checked_sub(passed);
                self.wait_while_held(passed);
                if let Some(byte) = at.and_then(|at| bytes.get_mut(usize::try_from(at).ok()?)) {
                    *byte ^= 1;
                }
            }
            _ => {}
        }
    }

    fn wait_while_held(&self, passed: u64) {
        let held = |held: &mut Option<u64>| {
            held.is_some_and(|at| passed >= at) && !self.ended.load(Ordering::Acquire)
        };
        drop(self.released.wait_while(lock(&self.held), held));
    }
}

/// A direction, and whether the connection is a link.
enum Way {
    ToRelay(Arc<AtomicBool>),
    ToClient(Arc<AtomicBool>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_carries_keeps_and_cuts() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::new(server.local_addr().unwrap());
        let mut near = TcpStream::connect(proxy.address()).unwrap();
        let (mut far, _) = server.accept().unwrap();
        near.write_all(b"question").unwrap();
        let mut buffer = [0; 8];
        far.read_exact(&mut buffer).unwrap();
        far.write_all(b"answer").unwrap();
        near.read_exact(&mut buffer[..6]).unwrap();
        let mut bytes = proxy.bytes();
        bytes.sort();
        assert_eq!(bytes, [b"answer".to_vec(), b"question".to_vec()]);
        proxy.alter(Some(6));
        far.write_all(b"more").unwrap();
        near.read_exact(&mut buffer[..4]).unwrap();
        assert_eq!(&buffer[..4], b"more", "no link");
        proxy.cut();
        assert!(matches!(near.read(&mut buffer), Ok(0) | Err(_)));
    }

    #[test]
    fn it_alters_one_byte_of_a_link() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::new(server.local_addr().unwrap());
        proxy.alter(Some(2));
        let mut near = TcpStream::connect(proxy.address()).unwrap();
        let (mut far, _) = server.accept().unwrap();
        near.write_all(b"SL").unwrap();
        let mut buffer = [0; 6];
        far.read_exact(&mut buffer[..2]).unwrap();
        far.write_all(b"answer").unwrap();
        near.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"anrwer");
    }
}
