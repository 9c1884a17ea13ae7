//! Keeps the relay's copy of the log up with the index, as long as one connection lasts.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sealift_platform::clock::Clock;
use sealift_platform::sync::lock;
use sealift_proto::catalogue::{Change, Status};
use sealift_proto::codec::Bytes;
use sealift_proto::control::{Hash, Refusal, ToRelay};
use sealift_proto::identity::Signed;
use sealift_proto::log::{FIRST_CATALOGUE, Head, statement_hash};
use sealift_transport::control::{CallError, Control};
use tokio::sync::watch as signal;
use tokio::time::{Instant, sleep, timeout};

use super::log::{Log, LogError};
use super::plan::{Shown, compare};
use crate::activity::{Activity, Teller};
use crate::engine::Shared;
use crate::error::Error;

/// Changes are gathered for so long when nothing was published lately.
const GATHER: Duration = Duration::from_millis(100);
/// Heads follow each other no faster than this, and than this while files are being read.
const PACE: Duration = Duration::from_millis(400);
const PACE_READING: Duration = Duration::from_secs(1);
/// Changes in memory at once, and how often so many are put into the log before the relay is told.
const CHANGES: usize = 4096;
const BATCHES: usize = 16;
/// After the relay said that it is full.
const PAUSE: Duration = Duration::from_secs(30);
/// After the disk did not take what is new.
const UNWRITTEN: Duration = Duration::from_secs(5);
/// Entries in memory at once while all of them are written anew.
const ANEW: usize = 16_384;
/// Segments read from disk at once.
const SEGMENTS: u64 = 16;

/// Why publishing ended.
#[derive(Debug)]
pub enum Ended {
    /// The connection did, or the relay holds another head than it showed: connect again.
    Connection,
    /// The seeder is about to end, and the relay has all that is known.
    Complete,
    /// For good.
    Failed(Error),
}

/// What is published, for as long as the seeder runs.
#[derive(Clone)]
pub struct Publication {
    /// What is offered.
    pub shared: Arc<Shared>,
    /// The log.
    pub log: Arc<Mutex<Log>>,
    /// The newest head that the relay has, encoded.
    pub published: Arc<Mutex<Vec<u8>>>,
    /// The date.
    pub clock: Arc<dyn Clock>,
    /// Where to tell what happens.
    pub teller: Teller,
    /// True when the seeder is about to end: what is known is published without waiting for more.
    pub ending: signal::Receiver<bool>,
}

/// Publishing on one connection.
struct Publisher<'a> {
    publication: &'a Publication,
    control: &'a Control,
    /// The head at the relay.
    at_relay: Option<Hash>,
    /// The status in the newest head.
    status: Option<Status>,
    /// Whether what is published but no longer offered has been looked for.
    reconciled: bool,
    last: Option<Instant>,
    /// It was told that the disk does not take what is new.
    unwritten: bool,
}

impl Publication {
    /// The log.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    /// Publishes until the connection ends. `shown` is the head that the relay has; `again` tells that it is not the first
    /// connection of this run, so that an unknown head cannot be from before it.
    pub async fn run(&self, control: &Control, shown: Option<Signed<Head>>, again: bool) -> Ended {
        let at_relay = shown.as_ref().map(|head| statement_hash(&head.to_bytes()));
        let mut publisher = Publisher {
            publication: self,
            control,
            at_relay,
            status: None,
            reconciled: false,
            last: None,
            unwritten: false,
        };
        match publisher.run(shown.as_ref(), again).await {
            Ok(never) => never,
            Err(ended) => ended,
        }
    }
}

