//! The addresses of this side.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use sealift_platform::Platform;
use sealift_proto::direct::{Candidate, Candidates, Origin, Transport};
use tokio::sync::watch;

use super::listen::Opened;

/// Most addresses of one family that are named: who has more, has them for something else.
const PER_FAMILY: usize = 4;

/// What is known of the addresses of this side.
pub(super) struct Own {
    platform: Platform,
    known: Arc<Known>,
}

/// Kept by the tasks that find addresses.
struct Known {
    parts: Mutex<Parts>,
    list: watch::Sender<Candidates>,
}

#[derive(Default)]
struct Parts {
    interfaces: Vec<Candidate>,
}

impl Own {
    pub(super) fn new(platform: Platform) -> Self {
        let known = Known { parts: Mutex::default(), list: watch::Sender::default() };
        Self { platform, known: Arc::new(known) }
    }

    /// Looks again, for a session that begins now.
    pub(super) fn renew(&self, opened: &Opened, loopback: bool) {
        let addresses = self.platform.net.addresses().unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot list the addresses of this machine");
            Vec::new()
        });
        let interfaces = of_interfaces(&addresses, opened, loopback);
        self.known.change(|parts| parts.interfaces = interfaces);
    }

    /// The addresses now, and each change of them.
    pub(super) fn watch(&self) -> watch::Receiver<Candidates> {
        self.known.list.subscribe()
    }
}

impl Known {
    fn change(&self, change: impl FnOnce(&mut Parts)) {
        let list = {
            let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut parts);
            parts.list()
        };
        self.list.send_if_modified(|known| {
            let differs = *known != list;
            if differs {
                *known = list;
            }
            differs
        });
    }
}

impl Parts {
    fn list(&self) -> Candidates {
        let mut all: Vec<Candidate> = Vec::new();
        for candidate in &self.interfaces {
            let known = |other: &Candidate| {
                (other.transport, other.address, other.port)
                    == (candidate.transport, candidate.address, candidate.port)
            };
            if !all.iter().any(known) {
                all.push(*candidate);
            }
        }
        all.truncate(sealift_proto::direct::CANDIDATES_MAX);
        Candidates::new(all).unwrap_or_default()
    }
}

/// The addresses of interfaces at which others can reach the sockets of this side.
fn of_interfaces(addresses: &[IpAddr], opened: &Opened, loopback: bool) -> Vec<Candidate> {
    let mut found = Vec::new();
    let (mut v4, mut v6) = (0, 0);
    for address in addresses {
        let (count, port) = match address {
            IpAddr::V4(_) => (&mut v4, opened.tcp_v4),
            IpAddr::V6(_) => (&mut v6, opened.tcp_v6),
        };
        let Some(port) = port.filter(|_| *count < PER_FAMILY) else { continue };
        let place = SocketAddr::new(*address, port);
        let candidate = Candidate::new(Transport::Tcp, Origin::Interface, place);
        // What the other side would not try need not be named.
        if candidate.place(loopback).is_ok() {
            *count += 1;
            found.push(candidate);
        }
    }
    found
}
