//! Tables and values of the store, and the bytes that each space and device uses.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use sha2::{Digest, Sha256};

use sealift_proto::control::Refusal;
use sealift_proto::identity::DeviceId;
use sealift_proto::space::SpaceId;

use super::error::{Failure, StoreError};
use super::keys::{LogBytes, LogKey, SegmentBytes, StagedBytes};
use crate::limits::Limits;

/// Numbers of the store as a whole: `format`; `month` and `month_bytes` of the budget.
pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// The newest signed statement of each log.
pub(super) const STATEMENTS: TableDefinition<&LogBytes, &[u8]> = TableDefinition::new("statements");
/// Sealed segments, those kept aside included.
pub(super) const SEGMENTS: TableDefinition<&SegmentBytes, &[u8]> = TableDefinition::new("segments");
/// Logs with segments kept aside: what a crash leaves behind is found here.
pub(super) const STAGED: TableDefinition<&StagedBytes, ()> = TableDefinition::new("staged");
/// Who took which invite.
pub(super) const INVITES: TableDefinition<&[u8; 16], &[u8]> = TableDefinition::new("invites");
/// Sealed invite packages.
pub(super) const PACKAGES: TableDefinition<&[u8; 16], &[u8]> = TableDefinition::new("packages");
/// (bytes, statements, invites) in all (empty key), of a space (space) and of a device (space ‖ device).
pub(super) const USAGE: TableDefinition<&[u8], (u64, u64, u64)> = TableDefinition::new("usage");

/// (unix seconds at which a device was last connected, name of the token that admitted it or zeros) of each space.
pub(super) const SPACES: TableDefinition<&[u8; 32], (u64, &[u8; 16])> =
    TableDefinition::new("spaces");

/// What a stored value costs beside its own length: key and bookkeeping, bytes.
const OVERHEAD: u64 = 128;
/// Length of the check behind each value.
const CHECK: usize = 8;

/// `value` with a check over key and value behind it, so that a damaged disk is noticed here and not taken for the
/// publisher's doing.
pub(super) fn checked(key: &[u8], value: &[u8]) -> Vec<u8> {
    [value, &check(key, value)].concat()
}

/// The value that [`checked`] made.
pub(super) fn unchecked(key: &[u8], stored: &[u8]) -> Result<Vec<u8>, StoreError> {
    let (value, found) = stored.split_last_chunk().ok_or(StoreError::Damaged)?;
    if check(key, value) == *found { Ok(value.to_vec()) } else { Err(StoreError::Damaged) }
}

fn check(key: &[u8], value: &[u8]) -> [u8; CHECK] {
    let hash = Sha256::new().chain_update(key).chain_update(value).finalize();
    let mut check = [0; CHECK];
    check.copy_from_slice(&hash[..CHECK]);
    check
}

/// What storing `value` costs.
pub(super) const fn cost(value: &[u8]) -> i64 {
    (value.len() as u64 + OVERHEAD) as i64
}

/// What a stored value, its check included, cost.
pub(super) const fn stored_cost(stored: &[u8]) -> i64 {
    cost(stored) - CHECK as i64
}

/// Something that comes to the store, or leaves it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Charge {
    pub(super) bytes: i64,
    pub(super) statements: i64,
    pub(super) invites: i64,
}

