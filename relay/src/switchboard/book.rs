//! The book of links: who asked whom, which tickets are out, and how many links each device has.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use sealift_proto::control::Address;
use sealift_proto::space::{Membership, SpaceId};

use super::names::{Key, Owner, owner};

/// Names a link within this relay; never used twice, and later ones are larger.
pub(crate) type Pair = u64;

/// Which half of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The first to arrive: it waits for the other until `deadline`.
    First {
        /// When both tickets end.
        deadline: Duration,
    },
    /// The second: the link stands.
    Second,
}

/// A half that showed a good ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Half {
    /// Of which link.
    pub(crate) pair: Pair,
    /// Which of its halves.
    pub(crate) side: Side,
    /// Its space.
    pub(crate) space: SpaceId,
}

/// A link: the first of its members asked for it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) members: [Membership; 2],
}

impl Link {
    pub(super) const fn asked_by(&self) -> Owner {
        owner(&self.members[0])
    }

    pub(super) const fn asked_of(&self) -> Owner {
        owner(&self.members[1])
    }
}

/// A link whose halves are not both there yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) link: Link,
    pub(super) from: Key,
    /// As the one that asked named the other.
    pub(super) to: Address,
    pub(super) target: Key,
    pub(super) tickets: [[u8; 32]; 2],
    pub(super) deadline: Duration,
    pub(super) arrived: bool,
}

/// How many of something each device has.
#[derive(Debug, Default)]
pub(super) struct Counts(HashMap<Owner, usize>);

impl Counts {
    pub(super) fn of(&self, owner: Owner) -> usize {
        self.0.get(&owner).copied().unwrap_or(0)
    }

    fn add(&mut self, owner: Owner) {
        *self.0.entry(owner).or_default() += 1;
    }

    fn remove(&mut self, owner: Owner) {
        if let Some(count) = self.0.get_mut(&owner) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&owner);
            }
        }
    }

    /// Who has most.
    fn most(&self) -> Option<Owner> {
        self.0.iter().max_by_key(|(_, count)| **count).map(|(owner, _)| *owner)
    }
}

#[derive(Debug, Default)]
pub(super) struct Links {
    next: Pair,
    pub(super) pending: BTreeMap<Pair, Pending>,
    pub(super) open: HashMap<Pair, Link>,
    pub(super) tickets: HashMap<[u8; 32], Pair>,
    /// Links, pending ones included, by who asked for them, and by whom they were asked of.
    pub(super) asked_by: Counts,
    pub(super) asked_of: Counts,
    /// Pending ones by who asked for them.
    pub(super) waiting: Counts,
}

impl Links {
    pub(super) fn len(&self) -> usize {
        self.pending.len() + self.open.len()
    }

    pub(super) fn insert(&mut self, pending: Pending) {
        self.next += 1;
        for ticket in pending.tickets {
            self.tickets.insert(ticket, self.next);
        }
        self.asked_by.add(pending.link.asked_by());
        self.asked_of.add(pending.link.asked_of());
        self.waiting.add(pending.link.asked_by());
        self.pending.insert(self.next, pending);
    }

    /// No longer pending: both halves are there, or it is given up.
    pub(super) fn settle(&mut self, pair: Pair) -> Option<Pending> {
        let pending = self.pending.remove(&pair)?;
        for ticket in &pending.tickets {
            self.tickets.remove(ticket);
        }
        self.waiting.remove(pending.link.asked_by());
        Some(pending)
    }

    pub(super) fn remove(&mut self, pair: Pair) {
        let pending = self.settle(pair).map(|pending| pending.link);
        let Some(link) = pending.or_else(|| self.open.remove(&pair)) else { return };
        self.asked_by.remove(link.asked_by());
        self.asked_of.remove(link.asked_of());
    }

    /// The oldest pending link of whoever has most of them.
    pub(super) fn least_deserved(&self) -> Option<Pair> {
        let greediest = self.waiting.most()?;
        let mut oldest_first = self.pending.iter();
        oldest_first.find(|(_, one)| one.link.asked_by() == greediest).map(|(pair, _)| *pair)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Pair, &Link)> {
        let pending = self.pending.iter().map(|(pair, pending)| (pair, &pending.link));
        pending.chain(&self.open)
    }
}
