//! A space, connected: the relay dialled, its statements checked, this device's own card in place.

mod attempt;
mod clock;
mod news;
mod publish;
mod relay;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sealift_platform::sync::lock;
use sealift_proto::control::LogHead;
use sealift_proto::identity::DeviceId;
use sealift_proto::place::RelayPlace;
use sealift_space::members::Members;
use sealift_space::profile::space::SpaceState;

use crate::control::{Control, Events};
use crate::device::ThisDevice;
use crate::error::Error;
use crate::notice::Notice;
use attempt::Attempt;

pub use attempt::{Patience, jittered};
pub use clock::clock_apart;
pub use relay::relay_of;

/// How long a one-shot command tries to reach the relay.
pub const GIVE_UP: Duration = Duration::from_secs(10);

/// A connected space.
pub struct Connected {
    /// Requests go here.
    pub control: Control,
    /// News come from here.
    pub events: Events,
    /// The space, with the newest record.
    pub space: SpaceState,
    /// Its members, which others may look at too.
    pub roster: Arc<Mutex<Members>>,
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

/// Connects `space` through `relay`, trying for as long as `patience` says.
///
/// # Errors
/// When the relay is not reached or does not take this device, or the profile fails.
pub async fn connect(
    this: &ThisDevice,
    space: SpaceState,
    relay: &RelayPlace,
    serving: bool,
    patience: Patience,
) -> Result<Connected, Error> {
    let mut attempt = Attempt::new(this, serving, patience);
    let (mut space, mut relay) = (space, relay.clone());
    loop {
        let (control, events) = attempt.dial(&space, &relay).await?;
        let remembered = relay::remember(this, &space, &relay, &control);
        // A key that was met only now must be kept: without it the next connection would take any other.
        if relay.pin.is_some() {
            this.bear(remembered)?;
        } else {
            remembered?;
        }
        if let Some(apart) = clock_apart(this, &control) {
            this.reporter.tell(&Notice::Clock(&apart));
        }
        relay = control.relay().clone();
        let mut connected = Connected::new(this, control, events, space)?;
        let silence = attempt.silence(news::SILENCE);
        match attempt.telling(&relay, news::SLOW, connected.first_news(this, silence)).await {
            Ok(()) => {
                connected.save(this)?;
                return Ok(connected);
            }
            // A relay that restarts just now is as good as one that does not answer yet.
            Err(error) if attempt.bears(&error) => {
                space = connected.space;
                attempt.wait().await;
            }
            Err(error) => return Err(error),
        }
    }
}

impl Connected {
    fn new(
        this: &ThisDevice,
        control: Control,
        events: Events,
        space: SpaceState,
    ) -> Result<Self, Error> {
        let members = Members::load(&this.profile, &space, this.now())?;
        Ok(Self {
            control,
            events,
            space,
            roster: Arc::new(Mutex::new(members)),
            heads: Vec::new(),
            serving: BTreeSet::new(),
            card_shown: None,
            record_owed: false,
            warned: BTreeSet::new(),
        })
    }

    /// Its members.
    pub fn members(&self) -> MutexGuard<'_, Members> {
        lock(&self.roster)
    }

    fn write_record(&mut self, this: &ThisDevice) -> Result<(), Error> {
        if self.record_owed {
            this.profile.save_space(&self.space)?;
            self.record_owed = false;
        }
        Ok(())
    }

    /// Writes what has come and is not written yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, this: &ThisDevice) -> Result<(), Error> {
        self.write_record(this)?;
        Ok(self.members().save(&this.profile)?)
    }

    /// As [`Connected::write`], but bears that the disk does not take it for now.
    ///
    /// # Errors
    /// When something else is wrong with it.
    pub fn save(&mut self, this: &ThisDevice) -> Result<(), Error> {
        bear_disk(this, self.write(this))
    }
}

/// As [`ThisDevice::bear`], of what was `written` to the profile.
///
/// # Errors
/// Any other than that the disk does not take it for now.
pub fn bear_disk(this: &ThisDevice, written: Result<(), Error>) -> Result<(), Error> {
    match written {
        Err(Error::Space(error)) => Ok(this.bear(Err(error))?),
        written => written,
    }
}
