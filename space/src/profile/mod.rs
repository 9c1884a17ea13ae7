//! What one user's programs keep: device keys, settings, relays known, spaces.
//!
//! Every file is replaced by rename, so that any number of programs may read while one writes. Files with secrets are
//! readable by the user only, and a damaged one is named and never silently made anew.

pub mod file;
pub mod space;
pub mod tokens;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sealift_platform::disk::{Kind, Lock};
use sealift_platform::{Platform, private};
use sealift_proto::codec::CodecError;
use sealift_proto::identity::SecretKey;
use sealift_proto::space::{HostName, Label, RecordSecret, RelayAddress, SpaceId};
use sealift_proto::text;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::home::Home;
use file::{FileError, Folder, Kept};
use sealift_proto::place::RelayPlace;
use space::SpaceState;

/// What the profile lacks, or has too much of, for what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The profile holds spaces, but not the keys of the device that joined them.
    #[error("{} is missing", file.display())]
    KeysMissing {
        /// The file that holds them.
        file: PathBuf,
    },
    /// The keys were there a moment ago.
    #[error("the device keys vanished")]
    KeysVanished,
    /// This device is in no space.
    #[error("this device is not in any space yet")]
    NoSpace,
    /// No space of the profile has that name.
    #[error("no space is called {name:?}")]
    UnknownSpace {
        /// As it was asked for.
        name: String,
    },
    /// Several spaces fit.
    #[error("this profile has several spaces")]
    SeveralSpaces {
        /// Their names, as they are.
        names: Vec<String>,
    },
    /// What a device is to be called is no name.
    #[error("a name has 1 to 64 bytes and no control characters")]
    NoName,
}

/// The secret keys of this device.
#[derive(Serialize, Deserialize, zeroize::ZeroizeOnDrop)]
struct DeviceFile {
    #[serde(with = "file::hex")]
    signing_seed: [u8; 32],
    #[serde(with = "file::hex")]
    receive_seed: [u8; 32],
}

impl Kept for DeviceFile {
    const KIND: &'static str = "device-key";
}

/// What was chosen once and is remembered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Name of this device, if it was chosen.
    pub name: Option<Label>,
    /// Relay used where a space does not name one.
    pub relay: Option<RelayAddress>,
    /// Pins of relays met so far, by `HOST:PORT`.
    pub pins: BTreeMap<String, String>,
    /// Relay at which each space was last reached, by short space id.
    pub space_relays: BTreeMap<String, RelayAddress>,
    /// Relay that was asked for since, as `HOST:PORT` with `#PIN` if that was given, by short space id; until it is reached.
    pub asked: BTreeMap<String, String>,
}

impl Settings {
    /// Remembers `relay` as the one to use, with the pin it must have from now on.
    pub fn remember(&mut self, relay: RelayAddress) {
        let place = sealift_proto::invite::host_port(&relay.host, relay.port);
        self.pins.insert(place, text::base32(&relay.pin));
        self.relay = Some(relay);
    }
}

impl Kept for Settings {
    const KIND: &'static str = "settings";
}

/// This device and its keys.
#[derive(Clone, Debug)]
pub struct Device {
    /// Signs for the device.
    pub key: SecretKey,
    /// Seed of its X-Wing key.
    pub receive_seed: SecretSeed,
}

/// 32 secret bytes from which a key derives. Cleared when dropped; never printed.
#[derive(Clone, zeroize::ZeroizeOnDrop)]
pub struct SecretSeed(pub [u8; 32]);

impl std::fmt::Debug for SecretSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretSeed(..)")
    }
}

const DEVICE_FILE: &str = "device.key";
const SETTINGS_FILE: &str = "settings.json";
const SPACES: &str = "spaces";

/// The profile of one user, open.
#[derive(Clone)]
pub struct Profile {
    folder: Folder,
    cache: Folder,
    platform: Platform,
}

