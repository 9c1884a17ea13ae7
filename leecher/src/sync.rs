//! Bringing the replica up to what the relay has: heads verified, segments fetched, opened and applied
//! (PROTOCOL.md section 8).

use std::path::Path;
use std::sync::Arc;

use sealift_peer::connect::Speaker;
use sealift_peer::control::CallError;
use sealift_peer::exit::{Exit, Failure};
use sealift_platform::disk::{self, Root};
use sealift_proto::catalogue::{self, Status};
use sealift_proto::codec;
use sealift_proto::control::{FETCH_MAX, LogHead};
use sealift_proto::frame::VERSION;
use sealift_proto::identity::{DeviceId, Signed};
use sealift_proto::keys::EpochKeys;
use sealift_proto::log::{self, FIRST_CATALOGUE, Head};
use sealift_proto::object::{self, Place};
use sealift_proto::space::Role;
use serde_json::json;

use crate::online::Online;
use crate::replica::{LogKey, LogView, Update};

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
    replica: Arc<dyn Root>,
    done: Synced,
    progress: &'a dyn Fn(u64, u64),
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
}

impl<'a> Sync<'a> {
    /// Prepares to sync into the profile's replica. `progress` hears how many segments of how many are done.
    #[must_use]
    pub fn new(speaker: &'a Speaker, online: &'a Online, progress: &'a dyn Fn(u64, u64)) -> Self {
        let replica = speaker.profile.cache().root().clone();
        Self { speaker, online, replica, done: Synced::default(), progress }
    }

    /// Takes each of `heads` that is news. A catalogue that does not hold is told on the console and left as it was.
    ///
    /// # Errors
    /// When the replica cannot be written or the connection ends.
    pub async fn run(mut self, heads: &[LogHead]) -> Result<Synced, Failure> {
        for head in heads {
            match self.one(head).await {
                Ok(()) => {}
                Err(Trouble::Disk(failure)) => return Err(failure),
                Err(Trouble::Relay(CallError::Closed)) => {
                    return Err(CallError::Closed.failure(&self.online.control.place()));
                }
                Err(trouble) => {
                    self.done.failed += 1;
                    self.tell(&head.device, &trouble);
                }
            }
        }
        Ok(self.done)
    }

    fn tell(&self, device: &DeviceId, trouble: &Trouble) {
        let who = self.online.name_of(device);
        let place = self.online.control.place();
        let console = &self.speaker.console;
        match trouble {
            Trouble::Tampered(what) => console.warn(
                format!("the relay {place} {what} of {who}; the catalogue stays as it was known"),
                &json!({"type": "tampering", "by": "relay", "relay": place, "what": what, "catalogue": who}),
            ),
            Trouble::Relay(error) => console.detail(
                format!("the catalogue of {who} could not be fetched: {error}"),
                &json!({"type": "ignored", "what": "catalogue", "of": who, "why": error.to_string()}),
            ),
            Trouble::Busy => console.detail(
                format!("another program is fetching the catalogue of {who}"),
                &json!({"type": "ignored", "what": "catalogue", "of": who, "why": "busy"}),
            ),
            Trouble::Told | Trouble::Disk(_) => {}
        }
    }

    async fn one(&mut self, shown: &LogHead) -> Result<(), Trouble> {
        let Some(head) = self.verified(shown) else {
            return Err(Trouble::Tampered("shows a head that does not hold"));
        };
        let key = LogKey { space: head.space, device: head.device, log: head.log };
        let known = self.known(&key).await?;
        match known.map(|known| self.compare(&known, &head, shown)).unwrap_or(News::Fetch) {
            News::Fetch => self.fetch(&key, &head, shown).await,
            News::Nothing => Ok(()),
            News::Older => Err(Trouble::Tampered("shows an older catalogue than before")),
            News::Forked(other) => {
                self.keep_proof(&head.device, &other, &shown.statement)?;
                Err(Trouble::Told)
            }
        }
    }

