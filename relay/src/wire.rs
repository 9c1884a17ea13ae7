//! Reading from streams: frames, and the first bytes that tell what a connection is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use sealift_proto::frame::{FRAME_HEADER, FrameError, body_len};

/// Why there is no next frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The stream failed, or ended within a frame.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A length that no frame has.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Takes frames off a stream. A call that is given up loses nothing.
pub(crate) struct FrameReader<R> {
    stream: R,
    /// Read and not yet returned: at most one frame and what one read brought behind it.
    buffer: Vec<u8>,
}

/// Bytes read at once, and kept allocated while a connection is silent.
const BLOCK: usize = 4096;

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) const fn new(stream: R) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The body of the next frame; `None` when the stream ends between two.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        loop {
            if let Some(body) = self.take()? {
                return Ok(Some(body));
            }
            // Memory grows with what has come, never with a length that was claimed.
            self.buffer.reserve(BLOCK);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                let within = io::Error::from(io::ErrorKind::UnexpectedEof);
                return if self.buffer.is_empty() { Ok(None) } else { Err(within.into()) };
            }
        }
    }

    fn take(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<FRAME_HEADER>() else { return Ok(None) };
        let end = FRAME_HEADER + body_len(*header)?;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let body = self.buffer[FRAME_HEADER..end].to_vec();
        self.buffer.drain(..end);
        if self.buffer.is_empty() {
            self.buffer.shrink_to(BLOCK);
        }
        Ok(Some(body))
    }
}

/// A stream with its first byte put back.
pub(crate) struct Rewound<S> {
    first: Option<u8>,
    stream: S,
}

impl<S> Rewound<S> {
    pub(crate) const fn new(first: u8, stream: S) -> Self {
        Self { first: Some(first), stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buf.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
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
    use sealift_proto::frame::{FRAME_MAX, frame};
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Reads all frames of `bytes` through a pipe that passes `width` bytes at a time.
    async fn read_all(bytes: &[u8], width: usize) -> (Vec<Vec<u8>>, bool) {
        let (mut near, far) = tokio::io::duplex(width);
        let bytes = bytes.to_vec();
        let writing = tokio::spawn(async move { near.write_all(&bytes).await });
        let mut reader = FrameReader::new(far);
        let mut frames = Vec::new();
        let good = loop {
            match reader.next().await {
                Ok(Some(body)) => frames.push(body),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        writing.abort();
        (frames, good)
    }

    #[tokio::test]
    async fn frames_come_whole_however_they_are_cut() {
        let bodies: Vec<Vec<u8>> = vec![vec![1], vec![2; 300], vec![3; FRAME_MAX], vec![4; 5]];
        let all: Vec<u8> = bodies.iter().flat_map(|body| frame(body).unwrap()).collect();
        for width in [1, 2, 3, 4, 5, 7, 4096, 1 << 20] {
            assert_eq!(read_all(&all, width).await, (bodies.clone(), true), "{width}");
        }
    }

    #[tokio::test]
    async fn every_prefix_ends_cleanly_or_as_an_error() {
        let all = [frame(&[1, 2]).unwrap(), frame(&[3]).unwrap()].concat();
        for end in 0..=all.len() {
            let (frames, good) = read_all(&all[..end], 64).await;
            assert_eq!(good, [0, 6, 11].contains(&end), "{end}");
            assert_eq!(frames.len(), usize::from(end >= 6) + usize::from(end >= 11));
        }
    }

    #[tokio::test]
    async fn an_impossible_length_is_refused_from_the_header_alone() {
        for header in [[0; 4], [0, 1, 0, 1], [0x7f, 255, 255, 255], [0x80, 0, 0, 0], [255; 4]] {
            let (near, far) = tokio::io::duplex(64);
            let mut near = near;
            near.write_all(&header).await.unwrap();
            // The stream stays open: nothing more is waited for.
            let mut reader = FrameReader::new(far);
            assert!(matches!(reader.next().await, Err(WireError::Frame(_))));
            assert!(reader.buffer.capacity() <= 2 * BLOCK);
        }
    }

    #[tokio::test]
    async fn a_call_given_up_loses_nothing() {
        let (mut near, far) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(far);
        for byte in frame(&[7, 8, 9]).unwrap() {
            let early = tokio::time::timeout(std::time::Duration::from_millis(1), reader.next());
            assert!(early.await.is_err());
            near.write_all(&[byte]).await.unwrap();
        }
        assert_eq!(reader.next().await.unwrap(), Some(vec![7, 8, 9]));
    }

    #[tokio::test]
    async fn a_byte_put_back_is_read_first() {
        let mut stream = Rewound::new(1, &[2, 3][..]);
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [1, 2, 3]);
    }
}
