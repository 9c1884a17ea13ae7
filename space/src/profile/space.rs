//! One space as this device knows it: the newest record, the epoch secrets, how the device belongs to it.

mod files;

use std::path::{Path, PathBuf};

use sealift_platform::random::Random;
use sealift_proto::codec::{self, Bytes, Extensions, List};
use sealift_proto::frame::VERSION;
use sealift_proto::identity::{DeviceId, SecretKey, Signed};
use sealift_proto::keys::{EpochKeys, EpochSecret};
use sealift_proto::object::{self, Place};
use sealift_proto::space::{
    Card, CardSecret, Certificate, Chain, ChainError, Label, Membership, RecordSecret,
    RelayAddress, Role, Serial, SpaceId, SpaceRecord,
};
use sealift_proto::wrap::Suite;
use serde::{Deserialize, Serialize};

use self::files::{begun_path, lost, owner_path, read_owner, state_path};
use super::file::{self, Folder, Kept};
use crate::error::Error;
use sealift_proto::shown::escape;

/// Last second of a lasting certificate: the end of the year 9999.
pub const LASTING: u64 = 253_402_300_799;
/// The weakest suite that a new space accepts.
const LOWEST_SUITE: Suite = Suite::Rsa;

#[derive(Serialize, Deserialize)]
struct SpaceFile {
    #[serde(with = "file::hex")]
    record: Vec<u8>,
    #[serde(with = "file::hex")]
    chain: Vec<u8>,
    epochs: Vec<EpochFile>,
}

impl Kept for SpaceFile {
    const KIND: &'static str = "space";
}

#[derive(Serialize, Deserialize, zeroize::ZeroizeOnDrop)]
struct EpochFile {
    number: u32,
    #[serde(with = "file::hex")]
    secret: [u8; 32],
}

#[derive(Serialize, Deserialize, zeroize::ZeroizeOnDrop)]
struct OwnerFile {
    #[serde(with = "file::hex")]
    seed: [u8; 32],
}

impl Kept for OwnerFile {
    const KIND: &'static str = "owner-key";
}

/// A space of the profile.
#[derive(Clone)]
pub struct SpaceState {
    record: Signed<SpaceRecord>,
    secret: RecordSecret,
    epochs: Vec<(u32, EpochSecret)>,
    keys: EpochKeys,
    chain: Chain,
    owner: Option<SecretKey>,
}

/// What is wrong with a space of the profile, or with what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum SpaceError {
    /// The parts of its state do not belong together.
    #[error("{} is damaged", state.display())]
    Incoherent {
        /// The file.
        state: PathBuf,
    },
    /// The owner's key of the space is there, but not its state.
    #[error("{} is missing", state.display())]
    Lost {
        /// The file that is missing.
        state: PathBuf,
        /// The folder of the space.
        space: PathBuf,
        /// Where the folder would be out of the way.
        aside: PathBuf,
    },
    /// Only the space's owner can do this.
    #[error("only the space's owner can do this")]
    NotOwner,
    /// The record would be longer than it may be.
    #[error("the space record has outgrown its limits: {0}")]
    Outgrown(codec::CodecError),
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(codec::CodecError),
}

/// Why a space record was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not signed by the owner of this space.
    #[error("a space record that the owner did not sign")]
    Forged,
    /// It has the number of the one known and says something else: the owner's key has signed that number twice.
    #[error("a second space record with the number of the one known; the owner's key signed both")]
    Twice,
    /// Of another version of the protocol.
    #[error("a space record of another version")]
    Version,
    /// Its number is below the one seen: somebody shows the past.
    #[error("an older space record than the one seen")]
    Older,
    /// Sealed under an epoch whose secret this device does not have.
    #[error("a space record of an epoch that this device has no secret of")]
    Epoch,
}

