//! Reading frames off a stream that a stranger writes to (PROTOCOL.md section 5.1).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use sealift_proto::frame::{FRAME_HEADER, FrameError, body_len};

use crate::partial::{Aborted, Ended, Partial};

/// Why there is no next frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameReadError {
    /// The stream failed, or ended within a frame.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A length that no frame has.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It took too long, or others needed the memory.
    #[error("a message that did not come whole: {0}")]
    Aborted(Aborted),
}

/// Takes frames off a stream. A call that is given up loses nothing.
pub struct FrameReader<R> {
    stream: R,
    /// Read and not yet returned: at most one frame and what one read brought behind it.
    buffer: Vec<u8>,
    partial: Partial,
    ended: Ended,
}

/// Bytes read at once, and kept allocated while a connection is silent.
const BLOCK: usize = 4096;

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Frames of a connection that has this place among all.
    #[must_use]
    pub const fn new(stream: R, partial: Partial, ended: Ended) -> Self {
        Self { stream, buffer: Vec::new(), partial, ended }
    }

    /// From now on the other side is waited for.
    pub fn awaited(&self) {
        self.partial.awaited();
    }

    /// The body of the next frame; `None` when the stream ends between two.
    ///
    /// # Errors
    /// [`FrameReadError`]: there is no next one then.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, FrameReadError> {
        loop {
            if let Some(body) = self.take()? {
                return Ok(Some(body));
            }
            // Memory grows with what has come, never with a length that was claimed.
            self.buffer.reserve(BLOCK);
            let count = tokio::select! {
                biased;
                Ok(why) = &mut self.ended => return Err(FrameReadError::Aborted(why)),
                count = self.stream.read_buf(&mut self.buffer) => count?,
            };
            if count == 0 {
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
        // Also with a beginning of the next frame in it: else a byte would keep the memory of the largest.
        self.buffer.shrink_to(BLOCK);
        self.partial.whole(self.buffer.len());
        Ok(Some(body))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sealift_proto::frame::{FRAME_MAX, frame};
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::limits::View;
    use crate::partial::{Bounds, Partials};

    const BOUNDS: Bounds =
        Bounds { message_time: Duration::from_secs(30), partial_bytes_in_all: 1 << 20 };

    fn partials() -> Partials {
        Partials::new(View::fixed(BOUNDS))
    }

    fn reader<R: AsyncRead + Unpin>(stream: R) -> FrameReader<R> {
        let (partial, ended) = partials().connection();
        FrameReader::new(stream, partial, ended)
    }

    /// Reads all frames of `bytes` through a pipe that passes `width` bytes at a time.
    async fn read_all(bytes: &[u8], width: usize) -> (Vec<Vec<u8>>, bool) {
        let (mut near, far) = tokio::io::duplex(width);
        let bytes = bytes.to_vec();
        let writing = tokio::spawn(async move { near.write_all(&bytes).await });
        let mut reader = reader(far);
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
            let mut reader = reader(far);
            assert!(matches!(reader.next().await, Err(FrameReadError::Frame(_))));
            assert!(reader.buffer.capacity() <= 2 * BLOCK);
        }
    }

    #[tokio::test]
    async fn a_call_given_up_loses_nothing() {
        let (mut near, far) = tokio::io::duplex(64);
        let mut reader = reader(far);
        for byte in frame(&[7, 8, 9]).unwrap() {
            let early = tokio::time::timeout(Duration::from_millis(1), reader.next());
            assert!(early.await.is_err());
            near.write_all(&[byte]).await.unwrap();
        }
        assert_eq!(reader.next().await.unwrap(), Some(vec![7, 8, 9]));
    }

    #[tokio::test]
    async fn what_is_left_of_a_large_frame_keeps_no_memory() {
        let (mut near, far) = tokio::io::duplex(FRAME_MAX * 2);
        let all = [frame(&vec![1; FRAME_MAX]).unwrap(), frame(&[2; 9]).unwrap()].concat();
        near.write_all(&all[..all.len() - 8]).await.unwrap();
        let mut reader = reader(far);
        assert_eq!(reader.next().await.unwrap().unwrap().len(), FRAME_MAX);
        assert_eq!(reader.buffer.capacity(), BLOCK);
        near.write_all(&all[all.len() - 8..]).await.unwrap();
        assert_eq!(reader.next().await.unwrap(), Some(vec![2; 9]));
    }
}
