//! Fetching what is missing of a catalogue and applying it. Whether the seeder signed what came is known at the end of the chain
//! only: until then a segment that does not hold is passed over, not judged.

use sealift_proto::catalogue::{self, CATALOGUE_MAX, Change};
use sealift_proto::control::{FETCH_MAX, LogHead};
use sealift_proto::keys::EpochKeys;
use sealift_proto::log::{self, Head};
use sealift_proto::object::{self, Place};

use std::sync::Arc;

use super::Sync;
use super::head::Verified;
use super::trouble::Trouble;
use crate::error::Error;
use crate::replica::{Flaw, LogKey, LogView, Refused, ReplicaError, Update, logs};

/// What became of the segments fetched.
struct Fetched {
    taking: Taking,
    /// Their chain ends as the head says.
    leads_there: bool,
    /// They go on from what was there already.
    went_on: bool,
}

/// What the segments of a catalogue are taken into, and what was found on the way.
struct Taking {
    update: Update,
    /// Most that the changes may weigh.
    room: u64,
    /// The chain passes where the head known before says.
    agrees: bool,
    /// The first thing that was wrong, if any.
    flaw: Option<Flaw>,
}

/// How segments of a head are read.
#[derive(Clone)]
struct Reader {
    keys: EpochKeys,
    head: Head,
    /// A position and the chain value known there.
    mark: Option<(u64, [u8; 32])>,
}

impl Sync<'_> {
    /// Fetches what is missing up to `head`. Where the segments do not lead from what is known to it, all of them are
    /// fetched: that tells a relay that alters from a seeder who signed two histories.
    pub(super) async fn fetch(
        &mut self,
        key: &LogKey,
        head: &Head,
        shown: &LogHead,
        known: Option<&Verified>,
    ) -> Result<(), Trouble> {
        if let Some(flaw) = self.refused_before(key, head).await? {
            return Err(flaw.into());
        }
        let mut fetched = self.segments(key, head, known, false).await?;
        if !fetched.leads_there && fetched.went_on && fetched.taking.flaw != Some(Flaw::Weight) {
            blocking(move || fetched.taking.update.discard()).await??;
            fetched = self.segments(key, head, known, true).await?;
        }
        let Fetched { taking, leads_there, .. } = fetched;
        let Taking { update, agrees, flaw, .. } = taking;
        // How much there is of it is no question of who signed it.
        let counts = leads_there || flaw == Some(Flaw::Weight);
        match flaw.filter(|_| counts) {
            None if leads_there && agrees => {
                let statement = shown.statement.to_vec();
                return Ok(blocking(move || update.commit(statement)).await??);
            }
            _ => blocking(move || update.discard()).await??,
        }
        match flaw.filter(|_| counts) {
            Some(flaw) => {
                self.refuse(key, head, flaw).await?;
                Err(flaw.into())
            }
            None if leads_there => Err(self.accuse(&head.device, known, shown)),
            None => {
                Err(Trouble::Tampered("sends other segments than were signed, in the catalogue"))
            }
        }
    }

    /// Fetches and applies the segments up to `head`, the next ones on their way while the last are applied.
    async fn segments(
        &mut self,
        key: &LogKey,
        head: &Head,
        known: Option<&Verified>,
        anew: bool,
    ) -> Result<Fetched, Trouble> {
        let keys = self.online.space().keys_of(head.epoch).ok_or(Trouble::Epoch(head.epoch))?;
        let mark = known
            .map(|known| &known.head)
            .filter(|old| old.log_id == head.log_id && old.base == head.base)
            .map(|old| (old.position, old.chain));
        let reader = Reader { keys, head: head.clone(), mark };
        let taking = self.begin(key, head, anew).await?;
        let start = taking.update.position();
        let mut applying = Applying::Done(Box::new(taking));
        let mut from = start;
        while from < head.position {
            let to = head.position.min(from.saturating_add(FETCH_MAX));
            let fetching = self.control.fetch(head.device, head.log, head.log_id, from, to);
            let segments = fetching.await.map_err(Trouble::Relay)?;
            self.done.segments += to - from;
            self.done.bytes += segments.iter().map(|s| s.len() as u64).sum::<u64>();
            let taking = applying.end().await?;
            if taking.flaw == Some(Flaw::Weight) {
                applying = Applying::Done(taking);
                break;
            }
            applying = Applying::start(taking, reader.clone(), segments);
            from = to;
            (self.progress)(from - start, head.position - start);
        }
        let taking = *applying.end().await?;
        let leads_there = *taking.update.chain() == head.chain;
        Ok(Fetched { taking, leads_there, went_on: start > head.base })
    }

    async fn begin(&self, key: &LogKey, head: &Head, anew: bool) -> Result<Taking, Trouble> {
        let (replica, key) = (self.replica.clone(), *key);
        let (log_id, base, position) = (head.log_id, head.base, head.position);
        let begin = move || -> Result<_, ReplicaError> {
            let mut room = CATALOGUE_MAX;
            let others = logs(&*replica, &key.space)?.into_iter();
            for other in others.filter(|log| log.device == key.device && log.log != key.log) {
                let view = LogView::open(&replica, &other).ok().flatten();
                room = room.saturating_sub(view.map_or(0, |view| view.state().weight));
            }
            Ok((Update::begin(&replica, &key, log_id, base, position, anew)?, room))
        };
        let (update, room) = blocking(begin).await??;
        let update = update.ok_or(Trouble::Busy)?;
        Ok(Taking { update, room, agrees: true, flaw: None })
    }

    /// What this catalogue was refused for before, as this relay has it.
    async fn refused_before(&self, key: &LogKey, head: &Head) -> Result<Option<Flaw>, Trouble> {
        let (replica, key, relay) = (self.replica.clone(), *key, self.control.pin());
        let refused = blocking(move || Refused::load(&replica, &key)).await?;
        let same = |refused: &Refused| {
            refused.relay == relay && refused.log_id == head.log_id && refused.base == head.base
        };
        Ok(refused.filter(same).map(|refused| refused.flaw))
    }

    async fn refuse(&self, key: &LogKey, head: &Head, flaw: Flaw) -> Result<(), Trouble> {
        let refused =
            Refused { relay: self.control.pin(), log_id: head.log_id, base: head.base, flaw };
        let (replica, key) = (self.replica.clone(), *key);
        if let Err(error) = blocking(move || refused.save(&replica, &key)).await? {
            // It is fetched again next time, and no worse.
            tracing::debug!(%error, "a refused catalogue could not be remembered");
        }
        Ok(())
    }
}

