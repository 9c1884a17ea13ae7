//! A simulated machine behind the seams of `sealift-platform`: virtual time, seeded randomness, a disk that forgets what was
//! not synced, and a network in memory. Needs a tokio runtime with paused time.
//!
//! Equal seeds give equal keys, delays and losses. Blocking disk work runs on threads, so the order of events that happen at
//! one virtual instant is not fixed by the seed.

pub mod clock;
pub mod disk;
pub mod net;
pub mod random;
pub mod scene;

use std::sync::Arc;

use sealift_platform::Platform;

pub use clock::SimClock;
pub use disk::{Loss, SimDisk};
pub use net::{SimHost, SimNet};
pub use random::SimRandom;

/// One machine of a simulation.
#[derive(Clone)]
pub struct SimMachine {
    /// Its disk.
    pub disk: SimDisk,
    /// Its place in the network.
    pub host: SimHost,
    /// What a program that runs on it is given.
    pub platform: Platform,
}

/// A set of machines with one clock, one network and one seed.
pub struct SimWorld {
    /// The date all machines show.
    pub clock: SimClock,
    /// What connects them.
    pub net: SimNet,
    random: SimRandom,
}

impl SimWorld {
    /// An empty world; everything random in it follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let random = SimRandom::new(seed);
        Self { clock: SimClock::new(), net: SimNet::new(random.fork("net")), random }
    }

    /// A machine with an empty disk, reached by others as `name`.
    #[must_use]
    pub fn machine(&self, name: &str) -> SimMachine {
        let disk = SimDisk::new(Arc::new(self.clock.clone()));
        let host = self.net.host(name);
        let platform = Platform {
            clock: Arc::new(self.clock.clone()),
            random: Arc::new(self.random.fork(name)),
            disk: Arc::new(disk.clone()),
            net: Arc::new(host.clone()),
        };
        SimMachine { disk, host, platform }
    }
}
