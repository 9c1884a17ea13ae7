//! The spaces that the relay knows: when each last had a device connected, and which one goes when there is no room.

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

use sealift_proto::control::Refusal;
use sealift_proto::space::{Serial, SpaceId};
use sealift_server::admission::Known;
use sealift_server::tokens::TokenName;

use super::core::{Core, Shared};
use super::error::{Failure, StoreError};
use super::invites;
use super::keys::{LogBytes, LogKey, SegmentBytes, SegmentKey, StagedBytes, StagedKey};
use super::tables::{SPACES, Tables};

/// Stands for none.
const NO_TOKEN: TokenName = [0; 16];
/// Most spaces that are dropped for one thing that needs room.
const DROPS: usize = 64;

/// What the store knows of a space before anybody of it comes in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Serials that the owner has removed.
    pub(crate) removed: Vec<Serial>,
    /// What admission goes by.
    pub(crate) known: Known,
}

impl Shared {
    pub(super) fn facts(&self, space: &SpaceId) -> Result<Facts, StoreError> {
        let removed = self.removed(space)?;
        self.with(|database| {
            let table = database.begin_read()?.open_table(SPACES)?;
            let found = table.get(space.as_bytes())?;
            let token = found.as_ref().map(|found| *found.value().1);
            let token = token.filter(|token| *token != NO_TOKEN);
            Ok(Facts { removed, known: Known { known: found.is_some(), token } })
        })
    }
}

impl Core {
    /// Remembers a space from now on; for a new one, another may have to go.
    pub(super) fn admit(
        &mut self,
        tables: &mut Tables<'_>,
        space: &SpaceId,
        token: Option<TokenName>,
        now: u64,
    ) -> Result<(), Failure> {
        let known = tables.spaces.get(space.as_bytes())?.map(|found| *found.value().1);
        if known.is_none() {
            while tables.spaces.len()? >= self.limits.spaces {
                if !self.drop_one(tables, space)? {
                    return Err(Refusal::Full.into());
                }
            }
        }
        let token = token.or(known).unwrap_or(NO_TOKEN);
        tables.spaces.insert(space.as_bytes(), (now, &token))?;
        Ok(())
    }

    /// These spaces have a device connected, or had one since this was last told.
    pub(super) fn seen(
        tables: &mut Tables<'_>,
        spaces: Vec<SpaceId>,
        now: u64,
    ) -> Result<(), Failure> {
        for space in spaces {
            let Some(token) = tables.spaces.get(space.as_bytes())?.map(|found| *found.value().1)
            else {
                continue;
            };
            tables.spaces.insert(space.as_bytes(), (now, &token))?;
        }
        Ok(())
    }

    /// Accounts for something that is to be stored. If the store is full, spaces that have had no device connected for longest
    /// are dropped for it: their devices publish again when they come back.
    pub(super) fn charge(
        &mut self,
        tables: &mut Tables<'_>,
        space: &SpaceId,
        charge: impl Fn(&mut Tables<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for _ in 0..DROPS {
            match charge(tables) {
                Err(Failure::Refused(Refusal::Full)) if tables.crowded => {
                    tables.crowded = false;
                    if !self.drop_one(tables, space)? {
                        return Err(Refusal::Full.into());
                    }
                }
                other => return other,
            }
        }
        Err(Refusal::Full.into())
    }

    /// Drops the space that has had no device connected for longest, but not `needy`; false if all others have one.
    fn drop_one(&mut self, tables: &mut Tables<'_>, needy: &SpaceId) -> Result<bool, StoreError> {
        let mut gone = Vec::new();
        for found in tables.spaces.iter()? {
            let (space, value) = found?;
            gone.push((value.value().0, *space.value()));
        }
        gone.sort_unstable();
        let presence = self.shared().presence.clone();
        for (_, space) in gone {
            let space = SpaceId::from_bytes(space);
            if space != *needy && presence.begin_drop(space) {
                self.drop_space(tables, &space)?;
                tracing::warn!(
                    "there was no room: the space that had no device connected for longest is gone"
                );
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn drop_space(&mut self, tables: &mut Tables<'_>, space: &SpaceId) -> Result<(), StoreError> {
        self.staged.retain(|log, _| log.space != *space);
        let (logs, segments, staged) =
            (LogKey::all_of(space), SegmentKey::all_of(space), StagedKey::all_of(space));
        tables.statements.retain_in::<&LogBytes, _>(logs.start()..=logs.end(), |_, _| false)?;
        tables
            .segments
            .retain_in::<&SegmentBytes, _>(segments.start()..=segments.end(), |_, _| false)?;
        tables.staged.retain_in::<&StagedBytes, _>(staged.start()..=staged.end(), |_, ()| false)?;
        invites::drop_all(tables, space)?;
        tables.forget_usage(space)?;
        tables.spaces.remove(space.as_bytes())?;
        Ok(())
    }

    /// A store that was written before spaces were remembered: those in it come to be known, as long without a device.
    pub(super) fn know_spaces(tables: &mut Tables<'_>) -> Result<(), StoreError> {
        if !tables.spaces.is_empty()? {
            return Ok(());
        }
        for space in tables.spaces_with_usage()? {
            tables.spaces.insert(&space, (0, &NO_TOKEN))?;
        }
        Ok(())
    }
}
