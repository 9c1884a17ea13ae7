//! What the relay takes of its machine, and asks of it.

use crate::report::Process;

/// What the process takes now.
#[cfg(target_os = "linux")]
pub(crate) fn process() -> Process {
    use rustix::process::{Resource, getrlimit};
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 =
        pages.split(' ').nth(1).and_then(|resident| resident.parse().ok()).unwrap_or(0);
    // One of them is the folder that is being listed.
    let listed = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    Process {
        memory: pages.saturating_mul(rustix::param::page_size() as u64),
        descriptors: listed.saturating_sub(1) as u64,
        most_descriptors: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
    }
}

/// Nothing is known of other systems.
#[cfg(not(target_os = "linux"))]
pub(crate) fn process() -> Process {
    Process::default()
}
