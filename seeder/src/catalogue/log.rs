//! This device's own log, as it is on disk.
//!
//! ```text
//! segments   journal of u64 position ‖ sealed segment, from the base on
//! head       the newest signed head; what the journal holds beyond it was never sent
//! ```

mod base;
mod load;
mod published;

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use sealift_platform::disk::Root as DiskFolder;
use sealift_platform::random::Random;
use sealift_proto::catalogue::{self, CATALOGUE_MAX, Change, Status, fold_all, unfold};
use sealift_proto::codec::{self, Bytes, CodecError, Extensions};
use sealift_proto::identity::{DeviceId, SecretKey, Signed};
use sealift_proto::keys::CatalogueKey;
use sealift_proto::log::{FIRST_CATALOGUE, Head, chain_next, chain_start};
use sealift_proto::object::{self, Place};
use sealift_proto::space::SpaceId;
use sealift_space::profile::file::{FileError, Folder, Kept, hex};
use serde::{Deserialize, Serialize};

use crate::index::Name;
use base::{Base, Written};
use load::Loader;
pub use published::PathNumber;
use published::{Digest, digest, note, number};
use sealift_content::journal::Journal;
use sealift_content::numbers::Numbers;

const KIND: [u8; 16] = *b"sealift segments";
/// The log is written anew when it holds over twice the changes that a new one would, and so many more.
const SLACK_CHANGES: usize = 64;
/// And when it has so many more segments than its files need.
const SLACK_SEGMENTS: usize = 256;
/// About how many entries fill a segment.
const ENTRIES: usize = 500;

#[derive(Serialize, Deserialize)]
struct HeadFile {
    #[serde(with = "hex")]
    statement: Vec<u8>,
}

impl Kept for HeadFile {
    const KIND: &'static str = "catalogue-head";
}

/// What signs and seals a log.
#[derive(Clone)]
pub struct Author {
    /// Signs for the device.
    pub key: SecretKey,
    /// The space.
    pub space: SpaceId,
    /// Present epoch.
    pub epoch: u32,
    /// Its catalogue key.
    pub catalogue: CatalogueKey,
    /// Source of salts and log ids.
    pub random: Arc<dyn Random>,
}

impl Author {
    fn device(&self) -> DeviceId {
        self.key.id()
    }

    fn place(&self, position: u64) -> Place {
        Place {
            space: self.space,
            epoch: self.epoch,
            device: self.device(),
            log: FIRST_CATALOGUE,
            position,
        }
    }
}

struct Stored {
    place: u64,
    len: usize,
    /// Chain value after it.
    chain: [u8; 32],
}

/// The log.
pub struct Log {
    author: Author,
    folder: Folder,
    head_file: String,
    journal: Journal,
    head: Option<Signed<Head>>,
    segments: Vec<Stored>,
    published: Numbers<PathNumber, Digest>,
    changes: usize,
    /// What they weigh.
    weight: u64,
    /// Whether the next head must begin a new base: what is here cannot be gone on with.
    broken: bool,
    /// The next head is later than this.
    floor: u64,
}

/// Why a log cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk.
    #[error("the catalogue cannot be written: {0}")]
    Disk(#[from] io::Error),
    /// The profile.
    #[error(transparent)]
    Profile(#[from] FileError),
    /// The head that was published last cannot be read.
    #[error(transparent)]
    Head(FileError),
    /// It would be more than others take of one device.
    #[error(
        "so many files, or such long paths, are more than others take of one device; share less (.sealiftignore leaves files out)"
    )]
    TooLarge,
    /// Something outgrew its limit.
    #[error("the catalogue cannot be encoded: {0}")]
    Codec(#[from] CodecError),
}

