//! Sockets.

mod system;

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub use system::SystemNet;

/// A future that can be stored and sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connected byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// The kernel's socket behind the stream, where there is one: what moving bytes inside the kernel needs.
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }

    /// The address of the other side.
    ///
    /// # Errors
    /// When the stream is no longer connected.
    fn peer_addr(&self) -> io::Result<SocketAddr>;

    /// The address of this side.
    ///
    /// # Errors
    /// When the stream is no longer connected.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A stream of any kind.
pub type BoxStream = Box<dyn Stream>;

/// A bound, listening socket.
pub trait Listener: Send + Sync {
    /// Waits for the next connection.
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>>;

    /// The address it is bound to, with the real port.
    ///
    /// # Errors
    /// When the system cannot tell.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// Opens and accepts connections.
pub trait Net: Send + Sync {
    /// Looks `host` up and connects to the first of its addresses that answers; addresses are tried side by side with
    /// a head start of 250 ms each (RFC 8305), so that a dead one costs no time.
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<BoxStream>>;

    /// Looks `host` up: all its addresses, with `port`.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;

    /// The addresses of this machine's interfaces, loopback among them.
    ///
    /// # Errors
    /// When the system cannot tell.
    fn addresses(&self) -> io::Result<Vec<IpAddr>>;

    /// The router that this machine sends IPv4 through to everywhere else, if there is one and the system tells.
    fn gateway(&self) -> Option<Ipv4Addr>;

    /// A UDP socket bound to `address`, not blocking, with large buffers where the system gives them; a port of 0 is chosen by
    /// the system. An IPv6 one takes IPv4 too, as `::ffff:a.b.c.d`, if `both` is asked for, and IPv6 only otherwise.
    ///
    /// # Errors
    /// When the system refuses; [`io::ErrorKind::Unsupported`] where there is no UDP.
    fn udp(&self, address: SocketAddr, both: bool) -> io::Result<UdpSocket>;

    /// Listens on `address`; a port of 0 is chosen by the system. An IPv6 address takes IPv6 only.
    fn listen(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>>;
}
