//! Reading the store.

use redb::ReadableDatabase;

use sealift_proto::codec::Bytes;
use sealift_proto::control::{FETCH_MAX, LogHead};
use sealift_proto::identity::{DeviceId, Signed};
use sealift_proto::log::Head;
use sealift_proto::space::{Serial, SpaceId, SpaceRecord};
use sealift_server::budget::Budget;

use super::core::Shared;
use super::error::StoreError;
use super::heads::decode;
use super::keys::{LogBytes, LogKey, SegmentKey};
use super::tables::{META, SEGMENTS, STATEMENTS, unchecked};

/// Bytes of statements that one reading returns, about.
const PAGE: usize = 256 << 10;

/// A place among the statements of a space.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor(Option<LogBytes>);

/// Segments that a member asks for.
#[derive(Debug, Clone)]
pub(crate) struct SegmentRange {
    pub(crate) space: SpaceId,
    pub(crate) device: DeviceId,
    pub(crate) log: u16,
    pub(crate) log_id: [u8; 16],
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Shared {
    pub(super) fn budget(&self) -> Result<Budget, StoreError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(META)?;
            let number = |name| -> Result<u64, StoreError> {
                Ok(table.get(name)?.map_or(0, |found| found.value()))
            };
            Ok(Budget { month: number("month")?, used: number("month_bytes")? })
        })
    }

    pub(super) fn removed(&self, space: &SpaceId) -> Result<Vec<Serial>, StoreError> {
        let key = LogKey::record(*space).bytes();
        self.with(|database| {
            let table = database.begin_read()?.open_table(STATEMENTS)?;
            let Some(found) = table.get(&key)? else { return Ok(Vec::new()) };
            let record: SpaceRecord = decode(&unchecked(&key, found.value())?)?;
            Ok(record.removed())
        })
    }

    pub(super) fn heads(
        &self,
        space: &SpaceId,
        cursor: Cursor,
    ) -> Result<(Vec<LogHead>, Option<Cursor>), StoreError> {
        let all = LogKey::all_of(space);
        let (first, last) = (cursor.0.as_ref().unwrap_or(all.start()), all.end());
        self.with(|database| {
            let table = database.begin_read()?.open_table(STATEMENTS)?;
            let (mut heads, mut bytes) = (Vec::new(), 0);
            for found in table.range::<&LogBytes>(first..=last)? {
                let (key, value) = found?;
                if cursor.0.as_ref() == Some(key.value()) {
                    continue;
                }
                let statement = unchecked(key.value(), value.value())?;
                bytes += statement.len();
                heads.push(head(LogKey::read(key.value())?, statement)?);
                if bytes >= PAGE {
                    return Ok((heads, Some(Cursor(Some(*key.value())))));
                }
            }
            Ok((heads, None))
        })
    }

    pub(super) fn segments(
        &self,
        range: &SegmentRange,
    ) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
        let log = LogKey::of(range.space, range.device, range.log);
        let key = log.bytes();
        let count = range.to.saturating_sub(range.from);
        if count > FETCH_MAX {
            return Ok(None);
        }
        self.with(|database| {
            let transaction = database.begin_read()?;
            let statements = transaction.open_table(STATEMENTS)?;
            let Some(found) = statements.get(&key)? else { return Ok(None) };
            let statement = unchecked(&key, found.value())?;
            let head = Signed::<Head>::from_bytes(&statement).map_err(|_| StoreError::Damaged)?;
            let head = head.unverified();
            let covered = head.log_id == range.log_id
                && head.base <= range.from
                && range.from <= range.to
                && range.to <= head.position;
            if !covered {
                return Ok(None);
            }
            let table = transaction.open_table(SEGMENTS)?;
            let mut segments = Vec::new();
            for position in range.from..range.to {
                let key = SegmentKey { log, log_id: range.log_id, position }.bytes();
                let found = table.get(&key)?.ok_or(StoreError::Damaged)?;
                segments.push(unchecked(&key, found.value())?);
            }
            Ok(Some(segments))
        })
    }
}

fn head(key: LogKey, statement: Vec<u8>) -> Result<LogHead, StoreError> {
    let LogKey { device, log, .. } = key;
    let device = match device {
        Some(device) => device,
        None => decode::<SpaceRecord>(&statement)?.owner,
    };
    let statement = Bytes::new(statement).map_err(|_| StoreError::Damaged)?;
    Ok(LogHead { device, log, statement })
}
