//! A space, connected: the relay dialled, its statements checked, this device's own card in place.

mod attempt;

use std::collections::BTreeSet;
use std::time::Duration;

use sealift_proto::codec::Bytes;
use sealift_proto::control::{LogHead, Refusal, ToRelay};
use sealift_proto::identity::{DeviceId, Signed, Statement};
use sealift_proto::log::Head;
use sealift_proto::space::{CLOCK_SKEW, Card, SpaceRecord};
use sealift_proto::wrap::{ShareSecret, Suite};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::control::{CallError, Control, Event, Events};
use crate::pace::{Pace, Rate};
use crate::unwritten::Unwritten;
use attempt::Attempt;
use sealift_command::console::Console;
use sealift_command::exit::{Exit, Failure};
use sealift_proto::place::RelayPlace;
use sealift_space::members::{CardNews, Members};
use sealift_space::profile::space::{RecordError, SpaceState};
use sealift_space::profile::{Device, Profile};

pub use attempt::{Patience, jittered};

/// How long a one-shot command tries to reach the relay.
pub const GIVE_UP: Duration = Duration::from_secs(10);

/// How long the relay may be silent at most while it tells the first news, and how long they may take in all.
const NEWS: (Duration, Duration) = (GIVE_UP, Duration::from_secs(60));
/// Told meanwhile.
const SLOW: &str = "it has not told all that is new";
/// Most messages in the first news: a relay that goes on without end is left.
const NEWS_MAX: u32 = 200_000;
/// Most heads of catalogues kept. Each has at most [`HEAD_MAX`] bytes.
const HEADS_MAX: usize = 8192;
/// Longest signed head, bytes.
const HEAD_MAX: usize = <Head as Statement>::MAX + 80;
/// Most devices that are taken to serve.
const SERVING_MAX: usize = 65_536;
/// Most warnings about what this relay shows; each is told once.
const WARNINGS: usize = 32;

/// What is needed to speak for this device.
#[derive(Clone)]
pub struct Speaker {
    /// The profile.
    pub profile: Profile,
    /// The device's keys.
    pub device: Device,
    /// Where to tell what happens.
    pub console: Console,
    /// How fast the links of this process may be together, if that is limited.
    pub pace: Option<Pace>,
    /// Whether the local network is asked too, by a leecher.
    pub lan: bool,
    /// What could not be written to the profile.
    pub unwritten: Unwritten,
}

impl Speaker {
    /// This device of `profile`, whose keys are made if there are none.
    ///
    /// # Errors
    /// When the profile is damaged or cannot be written.
    pub fn new(profile: Profile, console: Console) -> Result<Self, Failure> {
        let device = profile.device_or_new()?;
        let unwritten = Unwritten::default();
        Ok(Self { profile, device, console, pace: None, lan: false, unwritten })
    }

    /// The same, of a program that stays until it is told to end, and writes what it owes the disk when it can.
    #[must_use]
    pub fn staying(self) -> Self {
        Self { unwritten: Unwritten::of_one_that_stays(), ..self }
    }

    /// The same, which asks the local network too, if `lan`.
    #[must_use]
    pub fn on_lan(self, lan: bool) -> Self {
        Self { lan, ..self }
    }

    /// The same, whose links together are no faster than `limit`.
    #[must_use]
    pub fn limited(self, limit: Option<Rate>) -> Self {
        Self { pace: limit.map(Pace::new), ..self }
    }

    /// Bears that the profile cannot be written for now: see [`Unwritten::bear`].
    ///
    /// # Errors
    /// As there.
    pub fn bear<E: Into<Failure>>(&self, written: Result<(), E>) -> Result<(), Failure> {
        self.unwritten.bear(&self.console, written.map_err(Into::into))
    }

    /// The date, unix seconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.profile.platform().clock.unix_seconds()
    }
}

/// A connected space.
pub struct Connected {
    /// Requests go here.
    pub control: Control,
    /// News come from here.
    pub events: Events,
    /// The space, with the newest record.
    pub space: SpaceState,
    /// Its members.
    pub members: Members,
    /// Newest head of each catalogue as the relay shows it; not verified yet.
    pub heads: Vec<LogHead>,
    /// Devices that serve now.
    pub serving: BTreeSet<DeviceId>,
    /// Number of this device's own card as the relay shows it.
    card_shown: Option<u64>,
    /// The record is newer than the one on disk.
    record_owed: bool,
    /// What was warned of on this connection.
    warned: BTreeSet<String>,
}

