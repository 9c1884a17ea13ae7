//! This device with the console of the program that speaks for it.

use std::ops::Deref;

use sealift_space::profile::Profile;
use sealift_transport::device::ThisDevice;
use sealift_transport::pace::Rate;

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::words;

/// This device, and where to tell the person what happens. It derefs to the device, which is what libraries take.
#[derive(Clone)]
pub struct Speaker {
    /// The device.
    pub this: ThisDevice,
    /// Where to tell what happens.
    pub console: Console,
}

impl Deref for Speaker {
    type Target = ThisDevice;

    fn deref(&self) -> &ThisDevice {
        &self.this
    }
}

impl Speaker {
    /// This device of `profile`, whose keys are made if there are none; what happens is told on `console`.
    ///
    /// # Errors
    /// When the profile is damaged or cannot be written.
    pub fn new(profile: Profile, console: Console) -> Result<Self, Failure> {
        Ok(Self { this: ThisDevice::new(profile, words::reporter(&console))?, console })
    }

    /// The same, which asks the local network too, if `lan`.
    #[must_use]
    pub fn on_lan(self, lan: bool) -> Self {
        Self { this: self.this.on_lan(lan), ..self }
    }

    /// The same, whose links together are no faster than `limit`.
    #[must_use]
    pub fn limited(self, limit: Option<Rate>) -> Self {
        Self { this: self.this.limited(limit), ..self }
    }

    /// Bears that something cannot be written for now: told once, and no error.
    ///
    /// # Errors
    /// Any other, such as that a file is damaged.
    pub fn bear<E: Into<Failure>>(&self, written: Result<(), E>) -> Result<(), Failure> {
        match written.map_err(Into::into) {
            Err(failure) if failure.exit == Exit::Disk && failure.may_pass() => {
                if self.unwritten.owe() {
                    words::unwritten(&self.console, &failure, self.unwritten.stays());
                }
                Ok(())
            }
            written => written,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use sealift_platform::Platform;
    use sealift_space::home::Home;
    use sealift_space::profile::file::FileError;

    use super::*;

    #[test]
    fn a_full_disk_is_borne_and_told_once_and_damage_is_not() {
        let (console, lines) = Console::captured(false);
        let home = tempfile::tempdir().unwrap();
        let profile = Profile::open(&Platform::system(), &Home::beneath(home.path())).unwrap();
        let speaker = Speaker::new(profile, console).unwrap();
        let full = || FileError::Disk {
            place: "members.json".into(),
            error: Error::from(ErrorKind::StorageFull),
        };
        for _ in 0..3 {
            // The device itself and the program around it owe the same.
            speaker.this.bear(Err(full())).unwrap();
            assert_eq!(speaker.bear(Err(full())), Ok(()));
        }
        assert!(speaker.unwritten.is_owed());
        let damaged = || FileError::Damaged { place: "members.json".into() };
        assert_eq!(speaker.bear(Err(damaged())), Err(damaged().into()));
        assert!(speaker.this.bear(Err(damaged())).is_err());
        let told = lines.lock().unwrap().clone();
        assert!(told.len() == 1 && told[0].1.contains("members.json: no storage space; going on"));
        assert!(speaker.unwritten.settle() && !speaker.unwritten.is_owed());
    }

    #[test]
    fn only_who_stays_promises_to_write_later() {
        for later in [false, true] {
            let (console, lines) = Console::captured(false);
            let failed = Failure::disk("x", &Error::from(ErrorKind::ReadOnlyFilesystem));
            words::unwritten(&console, &failed, later);
            let line = lines.lock().unwrap()[0].1.clone();
            assert_eq!(line.contains("writing it when"), later, "{line}");
            assert_eq!(line.contains("is not kept"), !later, "{line}");
        }
    }
}
