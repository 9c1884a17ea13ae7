//! What a relay tells of a space, checked: records, cards, heads of catalogues, and who serves.

use std::time::Duration;

use sealift_proto::control::LogHead;
use sealift_proto::identity::{DeviceId, Signed, Statement};
use sealift_proto::log::Head;
use sealift_proto::space::{Card, SpaceRecord};
use sealift_space::members::CardNews;
use sealift_space::profile::space::RecordError;
use tokio::time::{Instant, timeout};

use super::{Connected, GIVE_UP, bear_disk};
use crate::client::SERVING_MAX;
use crate::control::{CallError, Event};
use crate::device::ThisDevice;
use crate::error::Error;
use crate::notice::Notice;

/// How long the relay may be silent at most while it tells the first news.
pub(super) const SILENCE: Duration = GIVE_UP;
/// How long they may take in all.
const ALL: Duration = Duration::from_secs(60);
/// Told meanwhile.
pub(super) const SLOW: &str = "it has not told all that is new";
/// Most messages in the first news: a relay that goes on without end is left.
const NEWS_MAX: u32 = 200_000;
/// Most heads of catalogues kept. Each has at most [`HEAD_MAX`] bytes.
const HEADS_MAX: usize = 8192;
/// Longest signed head, bytes.
const HEAD_MAX: usize = <Head as Statement>::MAX + 80;
/// Most warnings about what this relay shows; each is told once.
const WARNINGS: usize = 32;

impl Connected {
    /// Takes everything the relay tells at the start, then puts right what it lacks.
    pub(super) async fn first_news(
        &mut self,
        this: &ThisDevice,
        silence: Duration,
    ) -> Result<(), Error> {
        let (mut heads, mut peers, mut record_seen, mut count) = (false, false, 0, 0);
        let deadline = Instant::now() + ALL;
        while !(heads && peers) {
            count += 1;
            // The clock is asked too: a relay that never pauses leaves a timeout no moment to be noticed.
            if count > NEWS_MAX || Instant::now() >= deadline {
                return Err(self.endless());
            }
            let Ok(event) = timeout(silence, self.events.recv()).await else {
                return Err(self.endless());
            };
            match event {
                Some(Event::HeadsEnd) => heads = true,
                Some(Event::PeersEnd) => peers = true,
                Some(Event::Head(head)) => {
                    if head.log == 0 {
                        record_seen = number_of(&head);
                    }
                    self.take_head(this, head)?;
                }
                Some(Event::PeerHere(device)) if self.serving.len() < SERVING_MAX => {
                    self.serving.insert(device);
                }
                Some(Event::PeerGone(device)) => {
                    self.serving.remove(&device);
                }
                Some(Event::Closed { why: Some(why) }) => {
                    return Err(self.failed(CallError::Refused(why)));
                }
                Some(Event::Closed { why: None }) | None => {
                    return Err(self.failed(CallError::Closed));
                }
                Some(_) => {}
            }
        }
        self.put_right(this, record_seen).await
    }

    fn endless(&self) -> Error {
        Error::EndlessNews { relay: self.control.place() }
    }

    pub(super) fn failed(&self, error: CallError) -> Error {
        Error::Call { relay: self.control.place(), error }
    }

    /// Warns of something that this relay shows: once, and not for ever of something new.
    fn warn(&mut self, this: &ThisDevice, notice: &Notice<'_>) {
        let key = format!("{notice:?}");
        if self.warned.len() < WARNINGS && !self.warned.contains(&key) {
            this.reporter.tell(notice);
            self.warned.insert(key);
        }
    }

    /// Takes one statement; those of catalogues are put among [`Connected::heads`].
    ///
    /// # Errors
    /// When the profile cannot be written, or the space can no longer be read.
    pub fn take_head(&mut self, this: &ThisDevice, head: LogHead) -> Result<(), Error> {
        match head.log {
            0 => self.take_record(this, &head),
            1 => {
                self.take_card(this, &head);
                Ok(())
            }
            _ => {
                self.keep_head(head);
                Ok(())
            }
        }
    }

    fn keep_head(&mut self, head: LogHead) {
        if head.statement.len() > HEAD_MAX {
            return;
        }
        let same = |old: &LogHead| (old.device, old.log) == (head.device, head.log);
        match self.heads.iter().position(same) {
            Some(at) => self.heads[at] = head,
            None if self.heads.len() < HEADS_MAX => self.heads.push(head),
            None => {}
        }
    }

    fn take_record(&mut self, this: &ThisDevice, head: &LogHead) -> Result<(), Error> {
        let taken = match Signed::<SpaceRecord>::from_bytes(&head.statement) {
            Ok(record) => self.space.take_record(record),
            Err(_) => Err(RecordError::Forged),
        };
        match taken {
            Ok(true) => {
                self.space.take_lasting(&this.device.key.id(), this.now());
                self.members().recheck(&self.space, this.now());
                self.record_owed = true;
                let written = self.write_record(this);
                bear_disk(this, written)
            }
            Ok(false) => Ok(()),
            Err(RecordError::Epoch) => Err(Error::NoEpoch),
            Err(error) => {
                let place = self.control.place();
                self.warn(this, &Notice::RecordIgnored { relay: &place, error });
                Ok(())
            }
        }
    }

    fn take_card(&mut self, this: &ThisDevice, head: &LogHead) {
        if head.device == this.device.key.id() {
            self.card_shown = own_number(&head.device, head);
        }
        let news = self.members().take_head(&self.space, head, this.now());
        let who = &self.members().display_name(&head.device);
        match news {
            CardNews::New | CardNews::Changed | CardNews::Known => {}
            CardNews::Older => self.warn(this, &Notice::OlderCard { who }),
            CardNews::Refused => this.reporter.tell(&Notice::CardIgnored { who }),
            CardNews::Overused(invite) => {
                self.warn(this, &Notice::Overused { who, uses: invite.uses });
            }
        }
    }
}

/// A number that this device did not sign is no reason to go beyond it.
fn own_number(device: &DeviceId, head: &LogHead) -> Option<u64> {
    let card = Signed::<Card>::from_bytes(&head.statement).ok()?;
    card.verify(device).ok().map(|card| card.number)
}

fn number_of(head: &LogHead) -> u64 {
    Signed::<SpaceRecord>::from_bytes(&head.statement)
        .map_or(0, |record| record.unverified().number)
}
