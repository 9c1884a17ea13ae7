//! Why a seeder does not do what it was asked, as data.

use std::io;
use std::path::PathBuf;

use sealift_proto::codec::CodecError;
use sealift_proto::path::{PathError, RelativePath};
use sealift_proto::shown::{escape, escape_path};
use sealift_space::profile::file::FileError;
use sealift_transport::control::CallError;
use sealift_transport::notice::ClockApart;

use crate::catalogue::log::LogError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The profile, or what lies on the way to the space.
    #[error(transparent)]
    Transport(Box<sealift_transport::Error>),
    /// A folder that was to be shared.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// One that was shared the last time: nobody has just typed its name.
    #[error(transparent)]
    Remembered(FolderError),
    /// An invite was not made.
    #[error(transparent)]
    Invite(#[from] InviteError),
    /// Another seeder runs on the profile.
    #[error("another seeder runs on this profile already")]
    Running {
        /// What it says of itself; may be empty, and is not safe to show.
        holder: String,
    },
    /// No space can have the name that was asked for.
    #[error("a space cannot have this name")]
    SpaceName,
    /// A space that cannot be made.
    #[error("cannot make a space: {0}")]
    NewSpace(CodecError),
    /// The folder of remembered hashes.
    #[error("cannot use {}: {error}", escape_path(place))]
    Cache {
        /// The folder.
        place: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The catalogue in the profile.
    #[error(transparent)]
    Catalogue(LogError),
    /// Another machine has a copy of the profile.
    #[error("this profile is in use on another machine too")]
    UsedTwice,
    /// A part of the program ended early.
    #[error("a part of the program ended early")]
    Ended,
}

impl Error {
    /// Whether it may pass by itself, so that the seeder connects again.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Transport(error) => error.may_pass(),
            _ => false,
        }
    }
}

impl From<sealift_transport::Error> for Error {
    fn from(error: sealift_transport::Error) -> Self {
        Self::Transport(Box::new(error))
    }
}

impl From<sealift_space::Error> for Error {
    fn from(error: sealift_space::Error) -> Self {
        sealift_transport::Error::from(error).into()
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        sealift_transport::Error::from(error).into()
    }
}

/// Why a folder is not shared.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system makes up what is in it.
    #[error("{} cannot be shared: {}", escape_path(.0), crate::folder::MADE_UP)]
    MadeUp(PathBuf),
    /// Sealift keeps its own files there.
    #[error("{} is a folder of Sealift's own, or lies in one", escape_path(.0))]
    Own(PathBuf),
    /// Nothing is there.
    #[error("there is no folder or file {}", escape_path(.0))]
    Missing(PathBuf),
    /// Something else is there.
    #[error("{} is no folder, and no file that can be shared", escape_path(.0))]
    NoFolder(PathBuf),
    /// The system does not open it.
    #[error("cannot use {}: {error}", escape_path(place))]
    Unreadable {
        /// The folder.
        place: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// None is shared by that name.
    #[error("nothing is shared as `{}` here", escape(name))]
    NotShared {
        /// The name.
        name: String,
        /// Names that are.
        known: Vec<String>,
    },
    /// It has no name that can be shared.
    #[error("{} has no name to offer it under", escape_path(place))]
    NoName {
        /// The folder.
        place: PathBuf,
        /// What is wrong with its own name, if it has one.
        why: Option<PathError>,
    },
    /// Another one has the same name.
    #[error("two folders have the name `{}`", escape(name.as_str()))]
    SameName {
        /// The name.
        name: RelativePath,
        /// The two folders.
        places: [PathBuf; 2],
    },
}

/// Why there is no invite.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// This device does not own the space.
    #[error("only the space's owner can invite")]
    NotOwner,
    /// It would be longer than it may be.
    #[error("the invite outgrew its limits: {0}")]
    Outgrown(CodecError),
    /// The relay does not keep its package.
    #[error("the relay {relay}: {error}")]
    NotKept {
        /// Its `HOST:PORT`.
        relay: String,
        /// Why.
        error: CallError,
        /// How far the clocks are apart, if that may be why.
        clock: Option<ClockApart>,
    },
}