impl Log {
    /// Opens the log of `author` in the profile folder `folder`, beneath the path `within`. Blocks.
    ///
    /// # Errors
    /// When the disk fails or the head is damaged. A damaged or missing journal is no error: the next head begins anew.
    pub fn open(author: Author, folder: &Folder, within: &str) -> Result<Self, LogError> {
        let head_file =
            Path::new(within).join("catalogue-head.json").to_string_lossy().into_owned();
        let file: Option<HeadFile> = folder.read(&head_file).map_err(LogError::Head)?;
        let head = file.and_then(|file| Signed::<Head>::from_bytes(&file.statement).ok());
        let head = head.filter(|head| head.verify(&author.device()).is_ok());
        let root: &Arc<dyn DiskFolder> = folder.root();
        let mut loader = Loader::new(&author, head.as_ref().map(Signed::unverified));
        let path = Path::new(within).join("catalogue");
        let (mut journal, _) =
            Journal::open(root, &path, KIND, |place, body| loader.take(place, body))?;
        let broken = head.is_some() && !loader.is_whole();
        let Loader { segments, published, changes, weight, end, .. } = loader;
        journal.cut(end)?;
        let mut log = Self {
            author,
            folder: folder.clone(),
            head_file,
            journal,
            head,
            segments,
            published,
            changes,
            weight,
            broken,
            floor: 0,
        };
        if broken {
            log.forget();
        }
        Ok(log)
    }

    fn forget(&mut self) {
        self.segments.clear();
        self.published.clear();
        (self.changes, self.weight) = (0, 0);
    }

    /// Seals and signs as `author` from now on. In a new epoch the next head begins anew.
    pub fn set_author(&mut self, author: Author) {
        if author.epoch != self.author.epoch {
            self.broken = true;
        }
        self.author = author;
    }

    /// The newest head.
    #[must_use]
    pub const fn head(&self) -> Option<&Signed<Head>> {
        self.head.as_ref()
    }

    /// Whether this device signed `head`, for this space.
    #[must_use]
    pub fn signs(&self, head: &Signed<Head>) -> bool {
        let device = self.author.device();
        head.verify(&device)
            .is_ok_and(|head| (head.device, head.space) == (device, self.author.space))
    }

    /// Whether the log must be written anew, given that there are `live` entries at most.
    #[must_use]
    pub fn is_stale(&self, live: usize) -> bool {
        self.broken
            || self.changes > 2 * live + SLACK_CHANGES
            || self.segments.len() > 2 * live.div_ceil(ENTRIES) + SLACK_SEGMENTS
            || (self.weight > CATALOGUE_MAX / 2 && self.changes > live + live / 4)
    }

    /// The next head begins anew.
    pub fn distrust(&mut self) {
        self.broken = true;
        self.forget();
    }

    /// Whether what is here cannot be gone on with.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Numbers of the paths published that are none of `offered`.
    pub fn published_but<N: AsRef<str>>(
        &self,
        offered: impl Iterator<Item = N>,
    ) -> HashSet<PathNumber> {
        if self.published.is_empty() {
            return HashSet::new();
        }
        // In order and not in a set: of a million it is a third as large.
        let mut offered: Vec<_> = offered.map(|name| number(name.as_ref())).collect();
        offered.sort_unstable();
        let published = self.published.iter().map(|(number, _)| number);
        published.filter(|number| offered.binary_search(number).is_err()).collect()
    }

