//! What the relay keeps on disk: statements, sealed segments and invite packages (PROTOCOL.md section 5.5).
//!
//! Everything lies in one database file. One task owns all writing: it gathers the requests that are waiting into one
//! transaction, so that many publishers share one flush, and answers only when that flush is done. Segments arrive
//! ahead of the head that covers them and become part of the catalogue in the transaction that stores this head.

mod core;
mod heads;
mod invites;
mod keys;
mod operation;
mod presence;
mod read;
mod spaces;
mod staging;
mod tables;
#[cfg(test)]
mod tests;
mod usage;

use std::io;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use sealift_platform::disk::Root;
use sealift_proto::control::{LogHead, Refusal};
use sealift_proto::identity::DeviceId;
use sealift_proto::space::{Role, Serial, SpaceId};
use sealift_server::budget::Budget;
use sealift_server::tokens::TokenName;

use self::core::{Core, Shared};
use self::operation::{
    Admit, Answer, Asked, DropStaged, KeepBudget, Operation, Request, Seen, SweepInvites,
    TakeInvite,
};
use crate::limits::InForce;

pub(crate) use operation::{Publish, Published, PutInvite, Stage};
pub(crate) use presence::{Presence, Present};
pub(crate) use read::{Cursor, SegmentRange};
pub(crate) use spaces::Facts;

/// Name of the database in the relay's home.
pub(crate) const FILE: &str = "relay.redb";
/// Requests that may wait for the writer; beyond, connections are not read.
const QUEUE: usize = 64;
/// Requests that one transaction takes at most: with the largest segments, 8 MiB.
const BATCH: usize = 128;

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

/// A member as far as storing goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) space: SpaceId,
    pub(crate) device: DeviceId,
    pub(crate) role: Role,
    /// Which of its connections: what is kept aside belongs to one.
    pub(crate) connection: u64,
}

/// The open store. Clones share it; it closes when the last is gone and [`Closing`] has been awaited.
#[derive(Clone)]
pub(crate) struct Store {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Box<dyn Request>>,
}

/// The writer's end.
pub(crate) struct Closing(JoinHandle<()>);

impl Closing {
    /// Waits until all that was asked is written; every [`Store`] must be dropped.
    pub(crate) async fn wait(self) {
        if self.0.await.is_err() {
            tracing::error!("the store's writer failed");
        }
    }
}

impl Store {
    /// Opens the store in `root`, making an empty one if there is none.
    ///
    /// # Errors
    /// When it cannot be read or is damaged: it is never replaced by an empty one.
    pub(crate) async fn open(
        root: Arc<dyn Root>,
        limits: InForce,
    ) -> Result<(Self, Closing), StoreError> {
        let core = blocking(move || Core::open(root, limits)).await??;
        let shared = core.shared();
        let (requests, waiting) = mpsc::channel(QUEUE);
        let writer = tokio::spawn(write_all(core, waiting));
        Ok((Self { shared, requests }, Closing(writer)))
    }

    /// Hands over a segment; returns as soon as it waits in order.
    pub(crate) async fn stage(&self, stage: Stage) -> Result<(), Refusal> {
        self.tell(stage).await
    }

    /// Has what a connection sent ahead forgotten; returns as soon as that waits in order.
    pub(crate) async fn drop_staged(&self, writer: Writer) -> Result<(), Refusal> {
        self.tell(DropStaged(writer)).await
    }

    /// Replaces a statement: what is on disk and new, or nothing if it was there already.
    pub(crate) async fn publish(&self, publish: Publish) -> Result<Option<Published>, Refusal> {
        self.ask(publish).await
    }

    /// Keeps an invite package.
    pub(crate) async fn put_invite(&self, put: PutInvite) -> Result<(), Refusal> {
        self.ask(put).await
    }

    /// Hands an invite package to `device`, which counts as one use, however often it asks.
    pub(crate) async fn take_invite(
        &self,
        device: DeviceId,
        id: [u8; 16],
        now: u64,
    ) -> Result<Vec<u8>, Refusal> {
        self.ask(TakeInvite { device, id, now }).await
    }