impl SpaceState {
    /// Makes a new space, owned by and with one member, `device`.
    ///
    /// # Errors
    /// When the name or relays are over their limits, which their types rule out.
    pub fn create(
        random: &dyn Random,
        now: u64,
        device: &DeviceId,
        name: Label,
        relays: Vec<RelayAddress>,
    ) -> Result<Self, codec::CodecError> {
        let owner = SecretKey::from_seed(random.bytes());
        let salt: [u8; 16] = random.bytes();
        let epoch = EpochSecret::new(random.bytes());
        let secret = RecordSecret {
            name,
            lowest_suite: LOWEST_SUITE.number(),
            relays: List::new(relays)?,
            lasting: List::default(),
            extensions: Extensions::default(),
        };
        let draft = RecordDraft { number: 1, epoch: 1, time: now, removed: List::default() };
        let record = sign_record(random, &owner, salt, &epoch.keys(), draft, &secret)?;
        let certificate = Signed::sign(
            lasting_certificate(random, SpaceId::derive(&owner.id(), &salt), *device, Role::BOTH),
            &owner,
        )?;
        let chain = Chain { owner: owner.id(), salt, certificates: List::new(vec![certificate])? };
        let keys = epoch.keys();
        Ok(Self { record, secret, epochs: vec![(1, epoch)], keys, chain, owner: Some(owner) })
    }

    /// Takes a space that this device has just joined.
    ///
    /// # Errors
    /// [`RecordError`] when the record is not what the chain's owner signed and sealed.
    pub fn joined(
        record: Signed<SpaceRecord>,
        epoch_secret: EpochSecret,
        chain: Chain,
    ) -> Result<Self, RecordError> {
        let keys = epoch_secret.keys();
        let stated = check_record(&record, &chain)?;
        let secret = open_record(stated, &keys)?;
        let epochs = vec![(stated.epoch, epoch_secret)];
        Ok(Self { record, secret, epochs, keys, chain, owner: None })
    }

    pub(super) fn load(folder: &Folder, name: &str) -> Result<Option<Self>, Error> {
        let path = state_path(name);
        let Some(file) = folder.read::<SpaceFile>(&path)? else {
            return if folder.read::<OwnerFile>(&owner_path(name))?.is_some() {
                Err(lost(folder, name).into())
            } else {
                Ok(None)
            };
        };
        let owner = read_owner(folder, name)?.map(|file| SecretKey::from_seed(file.seed));
        let incoherent = || SpaceError::Incoherent { state: folder.place(&path) }.into();
        Self::from_file(&file, owner).map(Some).ok_or_else(incoherent)
    }

    fn from_file(file: &SpaceFile, owner: Option<SecretKey>) -> Option<Self> {
        let record = Signed::<SpaceRecord>::from_bytes(&file.record).ok()?;
        let chain: Chain = codec::decode(&file.chain).ok()?;
        let stated = check_record(&record, &chain).ok()?;
        let epochs: Vec<_> = file
            .epochs
            .iter()
            .map(|epoch| (epoch.number, EpochSecret::new(epoch.secret)))
            .collect();
        let keys = epochs.iter().find(|(number, _)| *number == stated.epoch)?.1.keys();
        let secret = open_record(stated, &keys).ok()?;
        if owner.as_ref().is_some_and(|owner| owner.id() != chain.owner) {
            return None;
        }
        Some(Self { record, secret, epochs, keys, chain, owner })
    }

    /// Writes it and what is newer on disk; to be called in turn.
    pub(super) fn save(mut self, folder: &Folder) -> Result<(), Error> {
        let name = self.id().short();
        if let Some(written) = Self::load(folder, &name)? {
            self.keep_newer(written);
        }
        if let Some(owner) = &self.owner
            && read_owner(folder, &name)?.is_none()
        {
            folder.write_new(&begun_path(&name), &OwnerFile { seed: *owner.seed() })?;
        }
        let epochs = self.epochs.iter();
        let file = SpaceFile {
            record: self.record.to_bytes(),
            chain: codec::encode(&self.chain),
            epochs: epochs
                .map(|(number, secret)| EpochFile { number: *number, secret: *secret.as_bytes() })
                .collect(),
        };
        folder.write(&state_path(&name), &file, true)?;
        Ok(folder.settle(&begun_path(&name), &owner_path(&name))?)
    }

    /// The space's id.
    #[must_use]
    pub fn id(&self) -> SpaceId {
        self.chain.space()
    }

