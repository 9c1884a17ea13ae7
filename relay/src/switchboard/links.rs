//! Tickets, and the pairing of a link's two halves (PROTOCOL.md section 5.4).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use sealift_proto::codec::Extensions;
use sealift_proto::control::{Address, FromRelay, Refusal};
use sealift_proto::space::{Membership, Serial, SpaceId};

use super::{Effect, Key, Owner, Switchboard, owner, rests_on};

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
struct Link {
    members: [Membership; 2],
}

impl Link {
    const fn asked_by(&self) -> Owner {
        owner(&self.members[0])
    }

    const fn asked_of(&self) -> Owner {
        owner(&self.members[1])
    }
}

/// A link whose halves are not both there yet.
#[derive(Debug)]
struct Pending {
    link: Link,
    from: Key,
    /// As the one that asked named the other.
    to: Address,
    target: Key,
    tickets: [[u8; 32]; 2],
    deadline: Duration,
    arrived: bool,
}

/// How many of something each device has.
#[derive(Debug, Default)]
struct Counts(HashMap<Owner, usize>);

impl Counts {
    fn of(&self, owner: Owner) -> usize {
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
    pending: BTreeMap<Pair, Pending>,
    open: HashMap<Pair, Link>,
    tickets: HashMap<[u8; 32], Pair>,
    /// Links, pending ones included, by who asked for them, and by whom they were asked of.
    asked_by: Counts,
    asked_of: Counts,
    /// Pending ones by who asked for them.
    waiting: Counts,
}

impl Links {
    fn len(&self) -> usize {
        self.pending.len() + self.open.len()
    }

    fn insert(&mut self, pending: Pending) {
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
    fn settle(&mut self, pair: Pair) -> Option<Pending> {
        let pending = self.pending.remove(&pair)?;
        for ticket in &pending.tickets {
            self.tickets.remove(ticket);
        }
        self.waiting.remove(pending.link.asked_by());
        Some(pending)
    }

    fn remove(&mut self, pair: Pair) {
        let pending = self.settle(pair).map(|pending| pending.link);
        let Some(link) = pending.or_else(|| self.open.remove(&pair)) else { return };
        self.asked_by.remove(link.asked_by());
        self.asked_of.remove(link.asked_of());
    }

    /// The oldest pending link of whoever has most of them.
    fn least_deserved(&self) -> Option<Pair> {
        let greediest = self.waiting.most()?;
        let mut oldest_first = self.pending.iter();
        oldest_first.find(|(_, one)| one.link.asked_by() == greediest).map(|(pair, _)| *pair)
    }

    fn all(&self) -> impl Iterator<Item = (&Pair, &Link)> {
        let pending = self.pending.iter().map(|(pair, pending)| (pair, &pending.link));
        pending.chain(&self.open)
    }
}

impl Switchboard {
    /// Gives `from` and the connection behind `to` a ticket each. When too many wait in all, the oldest one of whoever has
    /// most is given up for it.
    pub(crate) fn open_link(
        &mut self,
        from: Key,
        to: Address,
        tag: [u8; 16],
        tickets: [[u8; 32]; 2],
        now: Duration,
    ) -> Result<Vec<Effect>, Refusal> {
        let (target, here) = self.route(from, to)?;
        let (Some(asking), Some(asked)) =
            (self.connections.get(&from), self.connections.get(&target))
        else {
            return Err(Refusal::Offline);
        };
        let link = Link { members: [asking.member, asked.member] };
        self.check_links(&link)?;
        let mut effects = self.make_room_for_tickets();
        let deadline = now + self.limits.get().ticket;
        let pending = Pending { link, from, to, target, tickets, deadline, arrived: false };
        self.links.insert(pending);
        let ticket = |key, ticket, peer| {
            let extensions = Extensions::default();
            Effect::Send(
                key,
                FromRelay::LinkTicket { ticket, tag, peer, address: None, extensions },
            )
        };
        effects.extend([ticket(from, tickets[0], to), ticket(target, tickets[1], here)]);
        Ok(effects)
    }

