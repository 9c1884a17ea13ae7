//! Waiting for contents that a seeder which has just started does not know yet.

use std::time::Duration;

use sealift_proto::catalogue::Root;
use tokio::time::{Instant, timeout_at};

use crate::engine::Handle;

/// A content that is not known after so long is not offered.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until all of `roots` are known, or nothing is left to be looked at, or it has lasted long enough: whoever was
/// interrupted by a restart of this seeder comes back before the folders have been looked through.
pub(super) async fn known(engine: &Handle, roots: &[Root]) {
    let mut bell = engine.shared.known.subscribe();
    let deadline = Instant::now() + PATIENCE;
    loop {
        bell.mark_unchanged();
        {
            let index = engine.shared.index();
            let status = index.status();
            let settled = status.waiting == 0 && !status.scanning;
            if settled || roots.iter().all(|root| !index.with_root(root).is_empty()) {
                return;
            }
        }
        if !matches!(timeout_at(deadline, bell.changed()).await, Ok(Ok(()))) {
            return;
        }
    }
}
