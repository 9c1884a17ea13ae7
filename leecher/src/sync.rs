//! Bringing the replica up to what the relay has: heads verified, segments fetched, opened and applied
//! (PROTOCOL.md section 8).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealift_peer::connect::Speaker;
use sealift_peer::control::{CallError, Control};
use sealift_peer::exit::{Exit, Failure};
use sealift_platform::disk::{self, Root};
use sealift_proto::catalogue::{self, Status};
use sealift_proto::codec;
use sealift_proto::control::{FETCH_MAX, LogHead, Refusal};
use sealift_proto::frame::VERSION;
use sealift_proto::identity::{DeviceId, Signed};
use sealift_proto::keys::EpochKeys;
use sealift_proto::log::{self, FIRST_CATALOGUE, Head};
use sealift_proto::object::{self, Place};
use sealift_proto::space::Role;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::online::Online;
use crate::replica::{LogKey, LogView, Update};
use crate::shown::Shown;

/// How long another program of this user may take to fetch a catalogue that is wanted here too, and how often it is asked.
const TURN: Duration = Duration::from_secs(60);
const TURN_PAUSE: Duration = Duration::from_millis(30);

/// Hears how many segments of how many are done.
pub type Progress<'a> = dyn Fn(u64, u64) + std::marker::Sync + 'a;

/// What a sync did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Synced {
    /// Segments fetched.
    pub segments: u64,
    /// Bytes of them on the wire.
    pub bytes: u64,
    /// Catalogues that could not be brought up to date, each told on the console.
    pub failed: u32,
}

/// A sync under way.
pub struct Sync<'a> {
    speaker: &'a Speaker,
    online: &'a Online,
    control: &'a Control,
    replica: Arc<dyn Root>,
    shown: Shown,
    done: Synced,
    progress: &'a Progress<'a>,
}