impl Publisher<'_> {
    async fn run(&mut self, shown: Option<&Signed<Head>>, again: bool) -> Result<Ended, Ended> {
        let compared = compare(&self.publication.log(), shown);
        let mut missing = match compared {
            Shown::Nothing => Some(0),
            Shown::Newest => None,
            Shown::Behind { from } => Some(from),
            Shown::Foreign if again => return Err(Ended::Failed(Error::UsedTwice)),
            Shown::Foreign => {
                self.adopt(shown);
                None
            }
            Shown::Forged => {
                self.tell(Activity::CatalogueForged);
                Some(0)
            }
        };
        if compared == Shown::Newest {
            self.acknowledged();
        }
        if self.publication.log().is_broken() {
            // A new base of half the files would make the others vanish for everybody.
            self.scanned().await;
        } else if let Some(from) = missing.take()
            && self.publication.log().head().is_some()
        {
            self.send(from).await?;
        }
        loop {
            if self.is_ending() && self.publication.log().is_broken() {
                return Err(Ended::Complete);
            }
            self.round().await?;
            if self.is_ending() && (self.unwritten || !self.has_news()) {
                return Err(Ended::Complete);
            }
            self.wait().await;
        }
    }

    fn is_ending(&self) -> bool {
        *self.publication.ending.borrow()
    }

    /// Whether something is known that the newest head does not say.
    fn has_news(&self) -> bool {
        let index = self.publication.shared.index();
        self.unwritten || index.is_dirty() || self.status != Some(index.status())
    }

    fn adopt(&self, shown: Option<&Signed<Head>>) {
        let Some(shown) = shown else { return };
        let mut log = self.publication.log();
        let lost = log.head().is_none();
        log.adopt(shown);
        drop(log);
        self.tell(Activity::CatalogueAdopted { lost });
    }

    async fn scanned(&self) {
        while self.publication.shared.index().scanning && !self.is_ending() {
            let _ = timeout(PACE, self.publication.shared.changed.notified()).await;
        }
    }

    /// Waits until there is something to publish and enough time has passed, or the seeder is about to end.
    async fn wait(&self) {
        let mut ending = self.publication.ending.clone();
        tokio::select! {
            Ok(_) = ending.wait_for(|ending| *ending) => {}
            () = self.pace() => {}
        }
    }

    /// Rests for `time`, or until the seeder is about to end.
    async fn rest(&self, time: Duration) {
        let mut ending = self.publication.ending.clone();
        tokio::select! {
            Ok(_) = ending.wait_for(|ending| *ending) => {}
            () = sleep(time) => {}
        }
    }

    async fn pace(&self) {
        let shared = &self.publication.shared;
        while !self.has_news() {
            let _ = timeout(PACE_READING, shared.changed.notified()).await;
        }
        let reading = shared.index().status().waiting > 0 || shared.index().scanning;
        let pace = if reading { PACE_READING } else { PACE };
        let since = self.last.map_or(pace, |last| last.elapsed());
        sleep(pace.saturating_sub(since).max(GATHER)).await;
    }

    /// Publishes what has changed, if anything has.
    async fn round(&mut self) -> Result<(), Ended> {
        let status = self.publication.shared.index().status();
        if !status.scanning && !self.reconciled {
            self.reconciled = true;
            self.reconcile().await?;
        }
        let before = self.publication.log().head().map(|head| head.unverified().position);
        let unchanged = self.status == Some(status);
        let publication = self.publication.clone();
        let made = tokio::task::spawn_blocking(move || publication.make_head(&status, unchanged))
            .await
            .map_err(|_| Ended::Connection)?;
        match made {
            Ok(false) => Ok(()),
            Ok(true) => {
                self.unwritten = false;
                self.status = Some(status);
                let from = self.first_new(before);
                self.send(from).await
            }
            Err(error) => {
                if !std::mem::replace(&mut self.unwritten, true) {
                    self.tell(Activity::CatalogueUnwritten(error));
                }
                self.rest(UNWRITTEN).await;
                Ok(())
            }
        }
    }

    /// The first segment that the head before, at `before`, did not cover.
    fn first_new(&self, before: Option<u64>) -> u64 {
        let log = self.publication.log();
        let base = log.head().map_or(0, |head| head.unverified().base);
        before.map_or(base, |before| before.max(base))
    }

    /// Has everything looked at that is published but not offered.
    async fn reconcile(&self) -> Result<(), Ended> {
        let publication = self.publication.clone();
        let marked = tokio::task::spawn_blocking(move || publication.mark_left_over()).await;
        if let Err(error) = marked.map_err(|_| Ended::Connection)? {
            return Err(self.unreadable(error));
        }
        Ok(())
    }

    /// What cannot be read again is written anew.
    fn unreadable(&self, error: std::io::Error) -> Ended {
        self.tell(Activity::CatalogueUnreadable(error));
        self.publication.log().distrust();
        Ended::Connection
    }

    /// Sends the segments from `from` on and the newest head.
    async fn send(&mut self, from: u64) -> Result<(), Ended> {
        let Some(head) = self.publication.log().head().cloned() else { return Ok(()) };
        let stated = head.unverified();
        let mut next = from.max(stated.base);
        while next < stated.position {
            let until = stated.position.min(next + SEGMENTS);
            self.send_segments(stated, next, until).await?;
            next = until;
        }
        let statement = head.to_bytes();
        let hash = statement_hash(&statement);
        let follows = self.at_relay;
        if follows == Some(hash) {
            return Ok(());
        }
        let statement = Bytes::new(statement).map_err(|_| Ended::Connection)?;
        let publish =
            |request| ToRelay::Publish { request, log: FIRST_CATALOGUE, follows, statement };
        match self.control.call(publish).await {
            Ok(()) => {
                self.at_relay = Some(hash);
                self.last = Some(Instant::now());
                self.acknowledged();
                if let Some(status) = self.status {
                    self.tell(Activity::Published { status });
                }
                Ok(())
            }
            Err(CallError::Refused(why @ (Refusal::Full | Refusal::Busy))) => {
                self.tell(Activity::CatalogueRefused(why));
                sleep(PAUSE).await;
                // What was put aside for the head is still there or is sent again.
                Err(Ended::Connection)
            }
            Err(error) => {
                tracing::debug!(%error, "a head was not published");
                if error == CallError::Refused(Refusal::Invalid) {
                    // The relay lacks segments that it showed to have: it gets all of them.
                    self.publication.log().distrust();
                }
                Err(Ended::Connection)
            }
        }
    }

    async fn send_segments(&self, head: &Head, from: u64, to: u64) -> Result<(), Ended> {
        let log = self.publication.log.clone();
        let segments = tokio::task::spawn_blocking(move || {
            let log = lock(&log);
            (from..to).map(|position| log.segment(position)).collect::<Result<Vec<_>, _>>()
        });
        let segments = segments
            .await
            .map_err(|_| Ended::Connection)?
            .map_err(|error| self.unreadable(error))?;
        for (segment, position) in segments.into_iter().zip(from..) {
            let segment = Bytes::new(segment).map_err(|_| Ended::Connection)?;
            let put = ToRelay::PutSegment {
                log: FIRST_CATALOGUE,
                log_id: head.log_id,
                position,
                segment,
            };
            self.control.send(put).await.map_err(|_| Ended::Connection)?;
        }
        Ok(())
    }

    /// The relay has the newest head: sessions may name it.
    fn acknowledged(&self) {
        let statement = self.publication.log().head().map(Signed::to_bytes).unwrap_or_default();
        *lock(&self.publication.published) = statement;
    }

    fn tell(&self, activity: Activity) {
        self.publication.teller.tell(activity);
    }
}

