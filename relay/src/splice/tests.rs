use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sealift_platform::net::{Net, Stream, SystemNet};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::*;

/// A connected pair of sockets: near end and far end.
async fn pair() -> (BoxStream, BoxStream) {
    let listener = SystemNet.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (near, far) = tokio::join!(SystemNet.connect("127.0.0.1", port), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// A socket that does not say it is one: what must be copied.
struct Hidden(BoxStream);

impl Stream for Hidden {
    fn peer_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.0.peer_addr()
    }
    fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.0.local_addr()
    }
}

impl AsyncRead for Hidden {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Hidden {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The ways to move bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// In the kernel from the first byte.
    Kernel,
    /// In the kernel after the usual start.
    Usual,
    /// Between sockets, by copying, since no pipe is left.
    NoPipe,
    /// Between streams of another kind.
    Streams,
}

const WAYS: [Way; 4] = [Way::Kernel, Way::Usual, Way::NoPipe, Way::Streams];

struct Joined {
    left: BoxStream,
    right: BoxStream,
    meter: Arc<Meter>,
    end: tokio::task::JoinHandle<End>,
}

async fn joined(way: Way, idle: Duration) -> Joined {
    let ((left, one), (right, other)) = (pair().await, pair().await);
    let hide =
        |stream| if way == Way::Streams { Box::new(Hidden(stream)) as BoxStream } else { stream };
    let (one, other) = (hide(one), hide(other));
    let copy_first = if way == Way::Kernel { 0 } else { Limits::default().copy_first };
    let limits = Limits { copy_first, link_idle: idle, ..Limits::default() };
    let pipes = Pipes::new(if way == Way::NoPipe { 0 } else { 8 << 20 });
    let meter = Arc::new(Meter::default());
    let counted = Arc::clone(&meter);
    let end = tokio::spawn(async move {
        join(one, other, &limits, &pipes, &Brakes::default(), &counted).await
    });
    Joined { left, right, meter, end }
}

/// Bytes that no shift or repetition leaves equal.
fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// The stream is returned, so that it stays open until all has arrived: a system that has no memory left for TCP resets sockets that
/// are closed with bytes under way, and other tests may have taken that memory.
async fn send<W: AsyncWrite + Unpin>(mut to: W, bytes: Vec<u8>, step: usize) -> W {
    for part in bytes.chunks(step) {
        to.write_all(part).await.unwrap();
    }
    to.shutdown().await.unwrap();
    to
}

async fn receive(mut from: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut all = Vec::new();
    from.read_to_end(&mut all).await.unwrap();
    all
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_mebibytes_arrive_both_ways_at_once() {
    for way in WAYS {
        let joined = joined(way, LONG).await;
        let size = 8 << 20;
        let (there, back) = (pattern(size, 1), pattern(size - 1, 2));
        let (left_in, left_out) = tokio::io::split(joined.left);
        let (right_in, right_out) = tokio::io::split(joined.right);
        let sending = tokio::spawn(send(left_out, there.clone(), 1 << 20));
        let answering = tokio::spawn(send(right_out, back.clone(), 1449));
        let (arrived, returned) = tokio::join!(receive(right_in), receive(left_in));
        assert!(arrived == there && returned == back, "{way:?}");
        let _open = (sending.await.unwrap(), answering.await.unwrap());
        assert_eq!(joined.end.await.unwrap(), End::Finished);
        assert_eq!(joined.meter.there.load(Ordering::Relaxed), size as u64);
        assert_eq!(joined.meter.back.load(Ordering::Relaxed), size as u64 - 1);
    }
}

#[tokio::test]
async fn one_direction_may_end_before_the_other() {
    for way in WAYS {
        let mut joined = joined(way, LONG).await;
        joined.left.write_all(b"question").await.unwrap();
        joined.left.shutdown().await.unwrap();
        let mut question = Vec::new();
        joined.right.read_to_end(&mut question).await.unwrap();
        assert_eq!(question, b"question");
        let answer = pattern(1 << 20, 3);
        let sending = tokio::spawn(send(joined.right, answer.clone(), 4096));
        assert!(receive(&mut joined.left).await == answer, "{way:?}");
        assert_eq!(joined.end.await.unwrap(), End::Finished);
        drop(sending.await.unwrap());
    }
}

#[tokio::test]
async fn small_messages_are_not_held_back() {
    for way in WAYS {
        let mut joined = joined(way, LONG).await;
        for round in 0..200_u8 {
            let size = usize::from(round) + 1;
            joined.left.write_all(&vec![round; size]).await.unwrap();
            let mut there = vec![0; size];
            joined.right.read_exact(&mut there).await.unwrap();
            joined.right.write_all(&there).await.unwrap();
            let mut back = vec![0; size];
            joined.left.read_exact(&mut back).await.unwrap();
            assert_eq!(back, vec![round; size]);
        }
    }
}

#[tokio::test]
async fn a_slow_reader_slows_its_sender_and_costs_little() {
    for way in WAYS {
        let mut joined = joined(way, LONG).await;
        let mut sent = 0_usize;
        let block = vec![1; 1 << 20];
        // Until nothing more goes in: the sockets' buffers and one pipe are full.
        while let Ok(Ok(count)) =
            tokio::time::timeout(Duration::from_millis(300), joined.left.write(&block)).await
        {
            sent += count;
            assert!(sent < 64 << 20, "{way:?} takes without end");
        }
        let mut got = 0;
        while got < sent {
            let mut buffer = vec![0; 1 << 16];
            got += joined.right.read(&mut buffer).await.unwrap();
        }
        assert_eq!(got, sent);
    }
}

#[tokio::test]
async fn a_broken_side_ends_the_link_but_not_what_is_under_way() {
    for way in WAYS {
        let mut joined = joined(way, LONG).await;
        joined.right.write_all(b"last words").await.unwrap();
        drop(joined.right);
        let mut words = [0; 10];
        joined.left.read_exact(&mut words).await.unwrap();
        assert_eq!(&words, b"last words");
        // Writing on ends in an error, not in a hang.
        let writing = async {
            while joined.left.write_all(&[0; 4096]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), writing).await.expect("the link ends");
        assert_eq!(joined.end.await.unwrap(), End::Failed, "{way:?}");
    }
}

#[tokio::test]
async fn a_silent_link_ends() {
    for way in WAYS {
        let joined = joined(way, Duration::from_millis(100)).await;
        assert_eq!(joined.end.await.unwrap(), End::Idle);
    }
}
