//! A link's stream that passes no more than the process may.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sealift_platform::net::{BoxStream, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep_until};

use crate::pace::Pace;

/// Which direction carries content. Requests for it are small and never wait, where nothing else goes their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A leecher reads slowly, so that the system holds the other side back.
    Reading,
    /// A seeder writes slowly.
    Writing,
    /// One that gives on what it fetches does both.
    Both,
}

/// `stream` at the given pace; as it is if there is none.
pub(super) fn paced(stream: BoxStream, way: Way, pace: Option<&Pace>) -> BoxStream {
    match pace {
        Some(pace) => {
            let (reading, writing) = Default::default();
            Box::new(Paced { stream, way, pace: pace.clone(), reading, writing })
        }
        None => stream,
    }
}

struct Paced {
    stream: BoxStream,
    way: Way,
    pace: Pace,
    reading: Pause,
    writing: Pause,
}

/// Until when nothing more may pass in one direction.
#[derive(Default)]
struct Pause(Option<Pin<Box<Sleep>>>);

impl Pause {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.0 {
            ready!(pause.as_mut().poll(context));
            self.0 = None;
        }
        Poll::Ready(())
    }

    fn pay(&mut self, pace: &Pace, bytes: usize) {
        self.0 = pace.pay(bytes).map(|due| Box::pin(sleep_until(due)));
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.way == Way::Writing {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        ready!(this.reading.poll(context));
        let turn = this.pace.turn().min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(turn));
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        let count = part.filled().len();
        buffer.advance(count);
        this.reading.pay(&this.pace, count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.way == Way::Reading {
            return Pin::new(&mut this.stream).poll_write(context, bytes);
        }
        ready!(this.writing.poll(context));
        let turn = this.pace.turn().min(bytes.len());
        let count = ready!(Pin::new(&mut this.stream).poll_write(context, &bytes[..turn]))?;
        this.writing.pay(&this.pace, count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Stream for Paced {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::pace::Rate;
    use crate::session::link::testing::Pipe;

    /// A pace, and the near ends of `count` pairs of pipes that share it.
    fn pipes(way: Way, rate: u64, count: usize) -> Vec<(BoxStream, Pipe)> {
        let pace = Pace::new(Rate::new(rate).unwrap());
        let pipe = || {
            let (near, far) = tokio::io::duplex(1 << 20);
            (paced(Box::new(Pipe(near)), way, Some(&pace)), Pipe(far))
        };
        (0..count).map(|_| pipe()).collect()
    }

    fn is_near(took: Duration, wanted: Duration) -> bool {
        took.abs_diff(wanted) * 50 <= wanted
    }

    #[tokio::test(start_paused = true)]
    async fn reading_and_writing_take_the_time_they_should() {
        let (reads, writes) = ((Way::Reading, true), (Way::Writing, false));
        for (way, reads) in [reads, writes, (Way::Both, true), (Way::Both, false)] {
            let (near, far) = pipes(way, 1_000_000, 1).remove(0);
            let (mut from, mut to): (BoxStream, BoxStream) =
                if reads { (near, Box::new(far)) } else { (Box::new(far), near) };
            let start = Instant::now();
            let writing = async {
                to.write_all(&vec![7; 5_000_000]).await.unwrap();
                to.shutdown().await.unwrap();
            };
            let mut got = Vec::new();
            let ((), read) = tokio::join!(writing, from.read_to_end(&mut got));
            assert_eq!((read.unwrap(), got.len()), (5_000_000, 5_000_000));
            assert!(is_near(start.elapsed(), Duration::from_secs(5)), "{:?}", start.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn links_share_the_rate_evenly() {
        let mut tasks = tokio::task::JoinSet::new();
        for (mut near, mut far) in pipes(Way::Writing, 3_000_000, 3) {
            tasks.spawn(async move {
                let mut passed = 0;
                let sending = async {
                    loop {
                        near.write_all(&[1; 65_536]).await.unwrap();
                    }
                };
                let mut buffer = vec![0; 1 << 20];
                let receiving = async {
                    loop {
                        passed += far.read(&mut buffer).await.unwrap();
                    }
                };
                let both = async { tokio::join!(sending, receiving) };
                timeout(Duration::from_secs(4), both).await.unwrap_err();
                passed
            });
        }
        let passed = tasks.join_all().await;
        for bytes in &passed {
            assert!(bytes.abs_diff(4_000_000) <= 160_000, "{passed:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_other_direction_never_waits() {
        let (mut near, mut far) = pipes(Way::Writing, 10_000, 1).remove(0);
        far.write_all(&[1; 500_000]).await.unwrap();
        let start = Instant::now();
        near.read_exact(&mut [0; 500_000]).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
