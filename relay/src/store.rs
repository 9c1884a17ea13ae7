//! What the relay keeps on disk: statements, sealed segments and invite packages (PROTOCOL.md section 5.5).
//!
//! Everything lies in one database file. One task owns all writing: it gathers the requests that are waiting into one
//! transaction, so that many publishers share one flush, and answers only when that flush is done. Segments arrive
//! ahead of the head that covers them and become part of the catalogue in the transaction that stores this head.

mod core;
mod error;
mod heads;
mod invites;
mod keys;
mod operation;
mod presence;
mod read;
mod request;
mod spaces;
mod staged;
mod staging;
mod tables;
#[cfg(test)]
mod tests;
mod usage;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use sealift_platform::disk::Root;
use sealift_proto::control::{LogHead, Refusal};
use sealift_proto::identity::DeviceId;
use sealift_proto::space::{Serial, SpaceId};
use sealift_server::budget::Budget;
use sealift_server::tokens::TokenName;

use self::core::{Core, Shared};
use self::operation::{Admit, Answer, DropStaged, KeepBudget, Seen, SweepInvites, TakeInvite};
use self::request::{Asked, Operation, Request, apply_all};
use self::usage::Usage;
use crate::limits::InForce;

pub(crate) use self::core::FILE;
pub(crate) use error::StoreError;
pub(crate) use operation::{Publish, Published, PutInvite, Stage};
pub(crate) use presence::{Presence, Present};
pub(crate) use read::{Cursor, SegmentRange};
pub(crate) use spaces::Facts;
pub(crate) use staged::Writer;

/// Requests that may wait for the writer; beyond, connections are not read.
const QUEUE: usize = 64;
/// Requests that one transaction takes at most: with the largest segments, 8 MiB.
const BATCH: usize = 128;

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

    /// What it holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn usage(&self) -> Result<Usage, StoreError> {
        self.read(Shared::usage).await
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
            let failed = apply_all(&mut core, &mut batch);
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
