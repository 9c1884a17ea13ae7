//! What the store can be asked to do.

use sealift_proto::control::{Hash, LogHead};
use sealift_proto::identity::DeviceId;
use sealift_proto::space::{Serial, SpaceId};
use sealift_server::budget::Budget;
use sealift_server::tokens::TokenName;

use super::core::Core;
use super::error::Failure;
use super::keys::LogKey;
use super::request::Operation;
use super::staged::{SentAhead, Writer};
use super::tables::Tables;

/// Keep a segment aside. A refusal is told by the Publish that follows.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) writer: Writer,
    pub(crate) log: u16,
    pub(crate) log_id: [u8; 16],
    pub(crate) position: u64,
    pub(crate) segment: Vec<u8>,
}

impl Operation for Stage {
    type Reply = ();
    const DURABLE: bool = false;

    fn apply(self, core: &mut Core, tables: &mut Tables<'_>) -> Result<(), Failure> {
        core.stage(tables, &self)
    }

    fn sent_ahead(&self) -> Option<SentAhead> {
        let Self { writer, log, log_id, position, .. } = *self;
        let key = LogKey::of(writer.space, writer.device, log);
        Some(SentAhead { key, connection: writer.connection, log_id, position })
    }
}

/// Forget what the connection has sent ahead.
#[derive(Debug)]
pub(crate) struct DropStaged(pub(crate) Writer);

impl Operation for DropStaged {
    type Reply = ();
    const DURABLE: bool = false;

    fn apply(self, core: &mut Core, tables: &mut Tables<'_>) -> Result<(), Failure> {
        core.drop_staged(tables, &self.0)
    }
}

/// Replace a statement.
#[derive(Debug)]
pub(crate) struct Publish {
    pub(crate) writer: Writer,
    pub(crate) log: u16,
    pub(crate) follows: Option<Hash>,
    pub(crate) statement: Vec<u8>,
}

/// A statement that is on disk and new.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Published {
    /// The statement.
    pub(crate) head: LogHead,
    /// The serials that it removes, if it is a record.
    pub(crate) removed: Vec<Serial>,
}

impl Operation for Publish {
    /// Nothing if that very statement was there already.
    type Reply = Option<Published>;

    fn apply(self, core: &mut Core, tables: &mut Tables<'_>) -> Result<Self::Reply, Failure> {
        core.publish(tables, &self.writer, self.log, self.follows, &self.statement)
    }
}

/// Keep an invite package.
#[derive(Debug)]
pub(crate) struct PutInvite {
    pub(crate) space: SpaceId,
    pub(crate) id: [u8; 16],
    pub(crate) deadline: u64,
    pub(crate) uses: u32,
    pub(crate) package: Vec<u8>,
    pub(crate) now: u64,
}

impl Operation for PutInvite {
    type Reply = ();

    fn apply(self, core: &mut Core, tables: &mut Tables<'_>) -> Result<(), Failure> {
        core.put_invite(tables, &self)
    }
}

/// Hand an invite package to a device, which counts as one use, however often it asks.
#[derive(Debug)]
pub(super) struct TakeInvite {
    pub(super) device: DeviceId,
    pub(super) id: [u8; 16],
    pub(super) now: u64,
}

impl Operation for TakeInvite {
    /// The package.
    type Reply = Vec<u8>;

    fn apply(self, _: &mut Core, tables: &mut Tables<'_>) -> Result<Vec<u8>, Failure> {
        Core::take_invite(tables, self.device, &self.id, self.now)
    }
}

/// Forget the invites whose deadline is before this unix time.
#[derive(Debug)]
pub(super) struct SweepInvites(pub(super) u64);

impl Operation for SweepInvites {
    type Reply = ();

    fn apply(self, core: &mut Core, tables: &mut Tables<'_>) -> Result<(), Failure> {
        core.sweep_invites(tables, self.0)
    }
}

/// Remember a space, and the token that admitted it.
#[derive(Debug)]
pub(super) struct Admit {
    pub(super) space: SpaceId,
    pub(super) token: Option<TokenName>,
    pub(super) now: u64,
}

impl Operation for Admit {
    type Reply = ();

    fn apply(self, core: &mut Core, tables: &mut Tables<'_>) -> Result<(), Failure> {
        core.admit(tables, &self.space, self.token, self.now)
    }
}

/// Remember that these spaces have, or had, a device connected.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) spaces: Vec<SpaceId>,
    pub(super) now: u64,
}

impl Operation for Seen {
    type Reply = ();

    fn apply(self, _: &mut Core, tables: &mut Tables<'_>) -> Result<(), Failure> {
        Core::seen(tables, self.spaces, self.now)
    }
}

/// Keep how much of a month's bytes is used up.
#[derive(Debug)]
pub(super) struct KeepBudget(pub(super) Budget);

impl Operation for KeepBudget {
    type Reply = ();

    fn apply(self, _: &mut Core, tables: &mut Tables<'_>) -> Result<(), Failure> {
        tables.meta.insert("month", self.0.month)?;
        tables.meta.insert("month_bytes", self.0.used)?;
        Ok(())
    }
}

/// Nothing: whoever gets the reply knows that the writer lives.
#[derive(Debug)]
pub(super) struct Answer;

impl Operation for Answer {
    type Reply = ();
    const DURABLE: bool = false;

    fn apply(self, _: &mut Core, _: &mut Tables<'_>) -> Result<(), Failure> {
        Ok(())
    }
}
