//! Who is connected and who may reach whom (PROTOCOL.md sections 5.2 to 5.4): pure state, without sockets or clock.
//! What happened comes in as calls, what to do goes out as [`Effect`]s, times are durations since the relay started.

mod book;
mod links;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use sealift_proto::control::{Address, FromRelay, Refusal};
use sealift_proto::identity::DeviceId;
use sealift_proto::space::{Membership, Role, Serial, SpaceId};
use sealift_server::pace::Pace;

use crate::limits::InForce;
use book::Links;
use names::{Owner, owner};

pub(crate) use book::{Pair, Side};
pub(crate) use names::{Key, rests_on};

/// Something to be done outside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Send this to a connection.
    Send(Key, FromRelay),
    /// Tell a connection why and close it. It is no longer known here.
    Close(Key, Refusal),
    /// End a link, whether both halves are there or not.
    Cut(Pair),
}

#[derive(Debug)]
struct Connection {
    member: Membership,
    number: u32,
    wants_heads: bool,
    wants_peers: bool,
}

impl Connection {
    const fn address(&self) -> Address {
        Address { device: self.member.device, connection: self.number }
    }
}

#[derive(Debug, Default)]
struct Space {
    connections: BTreeSet<Key>,
    addresses: BTreeMap<Address, Key>,
}

/// All connections of members, by space and address.
#[derive(Debug)]
pub(crate) struct Switchboard {
    limits: InForce,
    connections: HashMap<Key, Connection>,
    spaces: HashMap<SpaceId, Space>,
    links: Links,
    /// Of members that are connected, or were so lately that they still owe something.
    paces: HashMap<Owner, Pace>,
    joining: usize,
    next_key: Key,
    next_number: u32,
}

impl Switchboard {
    /// Starts empty. Connection numbers rise from `first_number`, which is random, so that an address from before a
    /// restart hardly ever names another connection.
    pub(crate) fn new(limits: InForce, first_number: u32) -> Self {
        Self {
            limits,
            connections: HashMap::new(),
            spaces: HashMap::new(),
            links: Links::default(),
            paces: HashMap::new(),
            joining: 0,
            next_key: 0,
            next_number: first_number,
        }
    }

    /// Takes in a connection whose membership has been verified. A serving one takes the place of an earlier one.
    pub(crate) fn connect(
        &mut self,
        member: Membership,
        serving: bool,
    ) -> Result<(Key, Address, Vec<Effect>), Refusal> {
        if serving && !member.role.allows(Role::OFFER) {
            return Err(Refusal::NotAllowed);
        }
        let serving_now = self.at(&member.space, Address { device: member.device, connection: 0 });
        let replaced = serving_now.filter(|_| serving);
        if replaced.is_none() {
            self.check_room(&member)?;
        }
        let mut effects = Vec::new();
        if let Some(old) = replaced {
            effects.push(Effect::Close(old, Refusal::Replaced));
            effects.extend(self.forget(old));
        }
        let number = if serving { 0 } else { self.free_number(&member) };
        let connection = Connection { member, number, wants_heads: false, wants_peers: false };
        let address = connection.address();
        self.next_key += 1;
        let key = self.next_key;
        if serving {
            // Who has a session with one that has come anew may learn so that its links lead to where it was.
            let here = FromRelay::PeerHere { device: member.device };
            effects.extend(self.tell_peers(&member.space, &here));
        }
        let space = self.spaces.entry(member.space).or_default();
        space.connections.insert(key);
        space.addresses.insert(address, key);
        self.connections.insert(key, connection);
        Ok((key, address, effects))
    }

    /// How fast the member may speak: shared by all its connections, and remembered a little longer than they last.
    pub(crate) fn pace(&mut self, member: &Membership, now: Duration) -> Pace {
        let pace = self.paces.entry(owner(member));
        pace.or_insert_with(|| Pace::new(&(&*self.limits.get()).into(), now)).clone()
    }

    /// Forgets members that are gone and owe nothing.
    pub(crate) fn forget_paces(&mut self, now: Duration) {
        self.paces.retain(|_, pace| !pace.is_idle(now));
    }

    /// A connection wants to take an invite.
    pub(crate) fn begin_join(&mut self) -> Result<(), Refusal> {
        if self.joining >= self.limits.get().joining {
            return Err(Refusal::Busy);
        }
        self.joining += 1;
        Ok(())
    }

    /// One that [`Self::begin_join`] let in has ended.
    pub(crate) const fn end_join(&mut self) {
        self.joining = self.joining.saturating_sub(1);
    }

    fn check_room(&self, member: &Membership) -> Result<(), Refusal> {
        let space = self.spaces.get(&member.space);
        let in_space = space.map_or(0, |space| space.connections.len());
        let of_device =
            space.map_or(0, |space| space.addresses.range(all_of(member.device)).count());
        let limits = self.limits.get();
        let room = self.connections.len() < limits.connections
            && in_space < limits.connections_per_space
            && of_device < limits.connections_per_device;
        if room { Ok(()) } else { Err(Refusal::Busy) }
    }

    /// The next number that no connection of the device has.
    fn free_number(&mut self, member: &Membership) -> u32 {
        loop {
            self.next_number = self.next_number.wrapping_add(1).max(1);
            let address = Address { device: member.device, connection: self.next_number };
            if self.at(&member.space, address).is_none() {
                return self.next_number;
            }
        }
    }