impl Publication {
    /// Makes the next head, on disk; false if there is nothing to say. Blocks.
    fn make_head(&self, status: &Status, status_unchanged: bool) -> Result<bool, LogError> {
        let now = self.clock.unix_millis();
        let live = self.shared.index().entries_max();
        if !status.scanning && self.log().is_stale(live) {
            return self.write_anew(status, now).map(|()| true);
        }
        let mut made = false;
        for _ in 0..BATCHES {
            match self.append_some(status, status_unchanged || made, now) {
                Ok(appended) => made |= appended,
                Err(error) if !made => return Err(error),
                // It is told if it comes again, when the relay has what could be written.
                Err(_) => break,
            }
            if !self.shared.index().is_dirty() {
                break;
            }
        }
        Ok(made)
    }

    fn append_some(
        &self,
        status: &Status,
        status_unchanged: bool,
        now: u64,
    ) -> Result<bool, LogError> {
        let (names, stated) = {
            let mut index = self.shared.index();
            let names = index.take_dirty(CHANGES);
            let stated: Vec<_> = names.iter().map(|name| index.stated(name)).collect();
            (names, stated)
        };
        let mut log = self.log();
        let changes: Vec<_> = names
            .iter()
            .zip(stated)
            .filter_map(|(name, stated)| log.change(name, stated))
            .collect();
        if changes.is_empty() && status_unchanged && log.head().is_some() {
            return Ok(false);
        }
        let result = log.append(&changes, status, now);
        if result.is_err() {
            let mut index = self.shared.index();
            names.into_iter().for_each(|name| index.mark(name));
        }
        result.map(|()| true)
    }

    fn mark_left_over(&self) -> std::io::Result<()> {
        let log = self.log();
        let numbers = {
            let index = self.shared.index();
            log.published_but(index.names().chain(index.folders()))
        };
        let names = log.names_of(numbers)?;
        drop(log);
        let mut index = self.shared.index();
        names.into_iter().for_each(|name| index.mark(name));
        Ok(())
    }

    fn write_anew(&self, status: &Status, now: u64) -> Result<(), LogError> {
        let (ids, folders) = {
            let mut index = self.shared.index();
            index.clear_dirty();
            (index.ids(), index.folders())
        };
        let files = ids.chunks(ANEW).map(|ids| self.shared.index().files(ids));
        let folders = folders.chunks(ANEW).map(|names| {
            let index = self.shared.index();
            names.iter().filter_map(|name| index.folder(name)).map(Change::Folder).collect()
        });
        self.log().rebase(files.chain(folders), status, now)
    }
}