impl Profile {
    /// Opens the profile in `home`, making its folder if there is none.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(platform: &Platform, home: &Home) -> Result<Self, Error> {
        let root = private::open(&*platform.disk, &home.profile)
            .map_err(|error| FileError::Disk { place: home.profile.clone(), error })?;
        let folder = Folder::new(root, &home.profile);
        folder.create_folder(SPACES)?;
        let cache = private::open(&*platform.disk, &home.cache)
            .map_err(|error| FileError::Disk { place: home.cache.clone(), error })?;
        let cache = Folder::new(cache, &home.cache);
        Ok(Self { folder, cache, platform: platform.clone() })
    }

    /// The folder it is in.
    #[must_use]
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The folder of what can be made again.
    #[must_use]
    pub const fn cache(&self) -> &Folder {
        &self.cache
    }

    /// The machine it is on.
    #[must_use]
    pub const fn platform(&self) -> &Platform {
        &self.platform
    }

    /// This device, if it has keys yet.
    ///
    /// # Errors
    /// When the key file is damaged or cannot be read.
    pub fn device(&self) -> Result<Option<Device>, FileError> {
        let file: Option<DeviceFile> = self.folder.read(DEVICE_FILE)?;
        Ok(file.map(|file| Device {
            key: SecretKey::from_seed(file.signing_seed),
            receive_seed: SecretSeed(file.receive_seed),
        }))
    }

    /// This device, whose keys are made now if it has none. Keys are never made while the profile holds spaces: then
    /// the key file was lost, and a new one would be another device.
    ///
    /// # Errors
    /// When keys are damaged, missing beside spaces, or cannot be written.
    pub fn device_or_new(&self) -> Result<Device, Error> {
        if let Some(device) = self.device()? {
            return Ok(device);
        }
        if !self.space_names()?.is_empty() {
            let file = self.folder.place(DEVICE_FILE);
            return Err(ProfileError::KeysMissing { file }.into());
        }
        let file = DeviceFile {
            signing_seed: self.platform.random.bytes(),
            receive_seed: self.platform.random.bytes(),
        };
        match self.folder.write_new(DEVICE_FILE, &file) {
            Ok(()) => {}
            // Another program of the same user made them at the same moment.
            Err(error) => return self.device()?.ok_or_else(|| error.into()),
        }
        self.device()?.ok_or_else(|| ProfileError::KeysVanished.into())
    }

    /// What is remembered.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read.
    pub fn settings(&self) -> Result<Settings, FileError> {
        Ok(self.folder.read(SETTINGS_FILE)?.unwrap_or_default())
    }

    /// Changes what is remembered, one program at a time.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) -> Result<(), FileError> {
        self.folder.in_turn(|| {
            let mut settings = self.settings()?;
            change(&mut settings);
            self.folder.write(SETTINGS_FILE, &settings, true)
        })
    }

    /// Remembers what others shall see this device as.
    ///
    /// # Errors
    /// When it is no name, or cannot be written.
    pub fn choose_name(&self, name: &str) -> Result<(), Error> {
        let label = Label::new(name).ok_or(ProfileError::NoName)?;
        if self.settings()?.name.as_ref() == Some(&label) {
            return Ok(());
        }
        Ok(self.change_settings(|settings| settings.name = Some(label))?)
    }

    /// Remembers `relay` with the `pin` it must have from now on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember_relay(
        &self,
        host: &HostName,
        port: u16,
        pin: [u8; 16],
    ) -> Result<(), FileError> {
        let relay = RelayAddress { host: host.clone(), port, pin };
        self.change_settings(|settings| settings.remember(relay))
    }

    /// Keeps that `relay` was asked for, for `space`, before it is reached: all programs of this profile use it from now on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn ask_relay(&self, space: &SpaceId, relay: &RelayPlace) -> Result<(), FileError> {
        let (name, settings) = (space.short(), self.settings()?);
        let same = |known: &RelayAddress| {
            (&known.host, known.port) == (&relay.host, relay.port)
                && relay.pin.is_none_or(|pin| pin == known.pin)
        };
        let asked = relay.to_string();
        let already = match settings.asked.get(&name) {
            Some(before) => *before == asked,
            None => settings.space_relays.get(&name).is_some_and(same),
        };
        if already {
            return Ok(());
        }
        self.change_settings(|settings| {
            settings.asked.insert(name, asked);
        })
    }

    /// The relay to use: `asked` for, else the remembered one, else `localhost`. Its pin is the one asked for, else the
    /// one it had before.
    ///
    /// # Errors
    /// When settings cannot be read.
    pub fn relay(&self, asked: Option<&RelayPlace>) -> Result<RelayPlace, FileError> {
        let settings = self.settings()?;
        let mut relay = match (asked, &settings.relay) {
            (Some(asked), _) => asked.clone(),
            (None, Some(known)) => known.into(),
            (None, None) => localhost(),
        };
        let place = sealift_proto::invite::host_port(&relay.host, relay.port);
        relay.pin =
            relay.pin.or_else(|| settings.pins.get(&place).and_then(|pin| text::from_base32(pin)));
        Ok(relay)
    }

    /// Folder names of the spaces.
    fn space_names(&self) -> Result<Vec<String>, FileError> {
        let listed = self
            .folder
            .root()
            .list(Path::new(SPACES))
            .map_err(|error| self.folder.failed(SPACES, error))?;
        let mut names: Vec<String> = listed
            .into_iter()
            .filter(|entry| entry.kind == Kind::Folder)
            .filter_map(|entry| entry.name.into_string().ok())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// All spaces of the profile.
    ///
    /// # Errors
    /// When one is damaged or cannot be read.
    pub fn spaces(&self) -> Result<Vec<SpaceState>, Error> {
        let names = self.space_names()?;
        let mut spaces = Vec::with_capacity(names.len());
        for name in names {
            // A folder without its state is one that a crash left before the space was complete.
            spaces.extend(SpaceState::load(&self.folder, &name)?);
        }
        Ok(spaces)
    }

    /// The one space that a command means: the only one, or the one of this `name`.
    ///
    /// # Errors
    /// When there is none, or several and none was named.
    pub fn one_space(&self, name: Option<&str>) -> Result<SpaceState, Error> {
        let mut spaces = self.spaces_named(name)?;
        if spaces.len() > 1 {
            let names = spaces.iter().map(|space| space.secret().name.as_str().to_owned());
            return Err(ProfileError::SeveralSpaces { names: names.collect() }.into());
        }
        spaces.pop().ok_or_else(|| ProfileError::NoSpace.into())
    }

    /// The spaces that a command covers: all, or those of this `name`.
    ///
    /// # Errors
    /// When none fits.
    pub fn spaces_named(&self, name: Option<&str>) -> Result<Vec<SpaceState>, Error> {
        let mut spaces = self.spaces()?;
        if spaces.is_empty() {
            return Err(ProfileError::NoSpace.into());
        }
        if let Some(name) = name {
            spaces.retain(|space| space.is_called(name));
            if spaces.is_empty() {
                return Err(ProfileError::UnknownSpace { name: name.to_owned() }.into());
            }
        }
        Ok(spaces)
    }

    /// The state of the space `id`, read again from disk.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn space(&self, id: &SpaceId) -> Result<Option<SpaceState>, Error> {
        SpaceState::load(&self.folder, &id.short())
    }

    /// Writes `space`. What another program has written meanwhile and is newer stays.
    ///
    /// # Errors
    /// When it cannot be written, or what is there is damaged.
    pub fn save_space(&self, space: &SpaceState) -> Result<(), Error> {
        self.folder.create_folder(&format!("{SPACES}/{}", space.id().short()))?;
        self.folder.in_turn(|| space.clone().save(&self.folder))
    }

    /// As the owner: signs a new record of `space` after `change` of its private part, and writes it. It follows the newest
    /// record that any program of this profile has signed, so that no number is ever signed twice. Must be published.
    ///
    /// # Errors
    /// When this device does not own the space, the record outgrows its limits or cannot be written.
    pub fn change_record(
        &self,
        space: &mut SpaceState,
        now: u64,
        change: impl FnOnce(&mut RecordSecret) -> Result<(), CodecError>,
    ) -> Result<(), Error> {
        self.folder.in_turn(|| {
            if let Some(written) = self.space(&space.id())? {
                space.keep_newer(written);
            }
            let mut changed = space.clone();
            changed.change_record(&*self.platform.random, now, change)?;
            changed.clone().save(&self.folder)?;
            *space = changed;
            Ok(())
        })
    }

    /// Name of this device: the one chosen, else `user@host`.
    ///
    /// # Errors
    /// When settings cannot be read.
    pub fn device_name(&self) -> Result<Label, FileError> {
        Ok(self.settings()?.name.unwrap_or_else(default_name))
    }

    /// Takes the lock that only one `seeder --watch` of a profile may hold; `None` if another holds it.
    ///
    /// # Errors
    /// When the lock file cannot be used.
    pub fn lock_seeder(&self) -> Result<Option<Box<dyn Lock>>, FileError> {
        let path = "seeder.lock";
        self.folder
            .root()
            .try_lock(Path::new(path))
            .map_err(|error| self.folder.failed(path, error))
    }
}

