//! Segments kept aside until their head comes.

use redb::ReadableTable;

use sealift_proto::control::Refusal;
use sealift_proto::identity::{DeviceId, Signed};
use sealift_proto::log::{FIRST_CATALOGUE, Head, chain_next, chain_start};
use sealift_proto::space::{Role, SpaceId};

use super::core::{Core, Failure};
use super::tables::{
    Charge, LogKey, SegmentKey, StagedKey, Tables, checked, cost, log_key, segment_key, staged_key,
    stored_cost,
};
use super::{Change, Op, Outcome, StoreError, Writer};

/// What is kept aside for one log: segments `from..next` of `log_id`.
#[derive(Debug)]
pub(super) struct Staged {
    /// Which connection sent it: another one starts anew.
    connection: u64,
    pub(super) log_id: [u8; 16],
    pub(super) from: u64,
    pub(super) next: u64,
    /// Chain value at `next` if the segments go on from the stored head.
    pub(super) continued: Option<[u8; 32]>,
    /// Chain value at `next` if they are a new base.
    pub(super) fresh: [u8; 32],
    /// Why a segment could not be kept; told to the Publish that comes.
    pub(super) failed: Option<Refusal>,
}

/// A segment that was to be kept aside.
pub(super) struct SentAhead {
    key: LogKey,
    connection: u64,
    log_id: [u8; 16],
    position: u64,
}

