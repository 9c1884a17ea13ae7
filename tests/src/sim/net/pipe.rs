//! A connection: two directions, each with bytes on their way.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use sealift_platform::net::Stream;
use sealift_platform::sync::lock;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::{Path, Traffic};
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

/// One direction between two hosts, as one connection sees it.
#[derive(Clone)]
pub(super) struct Lane {
    pub(super) path: watch::Receiver<Path>,
    /// When the last byte let into the path's bottleneck, by any connection, is through.
    pub(super) free: Arc<Mutex<Instant>>,
    pub(super) random: SimRandom,
    /// What the hosts at both ends count.
    pub(super) from: Arc<watch::Sender<Traffic>>,
    pub(super) to: Arc<watch::Sender<Traffic>>,
}

impl Lane {
    /// Waits as long as one packet takes now; a closed path holds it until it opens.
    pub(super) async fn travel(&mut self) {
        let arrival = Instant::now() + self.duration();
        self.arrive(arrival).await;
    }

    /// When `count` bytes that stand at the bottleneck now are through it.
    fn pass(&self, count: usize) -> Instant {
        let now = Instant::now();
        let Some(rate) = self.path.borrow().rate else { return now };
        let nanos = u128::try_from(count).unwrap_or(0) * 1_000_000_000 / u128::from(rate.max(1));
        let mut free = lock(&self.free);
        *free = (*free).max(now) + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        *free
    }

    fn duration(&self) -> Duration {
        let now = *self.path.borrow();
        let jitter = u64::try_from(now.jitter.as_micros()).unwrap_or(u64::MAX);
        now.delay + Duration::from_micros(self.random.below(jitter.saturating_add(1)))
    }

    async fn arrive(&mut self, arrival: Instant) {
        tokio::time::sleep_until(arrival).await;
        // The sender lives as long as the network.
        let _ = self.path.wait_for(|path| path.open).await;
    }

    fn count(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.from.send_modify(|traffic| {
            traffic.pieces += 1;
            traffic.sent += bytes;
        });
        self.to.send_modify(|traffic| {
            traffic.pieces += 1;
            traffic.received += bytes;
        });
    }
}

/// Makes a connection between `local` and `remote`: the near end, the far end, and what cuts it.
pub(super) fn join(
    local: SocketAddr,
    remote: SocketAddr,
    there: &Lane,
    back: &Lane,
) -> (SimStream, SimStream, Arc<Wire>) {
    let wire = Arc::new(Wire::default());
    let (near, near_inside) = tokio::io::duplex(BUFFER);
    let (far, far_inside) = tokio::io::duplex(BUFFER);
    let (near_read, near_write) = tokio::io::split(near_inside);
    let (far_read, far_write) = tokio::io::split(far_inside);
    tokio::spawn(carry(near_read, far_write, there.clone(), Arc::clone(&wire)));
    tokio::spawn(carry(far_read, near_write, back.clone(), Arc::clone(&wire)));
    let near = SimStream { end: near, local, remote, wire: Arc::clone(&wire) };
    let far = SimStream { end: far, local: remote, remote: local, wire: Arc::clone(&wire) };
    (near, far, wire)
}

/// Moves bytes in one direction, in order, each piece delayed by itself.
async fn carry<R, W>(mut from: R, mut to: W, mut lane: Lane, wire: Arc<Wire>)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let departing = lane.clone();
    let leave = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let through = departing.pass(count);
            let arrival = through + departing.duration();
            if sender.send((arrival, buffer[..count].to_vec())).await.is_err() {
                break;
            }
            // What is behind a bottleneck waits where it is.
            if through > Instant::now() {
                tokio::time::sleep_until(through).await;
            }
        }
    };
    let reach = async move {
        while let Some((arrival, piece)) = pieces.recv().await {
            lane.arrive(arrival).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
            lane.count(piece.len());
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
