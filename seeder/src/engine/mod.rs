//! Keeps the index true: walks folders, follows hints, has files read, answers what others want to know.
//!
//! ```text
//! watcher ── hints ─▶┐                ┌─▶ walks ──▶ what was found ─┐
//! ten minutes ──────▶│ places, pending ┤                            ├─▶ index ─▶ publisher, sessions
//! health of folders ▶┘                └─▶ settle ─▶ pool ─▶ hashes ─┘
//! ```

mod files;
mod places;
mod walker;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sealift_platform::Platform;
use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::message::Missing;
use tokio::sync::{Notify, mpsc, oneshot, watch as signal};
use tokio::time::{Instant, sleep_until};

use crate::activity::{Activity, Teller};
use crate::folder::{Folder, Folders};
use crate::index::{Index, Name};
use crate::settle::Settle;
use crate::watch::{Hint, Watching};
use places::{Checked, Place};
use sealift_content::hashes::cache::Cache;
use sealift_content::hashes::file::HashError;
use sealift_content::hashes::pool::{Pool, Report};
use sealift_content::hashes::print::Print;
use sealift_content::hashes::underway::UnderWay;
use walker::Walked;

/// How often folders are looked after.
const HEALTH: Duration = Duration::from_secs(1);
/// How often hashes are written.
const FLUSH: Duration = Duration::from_secs(1);
/// Batches of a walk under way at once.
const BATCHES: usize = 16;

/// What sessions and the publisher see of the engine.
pub struct Shared {
    index: Mutex<Index>,
    /// Woken when the index changed.
    pub changed: Notify,
    /// Rings for everybody who waits for a content to become known.
    pub known: signal::Sender<()>,
    /// The folders.
    pub folders: Folders,
    /// Hashes of what was read.
    pub cache: Arc<Cache>,
    bytes_read: std::sync::atomic::AtomicU64,
    under_way: Arc<UnderWay>,
}

impl Shared {
    /// The index. Never held over an await.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.index)
    }

    /// Bytes read to hash them, since the start.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

/// Takes the content of a file and its size, or why there is none.
pub type Waiter = oneshot::Sender<Result<(Root, u64), Missing>>;

/// The engine does nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the seeder is about to end")]
pub struct EngineEnded;

/// Asks something of the engine.
pub enum Command {
    /// Tell the content of this file, reading it before others if need be.
    Want {
        /// The file.
        name: Name,
        /// Its root and size.
        reply: Waiter,
    },
    /// Never offer this file in the state `print`: it is one of Sealift's own.
    Kept {
        /// The file.
        name: Name,
        /// Its state.
        print: Print,
    },
    /// Offer this folder too.
    Share {
        /// The folder.
        folder: Arc<Folder>,
        /// Hears when it is done.
        reply: oneshot::Sender<()>,
    },
    /// Offer the folder of this name no more.
    Unshare {
        /// Its name.
        name: String,
        /// Hears when it is done.
        reply: oneshot::Sender<()>,
    },
    /// Look at this file again: it is not what it was.
    Recheck {
        /// The file.
        name: Name,
    },
}

/// How to reach a running engine.
#[derive(Clone)]
pub struct Handle {
    /// What it knows.
    pub shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
}

impl Handle {
    /// The content of `name`, which is read now if it has not been.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn want(&self, name: Name) -> Result<(Root, u64), Missing> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(Command::Want { name, reply });
        sent.map_err(|_| Missing::Gone)?;
        answer.await.unwrap_or(Err(Missing::Gone))
    }

    /// How many bytes of `name`, of how many, have been read by now; `None` if it is no longer there.
    #[must_use]
    pub fn progress(&self, name: &Name) -> Option<(u64, u64)> {
        let size = self.shared.index().get(name)?.print.size;
        Some((self.shared.under_way.done(name).min(size), size))
    }

    /// Takes `name`, in the state `print`, out of what is offered: it is one of Sealift's own files.
    pub fn keep_out(&self, name: &Name, print: Print) {
        let _ = self.commands.send(Command::Kept { name: name.clone(), print });
    }

    /// Offers `folder` from now on.
    ///
    /// # Errors
    /// When the engine has ended.
    pub async fn share(&self, folder: Arc<Folder>) -> Result<(), EngineEnded> {
        let (reply, done) = oneshot::channel();
        self.commands.send(Command::Share { folder, reply }).map_err(|_| EngineEnded)?;
        done.await.map_err(|_| EngineEnded)
    }

    /// Offers the folder called `name` no more.
    ///
    /// # Errors
    /// When the engine has ended.
    pub async fn unshare(&self, name: &str) -> Result<(), EngineEnded> {
        let (reply, done) = oneshot::channel();
        let name = name.to_owned();
        self.commands.send(Command::Unshare { name, reply }).map_err(|_| EngineEnded)?;
        done.await.map_err(|_| EngineEnded)
    }

    /// Has `name` looked at again.
    pub fn recheck(&self, name: &Name) {
        let _ = self.commands.send(Command::Recheck { name: name.clone() });
    }
}

/// The engine.
pub struct Engine {
    platform: Platform,
    shared: Arc<Shared>,
    teller: Teller,
    watching: Watching,
    places: Vec<Place>,
    walk: u64,
    pool: Pool,
    settle: Settle,
    waiters: HashMap<Name, Vec<Waiter>>,
    /// Files to tell of once they are read, each with whether its path is new.
    news: HashMap<Name, bool>,
    checking: bool,
    next_check: Instant,
    flushing: bool,
    /// It was told that hashes cannot be written.
    unremembered: bool,
    next_flush: Instant,
    stop: Arc<AtomicBool>,
    sender: Senders,
}