    fn at(&self, space: &SpaceId, address: Address) -> Option<Key> {
        self.spaces.get(space)?.addresses.get(&address).copied()
    }

    /// A connection has ended, by whomever.
    pub(crate) fn disconnect(&mut self, key: Key) -> Vec<Effect> {
        let Some(connection) = self.connections.get(&key) else { return Vec::new() };
        let (space, address) = (connection.member.space, connection.address());
        let mut effects = self.forget(key);
        if address.connection == 0 {
            let gone = FromRelay::PeerGone { device: address.device };
            effects.extend(self.tell_peers(&space, &gone));
        }
        effects
    }

    fn forget(&mut self, key: Key) -> Vec<Effect> {
        let Some(connection) = self.connections.remove(&key) else { return Vec::new() };
        if let Some(space) = self.spaces.get_mut(&connection.member.space) {
            space.connections.remove(&key);
            space.addresses.remove(&connection.address());
            if space.connections.is_empty() {
                self.spaces.remove(&connection.member.space);
            }
        }
        self.give_up_tickets(key)
    }

    /// Connection behind `to`, in the space of `from`, and the address that it is to see as the sender's.
    pub(crate) fn route(&self, from: Key, to: Address) -> Result<(Key, Address), Refusal> {
        let sender = self.connections.get(&from).ok_or(Refusal::NotAllowed)?;
        let target = self.at(&sender.member.space, to).ok_or(Refusal::Offline)?;
        Ok((target, sender.address()))
    }

    /// From now on the connection is among [`Self::head_watchers`].
    pub(crate) fn watch_heads(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.wants_heads = true;
        }
    }

    /// Who is to hear of a new statement in the space.
    pub(crate) fn head_watchers(&self, space: &SpaceId) -> Vec<Key> {
        self.in_space(space).filter(|(_, one)| one.wants_heads).map(|(key, _)| key).collect()
    }

    /// The devices that serve now; from now on the connection hears of changes.
    pub(crate) fn watch_peers(&mut self, key: Key) -> Vec<DeviceId> {
        let Some(connection) = self.connections.get_mut(&key) else { return Vec::new() };
        connection.wants_peers = true;
        let space = connection.member.space;
        self.in_space(&space)
            .filter(|(_, one)| one.number == 0)
            .map(|(_, one)| one.member.device)
            .collect()
    }

    fn tell_peers(&self, space: &SpaceId, message: &FromRelay) -> Vec<Effect> {
        self.in_space(space)
            .filter(|(_, one)| one.wants_peers)
            .map(|(key, _)| Effect::Send(key, message.clone()))
            .collect()
    }

    fn in_space(&self, space: &SpaceId) -> impl Iterator<Item = (Key, &Connection)> {
        let keys = self.spaces.get(space).into_iter().flat_map(|space| &space.connections);
        keys.filter_map(|key| Some((*key, self.connections.get(key)?)))
    }

    /// The owner removed these serials: their connections and links end.
    pub(crate) fn remove_serials(&mut self, space: &SpaceId, removed: &[Serial]) -> Vec<Effect> {
        let keys = self.in_space(space).filter(|(_, one)| rests_on(&one.member, removed));
        let keys: Vec<Key> = keys.map(|(key, _)| key).collect();
        let mut effects = self.close_all(&keys, Refusal::Removed);
        effects.extend(self.cut_links_of(space, removed));
        effects
    }

    /// Ends the connections whose certificates ended before unix time `now` (seconds).
    pub(crate) fn expire_members(&mut self, now: u64) -> Vec<Effect> {
        let limit = now.saturating_sub(sealift_proto::space::CLOCK_SKEW);
        let old = self.connections.iter().filter(|(_, one)| one.member.not_after < limit);
        let keys: Vec<Key> = old.map(|(key, _)| *key).collect();
        self.close_all(&keys, Refusal::Expired)
    }

    /// Ends the connections of spaces that are no longer carried, and their links.
    pub(crate) fn close_spaces(&mut self, gone: impl Fn(&SpaceId) -> bool) -> Vec<Effect> {
        let of_gone = self.connections.iter().filter(|(_, one)| gone(&one.member.space));
        let keys: Vec<Key> = of_gone.map(|(key, _)| *key).collect();
        let mut effects = self.close_all(&keys, Refusal::SpaceNotAllowed);
        effects.extend(self.cut_links_in(gone));
        effects
    }

    fn close_all(&mut self, keys: &[Key], why: Refusal) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in keys {
            effects.push(Effect::Close(*key, why));
            effects.extend(self.disconnect(*key));
        }
        effects
    }

    /// How many connections serve.
    pub(crate) fn serving(&self) -> usize {
        self.connections.values().filter(|one| one.number == 0).count()
    }

    /// How many spaces have a connection.
    pub(crate) fn spaces(&self) -> usize {
        self.spaces.len()
    }

    /// Whether the space has a connection.
    pub(crate) fn has(&self, space: &SpaceId) -> bool {
        self.spaces.contains_key(space)
    }

    /// How many connections take an invite.
    pub(crate) const fn joining(&self) -> usize {
        self.joining
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }
}

/// Every address of a device.
const fn all_of(device: DeviceId) -> std::ops::RangeInclusive<Address> {
    Address { device, connection: 0 }..=Address { device, connection: u32::MAX }
}
