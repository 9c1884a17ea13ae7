//! What goes on beside the sources: complete files get their names, and what an earlier process left is read again.

use std::sync::Arc;
use std::time::Duration;

use sealift_proto::codec::List;
use sealift_proto::manifest::chunk_fits;
use sealift_proto::message::{Finished, ITEMS_MAX, SessionMessage};
use tokio::time::{Instant, sleep_until};

use super::schedule::{Outcome, SourceId};
use super::shared::Shared;

/// Complete files wait so long for others, so that they are made durable together, and a new folder gets its name with all in it.
const GATHER: Duration = Duration::from_secs(1);
/// So many do not wait.
const MANY: usize = 16_384;
/// Chunks read again in one go.
const CHECKS: usize = 8;

/// Gives complete files their final names until everything has come to an end.
pub(super) async fn land(shared: Arc<Shared>) {
    let mut news = shared.news();
    let mut since = None;
    loop {
        news.mark_unchanged();
        let (complete, more) = {
            let schedule = shared.schedule();
            if schedule.is_over() {
                return;
            }
            schedule.completeness()
        };
        let due = *since.get_or_insert_with(Instant::now) + GATHER;
        if complete == 0 {
            since = None;
        } else if !more || complete >= MANY || Instant::now() >= due {
            since = None;
            land_complete(&shared).await;
            continue;
        }
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return },
            () = sleep_until(due), if complete > 0 => {}
        }
    }
}

async fn land_complete(shared: &Arc<Shared>) {
    let jobs = shared.schedule().take_complete();
    let sink = shared.sink.clone();
    let Ok(results) = tokio::task::spawn_blocking(move || sink.finish(&jobs)).await else { return };
    let mut told: std::collections::BTreeMap<SourceId, Vec<Finished>> = Default::default();
    let mut schedule = shared.schedule();
    for (job, result) in results {
        if let Some((finished, sources)) = schedule.landed(job, result) {
            sources.into_iter().for_each(|id| told.entry(id).or_default().push(finished));
        }
    }
    drop(schedule);
    for (id, files) in told {
        for files in files.chunks(ITEMS_MAX) {
            if let Ok(files) = List::new(files.to_vec()) {
                shared.send(id, SessionMessage::Done { files });
            }
        }
    }
    shared.tell();
}

/// Reads again what an earlier process left until everything has come to an end.
pub(super) async fn check(shared: Arc<Shared>) {
    let mut news = shared.news();
    loop {
        news.mark_unchanged();
        if shared.schedule().is_over() {
            return;
        }
        let working = shared.clone();
        let has_work = {
            let schedule = shared.schedule();
            schedule.has_checks()
        };
        if has_work {
            let work = tokio::task::spawn_blocking(move || check_some(&working)).await;
            if matches!(work, Ok(true)) {
                shared.tell();
                continue;
            }
        }
        if news.changed().await.is_err() {
            return;
        }
    }
}

/// Whether there was anything to check.
fn check_some(shared: &Shared) -> bool {
    for done in 0..CHECKS {
        let next = shared.schedule().next_check();
        let Some((job, index, layout, root, value)) = next else { return done > 0 };
        let fits = |bytes: &[u8]| chunk_fits(layout, &root, value.as_ref(), index, bytes);
        let result = shared.sink.check(job, index, &fits);
        let mut schedule = shared.schedule();
        match result {
            Ok(fits) => schedule.checked(job, index, fits),
            Err(error) => schedule.end(job, Outcome::Failed(error.into())),
        }
    }
    true
}
