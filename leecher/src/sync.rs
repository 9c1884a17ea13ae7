//! Bringing the replica up to what the relay has: heads verified, segments fetched, opened and applied
//! (PROTOCOL.md section 8).

mod fetch;
mod head;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use sealift_command::exit::Failure;
use sealift_command::people::speaker::Speaker;
use sealift_command::words;
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

use crate::online::Online;
use crate::replica::{LogKey, LogView};
use crate::shown::Shown;
use fetch::blocking;
use head::{News, Verified, compare};
use trouble::Trouble;
pub(crate) use trouble::tell_unwritten;

/// How long another program of this user may take to fetch a catalogue that is wanted here too, and how often it is asked.
const TURN: Duration = Duration::from_secs(60);
const TURN_PAUSE: Duration = Duration::from_millis(30);

/// Hears how many segments of how many are done.
pub type Progress<'a> = dyn Fn(u64, u64) + std::marker::Sync + 'a;

/// What a sync did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Synced {
    /// Segments fetched.
    pub segments: u64,
    /// Bytes of them on the wire.
    pub bytes: u64,
    /// Catalogues that could not be brought up to date and may be another time, each told on the console. One that its seeder
    /// signed as it is will not get better by being asked for again.
    pub failed: u32,
    /// The gravest reason of ours or of the relay's why some are not as they could be.
    pub short: Option<Failure>,
}

impl Synced {
    fn note(&mut self, trouble: &Trouble) {
        self.failed += u32::from(trouble.may_pass());
        let graver = matches!(trouble, Trouble::Disk(_)) || self.short.is_none();
        if let Some(failure) = trouble.failure().filter(|_| graver) {
            self.short = Some(failure);
        }
    }
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
    /// When the connection ends.
    pub async fn run(mut self, heads: &[LogHead]) -> Result<Synced, Failure> {
        let present: Vec<_> = heads.iter().map(|head| (head.device, head.log)).collect();
        for device in self.shown.take_missing(&present) {
            let trouble = Trouble::Tampered("no longer shows the catalogue");
            trouble.tell(self.speaker, self.online, &self.control.place(), &device);
        }
        self.news(heads).await
    }

    /// As [`Sync::run`], but of a few heads among those that the relay shows.
    ///
    /// # Errors
    /// As [`Sync::run`].
    pub async fn news(mut self, heads: &[LogHead]) -> Result<Synced, Failure> {
        let done = self.all(heads).await;
        if let Err(failure) = self.shown.save(self.speaker) {
            // Less will be noticed of what the relay takes back; what is known answers all the same.
            tell_unwritten(self.speaker, &failure);
        }
        done?;
        Ok(self.done)
    }

    async fn all(&mut self, heads: &[LogHead]) -> Result<(), Failure> {
        for head in heads {
            let Err(trouble) = self.one(head).await else { continue };
            if let Trouble::Relay(CallError::Closed) = trouble {
                return Err(words::call(&CallError::Closed, &self.control.place()));
            }
            trouble.tell(self.speaker, self.online, &self.control.place(), &head.device);
            self.done.note(&trouble);
            // The next one would not be written either.
            if matches!(trouble, Trouble::Disk(_)) {
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
