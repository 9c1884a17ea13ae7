//! This device, as far as it speaks with others.

use sealift_space::Error;
use sealift_space::profile::{Device, Profile};

use crate::notice::{Notice, Reporter};
use crate::pace::{Pace, Rate};
use crate::unwritten::Unwritten;

/// What is needed to speak for this device.
#[derive(Clone)]
pub struct ThisDevice {
    /// The profile.
    pub profile: Profile,
    /// The device's keys.
    pub device: Device,
    /// Who is told what happens.
    pub reporter: Reporter,
    /// How fast the links of this process may be together, if that is limited.
    pub pace: Option<Pace>,
    /// Whether the local network is asked too, by a leecher.
    pub lan: bool,
    /// What could not be written to the profile.
    pub unwritten: Unwritten,
}

impl ThisDevice {
    /// This device of `profile`, whose keys are made if there are none.
    ///
    /// # Errors
    /// When the profile is damaged or cannot be written.
    pub fn new(profile: Profile, reporter: Reporter) -> Result<Self, Error> {
        let device = profile.device_or_new()?;
        let unwritten = Unwritten::default();
        Ok(Self { profile, device, reporter, pace: None, lan: false, unwritten })
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

    /// Takes note of `written`. That the disk is full, read-only or fails for now is told once and is no error.
    ///
    /// # Errors
    /// Any other, such as that a file is damaged.
    pub fn bear<E: Into<Error>>(&self, written: Result<(), E>) -> Result<(), Error> {
        match written.map_err(Into::into) {
            Err(error) if error.is_disk_for_now() => {
                if self.unwritten.owe() {
                    let later = self.unwritten.stays();
                    self.reporter.tell(&Notice::Unwritten { error: &error, later });
                }
                Ok(())
            }
            written => written,
        }
    }

    /// The date, unix seconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.profile.platform().clock.unix_seconds()
    }
}
