//! Moving the bytes of a link between its two halves: inside the kernel where both are sockets of the machine and the
//! system can (Linux), else by copying. Nothing is buffered beyond one block or pipe per direction, so that a slow
//! reader slows its own sender and nobody else's.

mod brake;
mod copy;
#[cfg(target_os = "linux")]
mod kernel;
mod pipes;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use sealift_platform::net::BoxStream;

pub(crate) use brake::{Bandwidth, Brakes};
pub(crate) use pipes::Pipes;

use crate::limits::Limits;
use brake::Way;

/// How long the one direction may take to end after the other has failed.
const AFTERMATH: Duration = Duration::from_secs(5);
/// How often an idle link is looked at within its time.
const LOOKS: u32 = 4;

/// What has passed, bytes.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// From the half that came first to the other.
    pub(crate) there: AtomicU64,
    /// And back.
    pub(crate) back: AtomicU64,
}

impl Meter {
    pub(crate) fn total(&self) -> u64 {
        self.there.load(Ordering::Relaxed).wrapping_add(self.back.load(Ordering::Relaxed))
    }
}

/// How a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides said so.
    Finished,
    /// A side broke off.
    Failed,
    /// Nothing passed for too long.
    Idle,
}

/// Joins two halves until both directions have ended. An end of one direction is passed on, the other goes on.
pub(crate) async fn join(
    one: BoxStream,
    other: BoxStream,
    limits: &Limits,
    pipes: &Pipes,
    brakes: &Brakes,
    meter: &Meter,
) -> End {
    let there = Way { moved: &meter.there, brakes };
    let back = Way { moved: &meter.back, brakes };
    #[cfg(target_os = "linux")]
    if let (Some(left), Some(right)) = (one.tcp(), other.tcp()) {
        let there = kernel::pump(left, right, pipes, limits.copy_first, there);
        let back = kernel::pump(right, left, pipes, limits.copy_first, back);
        return both(there, back, limits.link_idle, meter).await;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pipes;
    let (left_in, left_out) = tokio::io::split(one);
    let (right_in, right_out) = tokio::io::split(other);
    let there = copy::pump(left_in, right_out, there);
    let back = copy::pump(right_in, left_out, back);
    both(there, back, limits.link_idle, meter).await
}

/// Runs both directions. When one fails, what is under way in the other still has a little time to arrive.
async fn both(
    there: impl Future<Output = io::Result<()>>,
    back: impl Future<Output = io::Result<()>>,
    idle: Duration,
    meter: &Meter,
) -> End {
    let failed = Notify::new();
    let told = |result: io::Result<()>| {
        if result.is_err() {
            failed.notify_one();
        }
        result.is_ok()
    };
    let moving = async {
        let (there, back) = tokio::join!(async { told(there.await) }, async { told(back.await) });
        if there && back { End::Finished } else { End::Failed }
    };
    let aftermath = async {
        failed.notified().await;
        tokio::time::sleep(AFTERMATH).await;
    };
    tokio::select! {
        end = moving => end,
        () = aftermath => End::Failed,
        () = silence(meter, idle) => End::Idle,
    }
}

/// Ends when nothing has passed for `limit`.
async fn silence(meter: &Meter, limit: Duration) {
    let (mut seen, mut quiet) = (meter.total(), 0);
    while quiet < LOOKS {
        tokio::time::sleep(limit / LOOKS).await;
        let now = meter.total();
        quiet = if now == seen { quiet + 1 } else { 0 };
        seen = now;
    }
}
