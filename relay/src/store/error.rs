//! What goes wrong in the store.

use std::io;

use sealift_proto::control::Refusal;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The database refused.
    #[error(transparent)]
    Database(Box<redb::Error>),
    /// A value is not what was written.
    #[error("a stored value is damaged")]
    Damaged,
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// Written by a later version.
    #[error("the store has format {0}, which this version does not know")]
    Format(u64),
    /// A task of the store ended by itself.
    #[error("the store stopped")]
    Stopped,
}

impl StoreError {
    /// Whether the disk has no room left.
    pub(crate) fn is_full(&self) -> bool {
        let is_full = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        };
        match self {
            Self::Disk(error) => is_full(error),
            Self::Database(error) => matches!(&**error, redb::Error::Io(error) if is_full(error)),
            _ => false,
        }
    }

    /// Whether the file is not what was written, other than a disk that cannot be read, or another version's file.
    pub(crate) fn is_damage(&self) -> bool {
        let is_cut = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        };
        match self {
            Self::Damaged | Self::Stopped => true,
            Self::Disk(error) => is_cut(error),
            Self::Database(error) => match &**error {
                redb::Error::Corrupted(_) => true,
                redb::Error::Io(error) => is_cut(error),
                _ => false,
            },
            Self::Format(_) => false,
        }
    }
}

impl<E: Into<redb::Error>> From<E> for StoreError
where
    E: RedbError,
{
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

/// The kinds of error that redb's calls return.
pub(crate) trait RedbError {}
impl RedbError for redb::DatabaseError {}
impl RedbError for redb::TransactionError {}
impl RedbError for redb::TableError {}
impl RedbError for redb::StorageError {}
impl RedbError for redb::CommitError {}
impl RedbError for redb::SetDurabilityError {}

/// Why an operation was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// The publisher's fault; nothing was changed.
    Refused(Refusal),
    /// The store's.
    Broken(StoreError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E: Into<StoreError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}
