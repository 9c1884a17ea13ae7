//! Invites that this device has made or taken: who pastes one again is a member already, and none is spent for it.

use sealift_proto::text;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::profile::Profile;
use crate::profile::file::{FileError, Kept};
use crate::profile::space::{SpaceState, path};

/// Most invites remembered in a space; the oldest are forgotten.
const KEPT: usize = 256;
/// How an invite begins.
const SCHEME: &str = "sealift:";

/// Ids of invites, as hexadecimal, oldest first. An id opens nothing.
#[derive(Default, Serialize, Deserialize)]
struct InvitesFile {
    ids: Vec<String>,
}

impl Kept for InvitesFile {
    const KIND: &'static str = "invites";
}

fn file_of(space: &SpaceState) -> String {
    path(&space.id().short(), "invites.json")
}

/// Remembers that the invite `id` leads into `space`.
///
/// # Errors
/// When it cannot be written.
pub fn remember(profile: &Profile, space: &SpaceState, id: &[u8; 16]) -> Result<(), FileError> {
    let (folder, file, id) = (profile.folder(), file_of(space), text::hex(id));
    folder.in_turn(|| {
        let mut kept: InvitesFile = folder.read(&file)?.unwrap_or_default();
        kept.ids.retain(|known| *known != id);
        kept.ids.push(id);
        let over = kept.ids.len().saturating_sub(KEPT);
        kept.ids.drain(..over);
        folder.write(&file, &kept, true)
    })
}

/// The space into which the invite `id` was made or taken here, if this device is a member of it now.
///
/// # Errors
/// When the profile is damaged or cannot be read.
pub fn member_by(profile: &Profile, id: &[u8; 16], now: u64) -> Result<Option<SpaceState>, Error> {
    let id = text::hex(id);
    for space in profile.spaces()? {
        let kept: InvitesFile = profile.folder().read(&file_of(&space))?.unwrap_or_default();
        let holds = || space.verify_member(space.chain(), now).is_ok();
        if kept.ids.contains(&id) && holds() {
            return Ok(Some(space));
        }
    }
    Ok(None)
}

/// The invite in `line`, which may be all that was printed, as `leecher join sealift:…`; else the line itself.
#[must_use]
pub fn invite_in(line: &str) -> &str {
    let mut invites = line.split_whitespace().filter(|word| word.starts_with(SCHEME));
    match (invites.next(), invites.next()) {
        (Some(invite), None) => invite,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_is_found_in_the_line_that_was_printed() {
        for line in [
            "sealift:h/p/s",
            "  leecher join sealift:h/p/s\r\n",
            "sealift join sealift:h/p/s",
            "seeder join sealift:h/p/s",
        ] {
            assert_eq!(invite_in(line), "sealift:h/p/s");
        }
        for other in ["sealift:a sealift:b", "leecher join", ""] {
            assert_eq!(invite_in(other), other);
        }
    }
}
