//! Who stores, and what of it is kept aside until its head comes.

use sealift_proto::control::Refusal;
use sealift_proto::identity::DeviceId;
use sealift_proto::space::{Role, SpaceId};

use super::keys::LogKey;

/// A member as far as storing goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) space: SpaceId,
    pub(crate) device: DeviceId,
    pub(crate) role: Role,
    /// Which of its connections: what is kept aside belongs to one.
    pub(crate) connection: u64,
}

/// What is kept aside for one log: segments `from..next` of `log_id`.
#[derive(Debug)]
pub(super) struct Staged {
    /// Which connection sent it: another one starts anew.
    pub(super) connection: u64,
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
    pub(super) key: LogKey,
    pub(super) connection: u64,
    pub(super) log_id: [u8; 16],
    pub(super) position: u64,
}
