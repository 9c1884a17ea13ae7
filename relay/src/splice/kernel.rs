//! One direction of a link between two sockets of the machine: copied at first, then moved by splice(2) through a pipe.
//!
//! The rules that keep it from hanging, spinning or losing bytes:
//! - bytes enter the pipe only when it is empty, so that "would block" always means that the socket has none;
//! - each call runs inside `try_io`, so that it clears the readiness that it used up;
//! - the end of the input is passed on only when the pipe is empty, and only in this direction;
//! - nothing says that more will follow, so that no tail is held back;
//! - a pipe is never used again for another link, and grows when what came filled it;
//! - if the first call is refused, nothing has been moved, and copying goes on.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::pipe::SpliceFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::copy::BLOCK;
use super::pipes::{Pipe, Pipes};

/// Bytes to copy, where no pipe is left, before asking for one again.
const AGAIN: u64 = 16 << 20;

/// Moves bytes until the end of `from`, which is passed on; in the kernel after `first` bytes, if there is a pipe.
pub(super) async fn pump(
    from: &TcpStream,
    to: &TcpStream,
    pipes: &Pipes,
    first: u64,
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut copied = first;
    while !copy(from, to, copied, moved).await? {
        let Some(pipe) = pipes.pipe() else {
            copied = AGAIN;
            continue;
        };
        if splice(from, to, pipe, moved).await? {
            break;
        }
        copied = u64::MAX;
    }
    Ok(rustix::net::shutdown(to, rustix::net::Shutdown::Write)?)
}

/// Copies about `limit` bytes; true when the input has ended.
async fn copy(from: &TcpStream, to: &TcpStream, limit: u64, moved: &AtomicU64) -> io::Result<bool> {
    let mut block = vec![0; BLOCK];
    let mut done = 0_u64;
    while done < limit {
        tokio::task::consume_budget().await;
        from.readable().await?;
        let count = match from.try_read(&mut block) {
            Ok(0) => return Ok(true),
            Err(error) if would_wait(&error) => continue,
            other => other?,
        };
        let mut rest = &block[..count];
        while !rest.is_empty() {
            to.writable().await?;
            match to.try_write(rest) {
                Err(error) if would_wait(&error) => {}
                other => rest = &rest[other?..],
            }
        }
        done += count as u64;
        moved.fetch_add(count as u64, Ordering::Relaxed);
    }
    Ok(false)
}

/// Moves bytes in the kernel until the end of the input; false, with nothing moved, when the system cannot.
async fn splice(
    from: &TcpStream,
    to: &TcpStream,
    mut pipe: Pipe<'_>,
    moved: &AtomicU64,
) -> io::Result<bool> {
    let mut any = false;
    loop {
        tokio::task::consume_budget().await;
        from.readable().await?;
        let count = match from.try_io(Interest::READABLE, || fill(from, &pipe)) {
            Ok(0) => return Ok(true),
            Err(error) if would_wait(&error) => continue,
            Err(error) if !any && refused(&error) => return Ok(false),
            other => other?,
        };
        any = true;
        drain(&pipe, count, to).await?;
        moved.fetch_add(count as u64, Ordering::Relaxed);
        if count >= pipe.size {
            pipe.grow();
        }
    }
}

fn fill(from: &TcpStream, pipe: &Pipe<'_>) -> io::Result<usize> {
    Ok(rustix::pipe::splice(from, None, &pipe.into, None, pipe.size, SpliceFlags::NONBLOCK)?)
}

async fn drain(pipe: &Pipe<'_>, mut pending: usize, to: &TcpStream) -> io::Result<()> {
    while pending > 0 {
        to.writable().await?;
        let out = to.try_io(Interest::WRITABLE, || {
            Ok(rustix::pipe::splice(&pipe.out, None, to, None, pending, SpliceFlags::NONBLOCK)?)
        });
        match out {
            Err(error) if would_wait(&error) => {}
            // The pipe holds `pending` bytes, so this is the socket's end.
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            other => pending -= other?,
        }
    }
    Ok(())
}

fn would_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn refused(error: &io::Error) -> bool {
    [Errno::INVAL, Errno::NOSYS, Errno::PERM]
        .contains(&Errno::from_io_error(error).unwrap_or(Errno::IO))
}