    /// Names of what is published under these numbers. Blocks, and reads the log until it has them.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn names_of(&self, mut numbers: HashSet<PathNumber>) -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        let base = self.head.as_ref().map_or(0, |head| head.unverified().base);
        for position in base..base + self.segments.len() as u64 {
            if numbers.is_empty() {
                break;
            }
            let sealed = self.segment(position)?;
            for change in open_segment(&self.author, position, &sealed).unwrap_or_default() {
                let path = change.path().as_str();
                if !matches!(change, Change::Remove(_)) && numbers.remove(&number(path)) {
                    names.push(path.into());
                }
            }
        }
        Ok(names)
    }

    /// What has to be published of the path `name`, of which `stated` is to be said now, if anything.
    #[must_use]
    pub fn change(&self, name: &Name, stated: Option<Change>) -> Option<Change> {
        let before = self.published.get(number(name));
        match stated {
            Some(stated) if before == Some(digest(&stated)) => None,
            Some(stated) => Some(stated),
            None if before.is_none() => None,
            None => sealift_proto::path::RelativePath::new(&**name).ok().map(Change::Remove),
        }
    }

    /// Goes on behind `other`, a head of this device that it does not remember: the next head begins anew there. Nothing
    /// is written yet.
    pub fn adopt(&mut self, other: &Signed<Head>) {
        let (own, theirs) = (self.head.as_ref().map(Signed::unverified), other.unverified());
        let further =
            own.is_none_or(|own| own.log_id != theirs.log_id || theirs.position >= own.position);
        if further {
            self.head = Some(other.clone());
        }
        self.floor = self.floor.max(theirs.time);
        self.broken = true;
        self.forget();
    }

    /// Appends `changes` and a new head, both on disk when it returns. With no changes it is a head with a new status.
    /// Blocks.
    ///
    /// # Errors
    /// [`LogError`]; what was the head before still is.
    pub fn append(
        &mut self,
        changes: &[Change],
        status: &Status,
        now: u64,
    ) -> Result<(), LogError> {
        let weight = weight(self.weight, changes)?;
        let folded = fold_all(changes)?;
        let (log_id, base, position, chain) = self.position();
        let sealed = self.seal_all(&folded, position);
        let bodies: Vec<_> =
            sealed.iter().zip(position..).map(|(sealed, at)| body(at, sealed)).collect();
        let end = self.journal.end();
        let places = self.journal.append(bodies.iter().map(Vec::as_slice))?;
        let added = store(chain, &sealed, &places);
        let last = added.last().map_or(chain, |stored| stored.chain);
        let next = position + sealed.len() as u64;
        if let Err(error) = self.sign(log_id, base, next, last, status, now) {
            self.journal.cut(end)?;
            return Err(error);
        }
        self.segments.extend(added);
        self.changes += changes.len();
        self.weight = weight;
        for change in changes {
            note(&mut self.published, change);
        }
        Ok(())
    }

    /// Writes the log anew: what `batches` has is all there is. On disk when it returns. Blocks.
    ///
    /// # Errors
    /// [`LogError`]; then the log is begun anew next time.
    pub fn rebase(
        &mut self,
        batches: impl Iterator<Item = Vec<Change>>,
        status: &Status,
        now: u64,
    ) -> Result<(), LogError> {
        let (log_id, _, base, _) = self.position();
        let author = self.author.clone();
        let start = chain_start(&log_id, base);
        let mut writing = Base::new(&author, batches, base, start);
        let rewritten = self.journal.rewrite(&mut writing);
        let Written { mut segments, published, changes, weight, failed } = writing.written;
        // What came since the last head has been taken by the batches: nothing is appended to that head any more.
        self.broken = true;
        let places = match failed {
            Some(error) => return Err(error),
            None => rewritten?,
        };
        self.forget();
        segments.iter_mut().zip(places).for_each(|(stored, place)| stored.place = place + 8);
        let chain = segments.last().map_or(start, |stored| stored.chain);
        self.sign(log_id, base, base + segments.len() as u64, chain, status, now)?;
        (self.segments, self.published) = (segments, published);
        (self.changes, self.weight) = (changes, weight);
        self.broken = false;
        Ok(())
    }

    /// Log id, base, position and chain to go on from; a new log where there is none.
    fn position(&self) -> ([u8; 16], u64, u64, [u8; 32]) {
        match self.head.as_ref().map(Signed::unverified) {
            Some(head) => (head.log_id, head.base, head.position, head.chain),
            None => {
                let log_id = self.author.random.bytes();
                (log_id, 0, 0, chain_start(&log_id, 0))
            }
        }
    }

    fn seal_all(&self, folded: &[Vec<u8>], from: u64) -> Vec<Vec<u8>> {
        let numbered = folded.iter().zip(from..);
        numbered.map(|(folded, position)| seal(&self.author, folded, position)).collect()
    }

    fn sign(
        &mut self,
        log_id: [u8; 16],
        base: u64,
        position: u64,
        chain: [u8; 32],
        status: &Status,
        now: u64,
    ) -> Result<(), LogError> {
        let author = &self.author;
        let status = object::seal::<object::HeadStatus>(
            &author.catalogue,
            &author.place(position),
            author.random.bytes(),
            &codec::encode(status),
        );
        let head = Head {
            version: sealift_proto::frame::VERSION,
            space: author.space,
            device: author.device(),
            log: FIRST_CATALOGUE,
            log_id,
            base,
            position,
            chain,
            epoch: author.epoch,
            time: now
                .max(self.head.as_ref().map_or(0, |head| head.unverified().time + 1))
                .max(self.floor + 1),
            status: Bytes::new(status)?,
            extensions: Extensions::default(),
        };
        let head = Signed::sign(head, &author.key)?;
        self.folder.write(&self.head_file, &HeadFile { statement: head.to_bytes() }, true)?;
        self.head = Some(head);
        Ok(())
    }

    /// Chain value at `position` of the present base; `None` outside of it.
    #[must_use]
    pub fn chain_at(&self, position: u64) -> Option<[u8; 32]> {
        let head = self.head.as_ref()?.unverified();
        let index = usize::try_from(position.checked_sub(head.base)?).ok()?;
        match index {
            0 => Some(chain_start(&head.log_id, head.base)),
            _ => self.segments.get(index - 1).map(|stored| stored.chain),
        }
    }

    /// The sealed segment at `position`. Blocks.
    ///
    /// # Errors
    /// When there is none or it cannot be read.
    pub fn segment(&self, position: u64) -> io::Result<Vec<u8>> {
        let head = self.head.as_ref().map(Signed::unverified);
        let index = head.and_then(|head| position.checked_sub(head.base));
        let stored = index.and_then(|index| self.segments.get(usize::try_from(index).ok()?));
        let stored = stored.ok_or(io::ErrorKind::NotFound)?;
        self.journal.read(stored.place, stored.len)
    }

    /// The file that change number `index` of the segment at `position` of log `log_id` puts. Blocks.
    #[must_use]
    pub fn lookup(&self, log_id: &[u8; 16], position: u64, index: u32) -> Option<Name> {
        let head = self.head.as_ref()?.unverified();
        if head.log_id != *log_id {
            return None;
        }
        let changes = open_segment(&self.author, position, &self.segment(position).ok()?)?;
        match changes.into_iter().nth(usize::try_from(index).ok()?)? {
            Change::Put(entry) => Some(entry.path.as_str().into()),
            Change::Remove(_) | Change::Folder(_) => None,
        }
    }
}