    /// Forgets the invites whose deadline is before `now`, unix seconds.
    pub(crate) async fn sweep_invites(&self, now: u64) -> Result<(), Refusal> {
        self.ask(SweepInvites(now)).await
    }

    /// Waits until the writer has come to this: it lives. Nothing is flushed for it.
    pub(crate) async fn answers(&self) {
        // A no is an answer.
        let _ = self.ask(Answer).await;
    }

    /// How often the disk has failed a write.
    pub(crate) fn failures(&self) -> u64 {
        self.shared.failures.get()
    }

    /// Has something done without waiting for it.
    async fn tell<O: Operation>(&self, operation: O) -> Result<(), Refusal> {
        self.hand_over(Asked::new(operation, None)).await
    }

    /// Has something done, and waits until it is on disk if it has to be.
    async fn ask<O: Operation>(&self, operation: O) -> Result<O::Reply, Refusal> {
        let (to, reply) = oneshot::channel();
        self.hand_over(Asked::new(operation, Some(to))).await?;
        reply.await.unwrap_or(Err(Refusal::Internal))
    }

    async fn hand_over<O: Operation>(&self, asked: Asked<O>) -> Result<(), Refusal> {
        self.requests.send(Box::new(asked)).await.map_err(|_| Refusal::Internal)
    }

    /// Remembers a space from `now` on, unix seconds, and the token that admitted it; for a new one, another may have to go.
    pub(crate) async fn admit(
        &self,
        space: SpaceId,
        token: Option<TokenName>,
        now: u64,
    ) -> Result<(), Refusal> {
        self.ask(Admit { space, token, now }).await
    }

    /// Remembers that the spaces of [`Self::presence`] have, or had, a device connected `now`, unix seconds.
    pub(crate) async fn remember_presence(&self, now: u64) -> Result<(), Refusal> {
        let spaces = self.presence().seen();
        self.ask(Seen { spaces, now }).await
    }

    /// How much of a month's bytes was used up when that was last kept.
    pub(crate) async fn budget(&self) -> Result<Budget, StoreError> {
        self.read(Shared::budget).await
    }

    /// Keeps it.
    pub(crate) async fn keep_budget(&self, budget: Budget) -> Result<(), Refusal> {
        self.ask(KeepBudget(budget)).await
    }

    /// Which spaces have a device connected.
    pub(crate) fn presence(&self) -> &Presence {
        &self.shared.presence
    }

    /// What is known of a space before anybody of it comes in.
    pub(crate) async fn facts(&self, space: SpaceId) -> Result<Facts, StoreError> {
        self.read(move |shared| shared.facts(&space)).await
    }

    /// The serials that the owner of `space` has removed.
    pub(crate) async fn removed(&self, space: SpaceId) -> Result<Vec<Serial>, StoreError> {
        self.read(move |shared| shared.removed(&space)).await
    }

    /// The next statements of `space` behind `cursor`, the space record first, and the cursor behind them; no cursor
    /// when that was all.
    pub(crate) async fn heads(
        &self,
        space: SpaceId,
        cursor: Cursor,
    ) -> Result<(Vec<LogHead>, Option<Cursor>), StoreError> {
        self.read(move |shared| shared.heads(&space, cursor)).await
    }

    /// The segments of `range`, or `None` when not all of them are part of a catalogue.
    pub(crate) async fn segments(
        &self,
        range: SegmentRange,
    ) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
        self.read(move |shared| shared.segments(&range)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || read(&shared)).await?
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Stopped)
}

/// Writes what is asked until nobody can ask any more.
async fn write_all(mut core: Core, mut waiting: mpsc::Receiver<Box<dyn Request>>) {
    while let Some(first) = waiting.recv().await {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            let Ok(next) = waiting.try_recv() else { break };
            batch.push(next);
        }
        let applied = blocking(move || {
            let failed = core.apply(&mut batch);
            (core, batch, failed)
        });
        let Ok((back, done, failed)) = applied.await else {
            tracing::error!("the store's writer stopped; nothing more can be stored");
            return;
        };
        core = back;
        for request in done {
            request.answer(failed);
        }
    }
}
