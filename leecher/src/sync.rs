//! Bringing the replica up to what the relay has: heads verified, segments fetched, opened and applied
//! (PROTOCOL.md section 8).

mod fetch;
mod head;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use sealift_platform::disk::Root;
use sealift_proto::catalogue::Status;
use sealift_proto::codec;
use sealift_proto::control::LogHead;
use sealift_proto::identity::Signed;
use sealift_proto::keys::EpochKeys;
use sealift_proto::log::Head;
use sealift_proto::object::{self, Place};
use sealift_proto::space::Role;
use sealift_transport::control::{CallError, Control};
use tokio::time::{Instant, sleep};

use crate::Leecher;
use crate::error::Error;
use crate::online::Online;
use crate::replica::{LogKey, LogView};
use crate::shown::Shown;
use fetch::blocking;
use head::{News, Verified, compare};
pub use trouble::Trouble;

/// How long another program of this user may take to fetch a catalogue that is wanted here too, and how often it is asked.
const TURN: Duration = Duration::from_secs(60);
const TURN_PAUSE: Duration = Duration::from_millis(30);

/// Hears how many segments of how many are done.
pub type Progress<'a> = dyn Fn(u64, u64) + std::marker::Sync + 'a;

/// Why catalogues are not as new as they could be.
#[derive(Debug, Clone)]
pub enum Short {
    /// This device's disk does not take them.
    Disk(Arc<Error>),
    /// The relay does not show what a seeder signed.
    Tampered,
}

/// What a sync did.
#[derive(Debug, Clone, Default)]
pub struct Synced {
    /// Segments fetched.
    pub segments: u64,
    /// Bytes of them on the wire.
    pub bytes: u64,
    /// Catalogues that could not be brought up to date and may be another time, each told. One that its seeder
    /// signed as it is will not get better by being asked for again.
    pub failed: u32,
    /// The gravest reason of ours or of the relay's why some are not as they could be.
    pub short: Option<Short>,
}

impl Synced {
    fn note(&mut self, trouble: &Trouble) {
        self.failed += u32::from(trouble.may_pass());
        match trouble {
            Trouble::Disk(error) => self.short = Some(Short::Disk(error.clone())),
            Trouble::Tampered(_) if self.short.is_none() => self.short = Some(Short::Tampered),
            _ => {}
        }
    }
}

/// A sync under way.
pub struct Sync<'a> {
    leecher: &'a Leecher,
    online: &'a Online,
    control: &'a Control,
    replica: Arc<dyn Root>,
    shown: Shown,
    done: Synced,
    progress: &'a Progress<'a>,
}

impl<'a> Sync<'a> {
    /// Prepares to sync into the profile's replica. `progress` hears how many segments of how many are done.
    ///
    /// # Errors
    /// When it cannot be read what the relay showed before.
    pub fn new(
        leecher: &'a Leecher,
        online: &'a Online,
        progress: &'a Progress<'a>,
    ) -> Result<Self, Error> {
        let replica = leecher.profile.cache().root().clone();
        let control = online.relay()?;
        let shown = Shown::load(&leecher.profile, &online.space(), &control.pin())?;
        Ok(Self { leecher, online, control, replica, shown, done: Synced::default(), progress })
    }

    /// Takes each of `heads` that is news; they are all that the relay shows. A catalogue that does not hold is told and left as it was.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn run(mut self, heads: &[LogHead]) -> Result<Synced, Error> {
        let present: Vec<_> = heads.iter().map(|head| (head.device, head.log)).collect();
        for device in self.shown.take_missing(&present) {
            self.tell(&device, &Arc::new(Trouble::Tampered("no longer shows the catalogue")));
        }
        self.news(heads).await
    }

    /// As [`Sync::run`], but of a few heads among those that the relay shows.
    ///
    /// # Errors
    /// As [`Sync::run`].
    pub async fn news(mut self, heads: &[LogHead]) -> Result<Synced, Error> {
        let done = self.all(heads).await;
        if let Err(error) = self.shown.save(&self.leecher.profile) {
            // Less will be noticed of what the relay takes back; what is known answers all the same.
            self.leecher.unwritten(Arc::new(error.into()));
        }
        done?;
        Ok(self.done)
    }

    async fn all(&mut self, heads: &[LogHead]) -> Result<(), Error> {
        for head in heads {
            let Err(trouble) = self.one(head).await else { continue };
            if let Trouble::Relay(error @ CallError::Closed) = trouble {
                let relay = self.control.place();
                return Err(sealift_transport::Error::Call { relay, error }.into());
            }
            let trouble = Arc::new(trouble);
            self.tell(&head.device, &trouble);
            self.done.note(&trouble);
            // The next one would not be written either.
            if matches!(*trouble, Trouble::Disk(_)) {
                break;
            }
        }
        Ok(())
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
            News::Forked => Err(self.accuse(&head.device, known.as_ref(), shown)),
            News::Nothing => Ok(()),
            News::Fetch => self.fetch(&key, head, shown, known.as_ref()).await,
        }
    }

    /// The head, if a member who may offer signed it for this space.
    fn verified(&self, shown: &LogHead) -> Result<Head, Trouble> {
        let head = head::verified(shown, &self.online.space().id())?;
        let members = self.online.members();
        let member = members.get(&head.device);
        if member.is_none_or(|member| !member.membership.role.allows(Role::OFFER)) {
            return Err(Trouble::Ignored("it is of nobody who may offer files in the space now"));
        }
        Ok(head)
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
