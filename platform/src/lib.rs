//! The seams between Sealift and the machine it runs on: clock, randomness, disk and sockets.
//!
//! The programs reach the outside only through the four traits here, so that a simulation can put a virtual clock,
//! a seeded generator, a disk that forgets unsynced writes and a network of its own in their place. Timers are not
//! among them: they are `tokio::time`, which a paused runtime turns virtual.

pub mod clock;
pub mod disk;
pub mod net;
pub mod private;
pub mod random;
pub mod rate;
pub mod redb_file;
pub mod service;
pub mod sync;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::sync::Arc;

/// Everything a program needs of its machine.
#[derive(Clone)]
pub struct Platform {
    /// Wall clock.
    pub clock: Arc<dyn clock::Clock>,
    /// Source of all keys, nonces and salts.
    pub random: Arc<dyn random::Random>,
    /// Files and folders.
    pub disk: Arc<dyn disk::Disk>,
    /// Sockets.
    pub net: Arc<dyn net::Net>,
}

#[cfg(unix)]
impl Platform {
    /// The machine itself.
    #[must_use]
    pub fn system() -> Self {
        Self {
            clock: Arc::new(clock::SystemClock),
            random: Arc::new(random::SystemRandom),
            disk: Arc::new(disk::SystemDisk),
            net: Arc::new(net::SystemNet),
        }
    }
}
