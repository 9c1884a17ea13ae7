//! The pipes that links are moved through. The kernel gives each user so much memory for them (pipe(7)); what goes beyond
//! it shrinks to two pages, slower than copying. So they are counted here, and a link that gets none is copied.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::pipe::PipeFlags;

use crate::limits::Limits;

/// What a pipe has at first, bytes: what the system gives without being asked.
pub(super) const SMALL: usize = 64 << 10;
/// What the pipe of a busy direction has: the most that the system gives to everybody.
pub(super) const LARGE: usize = 1 << 20;

/// Bytes of a page; some systems have larger ones, and then the budget is larger than what is used of it.
const PAGE: u64 = 4096;

/// More directions than this at once: each gets a small turn, so that all have theirs often.
const CROWD: u64 = 32;

/// How many pipes there may be, as bytes.
#[derive(Debug)]
pub(crate) struct Pipes {
    all: u64,
    left: AtomicU64,
    /// How many there are.
    held: AtomicU64,
}

impl Pipes {
    /// Pipes of `bytes` in all.
    pub(crate) const fn new(bytes: u64) -> Self {
        Self { all: bytes, left: AtomicU64::new(bytes), held: AtomicU64::new(0) }
    }

    /// At most `count` pipes of what the limits give, and of three quarters of what the kernel gives this user, whose other
    /// programs use some too.
    pub(crate) fn within_budget(limits: &Limits, count: u64) -> Self {
        let bytes = limits.pipe_bytes.min(count.saturating_mul(SMALL as u64));
        let budget = std::fs::read_to_string("/proc/sys/fs/pipe-user-pages-soft");
        let pages = budget.ok().and_then(|pages| pages.trim().parse::<u64>().ok());
        // Zero means that there is no limit.
        let pages = pages.filter(|pages| *pages > 0).unwrap_or(u64::MAX);
        Self::new(bytes.min(pages.saturating_mul(PAGE) / 4 * 3))
    }

    /// How many there are.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// A small pipe, if one is left.
    pub(super) fn pipe(&self) -> Option<Pipe<'_>> {
        let room = Room::take(self, SMALL as u64)?;
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (out, into) = rustix::pipe::pipe_with(flags).ok()?;
        // Where the user's other programs have taken what the kernel gives, it is one of two pages.
        if rustix::pipe::fcntl_getpipe_size(&into).is_ok_and(|size| size < SMALL) {
            return None;
        }
        Some(Pipe {
            out,
            into,
            size: SMALL,
            may_grow: true,
            room,
            more: None,
            _held: Held::new(self),
        })
    }
}

/// Part of what there may be, until it is dropped.
struct Room<'p> {
    pipes: &'p Pipes,
    bytes: u64,
}

impl<'p> Room<'p> {
    fn take(pipes: &'p Pipes, bytes: u64) -> Option<Self> {
        let less = |left: u64| left.checked_sub(bytes);
        pipes.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok()?;
        Some(Self { pipes, bytes })
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.pipes.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// Counts a pipe until it is dropped.
struct Held<'p>(&'p Pipes);

impl<'p> Held<'p> {
    fn new(pipes: &'p Pipes) -> Self {
        pipes.held.fetch_add(1, Ordering::Relaxed);
        Self(pipes)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A pipe for one direction of one link; never used for another.
pub(super) struct Pipe<'p> {
    pub(super) out: OwnedFd,
    pub(super) into: OwnedFd,
    /// Bytes it takes.
    pub(super) size: usize,
    may_grow: bool,
    room: Room<'p>,
    /// What it grew by.
    more: Option<Room<'p>>,
    _held: Held<'p>,
}

impl Pipe<'_> {
    /// Whether many are in use.
    pub(super) fn is_crowded(&self) -> bool {
        self.room.pipes.held() > CROWD
    }

    /// Makes it large, if it is not and half of all room is left behind: the rest is for links that have no pipe yet.
    pub(super) fn grow(&mut self) {
        let pipes = self.room.pipes;
        if !self.may_grow || self.is_crowded() || pipes.left.load(Ordering::Relaxed) < pipes.all / 2
        {
            return;
        }
        let Some(more) = Room::take(pipes, (LARGE - SMALL) as u64) else { return };
        self.may_grow = false;
        if rustix::pipe::fcntl_setpipe_size(&self.into, LARGE).is_ok() {
            self.size = LARGE;
            self.more = Some(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_room_is_given_than_there_is() {
        let pipes = Pipes::new(3 * SMALL as u64 + 100);
        let held: Vec<_> = std::iter::from_fn(|| pipes.pipe()).collect();
        assert_eq!(held.len(), 3);
        drop(held);
        assert!(pipes.pipe().is_some());
        assert_eq!(pipes.left.load(Ordering::Relaxed), pipes.all);
        assert!(Pipes::new(0).pipe().is_none());
        let all = |pipe_bytes, count| {
            let limits = Limits { pipe_bytes, ..Limits::default() };
            Pipes::within_budget(&limits, count).all
        };
        assert_eq!(all(u64::MAX, 2), 2 * SMALL as u64);
        assert_eq!(all(3 * SMALL as u64, 1000), 3 * SMALL as u64);
        assert_eq!(all(0, 1000), 0);
    }

    #[test]
    fn busy_directions_leave_half_of_the_room_to_others() {
        let pipes = Pipes::new(4 * LARGE as u64);
        let mut held: Vec<_> = (0..4).filter_map(|_| pipes.pipe()).collect();
        held.iter_mut().for_each(Pipe::grow);
        held.iter_mut().for_each(Pipe::grow);
        let large = held.iter().filter(|pipe| pipe.size == LARGE).count();
        assert_eq!(large, 2);
        assert!(pipes.pipe().is_some());
        drop(held);
        assert_eq!(pipes.left.load(Ordering::Relaxed), pipes.all);
    }
}
