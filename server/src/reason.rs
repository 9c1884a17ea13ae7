//! Names for why something was refused or ended: one word each, in logs and metrics, which operators search for.

use sealift_proto::control::Refusal;

/// The name of a refusal; never changed once given.
#[must_use]
pub const fn of(why: Refusal) -> &'static str {
    match why {
        Refusal::Version => "version",
        Refusal::Malformed => "malformed",
        Refusal::NotAllowed => "not_allowed",
        Refusal::NotMember => "not_member",
        Refusal::Expired => "expired",
        Refusal::Removed => "removed",
        Refusal::SpaceNotAllowed => "space_not_allowed",
        Refusal::Full => "full",
        Refusal::Busy => "busy",
        Refusal::Offline => "offline",
        Refusal::Stale => "stale",
        Refusal::Invalid => "invalid",
        Refusal::NotFound => "not_found",
        Refusal::Spent => "spent",
        Refusal::Internal => "internal",
        Refusal::Replaced => "replaced",
        Refusal::Shutdown => "shutdown",
        Refusal::Idle => "idle",
        Refusal::NewSpaces => "new_spaces",
        Refusal::Traffic => "traffic",
        Refusal::Token => "token",
    }
}
