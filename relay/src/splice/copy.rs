//! One direction of a link by copying, on any stream.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes copied at once.
pub(super) const BLOCK: usize = 64 << 10;

/// Copies until the end of `from`, which is passed on.
pub(super) async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        let count = from.read(&mut block).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&block[..count]).await?;
        to.flush().await?;
        moved.fetch_add(count as u64, Ordering::Relaxed);
    }
}
