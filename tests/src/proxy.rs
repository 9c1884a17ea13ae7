//! A TCP proxy that does to connections what networks, relays and wires do: delay and jitter, a bottleneck, silence, blackouts,
//! cuts and flipped bits; separately for control connections and links, which their first bytes tell apart.
//!
//! Bytes pass through it in user space, so each side's TCP sees a near peer: delay never limits throughput by itself, and
//! what a bottleneck does not take waits in the sender's own buffers. Everything random follows from a seed.

mod carry;
mod faults;
mod path;
#[cfg(test)]
mod tests;

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::Instant;

use sealift_platform::sync::lock;

use carry::Connection;
pub use faults::Faults;
use path::Bottleneck;
pub use path::Path;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whatever does not begin as a link does.
    Control,
    /// Carries what two members send each other.
    Link,
}

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From clients to the relay.
    Up,
    /// From the relay to clients.
    Down,
}

/// How a proxy is set up from the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    /// What bytes to the relay meet.
    pub up: Path,
    /// What bytes from the relay meet.
    pub down: Path,
    /// What everything random follows from.
    pub seed: u64,
    /// Whether to keep a copy of all bytes.
    pub keep: bool,
}

/// Stands between clients and a relay on this machine.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: SocketAddr,
    setup: Setup,
    bottlenecks: [Bottleneck; 2],
    /// One copy for each direction of each connection.
    copies: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    connections: Mutex<Vec<Weak<Connection>>>,
    accepted: AtomicU64,
    refusing: AtomicBool,
    rules: Mutex<Rules>,
    /// Told when rules change and when connections end.
    changed: Condvar,
    /// Bytes handed on, by kind and way.
    passed: [[AtomicU64; 2]; 2],
}

#[derive(Default)]
struct Rules {
    /// By kind and way.
    faults: [[Faults; 2]; 2],
    blackout: bool,
    ended: bool,
}

impl Proxy {
    /// A proxy to `to` on a port of its own that passes everything on at once, and keeps a copy of it.
    ///
    /// # Panics
    /// When there is no port left.
    #[must_use]
    pub fn new(to: SocketAddr) -> Self {
        Self::with(to, Setup { keep: true, ..Setup::default() })
    }

    /// A proxy to `to` on a port of its own.
    ///
    /// # Panics
    /// When there is no port left.
    #[must_use]
    pub fn with(to: SocketAddr, setup: Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self::on(listener, to, setup)
    }

    /// A proxy to `to` that clients reach at `listener`.
    ///
    /// # Panics
    /// When the listener has no address.
    #[must_use]
    pub fn on(listener: TcpListener, to: SocketAddr, setup: Setup) -> Self {
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            to,
            setup,
            bottlenecks: [Bottleneck::new(setup.up), Bottleneck::new(setup.down)],
            copies: Mutex::default(),
            connections: Mutex::default(),
            accepted: AtomicU64::new(0),
            refusing: AtomicBool::new(false),
            rules: Mutex::default(),
            changed: Condvar::new(),
            passed: Default::default(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if lock(&accepting.rules).ended {
                    return;
                }
                if !accepting.refusing.load(Ordering::Acquire) {
                    let shared = Arc::clone(&accepting);
                    let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
                    std::thread::spawn(move || shared.join(near, number));
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

    /// All bytes that came so far, one entry for each direction of each connection; nothing unless they are kept.
    #[must_use]
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.copies).iter().map(|copy| lock(copy).clone()).collect()
    }

    /// Bytes handed on so far on all connections of this kind.
    #[must_use]
    pub fn passed(&self, kind: Kind, way: Way) -> u64 {
        self.shared.passed[kind as usize][way as usize].load(Ordering::Acquire)
    }

    /// Changes what bytes meet on their way; those that came before keep their time.
    pub fn set_path(&self, way: Way, path: Path) {
        self.shared.bottlenecks[way as usize].set(path);
    }

    /// Changes what happens to connections of this kind in this direction, those that stand included.
    pub fn set(&self, kind: Kind, way: Way, faults: Faults) {
        self.shared.change(|rules| rules.faults[kind as usize][way as usize] = faults);
    }

    /// Lets nothing pass in a direction, or all that waited; connections stand.
    pub fn stall(&self, way: Way, stalled: bool) {
        self.shared.change(|rules| {
            for kind in [Kind::Control, Kind::Link] {
                rules.faults[kind as usize][way as usize].hold = stalled.then_some(0);
            }
        });
    }

    /// Begins or ends a time in which nothing passes and no connection comes about; connections stand.
    pub fn blackout(&self, dark: bool) {
        self.shared.change(|rules| rules.blackout = dark);
    }

    /// Ends all connections.
    pub fn cut(&self) {
        for connection in lock(&self.shared.connections).drain(..) {
            connection.upgrade().into_iter().for_each(|connection| connection.end(&self.shared));
        }
    }

    /// Ends all connections of a kind.
    pub fn cut_kind(&self, kind: Kind) {
        for connection in lock(&self.shared.connections).iter().filter_map(Weak::upgrade) {
            if connection.kind() == kind {
                connection.end(&self.shared);
            }
        }
    }

    /// Whether new connections are to be closed at once.
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, Ordering::Release);
    }

    /// Holds back what comes from the relay on a link after `at` bytes of it; `None` lets it go.
    pub fn hold(&self, at: Option<u64>) {
        self.shared.change(|rules| rules.faults[Kind::Link as usize][Way::Down as usize].hold = at);
    }

    /// Flips a bit of byte `at` of everything that comes from the relay on a link; `None` lets it pass.
    pub fn alter(&self, at: Option<u64>) {
        self.shared
            .change(|rules| rules.faults[Kind::Link as usize][Way::Down as usize].alter = at);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.change(|rules| rules.ended = true);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut lock(&self.rules));
        self.changed.notify_all();
    }

    /// Connects `near`, the connection of this number, on to the relay, as soon as the network lets it.
    fn join(self: &Arc<Self>, near: TcpStream, number: u64) {
        let accepted = Instant::now();
        let dark = |rules: &mut Rules| rules.blackout && !rules.ended;
        drop(self.changed.wait_while(lock(&self.rules), dark));
        path::wait_until(accepted + self.bottlenecks[Way::Up as usize].path().delay);
        let Ok(far) = TcpStream::connect(self.to) else {
            let _ = near.shutdown(Shutdown::Both);
            return;
        };
        if let Some(connection) = Connection::new(near, far, number, accepted) {
            let connection = Arc::new(connection);
            {
                let mut all = lock(&self.connections);
                all.retain(|connection| connection.strong_count() > 0);
                all.push(Arc::downgrade(&connection));
            }
            if lock(&self.rules).ended {
                connection.end(self);
            }
            carry::start(self, &connection);
        }
    }
}
