//! Statements: what makes a new one take the place of the stored one.

use sealift_proto::codec::Bytes;
use sealift_proto::control::{Hash, LogHead, Refusal};
use sealift_proto::frame::VERSION;
use sealift_proto::identity::{DeviceId, Signed};
use sealift_proto::log::{FIRST_CATALOGUE, Head, chain_start, statement_hash};
use sealift_proto::space::{Card, Role, Serial, SpaceRecord};

use super::core::Core;
use super::error::{Failure, StoreError};
use super::keys::{LogKey, RECORD, SegmentKey, StagedKey};
use super::operation::Published;
use super::staged::Writer;
use super::staging::stored_head;
use super::tables::{Charge, Tables, checked, cost};

/// Log that holds a card.
const CARD: u16 = 1;

impl Core {
    /// Stores a statement if it may follow the stored one. One that is stored already is acknowledged again, since the
    /// publisher may have missed it.
    pub(super) fn publish(
        &mut self,
        tables: &mut Tables<'_>,
        writer: &Writer,
        log: u16,
        follows: Option<Hash>,
        statement: &[u8],
    ) -> Result<Option<Published>, Failure> {
        match log {
            RECORD => self.publish_record(tables, writer, statement),
            CARD => self.publish_card(tables, writer, statement),
            log if log < self.limits.logs => {
                self.publish_head(tables, writer, log, follows, statement)
            }
            _ => Err(Refusal::NotAllowed.into()),
        }
    }

    fn publish_record(
        &mut self,
        tables: &mut Tables<'_>,
        writer: &Writer,
        statement: &[u8],
    ) -> Result<Option<Published>, Failure> {
        let signed = Signed::<SpaceRecord>::from_bytes(statement).map_err(|_| Refusal::Invalid)?;
        let owner = signed.unverified().owner;
        let record = signed.verify(&owner).map_err(|_| Refusal::Invalid)?;
        if record.version != VERSION || record.space() != writer.space {
            return Err(Refusal::Invalid.into());
        }
        let key = LogKey::record(writer.space);
        let old = tables.statement(key)?;
        if old.as_deref() == Some(statement) {
            return Ok(None);
        }
        let before = old.as_deref().map(decode::<SpaceRecord>).transpose()?;
        if before.is_some_and(|old| record.number <= old.number || record.epoch < old.epoch) {
            return Err(Refusal::Stale.into());
        }
        self.replace(tables, writer, owner, key, old.as_deref(), statement)?;
        published(owner, RECORD, statement, record.removed())
    }

    fn publish_card(
        &mut self,
        tables: &mut Tables<'_>,
        writer: &Writer,
        statement: &[u8],
    ) -> Result<Option<Published>, Failure> {
        let signed = Signed::<Card>::from_bytes(statement).map_err(|_| Refusal::Invalid)?;
        let card = signed.verify(&writer.device).map_err(|_| Refusal::Invalid)?;
        let ours = card.space == writer.space && card.device == writer.device;
        if card.version != VERSION || !ours {
            return Err(Refusal::Invalid.into());
        }
        let key = LogKey::of(writer.space, writer.device, CARD);
        let old = tables.statement(key)?;
        if old.as_deref() == Some(statement) {
            return Ok(None);
        }
        let before = old.as_deref().map(decode::<Card>).transpose()?;
        if before.is_some_and(|old| card.number <= old.number) {
            return Err(Refusal::Stale.into());
        }
        self.replace(tables, writer, writer.device, key, old.as_deref(), statement)?;
        published(writer.device, CARD, statement, Vec::new())
    }

    fn publish_head(
        &mut self,
        tables: &mut Tables<'_>,
        writer: &Writer,
        log: u16,
        follows: Option<Hash>,
        statement: &[u8],
    ) -> Result<Option<Published>, Failure> {
        if !writer.role.allows(Role::OFFER) {
            return Err(Refusal::NotAllowed.into());
        }
        let signed = Signed::<Head>::from_bytes(statement).map_err(|_| Refusal::Invalid)?;
        let head = signed.verify(&writer.device).map_err(|_| Refusal::Invalid)?;
        let ours = head.space == writer.space && head.device == writer.device && head.log == log;
        if head.version != VERSION || !ours || head.base > head.position {
            return Err(Refusal::Invalid.into());
        }
        let key = LogKey::of(writer.space, writer.device, log);
        let old = tables.statement(key)?;
        if old.as_deref() == Some(statement) {
            return Ok(None);
        }
        if follows != old.as_deref().map(statement_hash) {
            return Err(Refusal::Stale.into());
        }
        let before = stored_head(tables, key)?;
        let record = tables.statement(LogKey::record(writer.space))?;
        let record = record.as_deref().map(decode::<SpaceRecord>).transpose()?;
        self.check_follows(record.map_or(0, |record| record.epoch), before.as_ref(), head)?;
        let used = self.check_segments(key, before.as_ref(), head)?;
        self.replace(tables, writer, writer.device, key, old.as_deref(), statement)?;
        if used {
            self.staged.remove(&key);
            let staged = StagedKey { log: key, log_id: head.log_id };
            tables.staged.remove(&staged.bytes())?;
        }
        if let Some(before) = before {
            self.remove_superseded(tables, key, &before, head)?;
        }
        published(writer.device, log, statement, Vec::new())
    }

