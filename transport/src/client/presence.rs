//! Who serves now, by what a relay tells and by what is heard on the local network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use sealift_platform::sync::lock;
use sealift_proto::identity::DeviceId;
use tokio::sync::watch;
use tokio::time::Instant;

/// Most devices that are taken to serve.
pub(crate) const SERVING_MAX: usize = 65_536;

/// Who serves, and whether the connection still stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    /// Devices that serve now.
    pub serving: BTreeSet<DeviceId>,
    /// Those that came while the connection lasted, and when last.
    pub came: BTreeMap<DeviceId, Instant>,
    /// The connection to the relay has ended.
    pub ended: bool,
}

/// Keeps up with who serves.
#[derive(Debug, Default)]
pub struct Attendance {
    told: watch::Sender<Presence>,
    /// Those that were heard of without the relay.
    near: Mutex<BTreeSet<DeviceId>>,
}

impl Attendance {
    /// These serve.
    #[must_use]
    pub fn new(serving: BTreeSet<DeviceId>) -> Self {
        let presence = Presence { serving, ..Presence::default() };
        Self { told: watch::Sender::new(presence), near: Mutex::default() }
    }

    /// Who serves, as it changes.
    #[must_use]
    pub fn presence(&self) -> watch::Receiver<Presence> {
        self.told.subscribe()
    }

    /// `device` serves, as the relay says.
    pub fn here(&self, device: DeviceId) {
        self.told.send_modify(|presence| {
            if presence.serving.len() < SERVING_MAX {
                presence.serving.insert(device);
                presence.came.insert(device, Instant::now());
            }
        });
    }

    /// `device` serves no more through the relay.
    pub(crate) fn gone(&self, device: &DeviceId) {
        if !lock(&self.near).contains(device) {
            self.forget(device);
        }
    }

    /// `device` was heard of on the local network.
    pub fn near(&self, device: DeviceId) {
        lock(&self.near).insert(device);
        self.here(device);
    }

    /// `device` is not on the local network after all; it may serve through the relay if there is one.
    pub fn not_near(&self, device: &DeviceId, relay: bool) {
        lock(&self.near).remove(device);
        if !relay {
            self.forget(device);
        }
    }

    fn forget(&self, device: &DeviceId) {
        self.told.send_modify(|presence| {
            presence.serving.remove(device);
            presence.came.remove(device);
        });
    }

    /// The connection to the relay has ended.
    pub fn end(&self) {
        self.told.send_modify(|presence| {
            presence.serving.clear();
            presence.ended = true;
        });
    }
}
