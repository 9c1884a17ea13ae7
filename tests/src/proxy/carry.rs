//! One connection: for each direction a thread that reads and one that writes, with the bytes on their way in between.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::faults::Chance;
use super::path::wait_until;
use super::{Kind, Shared, Way, lock};

/// Most bytes taken at once; few through a bottleneck, so that connections take turns.
const PIECE: usize = 64 * 1024;
const NARROW_PIECE: usize = 8 * 1024;
/// What the system holds for the proxy in front of a bottleneck.
const DOOR: usize = 256 * 1024;
/// How long before the bottleneck is free more is let in, so that it never runs dry.
const AHEAD: Duration = Duration::from_millis(1);

/// A connection through the proxy.
pub(super) struct Connection {
    near: TcpStream,
    far: TcpStream,
    number: u64,
    accepted: Instant,
    link: AtomicBool,
    ended: AtomicBool,
}

impl Connection {
    /// `None` if either side is gone already.
    pub(super) fn new(
        near: TcpStream,
        far: TcpStream,
        number: u64,
        accepted: Instant,
    ) -> Option<Self> {
        near.set_nodelay(true).ok()?;
        far.set_nodelay(true).ok()?;
        let (link, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        Some(Self { near, far, number, accepted, link, ended })
    }

    /// A control connection until its first bytes say otherwise.
    pub(super) fn kind(&self) -> Kind {
        if self.link.load(Ordering::Acquire) { Kind::Link } else { Kind::Control }
    }

    /// Ends it in both directions.
    pub(super) fn end(&self, shared: &Shared) {
        self.ended.store(true, Ordering::Release);
        let _ = self.near.shutdown(Shutdown::Both);
        let _ = self.far.shutdown(Shutdown::Both);
        // Under the lock: whoever is about to wait sees it, or hears of it.
        shared.change(|_| {});
    }

    fn from(&self, way: Way) -> &TcpStream {
        if way == Way::Up { &self.near } else { &self.far }
    }

    fn to(&self, way: Way) -> &TcpStream {
        if way == Way::Up { &self.far } else { &self.near }
    }
}

/// Carries both directions until they end.
pub(super) fn start(shared: &Arc<Shared>, connection: &Arc<Connection>) {
    for way in [Way::Up, Way::Down] {
        let line = Arc::new(Line::default());
        let direction = Direction {
            shared: Arc::clone(shared),
            connection: Arc::clone(connection),
            way,
            chance: Chance::new(shared.setup.seed, connection.number, way as usize),
        };
        let reading = Arc::clone(&line);
        let reader = direction.clone_for_reading();
        std::thread::spawn(move || reader.read(&reading));
        std::thread::spawn(move || direction.write(&line));
    }
}

struct Direction {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    way: Way,
    chance: Chance,
}

impl Direction {
    fn clone_for_reading(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            connection: Arc::clone(&self.connection),
            way: self.way,
            // Of its own: what is drawn for jitter depends on timing, what is drawn for faults must not.
            chance: Chance::new(!self.shared.setup.seed, self.connection.number, self.way as usize),
        }
    }

    /// Takes bytes in and sends them on their way.
    fn read(mut self, line: &Line) {
        let bottleneck = &self.shared.bottlenecks[self.way as usize];
        let copy = self.shared.setup.keep.then(|| {
            let copy = Arc::<Mutex<Vec<u8>>>::default();
            lock(&self.shared.copies).push(Arc::clone(&copy));
            copy
        });
        let exchange: Duration =
            self.shared.bottlenecks.iter().map(|bottleneck| bottleneck.path().delay).sum();
        let opened = self.connection.accepted + exchange;
        if bottleneck.path().rate.is_some() {
            // Otherwise megabytes would gather here that a sender takes for sent; without it, the queue is longer, that is all.
            let _ = set_socket_recv_buffer_size(self.connection.from(self.way), DOOR);
        }
        let mut buffer = vec![0; PIECE];
        let mut first = self.way == Way::Up;
        loop {
            let path = bottleneck.path();
            let most = if path.rate.is_some() { NARROW_PIECE } else { PIECE };
            let Ok(count @ 1..) = self.take(&mut buffer[..most], first) else { break };
            let piece = buffer[..count].to_vec();
            if std::mem::take(&mut first) {
                self.connection.link.store(piece.starts_with(b"SL"), Ordering::Release);
            }
            if let Some(copy) = &copy {
                lock(copy).extend_from_slice(&piece);
            }
            let through = bottleneck.pass(count).max(opened);
            let arrival = through + path.delay + path.jitter.mul_f64(self.chance.fraction());
            if !line.push(arrival, piece, path.room()) {
                break;
            }
            if path.rate.is_some() {
                wait_until(through.checked_sub(AHEAD).unwrap_or(through));
            }
        }
        line.close();
    }

