//! This device as it looks for files.

use std::ops::Deref;
use std::sync::Arc;

use sealift_proto::place::RelayPlace;
use sealift_transport::device::ThisDevice;

use crate::error::Error;
use crate::event::{Event, Listener};

/// This device, where it looks, and who is told what happens. It derefs to the device.
#[derive(Clone)]
pub struct Leecher {
    /// The device.
    pub this: ThisDevice,
    /// The space that was named; otherwise all.
    pub space: Option<String>,
    /// The relay that was named; otherwise each space's own.
    pub relay: Option<RelayPlace>,
    /// Who is told.
    pub listener: Listener,
}

impl Deref for Leecher {
    type Target = ThisDevice;

    fn deref(&self) -> &ThisDevice {
        &self.this
    }
}

impl Leecher {
    pub(crate) fn tell(&self, event: Event) {
        self.listener.tell(event);
    }

    /// Tells that something of ours cannot be written, unless that was told already; what was begun goes on with what is there.
    pub(crate) fn unwritten(&self, error: Arc<Error>) {
        if !(error.is_disk() && error.may_pass()) {
            return self.tell(Event::Failed(error));
        }
        if self.this.unwritten.owe() {
            self.tell(Event::Unwritten { error, later: self.this.unwritten.stays() });
        }
    }
}