    /// The newest record seen.
    #[must_use]
    pub const fn record(&self) -> &Signed<SpaceRecord> {
        &self.record
    }

    /// Its private part.
    #[must_use]
    pub const fn secret(&self) -> &RecordSecret {
        &self.secret
    }

    /// Keys of the present epoch.
    #[must_use]
    pub const fn keys(&self) -> &EpochKeys {
        &self.keys
    }

    /// Number of the present epoch.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.record.unverified().epoch
    }

    /// The present epoch's secret, to be put into an invite package.
    #[must_use]
    pub fn epoch_secret(&self) -> Option<&EpochSecret> {
        self.epochs.iter().find(|(number, _)| *number == self.epoch()).map(|(_, secret)| secret)
    }

    /// Keys of epoch `number`, if this device has its secret.
    #[must_use]
    pub fn keys_of(&self, number: u32) -> Option<EpochKeys> {
        self.epochs.iter().find(|(epoch, _)| *epoch == number).map(|(_, secret)| secret.keys())
    }

    /// How this device belongs to the space.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The owner's secret key, if this device keeps it.
    #[must_use]
    pub const fn owner(&self) -> Option<&SecretKey> {
        self.owner.as_ref()
    }

    /// Where the owner's key is, if this device keeps it.
    #[must_use]
    pub fn owner_file(&self, folder: &Folder) -> Option<PathBuf> {
        self.owner.as_ref().map(|_| folder.place(owner_path(&self.id().short())))
    }

    /// What the owner should back up: the whole profile, since the owner's key alone, without the state of the space and the
    /// key of the device beside it, starts nothing.
    #[must_use]
    pub fn backup(&self, folder: &Folder) -> Option<PathBuf> {
        self.owner.as_ref().map(|_| folder.place(""))
    }

    /// The space's name, safe to show, with its id where that helps.
    #[must_use]
    pub fn display_name(&self) -> String {
        escape(self.secret.name.as_str()).into_owned()
    }

    /// Whether a person means this space by `name`: its name, or the start of its id.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.secret.name.as_str() == name
            || (name.len() >= 6 && self.id().short().starts_with(name))
    }

    /// Certificates that no longer hold.
    #[must_use]
    pub fn removed(&self) -> Vec<Serial> {
        self.record.unverified().removed()
    }

    /// Checks that `chain` leads to a present member of this space, at unix time `now` in seconds.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify_member(&self, chain: &Chain, now: u64) -> Result<Membership, ChainError> {
        if chain.space() != self.id() {
            return Err(ChainError::Invalid);
        }
        chain.verify(now, &self.removed())
    }

    /// Takes a record that the relay showed. True if it is news.
    ///
    /// # Errors
    /// [`RecordError`]; this state is then as before.
    pub fn take_record(&mut self, record: Signed<SpaceRecord>) -> Result<bool, RecordError> {
        let stated = check_record(&record, &self.chain)?;
        let seen = self.record.unverified().number;
        if stated.number < seen {
            return Err(RecordError::Older);
        }
        if stated.number == seen {
            // Two signatures under one statement say one thing.
            let same = stated == self.record.unverified();
            return if same { Ok(false) } else { Err(RecordError::Twice) };
        }
        let keys = self.keys_of(stated.epoch).ok_or(RecordError::Epoch)?;
        self.secret = open_record(stated, &keys)?;
        self.keys = keys;
        self.record = record;
        Ok(true)
    }

    /// Whether the owner has signed a lasting certificate for `device` that waits in the record to be taken.
    #[must_use]
    pub fn has_lasting(&self, device: &DeviceId) -> bool {
        let removed = self.removed();
        let mut lasting = self.secret.lasting.iter().map(Signed::unverified);
        lasting.any(|one| one.subject == *device && !removed.contains(&one.serial))
    }

    /// Takes the lasting certificate that the record holds for `device`, if there is one and it is not taken yet.
    pub fn take_lasting(&mut self, device: &DeviceId, now: u64) -> bool {
        if self.chain.certificates.len() < 2 {
            return false;
        }
        // One that was removed may stand before a newer one.
        let found = self.secret.lasting.iter().find_map(|signed| {
            let certificates = List::new(vec![signed.clone()]).ok()?;
            let chain = Chain { certificates, ..self.chain.clone() };
            let member = self.verify_member(&chain, now).ok()?;
            (member.device == *device).then_some(chain)
        });
        let Some(chain) = found else { return false };
        self.chain = chain;
        true
    }

    /// Takes what is newer in `other`, the same space as another program of this profile has it.
    pub(super) fn keep_newer(&mut self, other: Self) {
        self.take_epochs(&other);
        let lasting = other.chain.certificates.len() < self.chain.certificates.len();
        let removed = other.removed();
        if other.record.unverified().number > self.record.unverified().number {
            (self.record, self.secret, self.keys) = (other.record, other.secret, other.keys);
        }
        let holds = |chain: &Chain| {
            let removed = [&removed[..], &self.removed()].concat();
            chain.certificates.iter().all(|one| !removed.contains(&one.unverified().serial))
        };
        if lasting && holds(&other.chain) {
            self.chain = other.chain;
        }
        self.owner = self.owner.take().or(other.owner);
    }

    /// Takes what a new invite into the same space brought: a newer record, its epoch, and the new certificate where the one
    /// known no longer holds at unix time `now` in seconds.
    pub fn rejoin(&mut self, joined: Self, now: u64) {
        self.take_epochs(&joined);
        if joined.record.unverified().number > self.record.unverified().number {
            (self.record, self.secret, self.keys) = (joined.record, joined.secret, joined.keys);
        }
        if self.verify_member(&self.chain, now).is_err() {
            self.chain = joined.chain;
        }
    }

    fn take_epochs(&mut self, other: &Self) {
        for (number, secret) in &other.epochs {
            if !self.epochs.iter().any(|(known, _)| known == number) {
                self.epochs.push((*number, secret.clone()));
            }
        }
    }

    /// As the owner: signs a new record after `change` of its private part. Must be published and saved.
    ///
    /// # Errors
    /// When this device does not own the space, or the record outgrows its limits.
    pub fn change_record(
        &mut self,
        random: &dyn Random,
        now: u64,
        change: impl FnOnce(&mut RecordSecret) -> Result<(), codec::CodecError>,
    ) -> Result<(), SpaceError> {
        let owner = self.owner.clone().ok_or(SpaceError::NotOwner)?;
        let old = self.record.unverified().clone();
        let mut secret = self.secret.clone();
        let draft = RecordDraft {
            number: old.number + 1,
            epoch: old.epoch,
            time: now,
            removed: old.removed,
        };
        let signed = change(&mut secret)
            .and_then(|()| sign_record(random, &owner, old.salt, &self.keys, draft, &secret));
        self.record = signed.map_err(SpaceError::Outgrown)?;
        self.secret = secret;
        Ok(())
    }

    /// As the owner: a certificate that lets `device` stay for good, with the `role` that its own certificate has.
    ///
    /// # Errors
    /// When this device does not own the space.
    pub fn sign_lasting(
        &self,
        random: &dyn Random,
        device: DeviceId,
        role: Role,
    ) -> Result<Signed<Certificate>, SpaceError> {
        let owner = self.owner.as_ref().ok_or(SpaceError::NotOwner)?;
        Signed::sign(lasting_certificate(random, self.id(), device, role), owner)
            .map_err(SpaceError::Certificate)
    }

    /// This device's card, signed and sealed. `number` must rise; unix milliseconds do.
    ///
    /// # Errors
    /// When a part is over its limits.
    pub fn make_card(
        &self,
        random: &dyn Random,
        key: &SecretKey,
        number: u64,
        name: Label,
        receive_key: Vec<u8>,
    ) -> Result<Signed<Card>, codec::CodecError> {
        let secret = CardSecret {
            name,
            receive_key: Bytes::new(receive_key)?,
            chain: self.chain.clone(),
            extensions: Extensions::default(),
        };
        let place = self.place(key.id(), 1, number);
        let sealed = object::seal::<object::Card>(
            &self.keys.card,
            &place,
            random.bytes(),
            &codec::encode(&secret),
        );
        let card = Card {
            version: VERSION,
            space: self.id(),
            device: key.id(),
            number,
            sealed: Bytes::new(sealed)?,
            extensions: Extensions::default(),
        };
        Signed::sign(card, key)
    }

    /// Opens the card of a member; `None` unless its signature, seal and chain hold for the same device.
    #[must_use]
    pub fn open_card(&self, card: &Signed<Card>, now: u64) -> Option<(CardSecret, Membership)> {
        let stated = card.verify(&card.unverified().device).ok()?;
        let epoch = object::place_of::<object::Card>(&stated.sealed).ok()?.epoch;
        if stated.version != VERSION {
            return None;
        }
        let place = Place { epoch, ..self.place(stated.device, 1, stated.number) };
        let plain =
            object::open::<object::Card>(&self.keys_of(epoch)?.card, &place, &stated.sealed)
                .ok()?;
        let secret: CardSecret = codec::decode(&plain).ok()?;
        let member = self.verify_member(&secret.chain, now).ok()?;
        (stated.space == self.id() && member.device == stated.device).then_some((secret, member))
    }

    /// The place of an object of this space and epoch.
    #[must_use]
    pub fn place(&self, device: DeviceId, log: u16, position: u64) -> Place {
        Place { space: self.id(), epoch: self.epoch(), device, log, position }
    }
}

