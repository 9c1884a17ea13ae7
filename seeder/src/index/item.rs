//! A file, and how far it is.

use sealift_content::hashes::print::Print;
use sealift_proto::catalogue::Root;

use super::files::Part;

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It changed a moment ago; it may still be written.
    Settling,
    /// It waits to be read.
    Waiting,
    /// It has been read in the state of its print.
    Hashed(Root),
    /// It is not shared.
    Lacking(Lack),
}

/// Why a name is not shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// It cannot be, and would be otherwise.
    Unshared,
    /// It is nothing that is shared: a link, socket, pipe or device.
    LeftOut,
}

impl State {
    /// As what it counts in its folder.
    pub(super) const fn part(self) -> Part {
        match self {
            Self::Lacking(Lack::Unshared) => Part::Unshared,
            Self::Lacking(Lack::LeftOut) => Part::LeftOut,
            _ => Part::Offered,
        }
    }

    /// Whether it is offered.
    pub(crate) const fn is_offered(self) -> bool {
        !matches!(self, Self::Lacking(_))
    }
}

/// A file.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// The state it was found in.
    pub print: Print,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Whether not even its name is told before it was read: copies of keys are such files. A name that was told already stays.
    pub(super) quiet: bool,
    /// Whether it has to be compared with what was published.
    pub(super) dirty: bool,
    /// How far it is.
    pub state: State,
    /// The last walk that found it.
    pub(super) seen: u64,
}

impl Item {
    /// Whether its name is told.
    pub(super) const fn is_named(&self) -> bool {
        match self.state {
            State::Settling | State::Waiting => !self.quiet,
            State::Hashed(_) => true,
            State::Lacking(_) => false,
        }
    }
}