/// The tables of one write transaction.
pub(super) struct Tables<'t> {
    pub(super) statements: Table<'t, &'static LogBytes, &'static [u8]>,
    pub(super) segments: Table<'t, &'static SegmentBytes, &'static [u8]>,
    pub(super) staged: Table<'t, &'static StagedBytes, ()>,
    pub(super) invites: Table<'t, &'static [u8; 16], &'static [u8]>,
    pub(super) packages: Table<'t, &'static [u8; 16], &'static [u8]>,
    usage: Table<'t, &'static [u8], (u64, u64, u64)>,
    pub(super) meta: Table<'t, &'static str, u64>,
    pub(super) spaces: Table<'t, &'static [u8; 32], (u64, &'static [u8; 16])>,
    /// Whether something was refused because of what others store.
    pub(super) crowded: bool,
    /// Whether the disk has room for more.
    pub(super) room: bool,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, room: bool) -> Result<Self, StoreError> {
        Ok(Self {
            statements: transaction.open_table(STATEMENTS)?,
            segments: transaction.open_table(SEGMENTS)?,
            staged: transaction.open_table(STAGED)?,
            invites: transaction.open_table(INVITES)?,
            packages: transaction.open_table(PACKAGES)?,
            usage: transaction.open_table(USAGE)?,
            meta: transaction.open_table(META)?,
            spaces: transaction.open_table(SPACES)?,
            crowded: false,
            room,
        })
    }

    /// The stored statement of a log.
    pub(super) fn statement(&self, log: LogKey) -> Result<Option<Vec<u8>>, StoreError> {
        let key = log.bytes();
        self.statements.get(&key)?.map(|found| unchecked(&key, found.value())).transpose()
    }

    /// Accounts for `charge`, or refuses it whole: nothing is changed then.
    pub(super) fn charge(
        &mut self,
        space: &SpaceId,
        device: Option<&DeviceId>,
        charge: Charge,
        limits: &Limits,
    ) -> Result<(), Failure> {
        let of_device = device.map(|device| [&space.as_bytes()[..], device.as_bytes()].concat());
        let all = u64::MAX;
        let levels = [
            (Some(Vec::new()), (limits.total_bytes, all, limits.invites)),
            (
                Some(space.as_bytes().to_vec()),
                (limits.space_bytes, limits.space_statements, limits.space_invites),
            ),
            (of_device, (limits.device_bytes, all, all)),
        ];
        let grows = charge.bytes > 0 || charge.statements > 0 || charge.invites > 0;
        if grows && !self.room {
            return Err(Refusal::Full.into());
        }
        let mut changed = Vec::new();
        for (key, most) in levels {
            let Some(key) = key else { continue };
            let now = self.usage.get(&key[..])?.map_or((0, 0, 0), |found| found.value());
            let bytes = now.0.saturating_add_signed(charge.bytes);
            let statements = now.1.saturating_add_signed(charge.statements);
            let invites = now.2.saturating_add_signed(charge.invites);
            let over = (charge.bytes > 0 && bytes > most.0)
                || (charge.statements > 0 && statements > most.1)
                || (charge.invites > 0 && invites > most.2);
            if over {
                self.crowded = key.is_empty();
                return Err(Refusal::Full.into());
            }
            changed.push((key, (bytes, statements, invites)));
        }
        for (key, usage) in changed {
            if usage == (0, 0, 0) {
                self.usage.remove(&key[..])?;
            } else {
                self.usage.insert(&key[..], usage)?;
            }
        }
        Ok(())
    }

    /// What `space` used is free; everything of it is gone.
    pub(super) fn forget_usage(&mut self, space: &SpaceId) -> Result<(), StoreError> {
        let prefix = space.as_bytes().as_slice();
        let used = self.usage.remove(prefix)?.map_or((0, 0, 0), |found| found.value());
        let end = [prefix, &[0xff; 33]].concat();
        self.usage.retain_in::<&[u8], _>(prefix..=&end[..], |_, _| false)?;
        let all = self.usage.get(&[][..])?.map_or((0, 0, 0), |found| found.value());
        let left = (
            all.0.saturating_sub(used.0),
            all.1.saturating_sub(used.1),
            all.2.saturating_sub(used.2),
        );
        self.usage.insert(&[][..], left)?;
        Ok(())
    }

    /// The spaces that have anything stored.
    pub(super) fn spaces_with_usage(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        let mut spaces = Vec::new();
        for found in self.usage.iter()? {
            if let Ok(space) = <[u8; 32]>::try_from(found?.0.value()) {
                spaces.push(space);
            }
        }
        Ok(spaces)
    }
}