    /// Reads what is there; at the beginning, enough to tell what the connection is.
    fn take(&self, buffer: &mut [u8], first: bool) -> std::io::Result<usize> {
        let mut from = self.connection.from(self.way);
        let count = from.read(buffer)?;
        if first && buffer[..count] == *b"S" {
            return Ok(1 + from.read(&mut buffer[1..])?);
        }
        Ok(count)
    }

    /// Hands bytes on as they arrive, and does to them what the rules say.
    fn write(mut self, line: &Line) {
        let mut passed = 0;
        while let Some((arrival, mut piece)) = line.pop() {
            wait_until(arrival);
            let mut rest = &mut piece[..];
            while !rest.is_empty() {
                let Some(most) = self.may_pass(passed) else {
                    self.connection.end(&self.shared);
                    line.close();
                    return;
                };
                let count = rest.len().min(usize::try_from(most).unwrap_or(usize::MAX));
                let (now, later) = rest.split_at_mut(count);
                let faults = self.faults();
                self.chance.flip(&faults, passed, now);
                // Before they go: whoever has received them finds them counted.
                let kind = self.connection.kind();
                self.shared.passed[kind as usize][self.way as usize]
                    .fetch_add(now.len() as u64, Ordering::Release);
                if self.connection.to(self.way).write_all(now).is_err() {
                    self.connection.end(&self.shared);
                    line.close();
                    return;
                }
                passed += now.len() as u64;
                rest = later;
            }
        }
        // An end takes as long as what came before it, and does not overtake what is held.
        if self.may_pass(passed).is_none() {
            self.connection.end(&self.shared);
        }
        let _ = self.connection.to(self.way).shutdown(Shutdown::Write);
    }

    fn faults(&self) -> super::Faults {
        lock(&self.shared.rules).faults[self.connection.kind() as usize][self.way as usize]
    }

    /// Waits until bytes behind byte `passed` may pass; how many, or `None` when the connection is to end there.
    fn may_pass(&self, passed: u64) -> Option<u64> {
        let kind = self.connection.kind() as usize;
        let mut rules = lock(&self.shared.rules);
        loop {
            let faults = rules.faults[kind][self.way as usize];
            let cut = self.chance.cut(&faults);
            if rules.ended || self.connection.ended.load(Ordering::Acquire) || passed >= cut {
                return None;
            }
            let held = faults.hold.unwrap_or(u64::MAX);
            if !rules.blackout && passed < held {
                return Some(held.min(cut) - passed);
            }
            rules =
                self.shared.changed.wait(rules).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

/// Bytes on their way, in order.
#[derive(Default)]
struct Line {
    pieces: Mutex<Pieces>,
    changed: Condvar,
}

#[derive(Default)]
struct Pieces {
    waiting: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    closed: bool,
}

impl Line {
    /// Adds a piece once there is room; whether anybody still takes it.
    fn push(&self, arrival: Instant, piece: Vec<u8>, room: usize) -> bool {
        let full = |pieces: &mut Pieces| {
            !pieces.closed && pieces.bytes > 0 && pieces.bytes + piece.len() > room
        };
        let waited = self.changed.wait_while(lock(&self.pieces), full);
        let mut pieces = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        pieces.bytes += piece.len();
        pieces.waiting.push_back((arrival, piece));
        self.changed.notify_all();
        !pieces.closed
    }

    /// The next piece, or `None` when there will be none.
    fn pop(&self) -> Option<(Instant, Vec<u8>)> {
        let empty = |pieces: &mut Pieces| !pieces.closed && pieces.waiting.is_empty();
        let waited = self.changed.wait_while(lock(&self.pieces), empty);
        let mut pieces = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        let next = pieces.waiting.pop_front()?;
        pieces.bytes -= next.1.len();
        self.changed.notify_all();
        Some(next)
    }

    fn close(&self) {
        lock(&self.pieces).closed = true;
        self.changed.notify_all();
    }
}
