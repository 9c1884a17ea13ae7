//! What a head that the relay shows is, beside what is known.

use sealift_proto::control::LogHead;
use sealift_proto::frame::VERSION;
use sealift_proto::identity::Signed;
use sealift_proto::log::{FIRST_CATALOGUE, Head, SEGMENTS_MAX};
use sealift_proto::space::SpaceId;

use super::trouble::Trouble;

/// A head that verified the replica.
pub(super) struct Verified {
    pub(super) head: Head,
    pub(super) statement: Vec<u8>,
}

/// What a head is beside the one known.
pub(super) enum News {
    Fetch,
    Nothing,
    Older,
    Forked,
}

/// The head that `shown` holds, if its device signed it. One that is shown where it does not belong is the relay's doing; one
/// that says what no head may is the signer's.
pub(super) fn verified(shown: &LogHead, space: &SpaceId) -> Result<Head, Trouble> {
    let forged = Trouble::Tampered("shows a head that does not hold, in the catalogue");
    let Ok(signed) = Signed::<Head>::from_bytes(&shown.statement) else { return Err(forged) };
    let Ok(head) = signed.verify(&shown.device) else { return Err(forged) };
    let belongs = head.space == *space && head.device == shown.device && head.log == shown.log;
    if !belongs {
        return Err(forged);
    }
    if head.version != VERSION {
        return Err(Trouble::Signed("its head is of another version"));
    }
    let segments = head.position.checked_sub(head.base);
    if head.log < FIRST_CATALOGUE || segments.is_none_or(|count| count > SEGMENTS_MAX) {
        return Err(Trouble::Signed("its head says what no head may"));
    }
    Ok(head.clone())
}

/// What the shown head is beside the one known.
pub(super) fn compare(known: &Verified, head: &Head, shown: &LogHead) -> News {
    if known.statement == shown.statement[..] {
        return News::Nothing;
    }
    let old = &known.head;
    if old.log_id != head.log_id {
        return if head.time > old.time { News::Fetch } else { News::Older };
    }
    let same_place = old.base == head.base && old.position == head.position;
    if same_place && old.chain != head.chain {
        return News::Forked;
    }
    if head.position < old.position || head.base < old.base || head.time < old.time {
        return News::Older;
    }
    News::Fetch
}