    fn check_links(&self, link: &Link) -> Result<(), Refusal> {
        let limits = self.limits.get();
        let room = self.links.len() < limits.links
            && self.links.asked_by.of(link.asked_by()) < limits.links_per_device
            && self.links.asked_of.of(link.asked_of()) < limits.links_to_device
            && self.links.waiting.of(link.asked_by()) < limits.tickets_per_device;
        if room { Ok(()) } else { Err(Refusal::Busy) }
    }

    fn make_room_for_tickets(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while self.links.pending.len() >= self.limits.get().tickets {
            let Some(pair) = self.links.least_deserved() else { break };
            if let Some(Pending { from, to, .. }) = self.links.pending.get(&pair) {
                let told = FromRelay::Undeliverable { to: *to, why: Refusal::Busy };
                effects.push(Effect::Send(*from, told));
            }
            self.links.remove(pair);
            effects.push(Effect::Cut(pair));
        }
        effects
    }

    /// A connection showed `ticket`, which is used up by that. `None` if it is unknown, used or too old.
    pub(crate) fn redeem(&mut self, ticket: &[u8; 32], now: Duration) -> Option<Half> {
        let pair = self.links.tickets.remove(ticket)?;
        let pending = self.links.pending.get_mut(&pair)?;
        if now >= pending.deadline {
            return None;
        }
        let (space, _) = pending.link.asked_by();
        if !pending.arrived {
            pending.arrived = true;
            return Some(Half { pair, side: Side::First { deadline: pending.deadline }, space });
        }
        let Pending { link, .. } = self.links.settle(pair)?;
        self.links.open.insert(pair, link);
        Some(Half { pair, side: Side::Second, space })
    }

    /// A link, or a half that waited, has ended.
    pub(crate) fn link_ended(&mut self, pair: Pair) {
        self.links.remove(pair);
    }

    /// Gives up the links whose other half did not come in time.
    pub(crate) fn expire_tickets(&mut self, now: Duration) -> Vec<Effect> {
        self.give_up(|pending| now >= pending.deadline)
    }

    /// A connection is gone: links that it was still to open cannot be. Links at work go on.
    pub(super) fn give_up_tickets(&mut self, key: Key) -> Vec<Effect> {
        self.give_up(|pending| pending.from == key || pending.target == key)
    }

    fn give_up(&mut self, which: impl Fn(&Pending) -> bool) -> Vec<Effect> {
        let found = self.links.pending.iter().filter(|(_, pending)| which(pending));
        let pairs = found.map(|(pair, _)| *pair).collect();
        self.cut(pairs)
    }

    /// Ends the links of members whose certificates the owner removed.
    pub(super) fn cut_links_of(&mut self, space: &SpaceId, removed: &[Serial]) -> Vec<Effect> {
        let removed = |one: &Membership| one.space == *space && rests_on(one, removed);
        self.cut_links(|link| link.members.iter().any(removed))
    }

    /// Ends the links of spaces that are gone.
    pub(super) fn cut_links_in(&mut self, gone: impl Fn(&SpaceId) -> bool) -> Vec<Effect> {
        self.cut_links(|link| gone(&link.asked_by().0))
    }

    fn cut_links(&mut self, which: impl Fn(&Link) -> bool) -> Vec<Effect> {
        let found = self.links.all().filter(|(_, link)| which(link));
        let pairs = found.map(|(pair, _)| *pair).collect();
        self.cut(pairs)
    }

    fn cut(&mut self, pairs: Vec<Pair>) -> Vec<Effect> {
        for pair in &pairs {
            self.links.remove(*pair);
        }
        pairs.into_iter().map(Effect::Cut).collect()
    }

    /// Ends all links, waiting ones too.
    pub(crate) fn cut_all_links(&mut self) -> Vec<Effect> {
        self.cut_links(|_| true)
    }

    /// How many links there are, waiting ones included.
    pub(crate) fn link_count(&self) -> usize {
        self.links.len()
    }
}
