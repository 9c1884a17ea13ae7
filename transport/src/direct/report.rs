//! What became of each address that the other end named.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sealift_proto::direct::{Candidate, Ip, Origin, Transport};

/// What became of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Not known yet.
    Trying,
    /// The other end answers there, this long after it was asked.
    Up(Duration),
    /// No link there, in words.
    Failed(String),
}

/// One address of the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Over what.
    pub transport: Transport,
    /// Where. Addresses of a link that the other end made are those it came from.
    pub address: SocketAddr,
    /// How the other end knows the address; `None` for one that it did not name.
    pub origin: Option<Origin>,
    /// What became of it.
    pub outcome: Outcome,
}

/// Addresses that were not named are kept up to this many: routers may make ever new ones.
const UNNAMED: usize = 8;

/// All of one session.
#[derive(Default)]
pub(super) struct Report {
    of: BTreeMap<(Transport, SocketAddr), (Option<Origin>, Outcome)>,
}

impl Report {
    /// Begins anew with what the other end names now; what is known of an address stays.
    pub(super) fn name(&mut self, candidates: &[Candidate], loopback: bool) {
        let mut before = std::mem::take(&mut self.of);
        for candidate in candidates {
            let (key, outcome) = match candidate.place(loopback) {
                Ok(place) => ((candidate.transport, place), Outcome::Trying),
                Err(why) => {
                    let words = format!("not tried: {why}");
                    ((candidate.transport, raw(candidate)), Outcome::Failed(words))
                }
            };
            let outcome = before.remove(&key).map_or(outcome, |(_, known)| known);
            self.of.insert(key, (Some(candidate.origin), outcome));
        }
        for (key, (_, outcome)) in before {
            if matches!(outcome, Outcome::Up(_)) {
                self.of.insert(key, (None, outcome));
            }
        }
    }

    /// Tells what became of an address.
    pub(super) fn tell(&mut self, transport: Transport, at: SocketAddr, outcome: Outcome) {
        let unnamed = self.of.values().filter(|(origin, _)| origin.is_none()).count();
        match self.of.get_mut(&(transport, at)) {
            Some((_, known)) => *known = outcome,
            None if unnamed < UNNAMED => {
                self.of.insert((transport, at), (None, outcome));
            }
            None => {}
        }
    }

    /// An address of which nothing was heard until now.
    pub(super) fn give_up(&mut self, transport: Transport, at: SocketAddr, words: &str) {
        if let Some((_, outcome @ Outcome::Trying)) = self.of.get_mut(&(transport, at)) {
            *outcome = Outcome::Failed(words.to_owned());
        }
    }

    pub(super) fn list(&self) -> Vec<Tried> {
        self.of
            .iter()
            .map(|((transport, address), (origin, outcome))| Tried {
                transport: *transport,
                address: *address,
                origin: *origin,
                outcome: outcome.clone(),
            })
            .collect()
    }
}

/// The address as it was named, fit or not.
fn raw(candidate: &Candidate) -> SocketAddr {
    let ip = match candidate.address {
        Ip::V4(bytes) => IpAddr::from(bytes),
        Ip::V6(bytes) => IpAddr::from(bytes),
    };
    SocketAddr::new(ip, candidate.port)
}
