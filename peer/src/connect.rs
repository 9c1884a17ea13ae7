//! A space, connected: the relay dialled, its statements checked, this device's own card in place.

use std::collections::BTreeSet;
use std::time::Duration;

use sealift_proto::codec::Bytes;
use sealift_proto::control::{LogHead, Refusal, ToRelay};
use sealift_proto::identity::{DeviceId, Signed};
use sealift_proto::space::{Card, SpaceRecord};
use sealift_proto::wrap::{ShareSecret, Suite};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::args::RelayArg;
use crate::console::Console;
use crate::control::{Control, DialError, Event, Events, Purpose, dial};
use crate::exit::{Exit, Failure};
use crate::members::{CardNews, Members};
use crate::profile::space::{RecordError, SpaceState};
use crate::profile::{Device, Profile};

/// How long a one-shot command tries to reach the relay.
pub const GIVE_UP: Duration = Duration::from_secs(10);
/// When a person is told that the relay does not answer yet.
const TELL_AFTER: Duration = Duration::from_secs(3);
/// Shortest and longest pause between two attempts.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(20));

/// Longer than any attempt lasts.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// What is needed to speak for this device.
#[derive(Clone)]
pub struct Speaker {
    /// The profile.
    pub profile: Profile,
    /// The device's keys.
    pub device: Device,
    /// Where to tell what happens.
    pub console: Console,
}

