//! A connection: two directions, each with bytes on their way.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use sealift_platform::net::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::Path;
use crate::sim::random::SimRandom;

/// Bytes that one side may have written and the other not taken, at each end of a direction.
const BUFFER: usize = 256 * 1024;
/// Pieces on their way in one direction.
const ON_THE_WAY: usize = 64;

/// What can end a connection from outside.
#[derive(Default)]
pub(super) struct Wire {
    cut: AtomicBool,
    told: Notify,
}

impl Wire {
    /// Ends the connection: both sides get "connection reset".
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    async fn until_cut(&self) {
        let told = self.told.notified();
        if !self.is_cut() {
            told.await;
        }
    }
}

/// Waits as long as one packet takes now; a closed path holds it until it opens.
pub(super) async fn travel(path: &mut watch::Receiver<Path>, random: &SimRandom) {
    let arrival = Instant::now() + duration(path, random);
    arrive(path, arrival).await;
}

fn duration(path: &watch::Receiver<Path>, random: &SimRandom) -> std::time::Duration {
    let now = *path.borrow();
    let jitter = u64::try_from(now.jitter.as_micros()).unwrap_or(u64::MAX);
    now.delay + std::time::Duration::from_micros(random.below(jitter.saturating_add(1)))
}

async fn arrive(path: &mut watch::Receiver<Path>, arrival: Instant) {
    tokio::time::sleep_until(arrival).await;
    // The sender lives as long as the network.
    let _ = path.wait_for(|path| path.open).await;
}

/// Makes a connection between `local` and `remote`: the near end, the far end, and what cuts it.
pub(super) fn join(
    local: SocketAddr,
    remote: SocketAddr,
    there: &watch::Receiver<Path>,
    back: &watch::Receiver<Path>,
    random: &SimRandom,
) -> (SimStream, SimStream, Arc<Wire>) {
    let wire = Arc::new(Wire::default());
    let (near, near_inside) = tokio::io::duplex(BUFFER);
    let (far, far_inside) = tokio::io::duplex(BUFFER);
    let (near_read, near_write) = tokio::io::split(near_inside);
    let (far_read, far_write) = tokio::io::split(far_inside);
    tokio::spawn(carry(near_read, far_write, there.clone(), random.clone(), Arc::clone(&wire)));
    tokio::spawn(carry(far_read, near_write, back.clone(), random.clone(), Arc::clone(&wire)));
    let near = SimStream { end: near, local, remote, wire: Arc::clone(&wire) };
    let far = SimStream { end: far, local: remote, remote: local, wire: Arc::clone(&wire) };
    (near, far, wire)
}

/// Moves bytes in one direction, in order, each piece delayed by itself.
async fn carry<R, W>(
    mut from: R,
    mut to: W,
    mut path: watch::Receiver<Path>,
    random: SimRandom,
    wire: Arc<Wire>,
) where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let departing = path.clone();
    let leave = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let arrival = Instant::now() + duration(&departing, &random);
            if sender.send((arrival, buffer[..count].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let reach = async move {
        while let Some((arrival, piece)) = pieces.recv().await {
            arrive(&mut path, arrival).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(leave, reach) } => {}
        () = wire.until_cut() => {}
    }
}

/// One end of a connection.
pub(super) struct SimStream {
    end: DuplexStream,
    local: SocketAddr,
    remote: SocketAddr,
    wire: Arc<Wire>,
}

impl SimStream {
    fn check(&self) -> io::Result<()> {
        if self.wire.is_cut() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.end).poll_read(context, buffer) {
            // What arrived before the cut may still be read; its end is no orderly one.
            Poll::Ready(Ok(())) if buffer.filled().len() == before => Poll::Ready(self.check()),
            other => other,
        }
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.end).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_shutdown(context)
    }
}

impl Stream for SimStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.remote)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}
