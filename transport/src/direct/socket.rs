//! The UDP socket that QUIC and the datagrams of this protocol share.
//!
//! QUIC sees only what comes from addresses where the other end of a session is known to be: a stranger's packet does not even
//! get an error from it.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use sealift_platform::sync::{read, write};
use sealift_proto::direct::KNOCK_LEN;
use tokio::sync::mpsc;

use super::links::canonical;

/// Datagrams of this protocol that may wait to be looked at; of a flood, the rest is dropped.
const WAITING: usize = 256;

/// A datagram of this protocol, as far as its first byte and its length tell.
pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    /// The address of this machine that it came to.
    pub(super) to: Option<IpAddr>,
    pub(super) bytes: [u8; KNOCK_LEN],
}

/// The socket.
pub(super) struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    ipv6: bool,
    ours: mpsc::Sender<Datagram>,
    /// From where QUIC is let in, and for how many sessions.
    allowed: RwLock<HashMap<SocketAddr, usize>>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Socket {
    /// Takes over a socket; the datagrams of this protocol come out of the receiver.
    pub(super) fn new(
        inner: Arc<dyn AsyncUdpSocket>,
    ) -> io::Result<(Arc<Self>, mpsc::Receiver<Datagram>)> {
        let ipv6 = inner.local_addr()?.is_ipv6();
        let (ours, receiver) = mpsc::channel(WAITING);
        Ok((Arc::new(Self { inner, ipv6, ours, allowed: RwLock::default() }), receiver))
    }

    /// Whether datagrams of IPv6 can be sent; those of IPv4 always can.
    pub(super) const fn has_ipv6(&self) -> bool {
        self.ipv6
    }

    /// Sends a datagram, from the address `by` of this machine if it matters. One that cannot be sent now is lost, as any may be.
    pub(super) fn send(&self, to: SocketAddr, by: Option<IpAddr>, bytes: &[u8]) {
        let destination = match (to, self.ipv6) {
            (SocketAddr::V4(v4), true) => {
                SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port())
            }
            (SocketAddr::V6(_), false) => return,
            (to, _) => to,
        };
        let transmit =
            Transmit { destination, ecn: None, contents: bytes, segment_size: None, src_ip: by };
        if let Err(error) = self.inner.try_send(&transmit) {
            tracing::trace!(%to, %error, "a datagram was not sent");
        }
    }

    /// Lets QUIC hear `from` until what this gives is dropped.
    pub(super) fn allow(self: &Arc<Self>, from: SocketAddr) -> Allowed {
        let mut allowed = write(&self.allowed);
        *allowed.entry(from).or_default() += 1;
        Allowed { socket: Arc::clone(self), from }
    }

    fn allows(&self, from: &SocketAddr) -> bool {
        read(&self.allowed).contains_key(from)
    }

    /// Takes out of a buffer what is not for QUIC. The system may have put several datagrams of one sender into it, each
    /// `stride` long but the last. Gives how much is left, at its beginning.
    fn sift(&self, bytes: &mut [u8], meta: &RecvMeta) -> usize {
        let from = canonical(meta.addr);
        let allowed = self.allows(&from);
        let (mut kept, mut at) = (0, 0);
        while at < bytes.len() {
            let end = bytes.len().min(at + meta.stride.max(1));
            // QUIC has one of these bits in every packet (RFC 9000 section 17), since it does not grease its fixed bit here.
            let for_quic = bytes[at] & 0xc0 != 0;
            if for_quic && allowed {
                bytes.copy_within(at..end, kept);
                kept += end - at;
            } else if let Ok(exact) = bytes[at..end].try_into()
                && !for_quic
            {
                let _ = self.ours.try_send(Datagram { from, to: meta.dst_ip, bytes: exact });
            }
            at = end;
        }
        kept
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.inner.poll_recv(cx, bufs, meta))?;
        for (meta, buf) in meta.iter_mut().zip(bufs.iter_mut()).take(count) {
            let len = meta.len.min(buf.len());
            meta.len = self.sift(&mut buf[..len], meta);
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

/// Leave for QUIC to hear an address.
pub(super) struct Allowed {
    socket: Arc<Socket>,
    from: SocketAddr,
}

impl Drop for Allowed {
    fn drop(&mut self) {
        let mut allowed = write(&self.socket.allowed);
        if let Some(count) = allowed.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                allowed.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quinn::Runtime;
    use sealift_platform::net::{Net, SystemNet};

    use super::*;

    fn socket() -> (Arc<Socket>, mpsc::Receiver<Datagram>) {
        let std = SystemNet.udp("127.0.0.1:0".parse().unwrap(), false).unwrap();
        Socket::new(quinn::TokioRuntime.wrap_udp_socket(std).unwrap()).unwrap()
    }

    fn meta(stride: usize, len: usize) -> RecvMeta {
        let mut meta = RecvMeta::default();
        (meta.addr, meta.stride, meta.len) = (at(), stride, len);
        meta
    }

    fn at() -> SocketAddr {
        "192.0.2.1:5000".parse().unwrap()
    }

    #[tokio::test]
    async fn what_the_system_joined_is_told_apart() {
        let (socket, mut ours) = socket();
        let _allowed = socket.allow(at());
        // Five datagrams of 64 bytes and a short one: QUIC, ours, QUIC, ours, QUIC, QUIC.
        let starts = [0x40, 0x02, 0xc1, 0x01, 0x80, 0x41];
        let mut bytes: Vec<u8> = starts.iter().flat_map(|start| [*start; 64]).collect();
        bytes.truncate(5 * 64 + 10);
        let len = bytes.len();
        let kept = socket.sift(&mut bytes, &meta(64, len));
        let want: Vec<u8> = [0x40, 0xc1, 0x80]
            .into_iter()
            .flat_map(|start| [start; 64])
            .chain([0x41; 10])
            .collect();
        assert_eq!(bytes[..kept], want);
        for start in [0x02, 0x01] {
            assert_eq!(ours.try_recv().unwrap().bytes, [start; 64]);
        }
        assert!(ours.try_recv().is_err());
    }

    #[tokio::test]
    async fn quic_hears_no_stranger() {
        let (socket, mut ours) = socket();
        let mut bytes = vec![0xc0; 1200];
        assert_eq!(socket.sift(&mut bytes, &meta(1200, 1200)), 0);
        let (one, two) = (socket.allow(at()), socket.allow(at()));
        assert_eq!(socket.sift(&mut bytes, &meta(1200, 1200)), 1200);
        drop(one);
        assert_eq!(socket.sift(&mut bytes, &meta(1200, 1200)), 1200);
        drop(two);
        assert_eq!(socket.sift(&mut bytes, &meta(1200, 1200)), 0);
        assert!(ours.try_recv().is_err(), "nor is it anything else");
    }

    #[tokio::test]
    async fn a_flood_fills_no_memory() {
        let (socket, mut ours) = socket();
        for _ in 0..WAITING * 4 {
            assert_eq!(socket.sift(&mut [2; 64], &meta(64, 64)), 0);
        }
        let mut count = 0;
        while ours.try_recv().is_ok() {
            count += 1;
        }
        assert_eq!(count, WAITING);
    }
}