/// Why one catalogue was not brought up to date.
enum Trouble {
    /// Somebody shows what cannot be: told and kept as proof, the replica stays.
    Told,
    /// The relay did not give it.
    Relay(CallError),
    /// The replica cannot be written.
    Disk(Failure),
    /// The relay altered or swapped something.
    Tampered(&'static str),
    /// Another process of this user is at it.
    Busy,
    /// Not an error of anybody: it is left alone.
    Ignored(&'static str),
}

impl<'a> Sync<'a> {
    /// Prepares to sync into the profile's replica. `progress` hears how many segments of how many are done.
    ///
    /// # Errors
    /// When it cannot be read what the relay showed before.
    pub fn new(
        speaker: &'a Speaker,
        online: &'a Online,
        progress: &'a Progress<'a>,
    ) -> Result<Self, Failure> {
        let replica = speaker.profile.cache().root().clone();
        let control = online.relay()?;
        let shown = Shown::load(speaker, online.space(), &control.pin())?;
        Ok(Self { speaker, online, control, replica, shown, done: Synced::default(), progress })
    }

    /// Takes each of `heads` that is news; they are all that the relay shows. A catalogue that does not hold is told on the
    /// console and left as it was.
    ///
    /// # Errors
    /// When the profile or replica cannot be written or the connection ends.
    pub async fn run(mut self, heads: &[LogHead]) -> Result<Synced, Failure> {
        let present: Vec<_> = heads.iter().map(|head| (head.device, head.log)).collect();
        for device in self.shown.take_missing(&present) {
            self.tell(&device, &Trouble::Tampered("no longer shows the catalogue"));
        }
        self.news(heads).await
    }

    /// As [`Sync::run`], but of a few heads among those that the relay shows.
    ///
    /// # Errors
    /// As [`Sync::run`].
    pub async fn news(mut self, heads: &[LogHead]) -> Result<Synced, Failure> {
        let done = self.all(heads).await;
        self.shown.save(self.speaker)?;
        done?;
        Ok(self.done)
    }

    async fn all(&mut self, heads: &[LogHead]) -> Result<(), Failure> {
        for head in heads {
            match self.one(head).await {
                Ok(()) => {}
                Err(Trouble::Disk(failure)) => return Err(failure),
                Err(Trouble::Relay(CallError::Closed)) => {
                    return Err(CallError::Closed.failure(&self.control.place()));
                }
                Err(trouble) => {
                    self.done.failed += 1;
                    self.tell(&head.device, &trouble);
                }
            }
        }
        Ok(())
    }

    fn tell(&self, device: &DeviceId, trouble: &Trouble) {
        let who = self.online.name_of(device);
        let place = self.control.place();
        let console = &self.speaker.console;
        match trouble {
            Trouble::Tampered(what) => console.warn(
                format!("the relay {place} {what} of {who}; the catalogue stays as it was known"),
                &json!({"type": "tampering", "by": "relay", "relay": place, "what": what, "catalogue": who}),
            ),
            Trouble::Relay(error @ CallError::Refused(Refusal::Traffic)) => console.warn(
                format!("the catalogue of {who} could not be fetched: {error}"),
                &json!({"type": "ignored", "what": "catalogue", "of": who, "why": error.to_string()}),
            ),
            Trouble::Relay(error) => console.detail(
                format!("the catalogue of {who} could not be fetched: {error}"),
                &json!({"type": "ignored", "what": "catalogue", "of": who, "why": error.to_string()}),
            ),
            Trouble::Busy => console.detail(
                format!("another program is fetching the catalogue of {who}"),
                &json!({"type": "ignored", "what": "catalogue", "of": who, "why": "busy"}),
            ),
            Trouble::Ignored(why) => console.detail(
                format!("the catalogue of {who} is left alone: {why}"),
                &json!({"type": "ignored", "what": "catalogue", "of": who, "why": why}),
            ),
            Trouble::Told | Trouble::Disk(_) => {}
        }
    }

    async fn one(&mut self, shown: &LogHead) -> Result<(), Trouble> {
        let head = self.verified(shown)?;
        let in_order = self.shown.take(&head);
        let deadline = Instant::now() + TURN;
        loop {
            match self.compared(shown, &head, in_order).await {
                // What another program of this user is fetching is not there yet: what it leaves is looked at then.
                Err(Trouble::Busy) if Instant::now() < deadline => sleep(TURN_PAUSE).await,
                ended => return ended,
            }
        }
    }

    async fn compared(
        &mut self,
        shown: &LogHead,
        head: &Head,
        in_order: bool,
    ) -> Result<(), Trouble> {
        let key = LogKey { space: head.space, device: head.device, log: head.log };
        let known = self.known(&key).await?;
        let news = known.as_ref().map_or(News::Fetch, |known| compare(known, head, shown));
        match news {
            News::Older if in_order => {
                Err(Trouble::Ignored("this relay has not got the newest state of it yet"))
            }
            News::Older => {
                Err(Trouble::Tampered("shows an older state than before of the catalogue"))
            }
            News::Forked => self.accuse(&head.device, known.as_ref(), shown),
            News::Nothing => Ok(()),
            News::Fetch => self.fetch(&key, head, shown, known.as_ref()).await,
        }
    }

    /// The head, if a member who may offer signed it for this space.
    fn verified(&self, shown: &LogHead) -> Result<Head, Trouble> {
        let forged = Trouble::Tampered("shows a head that does not hold, in the catalogue");
        let Ok(signed) = Signed::<Head>::from_bytes(&shown.statement) else { return Err(forged) };
        let Ok(head) = signed.verify(&shown.device) else { return Err(forged) };
        let fits = head.version == VERSION
            && head.space == self.online.space().id()
            && head.device == shown.device
            && head.log == shown.log
            && head.log >= FIRST_CATALOGUE
            && head.base <= head.position;
        if !fits {
            return Err(forged);
        }
        let members = self.online.members();
        let member = members.get(&head.device);
        if member.is_none_or(|member| !member.membership.role.allows(Role::OFFER)) {
            return Err(Trouble::Ignored("it is of nobody who may offer files in the space now"));
        }
        Ok(head.clone())
    }

    async fn known(&self, key: &LogKey) -> Result<Option<Verified>, Trouble> {
        let (replica, key) = (self.replica.clone(), *key);
        let open = move || {
            let statement = LogView::open(&replica, &key).ok().flatten()?.state().head.clone();
            let head = Signed::<Head>::from_bytes(&statement).ok()?.unverified().clone();
            Some(Verified { head, statement })
        };
        blocking(open).await
    }

    /// Fetches what is missing up to `head`. Where the segments do not lead from what is known to it, all of them are
    /// fetched: that tells a relay that alters from a seeder who signed two histories.
    async fn fetch(
        &mut self,
        key: &LogKey,
        head: &Head,
        shown: &LogHead,
        known: Option<&Verified>,
    ) -> Result<(), Trouble> {
        let mut fetched = self.segments(key, head, known, false).await?;
        if !fetched.leads_there && fetched.went_on {
            blocking(move || fetched.update.discard()).await?.map_err(|e| disk_trouble(&e))?;
            fetched = self.segments(key, head, known, true).await?;
        }
        let Fetched { update, leads_there, agrees, .. } = fetched;
        if !leads_there || !agrees {
            blocking(move || update.discard()).await?.map_err(|error| disk_trouble(&error))?;
        } else {
            let statement = shown.statement.to_vec();
            let commit = blocking(move || update.commit(statement)).await?;
            return commit.map_err(|error| disk_trouble(&error));
        }
        if leads_there {
            return self.accuse(&head.device, known, shown);
        }
        Err(Trouble::Tampered("sends other segments than were signed, in the catalogue"))
    }

    /// Fetches and applies the segments up to `head`, the next ones on their way while the last are applied.
    async fn segments(
        &mut self,
        key: &LogKey,
        head: &Head,
        known: Option<&Verified>,
        anew: bool,
    ) -> Result<Fetched, Trouble> {
        let keys = self.online.space().keys_of(head.epoch);
        let keys = keys.ok_or(Trouble::Tampered("shows an unknown epoch in the catalogue"))?;
        let update = self.begin(key, head, anew).await?;
        let mark = known
            .map(|known| &known.head)
            .filter(|old| old.log_id == head.log_id && old.base == head.base)
            .map(|old| (old.position, old.chain));
        let start = update.position();
        let mut applying = Applying::Done(Box::new(update), true);
        let mut from = start;
        while from < head.position {
            let to = head.position.min(from + FETCH_MAX);
            let fetching = self.control.fetch(head.device, head.log, head.log_id, from, to);
            let segments = fetching.await.map_err(Trouble::Relay)?;
            self.done.segments += to - from;
            self.done.bytes += segments.iter().map(|s| s.len() as u64).sum::<u64>();
            let (update, agrees) = applying.end().await?;
            let (keys, of) = (keys.clone(), head.clone());
            applying = Applying::Running(tokio::task::spawn_blocking(move || {
                apply(update, agrees, &keys, &of, mark, segments)
            }));
            from = to;
            (self.progress)(from - start, head.position - start);
        }
        let (update, agrees) = applying.end().await?;
        let leads_there = *update.chain() == head.chain;
        Ok(Fetched { update: *update, leads_there, agrees, went_on: start > head.base })
    }

    async fn begin(&self, key: &LogKey, head: &Head, anew: bool) -> Result<Update, Trouble> {
        let (replica, key) = (self.replica.clone(), *key);
        let (log_id, base, position) = (head.log_id, head.base, head.position);
        let begin = move || Update::begin(&replica, &key, log_id, base, position, anew);
        blocking(begin).await?.map_err(|error| disk_trouble(&error))?.ok_or(Trouble::Busy)
    }

    fn accuse(
        &self,
        device: &DeviceId,
        known: Option<&Verified>,
        shown: &LogHead,
    ) -> Result<(), Trouble> {
        if let Some(known) = known {
            self.keep_proof(device, &known.statement, &shown.statement)?;
        }
        Err(Trouble::Told)
    }

    /// Two heads of one log at one place: the seeder signed both. They are kept, for whoever wants to see.
    fn keep_proof(&self, device: &DeviceId, one: &[u8], other: &[u8]) -> Result<(), Trouble> {
        let who = self.online.name_of(device);
        let name = format!("proof-{}-{}", device.short(), log::statement_hash(other).0[0]);
        for (which, statement) in [("a", one), ("b", other)] {
            let path = format!("{name}.{which}");
            disk::replace(
                &**self.speaker.profile.folder().root(),
                Path::new(&path),
                statement,
                true,
            )
            .map_err(|error| {
                Trouble::Disk(Failure::disk(
                    self.speaker.profile.folder().place(&path).display(),
                    &error,
                ))
            })?;
        }
        let place = self.speaker.profile.folder().place(&name);
        self.speaker.console.warn(
            format!(
                "{who} signed two different catalogues for one place; both heads are kept as {}.a and .b",
                place.display()
            ),
            &json!({"type": "tampering", "by": "seeder", "seeder": who, "what": "two heads at one position"}),
        );
        Ok(())
    }
}

/// A head that verified the replica.
struct Verified {
    head: Head,
    statement: Vec<u8>,
}

/// What became of the segments fetched.
struct Fetched {
    update: Update,
    /// Their chain ends as the head says.
    leads_there: bool,
    /// Their chain passes where the head known before says.
    agrees: bool,
    /// They go on from what was there already.
    went_on: bool,
}

enum News {
    Fetch,
    Nothing,
    Older,
    Forked,
}

/// What the shown head is beside the one known.
fn compare(known: &Verified, head: &Head, shown: &LogHead) -> News {
    if known.statement == shown.statement[..] {
        return News::Nothing;
    }
    let old = &known.head;
    if old.log_id != head.log_id {
        return if head.time > old.time { News::Fetch } else { News::Older };
    }
    let same_place = old.base == head.base && old.position == head.position;
    if same_place && old.chain != head.chain {
        return News::Forked;
    }
    if head.position < old.position || head.base < old.base || head.time < old.time {
        return News::Older;
    }
    News::Fetch
}

fn disk_trouble(error: &crate::replica::ReplicaError) -> Trouble {
    Trouble::Disk(
        Failure::new(Exit::Disk, "the local copy of the catalogues cannot be written")
            .why(error)
            .next("free some space, or remove the folder `replica` of the cache: it is built anew"),
    )
}

/// An update and whether its chain agrees with what was known, perhaps still being worked on.
enum Applying {
    Done(Box<Update>, bool),
    Running(tokio::task::JoinHandle<Result<(Box<Update>, bool), Trouble>>),
}

impl Applying {
    async fn end(self) -> Result<(Box<Update>, bool), Trouble> {
        match self {
            Self::Done(update, agrees) => Ok((update, agrees)),
            Self::Running(task) => task.await.map_err(|error| ended_early(&error))?,
        }
    }
}

/// Opens and applies segments in order. `mark` is a position and the chain value known there.
fn apply(
    mut update: Box<Update>,
    mut agrees: bool,
    keys: &EpochKeys,
    head: &Head,
    mark: Option<(u64, [u8; 32])>,
    segments: Vec<Vec<u8>>,
) -> Result<(Box<Update>, bool), Trouble> {
    for segment in segments {
        let place = Place {
            space: head.space,
            epoch: head.epoch,
            device: head.device,
            log: head.log,
            position: update.position(),
        };
        let opened = object::open::<object::Segment>(&keys.catalogue, &place, &segment);
        let changes = opened.ok().and_then(|folded| catalogue::unfold(&folded).ok());
        let changes = changes
            .ok_or(Trouble::Tampered("sends a segment that does not open, in the catalogue"))?;
        let chain = log::chain_next(update.chain(), &segment);
        update.apply(chain, changes).map_err(|error| disk_trouble(&error))?;
        agrees &= mark.is_none_or(|(at, known)| at != update.position() || known == chain);
    }
    Ok((update, agrees))
}

fn ended_early(error: &tokio::task::JoinError) -> Trouble {
    Trouble::Disk(Failure::new(Exit::Other, "a task of the catalogue ended early").why(error))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ended_early(&error))
}

/// How far the seeder of a verified head is with reading its files.
#[must_use]
pub fn status(keys: &EpochKeys, statement: &[u8]) -> Option<(Head, Status)> {
    let signed = Signed::<Head>::from_bytes(statement).ok()?;
    let head = signed.unverified().clone();
    let place = Place {
        space: head.space,
        epoch: head.epoch,
        device: head.device,
        log: head.log,
        position: head.position,
    };
    let plain = object::open::<object::HeadStatus>(&keys.catalogue, &place, &head.status).ok()?;
    Some((head, codec::decode(&plain).ok()?))
}
