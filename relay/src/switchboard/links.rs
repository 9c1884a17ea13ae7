//! Tickets, and the pairing of a link's two halves (PROTOCOL.md section 5.4).

use std::collections::HashMap;
use std::time::Duration;

use sealift_proto::codec::Extensions;
use sealift_proto::control::{Address, FromRelay, Refusal};
use sealift_proto::identity::DeviceId;
use sealift_proto::space::{Membership, Serial, SpaceId};

use super::{Effect, Key, Switchboard, rests_on};

/// Names a link within this relay; never used twice.
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
}

#[derive(Debug)]
struct Link {
    members: [Membership; 2],
    asked_by: Key,
    asked_of: Key,
    tickets: [[u8; 32]; 2],
    deadline: Duration,
    arrived: u8,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    next: Pair,
    links: HashMap<Pair, Link>,
    tickets: HashMap<[u8; 32], Pair>,
    of_device: HashMap<(SpaceId, DeviceId), usize>,
}

impl Links {
    fn count(&self, member: &Membership) -> usize {
        self.of_device.get(&(member.space, member.device)).copied().unwrap_or(0)
    }

    fn insert(&mut self, link: Link) {
        self.next += 1;
        for ticket in link.tickets {
            self.tickets.insert(ticket, self.next);
        }
        for member in &link.members {
            *self.of_device.entry((member.space, member.device)).or_default() += 1;
        }
        self.links.insert(self.next, link);
    }

    fn remove(&mut self, pair: Pair) -> Option<Link> {
        let link = self.links.remove(&pair)?;
        for ticket in &link.tickets {
            self.tickets.remove(ticket);
        }
        for member in &link.members {
            let key = (member.space, member.device);
            if let Some(count) = self.of_device.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.of_device.remove(&key);
                }
            }
        }
        Some(link)
    }
}

impl Switchboard {
    /// Gives `from` and the connection behind `to` a ticket each.
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
        let members = [asking.member, asked.member];
        let limits = self.limits.get();
        let full = asking.asked >= limits.tickets_per_connection
            || self.links.links.len() >= limits.links
            || members.iter().any(|one| self.links.count(one) >= limits.links_per_device);
        if full {
            return Err(Refusal::Busy);
        }
        let deadline = now + limits.ticket;
        let link =
            Link { members, asked_by: from, asked_of: target, tickets, deadline, arrived: 0 };
        self.links.insert(link);
        self.count_asked(from, 1);
        let ticket = |key, ticket, peer| {
            let extensions = Extensions::default();
            Effect::Send(
                key,
                FromRelay::LinkTicket { ticket, tag, peer, address: None, extensions },
            )
        };
        Ok(vec![ticket(from, tickets[0], to), ticket(target, tickets[1], here)])
    }

    /// A connection showed `ticket`, which is used up by that. `None` if it is unknown, used or too old.
    pub(crate) fn redeem(&mut self, ticket: &[u8; 32], now: Duration) -> Option<Half> {
        let pair = self.links.tickets.remove(ticket)?;
        let link = self.links.links.get_mut(&pair)?;
        if now >= link.deadline {
            return None;
        }
        link.arrived += 1;
        if link.arrived == 1 {
            return Some(Half { pair, side: Side::First { deadline: link.deadline } });
        }
        let asked_by = link.asked_by;
        self.count_asked(asked_by, -1);
        Some(Half { pair, side: Side::Second })
    }

    /// A link, or a half that waited, has ended.
    pub(crate) fn link_ended(&mut self, pair: Pair) {
        let Some(link) = self.links.remove(pair) else { return };
        if link.arrived < 2 {
            self.count_asked(link.asked_by, -1);
        }
    }

    /// Gives up the links whose other half did not come in time.
    pub(crate) fn expire_tickets(&mut self, now: Duration) -> Vec<Effect> {
        self.cut(|link| link.arrived < 2 && now >= link.deadline)
    }

    /// A connection is gone: links that it was still to open cannot be. Links at work go on.
    pub(super) fn give_up_tickets(&mut self, key: Key) -> Vec<Effect> {
        self.cut(|link| link.arrived < 2 && (link.asked_by == key || link.asked_of == key))
    }

    pub(super) fn cut_links_of(&mut self, space: &SpaceId, removed: &[Serial]) -> Vec<Effect> {
        let removed = |one: &Membership| one.space == *space && rests_on(one, removed);
        self.cut(|link| link.members.iter().any(removed))
    }

    pub(super) fn cut_links_in(&mut self, gone: impl Fn(&SpaceId) -> bool) -> Vec<Effect> {
        self.cut(|link| link.members.iter().any(|one| gone(&one.space)))
    }

    fn cut(&mut self, which: impl Fn(&Link) -> bool) -> Vec<Effect> {
        let found = self.links.links.iter().filter(|(_, link)| which(link));
        let pairs: Vec<Pair> = found.map(|(pair, _)| *pair).collect();
        for pair in &pairs {
            self.link_ended(*pair);
        }
        pairs.into_iter().map(Effect::Cut).collect()
    }

    fn count_asked(&mut self, key: Key, change: isize) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.asked = connection.asked.saturating_add_signed(change);
        }
    }

    /// How many links there are, waiting ones included.
    pub(crate) fn link_count(&self) -> usize {
        self.links.links.len()
    }
}