fn localhost() -> RelayPlace {
    let host = HostName::new("localhost").expect("a plain host name");
    RelayPlace { host, port: sealift_proto::frame::DEFAULT_PORT, pin: None }
}

/// `user@host`, as far as the system tells, cut to what a name may be.
fn default_name() -> Label {
    let user = user_name();
    let host = host_name();
    let text = match (user.is_empty(), host.is_empty()) {
        (false, false) => format!("{user}@{host}"),
        (false, true) => user,
        (true, false) => host,
        (true, true) => "device".to_owned(),
    };
    let mut plain: String = text.chars().filter(|c| !c.is_control()).collect();
    while plain.len() > sealift_proto::space::LABEL_MAX {
        plain.pop();
    }
    Label::new(plain).unwrap_or_else(|| Label::new("device").expect("a plain name"))
}

/// What the session calls the user, else what the system's list of users does.
#[cfg(unix)]
fn user_name() -> String {
    let named = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| {
        let uid = rustix::process::getuid().as_raw().to_string();
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let entry = users.lines().map(|line| line.split(':')).find_map(|mut fields| {
            let name = fields.next()?;
            (fields.nth(1) == Some(&*uid)).then(|| name.to_owned())
        });
        entry.unwrap_or_default()
    })
}

#[cfg(not(unix))]
fn user_name() -> String {
    std::env::var("USERNAME").unwrap_or_default()
}

#[cfg(unix)]
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}
