//! One direction of a link between two sockets of the machine: copied at first, then moved by splice(2) through a pipe.
//!
//! The rules that keep it from hanging, spinning or losing bytes:
//! - bytes enter the pipe only when it is empty, so that "would block" always means that the socket has none;
//! - nothing is taken before the other side has room, so that a slow reader costs its socket's buffer and little more;
//! - each call runs inside `try_io`, so that it clears the readiness that it used up;
//! - the end of the input is passed on only when the pipe is empty, and only in this direction;
//! - nothing says that more will follow, so that no tail is held back;
//! - a pipe is never used again for another link, and grows when much goes through it in little time;
//! - after its turn's bytes a direction lets the others have theirs;
//! - if the first call is refused, nothing has been moved, and copying goes on.

use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::pipe::SpliceFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::brake::Way;
use super::copy::{self, would_wait};
use super::pipes::{Pipe, Pipes};

/// Bytes to copy, where no pipe is left, before asking for one again.
const AGAIN: u64 = 16 << 20;
/// Bytes that a direction moves before others have their turn: when few are under way, and when many are.
const TURN: (usize, usize) = (1 << 20, 128 << 10);
/// A direction is busy when so many bytes pass in so little time.
const BUSY: (u64, Duration) = (8 << 20, Duration::from_millis(400));
/// Bytes that may wait in a socket's buffer without being on their way: at first, and of a busy direction. What goes in at once
/// widens the window of the other side's socket as well, which a slow reader then fills for ever.
const UNSENT: (u32, u32) = (32 << 10, 2 << 20);

/// Moves bytes until the end of `from`, which is passed on; in the kernel after `first` bytes, if there is a pipe.
pub(super) async fn pump(
    from: &TcpStream,
    to: &TcpStream,
    pipes: &Pipes,
    first: u64,
    way: Way<'_>,
) -> io::Result<()> {
    allow_unsent(to, UNSENT.0);
    let mut copied = first;
    while !copy::between(from, to, copied, way).await? {
        let Some(pipe) = pipes.pipe() else {
            copied = AGAIN;
            continue;
        };
        if splice(from, to, pipe, way).await? {
            break;
        }
        copied = u64::MAX;
    }
    Ok(rustix::net::shutdown(to, rustix::net::Shutdown::Write)?)
}

/// Moves bytes in the kernel until the end of the input; false, with nothing moved, when the system cannot.
async fn splice(
    from: &TcpStream,
    to: &TcpStream,
    mut pipe: Pipe<'_>,
    way: Way<'_>,
) -> io::Result<bool> {
    let (mut any, mut turn) = (false, 0);
    let mut busy = Busy::new();
    loop {
        to.writable().await?;
        from.readable().await?;
        let most = way.step(if pipe.is_crowded() { TURN.1 } else { TURN.0 });
        let count = match from.try_io(Interest::READABLE, || fill(from, &pipe, most)) {
            Ok(0) => return Ok(true),
            Err(error) if would_wait(&error) => continue,
            Err(error) if !any && refused(&error) => return Ok(false),
            other => other?,
        };
        any = true;
        drain(&pipe, count, to).await?;
        way.passed(count as u64).await;
        if busy.moved(count as u64) {
            pipe.grow();
            allow_unsent(to, UNSENT.1);
        }
        turn += count;
        if turn >= most {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Where it cannot be had, a slow reader costs more memory of the kernel, and nothing else.
fn allow_unsent(to: &TcpStream, bytes: u32) {
    let _ = socket2::SockRef::from(to).set_tcp_notsent_lowat(bytes);
}

/// Notices when much passes in little time.
struct Busy {
    bytes: u64,
    since: Instant,
}

impl Busy {
    fn new() -> Self {
        Self { bytes: 0, since: Instant::now() }
    }

    fn moved(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        if self.bytes < BUSY.0 {
            return false;
        }
        let took = self.since.elapsed();
        *self = Self::new();
        took <= BUSY.1
    }
}

fn fill(from: &TcpStream, pipe: &Pipe<'_>, most: usize) -> io::Result<usize> {
    let size = pipe.size.min(most);
    Ok(rustix::pipe::splice(from, None, &pipe.into, None, size, SpliceFlags::NONBLOCK)?)
}

async fn drain(pipe: &Pipe<'_>, mut pending: usize, to: &TcpStream) -> io::Result<()> {
    while pending > 0 {
        let out = to.try_io(Interest::WRITABLE, || {
            Ok(rustix::pipe::splice(&pipe.out, None, to, None, pending, SpliceFlags::NONBLOCK)?)
        });
        match out {
            Err(error) if would_wait(&error) => to.writable().await?,
            // The pipe holds `pending` bytes, so this is the socket's end.
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            other => pending -= other?,
        }
    }
    Ok(())
}

fn refused(error: &io::Error) -> bool {
    [Errno::INVAL, Errno::NOSYS, Errno::PERM]
        .contains(&Errno::from_io_error(error).unwrap_or(Errno::IO))
}