impl SentAhead {
    /// That of `op`, if it is about one.
    pub(super) fn of(op: &Op) -> Option<Self> {
        let Op::Change(writer, Change::Stage { log, log_id, position, .. }) = op else {
            return None;
        };
        let key = log_key(&writer.space, &writer.device, *log);
        let (connection, log_id, position) = (writer.connection, *log_id, *position);
        Some(Self { key, connection, log_id, position })
    }
}

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
    pub(super) fn stage(
        &mut self,
        tables: &mut Tables<'_>,
        writer: &Writer,
        log: u16,
        log_id: &[u8; 16],
        position: u64,
        segment: &[u8],
    ) -> Result<Outcome, Failure> {
        if !(FIRST_CATALOGUE..self.limits.logs).contains(&log) || !writer.role.allows(Role::OFFER) {
            return Err(Refusal::NotAllowed.into());
        }
        let key = log_key(&writer.space, &writer.device, log);
        let follows = self.staged.get(&key).is_some_and(|staged| {
            let same = staged.log_id == *log_id && staged.next == position;
            same && staged.connection == writer.connection
        });
        if !follows {
            self.begin_staging(tables, &key, writer.connection, log_id, position)?;
        }
        let most = self.limits.log_segments;
        let Some(staged) = self.staged.get_mut(&key) else { return Err(Refusal::Internal.into()) };
        staged.next = position.checked_add(1).ok_or(Refusal::Invalid)?;
        if staged.failed.is_some() {
            return Ok(Outcome::Done);
        }
        let place = segment_key(&key, log_id, position);
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
                self.clear_staged(tables, &key)?;
                return Err(why.into());
            }
            Err(broken) => return Err(broken),
        }
        staged.continued = staged.continued.map(|chain| chain_next(&chain, segment));
        staged.fresh = chain_next(&staged.fresh, segment);
        tables.segments.insert(&place, &checked(&place, segment)[..])?;
        tables.staged.insert(&staged_key(&key, log_id), ())?;
        Ok(Outcome::Done)
    }

    fn begin_staging(
        &mut self,
        tables: &mut Tables<'_>,
        key: &LogKey,
        connection: u64,
        log_id: &[u8; 16],
        position: u64,
    ) -> Result<(), StoreError> {
        self.clear_staged(tables, key)?;
        let head = stored_head(tables, key)?;
        let goes_on = head.filter(|head| head.log_id == *log_id && head.position == position);
        let staged = Staged {
            connection,
            log_id: *log_id,
            from: position,
            next: position,
            continued: goes_on.map(|head| head.chain),
            fresh: chain_start(log_id, position),
            failed: None,
        };
        self.staged.insert(*key, staged);
        Ok(())
    }

    /// Forgets what a connection has sent ahead.
    pub(super) fn drop_staged(
        &mut self,
        tables: &mut Tables<'_>,
        writer: &Writer,
    ) -> Result<Outcome, Failure> {
        let prefix = &log_key(&writer.space, &writer.device, 0)[..64];
        let ours = self
            .staged
            .iter()
            .filter(|(key, staged)| key[..64] == *prefix && staged.connection == writer.connection);
        let logs: Vec<LogKey> = ours.map(|(key, _)| *key).collect();
        for log in logs {
            self.clear_staged(tables, &log)?;
            self.staged.remove(&log);
        }
        Ok(Outcome::Done)
    }

    /// Removes from the tables whatever is kept aside for a log, whichever process put it there.
    pub(super) fn clear_staged(
        &self,
        tables: &mut Tables<'_>,
        log: &LogKey,
    ) -> Result<(), StoreError> {
        let (first, last) = (staged_key(log, &[0; 16]), staged_key(log, &[0xff; 16]));
        let mut log_ids = Vec::new();
        for found in tables.staged.range::<&StagedKey>(&first..=&last)? {
            let mut log_id = [0; 16];
            log_id.copy_from_slice(&found?.0.value()[66..]);
            log_ids.push(log_id);
        }
        let head = stored_head(tables, log)?;
        for log_id in log_ids {
            let start = segment_key(log, &log_id, 0);
            match head.as_ref().filter(|head| head.log_id == log_id) {
                // What the head covers stays.
                Some(head) => {
                    let base = segment_key(log, &log_id, head.base);
                    self.remove_segments(tables, log, start, Some(base))?;
                    let behind = segment_key(log, &log_id, head.position);
                    self.remove_segments(tables, log, behind, None)?;
                }
                None => self.remove_segments(tables, log, start, None)?,
            }
            tables.staged.remove(&staged_key(log, &log_id))?;
        }
        Ok(())
    }

    /// Removes the segments from `first` on, up to `end` or to the end of their log id.
    pub(super) fn remove_segments(
        &self,
        tables: &mut Tables<'_>,
        log: &LogKey,
        first: SegmentKey,
        end: Option<SegmentKey>,
    ) -> Result<(), StoreError> {
        let mut last = first;
        last[82..].copy_from_slice(&[0xff; 8]);
        let mut freed = 0;
        tables.segments.retain_in::<&SegmentKey, _>(&first..=&last, |key, value| {
            let goes = end.is_none_or(|end| *key < end);
            freed += if goes { stored_cost(value) } else { 0 };
            !goes
        })?;
        self.credit(tables, log, Charge { bytes: -freed, ..Charge::default() })
    }

    /// Accounts for something that left a log.
    pub(super) fn credit(
        &self,
        tables: &mut Tables<'_>,
        log: &LogKey,
        charge: Charge,
    ) -> Result<(), StoreError> {
        let (space, device) = parts(log)?;
        match tables.charge(&space, Some(&device), charge, &self.limits) {
            Err(Failure::Broken(error)) => Err(error),
            // Less is never refused.
            Ok(()) | Err(Failure::Refused(_)) => Ok(()),
        }
    }
}

/// Space and device of a key.
fn parts(log: &LogKey) -> Result<(SpaceId, DeviceId), StoreError> {
    let (mut space, mut device) = ([0; 32], [0; 32]);
    space.copy_from_slice(&log[..32]);
    device.copy_from_slice(&log[32..64]);
    let device = DeviceId::new(device).map_err(|_| StoreError::Damaged)?;
    Ok((SpaceId::from_bytes(space), device))
}

/// The head that is stored for a catalogue log.
pub(super) fn stored_head(tables: &Tables<'_>, log: &LogKey) -> Result<Option<Head>, StoreError> {
    let Some(statement) = tables.statement(log)? else { return Ok(None) };
    let head = Signed::<Head>::from_bytes(&statement).map_err(|_| StoreError::Damaged)?;
    Ok(Some(head.unverified().clone()))
}
