//! Operations that wait for the store's writer, and the transaction that does them. Each has a reply of its own type, which is given
//! once the transaction is on disk.

use redb::Durability;
use tokio::sync::oneshot;

use sealift_proto::control::Refusal;

use super::core::Core;
use super::error::{Failure, StoreError};
use super::staged::SentAhead;
use super::tables::Tables;

/// One thing that the store's writer does.
pub(super) trait Operation: Send + 'static {
    /// What whoever asked is told.
    type Reply: Send + 'static;

    /// Whether the transaction that does it is flushed.
    const DURABLE: bool = true;

    /// Does it, whole or not at all.
    fn apply(self, core: &mut Core, tables: &mut Tables<'_>) -> Result<Self::Reply, Failure>;

    /// The segment that it keeps aside, if it is about one.
    fn sent_ahead(&self) -> Option<SentAhead> {
        None
    }
}

/// An operation of any kind that waits for the writer.
pub(super) trait Request: Send {
    /// As [`Operation::sent_ahead`].
    fn sent_ahead(&self) -> Option<SentAhead>;

    /// As [`Operation::DURABLE`].
    fn is_durable(&self) -> bool;

    /// Does it and keeps the reply. An error is the store's own, and ends the transaction.
    fn apply(&mut self, core: &mut Core, tables: &mut Tables<'_>) -> Result<(), StoreError>;

    /// Gives the reply; `failed` in its place if the transaction failed.
    fn answer(self: Box<Self>, failed: Option<Refusal>);
}

/// Where a reply goes.
type Replies<T> = oneshot::Sender<Result<T, Refusal>>;

/// An operation and who waits for its reply, if anybody does.
pub(super) struct Asked<O: Operation> {
    operation: Option<O>,
    reply: Result<O::Reply, Refusal>,
    to: Option<Replies<O::Reply>>,
}

impl<O: Operation> Asked<O> {
    /// To be done.
    pub(super) const fn new(operation: O, to: Option<Replies<O::Reply>>) -> Self {
        Self { operation: Some(operation), reply: Err(Refusal::Internal), to }
    }
}

impl<O: Operation> Request for Asked<O> {
    fn sent_ahead(&self) -> Option<SentAhead> {
        self.operation.as_ref().and_then(Operation::sent_ahead)
    }

    fn is_durable(&self) -> bool {
        O::DURABLE
    }

    fn apply(&mut self, core: &mut Core, tables: &mut Tables<'_>) -> Result<(), StoreError> {
        let Some(operation) = self.operation.take() else { return Ok(()) };
        self.reply = match operation.apply(core, tables) {
            Ok(reply) => Ok(reply),
            Err(Failure::Refused(why)) => Err(why),
            Err(Failure::Broken(error)) => return Err(error),
        };
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<Refusal>) {
        if let Some(to) = self.to {
            // Who asked may be gone; what it asked for is done all the same.
            let _ = to.send(failed.map_or(self.reply, Err));
        }
    }
}

/// Does all that is asked in one transaction: each is done whole or refused whole. All of it failed, for the reason that is
/// returned, if the disk did.
pub(super) fn apply_all(core: &mut Core, requests: &mut [Box<dyn Request>]) -> Option<Refusal> {
    let sent_ahead: Vec<SentAhead> =
        requests.iter().filter_map(|request| request.sent_ahead()).collect();
    let done = core.transact(|core, tables| {
        let mut durability = Durability::None;
        for request in requests {
            if request.is_durable() {
                durability = Durability::Immediate;
            }
            request.apply(core, tables)?;
        }
        Ok(((), durability))
    });
    let error = done.err()?;
    let shared = core.shared();
    shared.failures.add(1);
    tracing::error!(%error, "the store could not be written");
    let why = if error.is_full() { Refusal::Full } else { Refusal::Internal };
    // Kept-aside segments of earlier transactions may be gone with it: their publishers send them again.
    core.fail_staged(sent_ahead, why);
    shared.open_again();
    Some(why)
}