#[derive(Clone)]
struct Senders {
    hints: mpsc::UnboundedSender<Hint>,
    walked: mpsc::Sender<Walked>,
    checked: mpsc::UnboundedSender<Checked>,
    flushed: mpsc::UnboundedSender<std::io::Result<()>>,
}

/// What the engine listens to.
pub struct Inbox {
    hints: mpsc::UnboundedReceiver<Hint>,
    walked: mpsc::Receiver<Walked>,
    checked: mpsc::UnboundedReceiver<Checked>,
    flushed: mpsc::UnboundedReceiver<std::io::Result<()>>,
    reports: mpsc::UnboundedReceiver<Report>,
    commands: mpsc::UnboundedReceiver<Command>,
}

impl Engine {
    /// An engine for `folders`; run it with what it listens to.
    #[must_use]
    pub fn new(
        platform: Platform,
        folders: Folders,
        cache: Arc<Cache>,
        watching: Watching,
        teller: Teller,
    ) -> (Self, Inbox, Handle) {
        let (pool, reports) = Pool::new(Arc::new(folders.clone()), cache.clone());
        let (hints_in, hints) = mpsc::unbounded_channel();
        let (walked_in, walked) = mpsc::channel(BATCHES);
        let (checked_in, checked) = mpsc::unbounded_channel();
        let (flushed_in, flushed) = mpsc::unbounded_channel();
        let (commands_in, commands) = mpsc::unbounded_channel();
        let places = folders.all().iter().map(|_| Place::default()).collect();
        let mut index = Index::default();
        index.scanning = true;
        let shared = Arc::new(Shared {
            index: Mutex::new(index),
            changed: Notify::new(),
            known: signal::Sender::new(()),
            folders,
            cache,
            bytes_read: Default::default(),
            under_way: pool.under_way(),
        });
        let now = Instant::now();
        let engine = Self {
            platform,
            shared: shared.clone(),
            teller,
            watching,
            places,
            walk: 0,
            pool,
            settle: Settle::default(),
            waiters: HashMap::new(),
            news: HashMap::new(),
            checking: false,
            next_check: now,
            flushing: false,
            unremembered: false,
            next_flush: now + FLUSH,
            stop: Arc::default(),
            sender: Senders {
                hints: hints_in,
                walked: walked_in,
                checked: checked_in,
                flushed: flushed_in,
            },
        };
        let inbox = Inbox { hints, walked, checked, flushed, reports, commands };
        (engine, inbox, Handle { shared, commands: commands_in })
    }

    /// Works until `shutdown` says to stop, then writes what is to be remembered.
    pub async fn run(mut self, mut inbox: Inbox, mut shutdown: signal::Receiver<bool>) {
        loop {
            self.start_due();
            let deadline = self.deadline();
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => break,
                Some(hint) = inbox.hints.recv() => self.hint(hint),
                Some(walked) = inbox.walked.recv() => self.walked(walked),
                Some(checked) = inbox.checked.recv() => self.checked(checked),
                Some(report) = inbox.reports.recv() => self.report(report),
                Some(command) = inbox.commands.recv() => self.command(command),
                Some(result) = inbox.flushed.recv() => self.flushed(result),
                () = sleep_until(deadline) => {}
            }
        }
        self.stop.store(true, Ordering::Relaxed);
        self.pool.stop();
        drop(inbox);
        let cache = self.shared.cache.clone();
        // What cannot be written now is read again next time.
        let _ = tokio::task::spawn_blocking(move || cache.flush()).await;
    }

    fn deadline(&self) -> Instant {
        let places = self.places.iter().filter_map(Place::deadline);
        let mut all = vec![self.next_check, self.next_flush];
        all.extend(self.settle.next());
        all.extend(places);
        all.into_iter().min().unwrap_or_else(Instant::now)
    }

    /// Starts everything whose time has come.
    fn start_due(&mut self) {
        let now = Instant::now();
        if now >= self.next_check {
            self.next_check = now + HEALTH;
            self.check_places();
        }
        if now >= self.next_flush {
            self.next_flush = now + FLUSH;
            self.flush();
        }
        for name in self.settle.take_due(now) {
            self.read_settled(&name);
        }
        self.start_walks(now);
    }

    fn flush(&mut self) {
        if self.flushing || self.shared.cache.waiting() == 0 {
            return;
        }
        self.flushing = true;
        let (cache, flushed) = (self.shared.cache.clone(), self.sender.flushed.clone());
        tokio::task::spawn_blocking(move || flushed.send(cache.flush()));
    }

    fn flushed(&mut self, result: std::io::Result<()>) {
        self.flushing = false;
        let Err(error) = result else {
            self.unremembered = false;
            return;
        };
        if !std::mem::replace(&mut self.unremembered, true) {
            self.teller.tell(Activity::HashesUnwritten(error));
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Want { name, reply } => self.want(name, reply),
            Command::Kept { name, print } => {
                self.left_out(&name, print, HashError::Kept.to_string())
            }
            Command::Recheck { name } => self.recheck(&name, true),
            Command::Share { folder, reply } => {
                self.share(folder);
                // Who asked and left does not want to know.
                let _ = reply.send(());
            }
            Command::Unshare { name, reply } => {
                self.unshare(&name);
                let _ = reply.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
