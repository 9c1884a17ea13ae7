//! The sockets of the machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::{BoxFuture, BoxStream, Listener, Net, Stream};

/// Head start of one address before the next is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// An idle connection is probed after this long; three probes without an answer end it.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Bytes of a UDP socket's buffers: a few milliseconds at a gigabit per second.
const UDP_BUFFER: usize = 4 << 20;

/// The network of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemNet;

impl Net for SystemNet {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<BoxStream>> {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
            let stream = race(interleave(addresses)).await?;
            Ok(Box::new(SystemStream::new(stream)?) as BoxStream)
        })
    }

    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }

    fn addresses(&self) -> io::Result<Vec<IpAddr>> {
        let interfaces = if_addrs::get_if_addrs()?;
        Ok(interfaces.iter().map(if_addrs::Interface::ip).collect())
    }

    fn gateway(&self) -> Option<Ipv4Addr> {
        default_route(&std::fs::read_to_string("/proc/net/route").ok()?)
    }

    fn udp(&self, address: SocketAddr, both: bool) -> io::Result<UdpSocket> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};
        let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&socket, !both)?;
        }
        // The system cuts it to what an unprivileged process may have.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, UDP_BUFFER);
        let _ = sockopt::set_socket_send_buffer_size(&socket, UDP_BUFFER);
        rustix::net::bind(&socket, &address)?;
        Ok(UdpSocket::from(socket))
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move { Ok(Box::new(SystemListener(bind(address)?)) as Box<dyn Listener>) })
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if address.is_ipv6() {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // On Unix it lets a restarted program have its port back at once; elsewhere it would let others take it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The gateway of the default route in Linux's table, whose addresses are in the machine's byte order, in hexadecimal.
fn default_route(table: &str) -> Option<Ipv4Addr> {
    /// The route leads to a gateway (RTF_GATEWAY).
    const GATEWAY: u16 = 2;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let [_, destination, gateway, flags, _, _, _, mask, ..] = fields[..] else { return None };
        let number = |text| u32::from_str_radix(text, 16).ok();
        let leads = u16::from_str_radix(flags, 16).ok()? & GATEWAY != 0;
        let default = number(destination)? == 0 && number(mask)? == 0 && leads;
        default.then_some(Ipv4Addr::from(number(gateway)?.to_ne_bytes()))
    })
}

/// Addresses of the two families by turns, the family that the system puts first in front (RFC 8305 section 4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut mixed = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let (one, other) = (first.next(), second.next());
        if one.is_none() && other.is_none() {
            return mixed;
        }
        mixed.extend(one.into_iter().chain(other));
    }
}

/// The first connection that stands; the others are given up.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        let started = waiting.next();
        if let Some(address) = started {
            attempts.spawn(TcpStream::connect(address));
        }
        let ended = if started.is_some() {
            tokio::time::timeout(HEAD_START, attempts.join_next()).await
        } else {
            Ok(attempts.join_next().await)
        };
        match ended {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => last_error = error,
            Ok(Some(Err(failed))) => last_error = io::Error::other(failed),
            Ok(None) => return Err(last_error),
            Err(_elapsed) => {}
        }
    }
}

struct SystemListener(TcpListener);

impl Listener for SystemListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        Box::pin(async move {
            let (stream, from) = self.0.accept().await?;
            Ok((Box::new(SystemStream::new(stream)?) as BoxStream, from))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

struct SystemStream(TcpStream);

impl SystemStream {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        // A help where the programs' own pings do not reach; its absence harms nothing.
        let _ = keep_alive(&stream);
        Ok(Self(stream))
    }
}

fn keep_alive(stream: &TcpStream) -> rustix::io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE / 2)?;
    sockopt::set_tcp_keepcnt(stream, 3)
}

impl Stream for SystemStream {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(&self.0)
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl AsyncRead for SystemStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for SystemStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn connects_by_name_and_carries_bytes() {
        let listener = SystemNet.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // `localhost` may have an IPv6 address first, where nobody listens.
        let (out, accepted) = tokio::join!(SystemNet.connect("localhost", port), listener.accept());
        let (mut out, (mut back, from)) = (out.unwrap(), accepted.unwrap());
        assert_eq!(out.local_addr().unwrap(), from);
        assert!(out.tcp().unwrap().nodelay().unwrap());
        out.write_all(b"up").await.unwrap();
        out.shutdown().await.unwrap();
        let mut got = Vec::new();
        back.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"up");
    }

    #[tokio::test]
    async fn a_closed_port_is_refused_and_a_taken_one_cannot_be_had() {
        let listener = SystemNet.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = SystemNet.listen(address).await.err().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        let refused = SystemNet.connect("127.0.0.1", address.port()).await.err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    /// Ports of IPv6 to try: others on this machine may have the same one of IPv4.
    const TRIES: usize = 20;

    #[tokio::test]
    async fn both_families_share_a_port() {
        for _ in 0..TRIES {
            let v6 = SystemNet.listen("[::]:0".parse().unwrap()).await;
            let Ok(v6) = v6 else { return eprintln!("skipped: no IPv6 here") };
            let port = v6.local_addr().unwrap().port();
            if SystemNet.listen(([0, 0, 0, 0], port).into()).await.is_ok() {
                return;
            }
        }
        panic!("no port of IPv6 left that of IPv4 free");
    }

    #[test]
    fn a_udp_socket_of_both_families_hears_both() {
        let Ok(both) = SystemNet.udp("[::]:0".parse().unwrap(), true) else {
            return eprintln!("skipped: no IPv6 here");
        };
        let port = both.local_addr().unwrap().port();
        let v4 = SystemNet.udp("127.0.0.1:0".parse().unwrap(), false).unwrap();
        v4.send_to(b"hello", ("127.0.0.1", port)).unwrap();
        both.set_nonblocking(false).unwrap();
        both.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut bytes = [0; 8];
        let (count, from) = both.recv_from(&mut bytes).unwrap();
        assert_eq!(&bytes[..count], b"hello");
        assert_eq!(from.ip().to_canonical(), v4.local_addr().unwrap().ip());
        // IPv6 only: the same port of IPv4 is free.
        let shared = (0..TRIES).any(|_| {
            let v6 = SystemNet.udp("[::]:0".parse().unwrap(), false).unwrap();
            let port = v6.local_addr().unwrap().port();
            SystemNet.udp(([0, 0, 0, 0], port).into(), false).is_ok()
        });
        assert!(shared);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_gateway_is_that_of_the_default_route() {
        let head =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
        let own = "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
        let default = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
        let found = default_route(&[head, own, default].concat());
        assert_eq!(found, Some(Ipv4Addr::new(192, 168, 1, 1)));
        for none in [head, "", &[head, own].concat(), &[head, "eth0 0 zz 3 0 0 0 0"].concat()] {
            assert_eq!(default_route(none), None, "{none:?}");
        }
    }

    #[test]
    fn this_machine_has_addresses() {
        let addresses = SystemNet.addresses().unwrap();
        assert!(addresses.iter().any(IpAddr::is_loopback));
    }

    #[test]
    fn families_take_turns() {
        let parse = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>();
        let mixed =
            interleave(parse(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1"]));
        let want = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "1.1.1.3:1"];
        assert_eq!(mixed, parse(&want));
        assert!(interleave(Vec::new()).is_empty());
    }
}
