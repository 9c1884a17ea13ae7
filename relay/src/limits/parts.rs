//! What each part that stands before strangers goes by, taken from the table.

use sealift_server::{admission, pace, partial, silence};

use super::Limits;

impl From<&Limits> for partial::Bounds {
    fn from(limits: &Limits) -> Self {
        Self {
            message_time: limits.message_time,
            partial_bytes_in_all: limits.partial_bytes_in_all,
        }
    }
}

impl From<&Limits> for admission::Bounds {
    fn from(limits: &Limits) -> Self {
        Self {
            handshake: limits.handshake,
            sources: limits.sources,
            wrong_tokens_per_hour: limits.wrong_tokens_per_hour,
            new_spaces_per_day: limits.new_spaces_per_day,
        }
    }
}

impl From<&Limits> for pace::Bounds {
    fn from(limits: &Limits) -> Self {
        Self {
            messages_per_second: limits.messages_per_second,
            message_burst: limits.message_burst,
            member_bytes_per_second: limits.member_bytes_per_second,
            member_byte_burst: limits.member_byte_burst,
        }
    }
}

impl From<&Limits> for silence::Bounds {
    fn from(limits: &Limits) -> Self {
        Self { ping_after: limits.ping_after, idle: limits.idle }
    }
}