/// Segments taken, or being taken.
enum Applying {
    Done(Box<Taking>),
    Running(tokio::task::JoinHandle<Result<Box<Taking>, ReplicaError>>),
}

impl Applying {
    fn start(mut taking: Box<Taking>, reader: Reader, segments: Vec<Vec<u8>>) -> Self {
        Self::Running(tokio::task::spawn_blocking(move || {
            segments.iter().try_for_each(|segment| taking.take(&reader, segment))?;
            Ok(taking)
        }))
    }

    async fn end(self) -> Result<Box<Taking>, Trouble> {
        match self {
            Self::Done(taking) => Ok(taking),
            Self::Running(task) => Ok(task.await.map_err(ended_early)??),
        }
    }
}

impl Taking {
    /// Takes the next segment, or passes over it if it, or one before, does not hold.
    fn take(&mut self, reader: &Reader, segment: &[u8]) -> Result<(), ReplicaError> {
        let chain = log::chain_next(self.update.chain(), segment);
        let changes = reader.open(self.update.position(), segment);
        let weight = catalogue::weight(segment.len(), changes.as_deref().unwrap_or_default());
        if weight > self.room.saturating_sub(self.update.weight()) {
            self.flaw = Some(Flaw::Weight);
        }
        match (self.flaw, changes) {
            (None, Ok(changes)) => self.update.apply(chain, weight, changes)?,
            (flaw, changes) => {
                self.flaw = flaw.or(changes.err());
                self.update.pass(chain, weight);
            }
        }
        let at = self.update.position();
        self.agrees &= reader.mark.is_none_or(|(mark, known)| mark != at || known == chain);
        Ok(())
    }
}

impl Reader {
    fn open(&self, position: u64, segment: &[u8]) -> Result<Vec<Change>, Flaw> {
        let Head { space, epoch, device, log, .. } = self.head;
        let place = Place { space, epoch, device, log, position };
        let folded = object::open::<object::Segment>(&self.keys.catalogue, &place, segment)
            .map_err(|_| Flaw::Sealed)?;
        catalogue::unfold(&folded).map_err(|_| Flaw::Content)
    }
}

fn ended_early(error: tokio::task::JoinError) -> Trouble {
    Trouble::Disk(Arc::new(Error::Ended(error)))
}

/// Does `work` where it holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.map_err(ended_early)
}
