//! What a program takes of its machine, and asks of it.

use serde::{Deserialize, Serialize};

/// What the process takes of its machine; 0 where the system does not tell.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Process {
    /// Resident memory, bytes.
    pub memory: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Most of them that it may have.
    pub most_descriptors: u64,
}

/// What the process takes now.
#[cfg(target_os = "linux")]
#[must_use]
pub fn process() -> Process {
    use rustix::process::{Resource, getrlimit};
    // One of them is the folder that is being listed.
    let listed = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    Process {
        memory: resident().unwrap_or(0),
        descriptors: listed.saturating_sub(1) as u64,
        most_descriptors: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
    }
}

/// Memory that the process holds, bytes; `None` if the system does not tell.
#[cfg(target_os = "linux")]
pub(crate) fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64))
}

/// Nothing is known of other systems.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn process() -> Process {
    Process::default()
}

/// Each connection is a file: takes as many as the system gives without being asked for more.
#[cfg(unix)]
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub const fn raise_file_limit() {}