/// What a log of `before` weighs with `changes` more.
fn weight(before: u64, changes: &[Change]) -> Result<u64, LogError> {
    let weight = before.saturating_add(catalogue::weight(0, changes));
    if weight > CATALOGUE_MAX { Err(LogError::TooLarge) } else { Ok(weight) }
}

fn seal(author: &Author, folded: &[u8], position: u64) -> Vec<u8> {
    let (place, salt) = (author.place(position), author.random.bytes());
    object::seal::<object::Segment>(&author.catalogue, &place, salt, folded)
}

fn body(position: u64, sealed: &[u8]) -> Vec<u8> {
    [&position.to_be_bytes()[..], sealed].concat()
}

fn store(mut chain: [u8; 32], sealed: &[Vec<u8>], places: &[u64]) -> Vec<Stored> {
    let mut stored = Vec::with_capacity(sealed.len());
    for (sealed, place) in sealed.iter().zip(places) {
        chain = chain_next(&chain, sealed);
        stored.push(Stored { place: place + 8, len: sealed.len(), chain });
    }
    stored
}

fn open_segment(author: &Author, position: u64, sealed: &[u8]) -> Option<Vec<Change>> {
    let place = author.place(position);
    let folded = object::open::<object::Segment>(&author.catalogue, &place, sealed).ok()?;
    unfold(&folded).ok()
}

#[cfg(test)]
mod tests;