/// The relay to use for `space`: the one asked for now, or since it was last reached; the one it was last reached at, the remembered one, `localhost`.
///
/// # Errors
/// When settings cannot be read.
pub fn relay_of(
    profile: &Profile,
    space: &SpaceState,
    asked: Option<&RelayPlace>,
) -> Result<RelayPlace, Failure> {
    if asked.is_some() {
        return Ok(profile.relay(asked)?);
    }
    let (settings, name) = (profile.settings()?, space.id().short());
    let newer = settings.asked.get(&name).and_then(|text| text.parse().ok());
    match (newer, settings.space_relays.get(&name)) {
        (None, Some(known)) => Ok(known.into()),
        (newer, _) => Ok(profile.relay(newer.as_ref())?),
    }
}

/// Connects `space` through `relay`, trying for as long as `patience` says.
///
/// # Errors
/// With words and exit code for the person.
pub async fn connect(
    speaker: &Speaker,
    space: SpaceState,
    relay: &RelayPlace,
    serving: bool,
    patience: Patience,
) -> Result<Connected, Failure> {
    let mut attempt = Attempt::new(speaker, serving, patience);
    let (mut space, mut relay) = (space, relay.clone());
    loop {
        let (control, events) = attempt.dial(&space, &relay).await?;
        let remembered = remember(speaker, &space, &relay, &control);
        // A key that was met only now must be kept: without it the next connection would take any other.
        if relay.pin.is_some() {
            speaker.bear(remembered)?
        } else {
            remembered?
        }
        if let Some(words) = clock_words(speaker, &control) {
            speaker.console.warn(&words, &json!({"type": "clock", "why": words}));
        }
        relay = control.relay().clone();
        let members = Members::load(&speaker.profile, &space, speaker.now())?;
        let mut connected = Connected {
            control,
            events,
            space,
            members,
            heads: Vec::new(),
            serving: BTreeSet::new(),
            card_shown: None,
            record_owed: false,
            warned: BTreeSet::new(),
        };
        let silence = attempt.silence(NEWS.0);
        match attempt.telling(&relay, SLOW, connected.first_news(speaker, silence)).await {
            Ok(()) => {
                connected.save(speaker)?;
                return Ok(connected);
            }
            // A relay that restarts just now is as good as one that does not answer yet.
            Err(failure) if attempt.bears(&failure) => {
                space = connected.space;
                attempt.wait().await;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// In words how far the relay's clock is from this device's, if it is more than certificates forgive.
#[must_use]
pub fn clock_words(speaker: &Speaker, control: &Control) -> Option<String> {
    let (own, relays) = (speaker.now(), control.welcome().time / 1000);
    let apart = own.abs_diff(relays);
    let which = if own > relays { "ahead of" } else { "behind" };
    let words = format!(
        "the clock of this device is {} {which} that of the relay {}; if it is wrong, certificates seem to have ended",
        sealift_command::human::duration(apart),
        control.place()
    );
    (apart > CLOCK_SKEW).then_some(words)
}

/// Remembers the relay and its key; a key met for the first time is told.
fn remember(
    speaker: &Speaker,
    space: &SpaceState,
    relay: &RelayPlace,
    control: &Control,
) -> Result<(), Failure> {
    let pin = control.pin();
    let place = control.place();
    if relay.pin.is_none() {
        let shown = sealift_proto::text::base32(&pin);
        speaker.console.note(
            format!(
                "first contact with the relay {place}: its key is remembered as {place}#{shown}"
            ),
            &json!({"type": "pinned", "relay": place, "pin": shown}),
        );
    }
    let known =
        sealift_proto::space::RelayAddress { host: relay.host.clone(), port: relay.port, pin };
    let settings = speaker.profile.settings()?;
    let name = space.id().short();
    let is_known = settings.space_relays.get(&name) == Some(&known);
    if is_known && settings.relay.as_ref() == Some(&known) && !settings.asked.contains_key(&name) {
        return Ok(());
    }
    speaker.profile.change_settings(|settings| {
        settings.remember(known.clone());
        settings.asked.remove(&name);
        settings.space_relays.insert(name, known);
    })?;
    Ok(())
}

impl Connected {
    /// Takes everything the relay tells at the start, then puts right what it lacks.
    async fn first_news(&mut self, speaker: &Speaker, silence: Duration) -> Result<(), Failure> {
        let (mut heads, mut peers, mut record_seen, mut count) = (false, false, 0, 0);
        let deadline = Instant::now() + NEWS.1;
        while !(heads && peers) {
            count += 1;
            // The clock is asked too: a relay that never pauses leaves a timeout no moment to be noticed.
            if count > NEWS_MAX || Instant::now() >= deadline {
                return Err(self.no_end());
            }
            let Ok(event) = timeout(silence, self.events.recv()).await else {
                return Err(self.no_end());
            };
            match event {
                Some(Event::HeadsEnd) => heads = true,
                Some(Event::PeersEnd) => peers = true,
                Some(Event::Head(head)) => {
                    if head.log == 0 {
                        record_seen = number_of(&head);
                    }
                    self.take_head(speaker, head)?;
                }
                Some(Event::PeerHere(device)) if self.serving.len() < SERVING_MAX => {
                    self.serving.insert(device);
                }
                Some(Event::PeerGone(device)) => {
                    self.serving.remove(&device);
                }
                Some(Event::Closed { why: Some(why) }) => {
                    return Err(CallError::Refused(why).failure(&self.control.place()));
                }
                Some(Event::Closed { why: None }) | None => {
                    return Err(CallError::Closed.failure(&self.control.place()));
                }
                Some(_) => {}
            }
        }
        self.put_right(speaker, record_seen).await
    }

    fn no_end(&self) -> Failure {
        let place = self.control.place();
        Failure::new(Exit::Relay, format!("the relay {place} does not come to the end of its news"))
            .next("try again in a moment; --relay HOST:PORT names another")
    }

    /// Warns of something that this relay shows: once, and not for ever of something new.
    fn warn(&mut self, speaker: &Speaker, text: String, json: &serde_json::Value) {
        if self.warned.len() < WARNINGS && !self.warned.contains(&text) {
            speaker.console.warn(&text, json);
            self.warned.insert(text);
        }
    }

    /// Takes one statement; those of catalogues are put among [`Connected::heads`].
    ///
    /// # Errors
    /// When the profile cannot be written.
    pub fn take_head(&mut self, speaker: &Speaker, head: LogHead) -> Result<(), Failure> {
        match head.log {
            0 => self.take_record(speaker, &head),
            1 => {
                self.take_card(speaker, &head);
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

    fn take_record(&mut self, speaker: &Speaker, head: &LogHead) -> Result<(), Failure> {
        let place = self.control.place();
        let taken = match Signed::<SpaceRecord>::from_bytes(&head.statement) {
            Ok(record) => self.space.take_record(record),
            Err(_) => Err(RecordError::Forged),
        };
        match taken {
            Ok(true) => {
                self.space.take_lasting(&speaker.device.key.id(), speaker.now());
                self.members.recheck(&self.space, speaker.now());
                self.record_owed = true;
                speaker.bear(self.write_record(speaker))
            }
            Ok(false) => Ok(()),
            Err(RecordError::Epoch) => {
                Err(Failure::new(Exit::Refused, "this device can no longer read the space")
                    .why(RecordError::Epoch)
                    .next("ask the space's owner for a new invite"))
            }
            Err(error) => {
                let json = json!({"type": "tampering", "by": "relay", "relay": place, "what": error.to_string()});
                self.warn(
                    speaker,
                    format!("the relay {place} shows {error}; it is ignored"),
                    &json,
                );
                Ok(())
            }
        }
    }

    fn write_record(&mut self, speaker: &Speaker) -> Result<(), Failure> {
        if self.record_owed {
            speaker.profile.save_space(&self.space)?;
            self.record_owed = false;
        }
        Ok(())
    }

    /// Writes what has come and is not written yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, speaker: &Speaker) -> Result<(), Failure> {
        self.write_record(speaker)?;
        Ok(self.members.save(&speaker.profile)?)
    }

    /// As [`Connected::write`], but bears that the disk does not take it for now.
    ///
    /// # Errors
    /// When something else is wrong with it.
    pub fn save(&mut self, speaker: &Speaker) -> Result<(), Failure> {
        let written = self.write(speaker);
        speaker.bear(written)
    }

    fn take_card(&mut self, speaker: &Speaker, head: &LogHead) {
        if head.device == speaker.device.key.id() {
            // A number that this device did not sign is no reason to go beyond it.
            self.card_shown = Signed::<Card>::from_bytes(&head.statement)
                .ok()
                .and_then(|card| card.verify(&head.device).ok().map(|card| card.number));
        }
        let news = self.members.take_head(&self.space, head, speaker.now());
        let who = self.members.display_name(&head.device);
        match news {
            CardNews::New | CardNews::Changed | CardNews::Known => {}
            CardNews::Older => self.warn(
                speaker,
                format!("the relay shows an older card of {who} than before; it is ignored"),
                &json!({"type": "tampering", "by": "relay", "what": "older card", "device": who}),
            ),
            CardNews::Refused => speaker.console.detail(
                format!("a card of {who} does not hold and is ignored"),
                &json!({"type": "ignored", "what": "card", "device": who}),
            ),
            CardNews::Overused(invite) => self.warn(
                speaker,
                format!("{who} came by an invite that {} used up; it is not let in", sealift_command::human::count(invite.uses, "other")),
                &json!({"type": "refused", "what": "invite overused", "device": who, "uses": invite.uses}),
            ),
        }
    }

    /// Publishes the space record if the relay has an older one or none, and this device's card likewise.
    async fn put_right(&mut self, speaker: &Speaker, record_seen: u64) -> Result<(), Failure> {
        if record_seen < self.space.record().unverified().number {
            self.publish_record().await?;
        }
        self.publish_card(speaker).await
    }

    /// Publishes the space record as it is now.
    ///
    /// # Errors
    /// When the relay refuses or the connection ends.
    pub async fn publish_record(&self) -> Result<(), Failure> {
        self.publish(0, self.space.record().to_bytes()).await.map(|_| ())
    }

    /// Publishes this device's card, unless the relay has shown on this connection one that says the same.
    ///
    /// # Errors
    /// When the relay refuses, the connection ends, or the profile cannot be read.
    pub async fn publish_card(&mut self, speaker: &Speaker) -> Result<(), Failure> {
        let name = speaker.profile.device_name()?;
        let own = self.members.get(&speaker.device.key.id());
        let says_the_same = own
            .is_some_and(|own| own.secret.name == name && own.secret.chain == *self.space.chain());
        let number = own.map(sealift_space::members::Member::card_number);
        if says_the_same && number == self.card_shown {
            return Ok(());
        }
        let platform = speaker.profile.platform();
        let after = number.max(self.card_shown).unwrap_or(0);
        let number = platform.clock.unix_millis().max(after.saturating_add(1));
        let receive_key = receive_key(&speaker.device)?;
        let card = self
            .space
            .make_card(&*platform.random, &speaker.device.key, number, name, receive_key)
            .map_err(|error| {
                Failure::new(Exit::Other, "this device's card outgrew its limits").why(error)
            })?;
        if !self.publish(1, card.to_bytes()).await? {
            return Ok(());
        }
        self.members.take_own(&self.space, &card, speaker.now());
        self.card_shown = Some(number);
        self.save(speaker)
    }

    /// False if the relay has a newer one: another program was quicker, and the relay tells of it.
    async fn publish(&self, log: u16, statement: Vec<u8>) -> Result<bool, Failure> {
        let too_long = |_| Failure::new(Exit::Other, "a statement outgrew its limit");
        let statement = Bytes::new(statement).map_err(too_long)?;
        let message = |request| ToRelay::Publish { request, log, follows: None, statement };
        match self.control.call(message).await {
            Ok(()) => Ok(true),
            Err(CallError::Refused(Refusal::Stale)) => Ok(false),
            Err(error) => Err(error.failure(&self.control.place())),
        }
    }
}

fn number_of(head: &LogHead) -> u64 {
    Signed::<SpaceRecord>::from_bytes(&head.statement)
        .map_or(0, |record| record.unverified().number)
}

/// The public X-Wing key of `device`.
fn receive_key(device: &Device) -> Result<Vec<u8>, Failure> {
    ShareSecret::from_bytes(Suite::Hybrid, &device.receive_seed.0)
        .map(|secret| secret.public())
        .map_err(|error| {
            Failure::new(Exit::Disk, "this device's receiving key cannot be used").why(error)
        })
}
