//! Handshakes that wait for their ACK, bounded (PROTOCOL.md section 6.5).

use std::collections::{BTreeMap, HashMap};

use super::{AwaitingAck, Message, SessionId};
use crate::control::Address;
use crate::identity::DeviceId;
use crate::limits::PENDING_TIME;

pub use crate::limits::{PENDING_MAX, PENDING_PER_DEVICE};

/// How long one waits, milliseconds.
pub const PENDING_MILLIS: u64 = PENDING_TIME * 1000;

/// Handshakes that wait for their ACK. Times are milliseconds of any clock that only rises.
#[derive(Debug, Default)]
pub struct Pending {
    /// In the order in which they began.
    waiting: BTreeMap<u64, Entry>,
    by_session: HashMap<SessionId, u64>,
    by_offer: HashMap<(DeviceId, [u8; 32]), u64>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    handshake: AwaitingAck,
    deadline: u64,
}

impl Pending {
    /// The WRAP that was sent for the same leecher and nonce, if it still waits. To be asked before an offer is
    /// answered: a repetition gets the same WRAP and costs no key operation.
    #[must_use]
    pub fn repeated(&self, leecher: &DeviceId, nonce: &[u8; 32], now: u64) -> Option<Message> {
        let entry = self.waiting.get(self.by_offer.get(&(*leecher, *nonce))?)?;
        (now < entry.deadline).then(|| entry.handshake.message())
    }

    /// Keeps a handshake for [`PENDING_MILLIS`]; the oldest of its device, or of all, goes if there are too many.
    pub fn insert(&mut self, handshake: AwaitingAck, now: u64) {
        self.expire(now);
        let device = handshake.peer().address.device;
        let number = self.next;
        self.next += 1;
        if let Some(same) = self.by_offer.get(&(device, *handshake.nonce())).copied() {
            self.remove(same);
        }
        self.by_session.insert(handshake.session(), number);
        self.by_offer.insert((device, *handshake.nonce()), number);
        self.waiting
            .insert(number, Entry { handshake, deadline: now.saturating_add(PENDING_MILLIS) });
        self.make_room(&device);
    }

    /// Whether a handshake with `peer` waits for the link with this tag: no other link is worth a connection.
    #[must_use]
    pub fn expects(&self, peer: &Address, tag: &[u8; 16], now: u64) -> bool {
        self.waiting.values().any(|entry| {
            let waits =
                entry.handshake.link_tag() == tag && entry.handshake.peer().address == *peer;
            waits && now < entry.deadline
        })
    }

    /// Takes the handshake of a session whose link has opened. What is taken is gone, whatever comes of its ACK.
    pub fn take(&mut self, session: &SessionId, now: u64) -> Option<AwaitingAck> {
        self.expire(now);
        let number = *self.by_session.get(session)?;
        self.remove(number)
    }

    /// Drops what has waited too long.
    pub fn expire(&mut self, now: u64) {
        while let Some(first) = self.waiting.first_entry() {
            if now < first.get().deadline {
                break;
            }
            let number = *first.key();
            self.remove(number);
        }
    }

    /// When the next one will have waited too long.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(_, entry)| entry.deadline)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[cfg(test)]
    pub(super) fn index_sizes(&self) -> [usize; 2] {
        [self.by_session.len(), self.by_offer.len()]
    }

    fn make_room(&mut self, device: &DeviceId) {
        let of_device = |entry: &Entry| entry.handshake.peer().address.device == *device;
        let numbers: Vec<_> =
            self.waiting.iter().filter(|(_, entry)| of_device(entry)).map(|(n, _)| *n).collect();
        if numbers.len() > PENDING_PER_DEVICE {
            self.remove(numbers[0]);
        }
        if self.waiting.len() > PENDING_MAX
            && let Some((oldest, _)) = self.waiting.first_key_value()
        {
            self.remove(*oldest);
        }
    }

    fn remove(&mut self, number: u64) -> Option<AwaitingAck> {
        let handshake = self.waiting.remove(&number)?.handshake;
        self.by_session.remove(&handshake.session());
        self.by_offer.remove(&(handshake.peer().address.device, *handshake.nonce()));
        Some(handshake)
    }
}
