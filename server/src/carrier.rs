//! What TLS runs on: a stream whose first byte was looked at, and whose bytes are counted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::metrics::Counter;
use crate::partial::Partial;

/// What TLS runs on: a stream with its first byte put back, whose bytes are counted.
pub struct Carrier<S> {
    first: Option<u8>,
    stream: S,
    /// What came counts here until it is a whole message.
    partial: Partial,
    /// What was sent, on all of them.
    sent: Arc<Counter>,
}

impl<S> Carrier<S> {
    /// `first` was read already; what comes counts in `partial`, what is sent in `sent`.
    #[must_use]
    pub const fn new(first: u8, stream: S, partial: Partial, sent: Arc<Counter>) -> Self {
        Self { first: Some(first), stream, partial, sent }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Carrier<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buf.put_slice(&[first]);
            self.partial.came(1);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let count = buf.filled().len() - before;
        if count > 0 {
            self.partial.came(count);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Carrier<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = written {
            self.sent.add(count as u64);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::limits::View;
    use crate::partial::{Bounds, Partials};

    const BOUNDS: Bounds =
        Bounds { message_time: Duration::from_secs(30), partial_bytes_in_all: 1 << 20 };

    fn partials() -> Partials {
        Partials::new(View::fixed(BOUNDS))
    }

    #[tokio::test]
    async fn a_byte_put_back_is_read_first_and_all_are_counted() {
        let partials = partials();
        let (partial, _ended) = partials.connection();
        let sent = Arc::new(Counter::default());
        let (mut near, far) = tokio::io::duplex(64);
        near.write_all(&[2, 3]).await.unwrap();
        near.shutdown().await.unwrap();
        let mut stream = Carrier::new(1, far, partial, Arc::clone(&sent));
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        stream.write_all(&[4, 5]).await.unwrap();
        assert_eq!(all, [1, 2, 3]);
        assert_eq!((partials.bytes(), sent.get()), (3, 2));
    }
}
