//! What the machine gives a server: memory and descriptors. Where either runs short, what is there goes on and newcomers are
//! told that it is busy, before the system ends the whole of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use system::Memory;

/// Beyond this part of the memory nobody new comes in: percent. The rest is for what comes without asking, such as the buffers of
/// links that stand, and for the second until memory is looked at again.
const MEMORY: u64 = 70;
/// Beyond these parts of the descriptors no member comes in, and no link is opened: eighths. The rest is for those who have
/// not shown yet which of both they are. Members stop first, so that those who are here still get links.
const MEMBERS: u64 = 6;
const LINKS: u64 = 7;
/// Descriptors of the program itself.
const OWN: u64 = 48;

/// How much room there is.
#[derive(Debug)]
pub struct Room {
    descriptors: u64,
    connections: AtomicU64,
    memory: Memory,
    most_memory: u64,
    short_of_memory: AtomicBool,
}

impl Room {
    /// What the system gives now; `memory` bytes at most.
    #[must_use]
    pub fn measure(memory: u64) -> Self {
        let most = memory;
        let memory = Memory::find();
        let most_memory = most.min(memory.ceiling);
        let descriptors = system::descriptors().unwrap_or(u64::MAX);
        tracing::info!(descriptors, memory_mib = most_memory >> 20, "what the system gives");
        let connections = AtomicU64::new(0);
        let short_of_memory = AtomicBool::new(false);
        Self { descriptors, connections, memory, most_memory, short_of_memory }
    }

    /// How many pipes there may be beside connections: each takes two descriptors, all of them a quarter.
    #[must_use]
    pub const fn pipes(&self) -> u64 {
        self.descriptors / 8
    }

    /// Looks at the memory in use again.
    pub fn look(&self) {
        let Some(used) = self.memory.used() else { return };
        let short = used / MEMORY >= self.most_memory / 100;
        if self.short_of_memory.swap(short, Ordering::Relaxed) != short {
            let (used, most) = (used >> 20, self.most_memory >> 20);
            if short {
                tracing::warn!(
                    used_mib = used,
                    most_mib = most,
                    "memory runs short: nobody new comes in"
                );
            } else {
                tracing::info!(used_mib = used, most_mib = most, "there is memory again");
            }
        }
    }

    /// Counts a connection until what is returned is dropped.
    pub fn connection(&self) -> Connection<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connection(self)
    }

    /// Whether there is room for one more member, while `pipes` pipes are open.
    #[must_use]
    pub fn has_for_member(&self, pipes: u64) -> bool {
        self.has_within(pipes, MEMBERS)
    }

    /// Whether there is room for one more link, while `pipes` pipes are open.
    #[must_use]
    pub fn has_for_link(&self, pipes: u64) -> bool {
        self.has_within(pipes, LINKS)
    }

    fn has_within(&self, pipes: u64, eighths: u64) -> bool {
        let used = self.connections.load(Ordering::Relaxed) + 2 * pipes;
        let most = (self.descriptors / 8).saturating_mul(eighths).saturating_sub(OWN);
        used <= most && !self.short_of_memory.load(Ordering::Relaxed)
    }
}

/// A connection that is open.
#[derive(Debug)]
pub struct Connection<'a>(&'a Room);

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What Linux tells.
#[cfg(target_os = "linux")]
mod system {
    use std::fs::read_to_string;
    use std::path::{Path, PathBuf};

    use crate::machine::resident;

    /// Descriptors that this process may have.
    pub(super) fn descriptors() -> Option<u64> {
        rustix::process::getrlimit(rustix::process::Resource::Nofile).current
    }

    /// A control group with a limit of memory (cgroups(7)).
    #[derive(Debug)]
    struct Group {
        limit: u64,
        folder: PathBuf,
        second: bool,
    }

    /// Where memory is counted: in the control group with the least limit, or else by what the process and its sockets take.
    #[derive(Debug)]
    pub(super) struct Memory {
        group: Option<Group>,
        /// Bytes there may be.
        pub(super) ceiling: u64,
    }

    impl Memory {
        /// The least of what the machine has and what the groups of this process may take.
        pub(super) fn find() -> Self {
            let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
            let least = groups.lines().flat_map(limits_of).min_by_key(|group| group.limit);
            let machine = field(Path::new("/proc/meminfo"), "MemTotal:");
            let machine = machine.map_or(u64::MAX, |kib| kib * 1024);
            let group = least.filter(|group| group.limit < machine);
            let ceiling = group.as_ref().map_or(machine, |group| group.limit);
            Self { group, ceiling }
        }

