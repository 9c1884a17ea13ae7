//! Tickets, and the pairing of a link's two halves (PROTOCOL.md section 5.4).

use std::time::Duration;

use sealift_proto::codec::Extensions;
use sealift_proto::control::{Address, FromRelay, Refusal};
use sealift_proto::space::{Membership, Serial, SpaceId};

use super::book::{Half, Link, Pair, Pending, Side};
use super::names::{Key, rests_on};
use super::{Effect, Switchboard};

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