impl Speaker {
    /// This device of `profile`, whose keys are made if there are none.
    ///
    /// # Errors
    /// When the profile is damaged or cannot be written.
    pub fn new(profile: Profile, console: Console) -> Result<Self, Failure> {
        let device = profile.device_or_new()?;
        Ok(Self { profile, device, console })
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
}

/// The relay to use for `space`: the one asked for, the one it was last reached at, the remembered one, `localhost`.
///
/// # Errors
/// When settings cannot be read.
pub fn relay_of(
    profile: &Profile,
    space: &SpaceState,
    asked: Option<&RelayArg>,
) -> Result<RelayArg, Failure> {
    if asked.is_none()
        && let Some(known) = profile.settings()?.space_relays.get(&space.id().short())
    {
        return Ok(RelayArg { host: known.host.clone(), port: known.port, pin: Some(known.pin) });
    }
    profile.relay(asked)
}

/// Connects `space` through `relay`, trying for at most `patience`; `None` tries for ever and gives up only on what no
/// waiting mends.
///
/// # Errors
/// With words and exit code for the person.
pub async fn connect(
    speaker: &Speaker,
    space: SpaceState,
    relay: &RelayArg,
    serving: bool,
    patience: Option<Duration>,
) -> Result<Connected, Failure> {
    let start = Instant::now();
    let (control, events) = dial_patiently(speaker, &space, relay, serving, patience).await?;
    remember(speaker, &space, relay, &control)?;
    let members = Members::load(&speaker.profile, &space, speaker.now())?;
    let mut connected = Connected {
        control,
        events,
        space,
        members,
        heads: Vec::new(),
        serving: BTreeSet::new(),
        card_shown: None,
    };
    let deadline = start.max(Instant::now()) + patience.unwrap_or(GIVE_UP).max(GIVE_UP);
    connected.first_news(speaker, deadline).await?;
    connected.members.save(&speaker.profile)?;
    Ok(connected)
}

async fn dial_patiently(
    speaker: &Speaker,
    space: &SpaceState,
    relay: &RelayArg,
    serving: bool,
    patience: Option<Duration>,
) -> Result<(Control, Events), Failure> {
    let start = Instant::now();
    let platform = speaker.profile.platform();
    let mut pause = PAUSE.0;
    let mut told = false;
    loop {
        let purpose = Purpose::Member { chain: space.chain().clone(), serving };
        let first = vec![ToRelay::Heads, ToRelay::Peers];
        let left = patience.map_or(FOR_EVER, |patience| patience.saturating_sub(start.elapsed()));
        let dialling = dial(platform, relay, &speaker.device.key, purpose, first);
        let error = match timeout(left.max(PAUSE.0), dialling).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => DialError::Unreachable(std::io::ErrorKind::TimedOut.into()),
        };
        let waited = start.elapsed();
        let over = patience.is_some_and(|patience| waited + pause > patience);
        if !error.is_passing() || over {
            return Err(explain(error, relay, space));
        }
        if !told && waited + pause >= TELL_AFTER {
            told = true;
            tell_waiting(speaker, relay, &error);
        }
        sleep(jittered(pause, speaker)).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Half to all of `pause`, so that many clients of a restarted relay do not come back at one moment.
#[must_use]
pub fn jittered(pause: Duration, speaker: &Speaker) -> Duration {
    let random = u32::from(u16::from_be_bytes(speaker.profile.platform().random.bytes()));
    pause / 2 + pause / 2 * random / u32::from(u16::MAX)
}

fn tell_waiting(speaker: &Speaker, relay: &RelayArg, error: &DialError) {
    let place = sealift_proto::invite::host_port(&relay.host, relay.port);
    speaker.console.note(
        format!("the relay {place} does not answer yet ({error}); trying again until it does"),
        &json!({"type": "waiting", "for": "relay", "relay": place, "why": error.to_string()}),
    );
}

fn explain(error: DialError, relay: &RelayArg, space: &SpaceState) -> Failure {
    let failure = error.failure(relay);
    match error {
        DialError::Refused(Refusal::SpaceNotAllowed) => {
            failure.next(format!("ask its operator to allow the space {}", space.id().short()))
        }
        _ => failure,
    }
}

/// Remembers the relay and its key; a key met for the first time is told.
fn remember(
    speaker: &Speaker,
    space: &SpaceState,
    relay: &RelayArg,
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
    if settings.space_relays.get(&name) == Some(&known) && settings.relay.as_ref() == Some(&known) {
        return Ok(());
    }
    speaker.profile.remember_relay(&relay.host, relay.port, pin)?;
    speaker.profile.change_settings(|settings| {
        settings.space_relays.insert(name, known);
    })
}

impl Connected {
    /// Takes everything the relay tells at the start, then puts right what it lacks.
    async fn first_news(&mut self, speaker: &Speaker, deadline: Instant) -> Result<(), Failure> {
        let (mut heads, mut peers, mut record_seen) = (false, false, 0);
        while !(heads && peers) {
            let event = timeout_at(deadline, self.events.recv()).await.ok().flatten();
            match event {
                Some(Event::HeadsEnd) => heads = true,
                Some(Event::PeersEnd) => peers = true,
                Some(Event::Head(head)) => {
                    if head.log == 0 {
                        record_seen = number_of(&head);
                    }
                    self.take_head(speaker, head)?;
                }
                Some(Event::PeerHere(device)) => {
                    self.serving.insert(device);
                }
                Some(Event::PeerGone(device)) => {
                    self.serving.remove(&device);
                }
                Some(Event::Closed { why: Some(why) }) => {
                    return Err(
                        crate::control::CallError::Refused(why).failure(&self.control.place())
                    );
                }
                Some(Event::Closed { why: None }) | None => {
                    return Err(crate::control::CallError::Closed.failure(&self.control.place()));
                }
                Some(_) => {}
            }
        }
        self.put_right(speaker, record_seen).await
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
                self.heads.retain(|old| (old.device, old.log) != (head.device, head.log));
                self.heads.push(head);
                Ok(())
            }
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
                speaker.profile.save_space(&self.space)
            }
            Ok(false) => Ok(()),
            Err(RecordError::Epoch) => {
                Err(Failure::new(Exit::Refused, "this device can no longer read the space")
                    .why(RecordError::Epoch)
                    .next("ask the space's owner for a new invite"))
            }
            Err(error) => {
                speaker.console.warn(
                    format!("the relay {place} shows {error}; it is ignored"),
                    &json!({"type": "tampering", "by": "relay", "relay": place, "what": error.to_string()}),
                );
                Ok(())
            }
        }
    }

    fn take_card(&mut self, speaker: &Speaker, head: &LogHead) {
        if head.device == speaker.device.key.id() {
            self.card_shown = Signed::<Card>::from_bytes(&head.statement)
                .ok()
                .map(|card| card.unverified().number);
        }
        let news = self.members.take_head(&self.space, head, speaker.now());
        let who = self.members.display_name(&head.device);
        match news {
            CardNews::New | CardNews::Changed | CardNews::Known => {}
            CardNews::Older => speaker.console.warn(
                format!("the relay shows an older card of {who} than before; it is ignored"),
                &json!({"type": "tampering", "by": "relay", "what": "older card", "device": who}),
            ),
            CardNews::Refused => speaker.console.detail(
                format!("a card of {who} does not hold and is ignored"),
                &json!({"type": "ignored", "what": "card", "device": who}),
            ),
            CardNews::Overused(invite) => speaker.console.warn(
                format!("{who} came by an invite that {} other(s) used up; it is not let in", invite.uses),
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
        self.publish(0, self.space.record().to_bytes()).await
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
        let number = own.map(crate::members::Member::card_number);
        if says_the_same && number == self.card_shown {
            return Ok(());
        }
        let platform = speaker.profile.platform();
        let after = number.max(self.card_shown).unwrap_or(0);
        let number = platform.clock.unix_millis().max(after + 1);
        let receive_key = receive_key(&speaker.device)?;
        let card = self
            .space
            .make_card(&*platform.random, &speaker.device.key, number, name, receive_key)
            .map_err(|error| {
                Failure::new(Exit::Other, "this device's card outgrew its limits").why(error)
            })?;
        self.publish(1, card.to_bytes()).await?;
        self.members.take_own(&self.space, &card, speaker.now());
        self.card_shown = Some(number);
        self.members.save(&speaker.profile)
    }

    async fn publish(&self, log: u16, statement: Vec<u8>) -> Result<(), Failure> {
        let too_long = |_| Failure::new(Exit::Other, "a statement outgrew its limit");
        let statement = Bytes::new(statement).map_err(too_long)?;
        let message = |request| ToRelay::Publish { request, log, follows: None, statement };
        self.control.call(message).await.map_err(|error| error.failure(&self.control.place()))
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