/// What the record states, if the owner that `chain` names states it of the space that `chain` is about.
fn check_record<'a>(
    record: &'a Signed<SpaceRecord>,
    chain: &Chain,
) -> Result<&'a SpaceRecord, RecordError> {
    let stated = record.verify(&chain.owner).map_err(|_| RecordError::Forged)?;
    if stated.version != VERSION {
        return Err(RecordError::Version);
    }
    if stated.space() == chain.space() { Ok(stated) } else { Err(RecordError::Forged) }
}

/// Path of `file` of the space whose folder is `name`.
pub(crate) fn path(name: &str, file: &str) -> String {
    Path::new(super::SPACES).join(name).join(file).to_string_lossy().into_owned()
}

struct RecordDraft {
    number: u64,
    epoch: u32,
    time: u64,
    removed: List<sealift_proto::space::SerialNumber, 1024>,
}

fn sign_record(
    random: &dyn Random,
    owner: &SecretKey,
    salt: [u8; 16],
    keys: &EpochKeys,
    draft: RecordDraft,
    secret: &RecordSecret,
) -> Result<Signed<SpaceRecord>, codec::CodecError> {
    let space = SpaceId::derive(&owner.id(), &salt);
    let place =
        Place { space, epoch: draft.epoch, device: owner.id(), log: 0, position: draft.number };
    let sealed = object::seal::<object::Record>(
        &keys.record,
        &place,
        random.bytes(),
        &codec::encode(secret),
    );
    let record = SpaceRecord {
        version: VERSION,
        owner: owner.id(),
        salt,
        number: draft.number,
        epoch: draft.epoch,
        time: draft.time,
        removed: draft.removed,
        sealed: Bytes::new(sealed)?,
        extensions: Extensions::default(),
    };
    Signed::sign(record, owner)
}

fn open_record(record: &SpaceRecord, keys: &EpochKeys) -> Result<RecordSecret, RecordError> {
    let place = Place {
        space: record.space(),
        epoch: record.epoch,
        device: record.owner,
        log: 0,
        position: record.number,
    };
    let plain = object::open::<object::Record>(&keys.record, &place, &record.sealed)
        .map_err(|_| RecordError::Epoch)?;
    codec::decode(&plain).map_err(|_| RecordError::Forged)
}

fn lasting_certificate(
    random: &dyn Random,
    space: SpaceId,
    device: DeviceId,
    role: Role,
) -> Certificate {
    Certificate {
        version: VERSION,
        space,
        subject: device,
        role,
        depth_left: 0,
        uses: 0,
        not_after: LASTING,
        serial: random.bytes(),
        extensions: Extensions::default(),
    }
}