        /// Bytes in use, pages of files left out: the system takes those back by itself.
        pub(super) fn used(&self) -> Option<u64> {
            let Some(group) = &self.group else { return own() };
            let (current, cached) = match group.second {
                true => ("memory.current", "file"),
                false => ("memory.usage_in_bytes", "total_cache"),
            };
            let all: u64 = number(&group.folder.join(current))?;
            let files = field(&group.folder.join("memory.stat"), cached).unwrap_or(0);
            Some(all.saturating_sub(files))
        }
    }

    /// Resident memory of the process, and what the kernel keeps for TCP in its network namespace.
    fn own() -> Option<u64> {
        let resident = resident()?;
        let sockets = read_to_string("/proc/net/sockstat").unwrap_or_default();
        let tcp = sockets.lines().find(|line| line.starts_with("TCP:"));
        let tcp: u64 = tcp.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0);
        Some(resident + tcp * rustix::param::page_size() as u64)
    }

    /// The limits of a line of /proc/self/cgroup, `NUMBER:CONTROLLERS:PATH`: of that group and all above it.
    fn limits_of(line: &str) -> Vec<Group> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            return Vec::new();
        };
        let (base, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => return Vec::new(),
        };
        let own = Path::new(base).join(path.trim_start_matches('/'));
        let folders = own.ancestors().take_while(|folder| folder.starts_with(base));
        // The word `max` is no number, and no limit.
        let limits = folders.filter_map(|folder| Some((number(&folder.join(name))?, folder)));
        let second = controllers.is_empty();
        limits.map(|(limit, folder)| Group { limit, folder: folder.to_owned(), second }).collect()
    }

    fn number(file: &Path) -> Option<u64> {
        read_to_string(file).ok()?.trim().parse().ok()
    }

    fn field(file: &Path, name: &str) -> Option<u64> {
        let text = read_to_string(file).ok()?;
        let mut words = text.lines().map(str::split_whitespace);
        words.find_map(|mut line| (line.next() == Some(name)).then(|| line.next()?.parse().ok())?)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_system_tells() {
            let memory = Memory::find();
            let used = memory.used().unwrap();
            assert!(used > 1 << 20 && memory.ceiling > used, "{used} of {memory:?}");
            assert!(own().unwrap() > 1 << 20);
            assert!(descriptors().unwrap() > 16);
            assert!(limits_of("nonsense").is_empty());
            assert!(limits_of("3:cpuset:/").is_empty());
        }

        #[test]
        fn what_a_group_takes_is_what_counts_in_it() {
            let folder = tempfile::tempdir().unwrap();
            let write = |name: &str, text: &str| {
                std::fs::write(folder.path().join(name), text).unwrap();
            };
            write("memory.current", "900\n");
            write("memory.stat", "anon 700\nfile 150\nfile_mapped 3\n");
            let group = Group { limit: 1000, folder: folder.path().to_owned(), second: true };
            let memory = Memory { group: Some(group), ceiling: 1000 };
            assert_eq!(memory.used(), Some(750));
        }
    }
}

/// Of other systems nothing is known.
#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) const fn descriptors() -> Option<u64> {
        None
    }

    /// As much as anybody wants.
    #[derive(Debug)]
    pub(super) struct Memory {
        pub(super) ceiling: u64,
    }

    impl Memory {
        pub(super) const fn find() -> Self {
            Self { ceiling: u64::MAX }
        }

        pub(super) const fn used(&self) -> Option<u64> {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(descriptors: u64, most_memory: u64) -> Room {
        let (connections, short_of_memory) = (AtomicU64::new(0), AtomicBool::new(false));
        let memory = Memory::find();
        Room { descriptors, connections, memory, most_memory, short_of_memory }
    }

    #[test]
    fn members_are_refused_before_links_and_links_before_strangers() {
        let room = room(256, u64::MAX);
        let held: Vec<_> = (0..256 / 8 * 6 - OWN).map(|_| room.connection()).collect();
        assert!(room.has_for_member(0));
        let more: Vec<_> = (0..256 / 8).map(|_| room.connection()).collect();
        assert!(!room.has_for_member(0));
        assert!(room.has_for_link(0));
        let last = room.connection();
        assert!(!room.has_for_link(0));
        drop((held, more, last));
        assert!(room.has_for_member(0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nobody_new_comes_in_while_memory_is_short() {
        let (short, plenty) = (room(u64::MAX, 1 << 20), room(u64::MAX, 1 << 50));
        short.look();
        plenty.look();
        assert!(!short.has_for_member(0));
        assert!(!short.has_for_link(0));
        assert!(plenty.has_for_member(0));
    }
}
