//! What to do about the head that the relay shows for this device's own log.

use sealift_proto::identity::Signed;
use sealift_proto::log::{FIRST_CATALOGUE, Head};

use super::log::Log;

/// What the shown head is to this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// There is none.
    Nothing,
    /// The newest head.
    Newest,
    /// An older head of this log: segments from here on are missing there.
    Behind {
        /// First missing position.
        from: u64,
    },
    /// Signed by this device, but not remembered: made by a copy of the profile, or before an older one was restored.
    Foreign,
    /// Not signed by this device, or for another log: the relay's invention.
    Forged,
}

/// Compares `shown` with what `log` remembers.
#[must_use]
pub fn compare(log: &Log, shown: Option<&Signed<Head>>) -> Shown {
    let Some(shown) = shown else { return Shown::Nothing };
    let theirs = shown.unverified();
    let genuine = log.signs(shown) && theirs.log == FIRST_CATALOGUE;
    if !genuine {
        return Shown::Forged;
    }
    let Some(own) = log.head().map(Signed::unverified) else { return Shown::Foreign };
    if own == theirs {
        return Shown::Newest;
    }
    if own.log_id != theirs.log_id || theirs.time >= own.time {
        return Shown::Foreign;
    }
    if theirs.base == own.base {
        // The same log up to there, if the chain says so.
        let same = log.chain_at(theirs.position) == Some(theirs.chain);
        return if same { Shown::Behind { from: theirs.position } } else { Shown::Foreign };
    }
    // Older than the present base. What it held is not kept, so only its numbers can be compared.
    if theirs.position <= own.base { Shown::Behind { from: own.base } } else { Shown::Foreign }
}