    /// The head, if a member who may offer signed it for this space.
    fn verified(&self, shown: &LogHead) -> Option<Head> {
        let signed = Signed::<Head>::from_bytes(&shown.statement).ok()?;
        let head = signed.verify(&shown.device).ok()?.clone();
        let space = self.online.space();
        let fits = head.version == VERSION
            && head.space == space.id()
            && head.device == shown.device
            && head.log == shown.log
            && head.log >= FIRST_CATALOGUE
            && head.base <= head.position;
        let members = self.online.members();
        let may = members.get(&head.device)?.membership.role.allows(Role::OFFER);
        (fits && may).then_some(head)
    }

    async fn known(&self, key: &LogKey) -> Result<Option<Vec<u8>>, Trouble> {
        let (replica, key) = (self.replica.clone(), *key);
        let open = move || {
            LogView::open(&replica, &key).ok().flatten().map(|view| view.state().head.clone())
        };
        blocking(open).await
    }

    /// What the shown head is beside the one known.
    fn compare(&self, known: &[u8], head: &Head, shown: &LogHead) -> News {
        if known == &shown.statement[..] {
            return News::Nothing;
        }
        let Ok(signed) = Signed::<Head>::from_bytes(known) else {
            return News::Fetch;
        };
        let old = signed.unverified();
        if old.log_id != head.log_id {
            return if head.time > old.time { News::Fetch } else { News::Older };
        }
        let same_place = old.base == head.base && old.position == head.position;
        if same_place && old.chain != head.chain {
            return News::Forked(known.to_vec());
        }
        if head.position < old.position || head.base < old.base || head.time < old.time {
            return News::Older;
        }
        News::Fetch
    }

    async fn fetch(&mut self, key: &LogKey, head: &Head, shown: &LogHead) -> Result<(), Trouble> {
        let keys = self.online.space().keys_of(head.epoch);
        let keys = keys.ok_or(Trouble::Tampered("shows a catalogue of an unknown epoch"))?;
        let mut update = self.begin(key, head).await?;
        let total = head.position - update.position();
        while update.position() < head.position {
            let from = update.position();
            let to = head.position.min(from + FETCH_MAX);
            let fetched =
                self.online.control.fetch(head.device, head.log, head.log_id, from, to).await;
            let segments = match fetched {
                Ok(segments) => segments,
                Err(error) => return Err(Trouble::Relay(error)),
            };
            self.done.segments += to - from;
            self.done.bytes += segments.iter().map(|s| s.len() as u64).sum::<u64>();
            update = apply(update, keys.clone(), head.clone(), segments).await?;
            (self.progress)(total - (head.position - to), total);
        }
        if *update.chain() != head.chain {
            let _ = blocking(move || update.discard()).await?;
            return Err(Trouble::Tampered(
                "sends other segments than were signed, in the catalogue",
            ));
        }
        let statement = shown.statement.to_vec();
        blocking(move || update.commit(statement)).await?.map_err(|error| self.disk(&error))
    }

    async fn begin(&self, key: &LogKey, head: &Head) -> Result<Update, Trouble> {
        let (replica, key, head) = (self.replica.clone(), *key, head.clone());
        let begun =
            blocking(move || Update::begin(&replica, &key, head.log_id, head.base, head.position))
                .await?;
        begun.map_err(|error| self.disk(&error))?.ok_or(Trouble::Busy)
    }

    fn disk(&self, error: &crate::replica::ReplicaError) -> Trouble {
        disk_trouble(error)
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

enum News {
    Fetch,
    Nothing,
    Older,
    Forked(Vec<u8>),
}

fn disk_trouble(error: &crate::replica::ReplicaError) -> Trouble {
    Trouble::Disk(
        Failure::new(Exit::Disk, "the local copy of the catalogues cannot be written")
            .why(error)
            .next(
                "free some space, or remove the folder `replica` of the profile: it is built anew",
            ),
    )
}

/// Opens and applies segments in order, off the runtime's threads.
async fn apply(
    mut update: Update,
    keys: EpochKeys,
    head: Head,
    segments: Vec<Vec<u8>>,
) -> Result<Update, Trouble> {
    let work = move || {
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
        }
        Ok(update)
    };
    blocking(work).await?
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Trouble::Disk(Failure::new(Exit::Other, "a task of the catalogue ended early").why(error))
    })
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