    /// Whether `head` may stand where `before` stood: time, base, and an epoch not before that of the space.
    fn check_follows(&self, epoch: u32, before: Option<&Head>, head: &Head) -> Result<(), Refusal> {
        let follows = before.is_none_or(|before| {
            if before.log_id != head.log_id {
                return head.time > before.time && head.epoch >= before.epoch;
            }
            let goes_on = head.base == before.base && head.position >= before.position;
            let anew = head.base > before.base && head.base >= before.position;
            (goes_on || anew) && head.time >= before.time && head.epoch >= before.epoch
        });
        let short = head.position - head.base <= self.limits.log_segments;
        if follows && short && head.epoch >= epoch { Ok(()) } else { Err(Refusal::Invalid) }
    }

    /// Whether the segments that `head` adds are here and hash to its chain value; true if any were kept aside for it.
    fn check_segments(
        &mut self,
        key: LogKey,
        before: Option<&Head>,
        head: &Head,
    ) -> Result<bool, Refusal> {
        let goes_on =
            before.filter(|before| before.log_id == head.log_id && before.base == head.base);
        let from = goes_on.map_or(head.base, |before| before.position);
        if from == head.position {
            let start = chain_start(&head.log_id, head.base);
            let chain = goes_on.map_or(start, |before| before.chain);
            return if chain == head.chain { Ok(false) } else { Err(Refusal::Invalid) };
        }
        let staged = self.staged.get(&key).ok_or(Refusal::Invalid)?;
        if let Some(why) = staged.failed {
            self.staged.remove(&key);
            return Err(why);
        }
        let chain = if goes_on.is_some() { staged.continued } else { Some(staged.fresh) };
        let all_here =
            staged.log_id == head.log_id && staged.from == from && staged.next == head.position;
        if all_here && chain == Some(head.chain) { Ok(true) } else { Err(Refusal::Invalid) }
    }

    /// The segments that `before` covered and `head` does not.
    fn remove_superseded(
        &self,
        tables: &mut Tables<'_>,
        key: LogKey,
        before: &Head,
        head: &Head,
    ) -> Result<(), StoreError> {
        let first = SegmentKey { log: key, log_id: before.log_id, position: 0 };
        if before.log_id != head.log_id {
            return self.remove_segments(tables, first, None);
        }
        if before.base == head.base {
            return Ok(());
        }
        self.remove_segments(tables, first, Some(head.base))
    }

    fn replace(
        &mut self,
        tables: &mut Tables<'_>,
        writer: &Writer,
        device: DeviceId,
        key: LogKey,
        old: Option<&[u8]>,
        new: &[u8],
    ) -> Result<(), Failure> {
        let charge = Charge {
            bytes: cost(new) - old.map_or(0, cost),
            statements: i64::from(old.is_none()),
            invites: 0,
        };
        let limits = self.limits.clone();
        self.charge(tables, &writer.space, |tables| {
            tables.charge(&writer.space, Some(&device), charge, &limits)
        })?;
        let key = key.bytes();
        tables.statements.insert(&key, &checked(&key, new)[..])?;
        Ok(())
    }
}

/// Decodes a stored statement.
pub(super) fn decode<T: sealift_proto::identity::Statement + Clone>(
    bytes: &[u8],
) -> Result<T, StoreError> {
    let signed = Signed::<T>::from_bytes(bytes).map_err(|_| StoreError::Damaged)?;
    Ok(signed.unverified().clone())
}

fn published(
    device: DeviceId,
    log: u16,
    statement: &[u8],
    removed: Vec<Serial>,
) -> Result<Option<Published>, Failure> {
    let statement = Bytes::new(statement.to_vec()).map_err(|_| Refusal::Invalid)?;
    Ok(Some(Published { head: LogHead { device, log, statement }, removed }))
}

const _: () = assert!(FIRST_CATALOGUE == CARD + 1);
