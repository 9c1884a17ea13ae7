//! A stream of QUIC as a byte stream like any other.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream, VarInt};
use sealift_platform::net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::links::canonical;

/// How long what was written last may take to arrive after the stream was dropped.
const LINGER: Duration = Duration::from_secs(5);

/// The one stream of a connection. As with TCP, what was written before it is dropped still arrives.
pub(super) struct QuicStream {
    connection: Connection,
    /// There until it is dropped.
    sender: Option<SendStream>,
    receiver: RecvStream,
}

impl QuicStream {
    pub(super) const fn new(
        connection: Connection,
        sender: SendStream,
        receiver: RecvStream,
    ) -> Self {
        Self { connection, sender: Some(sender), receiver }
    }

    fn sender(&mut self) -> io::Result<Pin<&mut SendStream>> {
        self.sender.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Stream for QuicStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(canonical(self.connection.remote_address()))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        let ip = self.connection.local_ip().ok_or(io::ErrorKind::AddrNotAvailable)?;
        // The port is that of the process's one socket; nobody needs it of a connection.
        Ok(canonical(SocketAddr::new(ip, 0)))
    }
}

impl AsyncRead for QuicStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.receiver), cx, buf)
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self.sender()?, cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self.sender()?, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(self.sender()?, cx)
    }
}

impl Drop for QuicStream {
    fn drop(&mut self) {
        let (connection, sender) = (self.connection.clone(), self.sender.take());
        let close = move || connection.close(VarInt::from_u32(0), b"");
        match (sender, tokio::runtime::Handle::try_current()) {
            (Some(mut sender), Ok(runtime)) => {
                let _ = sender.finish();
                runtime.spawn(async move {
                    let _ = timeout(LINGER, sender.stopped()).await;
                    close();
                });
            }
            _ => close(),
        }
    }
}
