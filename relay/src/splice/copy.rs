//! One direction of a link by copying.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::brake::Way;

/// Bytes copied at once.
const BLOCK: usize = 64 << 10;

/// Copies until the end of `from`, which is passed on; between streams of any kind.
pub(super) async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way<'_>,
) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        let count = from.read(&mut block).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&block[..count]).await?;
        to.flush().await?;
        way.passed(count as u64).await;
    }
}

/// Copies about `limit` bytes between two sockets of the machine; true when the input has ended.
///
/// Thousands of links may wait here, so none of them holds a block: what has been read is sent at once from one that the
/// thread's links share. Only what the other side does not take is kept, and then less is read the next time.
#[cfg(target_os = "linux")]
pub(super) async fn between(
    from: &tokio::net::TcpStream,
    to: &tokio::net::TcpStream,
    limit: u64,
    way: Way<'_>,
) -> io::Result<bool> {
    let (mut done, mut size) = (0_u64, BLOCK);
    while done < limit {
        to.writable().await?;
        from.readable().await?;
        let Some((count, mut rest)) = step(from, to, size)? else { continue };
        if count == 0 {
            return Ok(true);
        }
        // What is not taken has to be kept, per link: so a slow receiver is given half as much each time, which soon fits, and one
        // that takes it all is trusted with twice as much again.
        size = if rest.is_empty() { (size * 2).min(BLOCK) } else { (size / 2).max(LEAST) };
        while !rest.is_empty() {
            to.writable().await?;
            match to.try_write(&rest) {
                Err(error) if would_wait(&error) => {}
                other => drop(rest.drain(..other?)),
            }
        }
        done += count as u64;
        way.passed(count as u64).await;
        tokio::task::yield_now().await;
    }
    Ok(false)
}

/// Bytes that are read at least, of a link that is slow to take them.
#[cfg(target_os = "linux")]
const LEAST: usize = 4 << 10;

/// Reads at most `size` bytes and sends them on: how many there were, and those that were not taken. `None` if there were none
/// yet.
#[cfg(target_os = "linux")]
fn step(
    from: &tokio::net::TcpStream,
    to: &tokio::net::TcpStream,
    size: usize,
) -> io::Result<Option<(usize, Vec<u8>)>> {
    thread_local! {
        static SHARED: std::cell::RefCell<Vec<u8>> = std::cell::RefCell::new(vec![0; BLOCK]);
    }
    SHARED.with_borrow_mut(|block| {
        let count = match from.try_read(&mut block[..size]) {
            Err(error) if would_wait(&error) => return Ok(None),
            other => other?,
        };
        let sent = match to.try_write(&block[..count]) {
            Err(error) if would_wait(&error) => 0,
            other => other?,
        };
        Ok(Some((count, block[sent..count].to_vec())))
    })
}

/// Whether a socket is only not ready, or was interrupted, and may be tried again.
#[cfg(target_os = "linux")]
pub(super) fn would_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
