//! The direct links of one session: which ones are wanted, and which stand.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use sealift_platform::net::{BoxStream, Stream};
use sealift_proto::direct::Transport;
use sealift_proto::link::LinkNumbers;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::session::Session;

/// Direct links that a leecher takes in one session.
const WANTED: usize = 2;
/// Direct links that a seeder lets a leecher have in one session: some more, while one takes another's place.
const ACCEPTED: usize = 4;

/// Ends a link from outside.
pub(super) type Closer = Box<dyn Fn() + Send + Sync>;

struct Live {
    number: u32,
    ip: IpAddr,
    transport: Transport,
    closer: Option<Closer>,
}

/// Those that stand, and the numbers that are used up.
pub(super) struct Links {
    live: Vec<Live>,
    next: u32,
    numbers: LinkNumbers,
}

impl Links {
    pub(super) fn new() -> Self {
        let mut numbers = LinkNumbers::default();
        // The link through the relay.
        let _ = numbers.take(0);
        Self { live: Vec::new(), next: 1, numbers }
    }

    pub(super) fn count(&self) -> usize {
        self.live.len()
    }

    /// Whether as many stand as are wanted.
    pub(super) fn enough(&self) -> bool {
        self.live.len() >= WANTED
    }

    /// Whether a link to `ip` would be taken now. Two to one address share one way, mostly; over TCP the system does more of
    /// the work than over QUIC, so that TCP takes the place of QUIC, and QUIC is not begun beside TCP.
    pub(super) fn wants(&self, ip: IpAddr, transport: Transport) -> bool {
        let there = self.live.iter().find(|live| live.ip == ip);
        match (there, transport) {
            (Some(live), Transport::Tcp) => live.transport == Transport::Udp,
            (Some(_), Transport::Udp) => false,
            (None, Transport::Tcp) => !self.enough(),
            (None, Transport::Udp) => !self.enough() && !self.any(Transport::Tcp),
        }
    }

    fn any(&self, transport: Transport) -> bool {
        self.live.iter().any(|live| live.transport == transport)
    }

    /// The addresses of those that stand.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        self.live.iter().map(|live| live.ip).collect()
    }

    /// The leecher takes a link: its number.
    pub(super) fn take(&mut self, ip: IpAddr, transport: Transport) -> Option<u32> {
        if !self.wants(ip, transport) {
            return None;
        }
        self.live.retain(|live| {
            let replaced = live.ip == ip;
            if let Some(close) = live.closer.as_ref().filter(|_| replaced) {
                close();
            }
            !replaced
        });
        let number = self.next;
        self.next = self.next.checked_add(1)?;
        self.live.push(Live { number, ip, transport, closer: None });
        Some(number)
    }

    /// The leecher has taken a link: whether the seeder lets it.
    pub(super) fn took(&mut self, number: u32, ip: IpAddr, transport: Transport) -> bool {
        let good = self.live.len() < ACCEPTED && self.numbers.take(number).is_ok();
        if good {
            self.live.push(Live { number, ip, transport, closer: None });
        }
        good
    }

    pub(super) fn set_closer(&mut self, number: u32, closer: Closer) {
        match self.live.iter_mut().find(|live| live.number == number) {
            Some(live) => live.closer = Some(closer),
            // Replaced meanwhile.
            None => closer(),
        }
    }

    fn remove(&mut self, number: u32) {
        self.live.retain(|live| live.number != number);
    }
}

/// The place of one link among those of its session, given up when dropped.
pub(super) struct Place {
    session: Weak<Session>,
    number: u32,
}

impl Place {
    pub(super) fn new(session: &Arc<Session>, number: u32) -> Self {
        Self { session: Arc::downgrade(session), number }
    }

    pub(super) const fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(session) = self.session.upgrade() {
            session.links().remove(self.number);
            session.changed();
        }
    }
}

/// The remote side without what IPv6 sockets add to IPv4 addresses.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A stream that keeps its place as long as it lives.
pub(super) struct Held {
    stream: BoxStream,
    _place: Place,
}

impl Held {
    pub(super) fn boxed(stream: BoxStream, place: Place) -> BoxStream {
        Box::new(Self { stream, _place: place })
    }
}

impl Stream for Held {
    fn tcp(&self) -> Option<&TcpStream> {
        self.stream.tcp()
    }

    fn peer_addr(&self) -> std::io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.stream.local_addr()
    }
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_leecher_takes_two_links_to_two_addresses_and_prefers_tcp() {
        let mut links = Links::new();
        let closed = Arc::new(std::sync::atomic::AtomicBool::new(false));
        assert_eq!(links.take(ip(1), Transport::Udp), Some(1));
        let told = Arc::clone(&closed);
        links.set_closer(
            1,
            Box::new(move || told.store(true, std::sync::atomic::Ordering::Relaxed)),
        );
        assert_eq!(links.take(ip(1), Transport::Udp), None);
        assert_eq!(links.take(ip(1), Transport::Tcp), Some(2));
        assert!(closed.load(std::sync::atomic::Ordering::Relaxed), "QUIC gives way to TCP");
        assert_eq!(links.take(ip(1), Transport::Tcp), None);
        assert_eq!(links.take(ip(2), Transport::Udp), None, "no QUIC beside TCP");
        assert_eq!(links.take(ip(2), Transport::Tcp), Some(3));
        assert_eq!(links.take(ip(3), Transport::Tcp), None);
        links.remove(2);
        assert_eq!(links.take(ip(3), Transport::Tcp), Some(4));
    }

    #[test]
    fn a_seeder_takes_no_number_twice_and_not_more_than_it_may() {
        let mut links = Links::new();
        assert!(!links.took(0, ip(1), Transport::Tcp), "the relay's");
        assert!(links.took(2, ip(1), Transport::Tcp) && links.took(1, ip(1), Transport::Tcp));
        assert!(!links.took(2, ip(2), Transport::Tcp));
        assert!(links.took(3, ip(1), Transport::Tcp) && links.took(4, ip(1), Transport::Tcp));
        assert!(!links.took(5, ip(1), Transport::Tcp), "a fifth");
        links.remove(3);
        assert!(links.took(6, ip(1), Transport::Tcp));
    }
}
