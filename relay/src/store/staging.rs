//! Segments kept aside until their head comes.

use redb::ReadableTable;

use sealift_proto::control::Refusal;
use sealift_proto::identity::Signed;
use sealift_proto::log::{FIRST_CATALOGUE, Head, chain_next, chain_start};
use sealift_proto::space::Role;

use super::core::Core;
use super::error::{Failure, StoreError};
use super::keys::{LogKey, SegmentBytes, SegmentKey, StagedBytes, StagedKey};
use super::operation::Stage;
use super::staged::{SentAhead, Staged, Writer};
use super::tables::{Charge, Tables, checked, cost, stored_cost};

impl Core {
    /// The disk has failed a transaction: what was kept aside counts as lost, for the reason `why`, which the Publish that comes
    /// is told. `sent_ahead` is what the transaction was to keep aside.
    pub(super) fn fail_staged(&mut self, sent_ahead: Vec<SentAhead>, why: Refusal) {
        for staged in self.staged.values_mut() {
            staged.failed.get_or_insert(why);
        }
        for SentAhead { key, connection, log_id, position } in sent_ahead {
            let staged = Staged {
                connection,
                log_id,
                from: position,
                next: position.saturating_add(1),
                continued: None,
                fresh: chain_start(&log_id, position),
                failed: Some(why),
            };
            self.staged.insert(key, staged);
        }
    }

    /// Keeps a segment aside. One that does not follow the last starts anew and drops what was kept before.
    pub(super) fn stage(&mut self, tables: &mut Tables<'_>, stage: &Stage) -> Result<(), Failure> {
        let Stage { writer, log, log_id, position, segment } = stage;
        let (log_id, position) = (*log_id, *position);
        if !(FIRST_CATALOGUE..self.limits.logs).contains(log) || !writer.role.allows(Role::OFFER) {
            return Err(Refusal::NotAllowed.into());
        }
        let key = LogKey::of(writer.space, writer.device, *log);
        let follows = self.staged.get(&key).is_some_and(|staged| {
            let same = staged.log_id == log_id && staged.next == position;
            same && staged.connection == writer.connection
        });
        if !follows {
            self.begin_staging(tables, key, writer.connection, log_id, position)?;
        }
        let most = self.limits.log_segments;
        let Some(staged) = self.staged.get_mut(&key) else { return Err(Refusal::Internal.into()) };
        staged.next = position.checked_add(1).ok_or(Refusal::Invalid)?;
        if staged.failed.is_some() {
            return Ok(());
        }
        let place = SegmentKey { log: key, log_id, position }.bytes();
        let charge = Charge { bytes: cost(segment), ..Charge::default() };
        let kept = if staged.next - staged.from > most || tables.segments.get(&place)?.is_some() {
            Err(Refusal::Invalid.into())
        } else {
            let limits = self.limits.clone();
            self.charge(tables, &writer.space, |tables| {
                tables.charge(&writer.space, Some(&writer.device), charge, &limits)
            })
        };
        let Some(staged) = self.staged.get_mut(&key) else { return Err(Refusal::Internal.into()) };
        match kept {
            Ok(()) => {}
            Err(Failure::Refused(why)) => {
                staged.failed = Some(why);
                self.clear_staged(tables, key)?;
                return Err(why.into());
            }
            Err(broken) => return Err(broken),
        }
        staged.continued = staged.continued.map(|chain| chain_next(&chain, segment));
        staged.fresh = chain_next(&staged.fresh, segment);
        tables.segments.insert(&place, &checked(&place, segment)[..])?;
        tables.staged.insert(&StagedKey { log: key, log_id }.bytes(), ())?;
        Ok(())
    }

    fn begin_staging(
        &mut self,
        tables: &mut Tables<'_>,
        key: LogKey,
        connection: u64,
        log_id: [u8; 16],
        position: u64,
    ) -> Result<(), StoreError> {
        self.clear_staged(tables, key)?;
        let head = stored_head(tables, key)?;
        let goes_on = head.filter(|head| head.log_id == log_id && head.position == position);
        let staged = Staged {
            connection,
            log_id,
            from: position,
            next: position,
            continued: goes_on.map(|head| head.chain),
            fresh: chain_start(&log_id, position),
            failed: None,
        };
        self.staged.insert(key, staged);
        Ok(())
    }

    /// Forgets what a connection has sent ahead.
    pub(super) fn drop_staged(
        &mut self,
        tables: &mut Tables<'_>,
        writer: &Writer,
    ) -> Result<(), Failure> {
        let is_ours = |key: &LogKey, staged: &Staged| {
            let of_device = (key.space, key.device) == (writer.space, Some(writer.device));
            of_device && staged.connection == writer.connection
        };
        let ours = self.staged.iter().filter(|(key, staged)| is_ours(key, staged));
        let logs: Vec<LogKey> = ours.map(|(key, _)| *key).collect();
        for log in logs {
            self.clear_staged(tables, log)?;
            self.staged.remove(&log);
        }
        Ok(())
    }

    /// Removes from the tables whatever is kept aside for a log, whichever process put it there.
    pub(super) fn clear_staged(
        &self,
        tables: &mut Tables<'_>,
        log: LogKey,
    ) -> Result<(), StoreError> {
        let all = StagedKey::all_of_log(log);
        let mut log_ids = Vec::new();
        for found in tables.staged.range::<&StagedBytes>(all.start()..=all.end())? {
            log_ids.push(StagedKey::read(found?.0.value())?.log_id);
        }
        let head = stored_head(tables, log)?;
        for log_id in log_ids {
            let start = SegmentKey { log, log_id, position: 0 };
            match head.as_ref().filter(|head| head.log_id == log_id) {
                // What the head covers stays.
                Some(head) => {
                    self.remove_segments(tables, start, Some(head.base))?;
                    let behind = SegmentKey { position: head.position, ..start };
                    self.remove_segments(tables, behind, None)?;
                }
                None => self.remove_segments(tables, start, None)?,
            }
            tables.staged.remove(&StagedKey { log, log_id }.bytes())?;
        }
        Ok(())
    }

    /// Removes the segments from `first` on, up to position `end` or to the end of their log id.
    pub(super) fn remove_segments(
        &self,
        tables: &mut Tables<'_>,
        first: SegmentKey,
        end: Option<u64>,
    ) -> Result<(), StoreError> {
        let going = first.up_to(end);
        let mut freed = 0;
        tables.segments.retain_in::<&SegmentBytes, _>(&going.start..&going.end, |_, value| {
            freed += stored_cost(value);
            false
        })?;
        self.credit(tables, first.log, Charge { bytes: -freed, ..Charge::default() })
    }

    /// Accounts for something that left a log.
    pub(super) fn credit(
        &self,
        tables: &mut Tables<'_>,
        log: LogKey,
        charge: Charge,
    ) -> Result<(), StoreError> {
        match tables.charge(&log.space, log.device.as_ref(), charge, &self.limits) {
            Err(Failure::Broken(error)) => Err(error),
            // Less is never refused.
            Ok(()) | Err(Failure::Refused(_)) => Ok(()),
        }
    }
}

/// The head that is stored for a catalogue log.
pub(super) fn stored_head(tables: &Tables<'_>, log: LogKey) -> Result<Option<Head>, StoreError> {
    let Some(statement) = tables.statement(log)? else { return Ok(None) };
    let head = Signed::<Head>::from_bytes(&statement).map_err(|_| StoreError::Damaged)?;
    Ok(Some(head.unverified().clone()))
}
