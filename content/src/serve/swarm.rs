//! Who fetches what from this device, so that they can be named to each other (PROTOCOL.md section 10.1, Others).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::codec::List;
use sealift_proto::control::Address;
use sealift_proto::limits::{LAN_CONNECTION, OTHERS_MAX};
use sealift_proto::message::SessionMessage;
use tokio::sync::mpsc;

use crate::link::{Job, courtesy};

/// Contents that one device may be named for; of more, those that it has said last.
const CONTENTS: usize = 256;

/// Those who have said that they give on what they fetch.
#[derive(Default)]
pub struct Swarm(Mutex<State>);

#[derive(Default)]
struct State {
    next: u64,
    seats: BTreeMap<u64, Place>,
    contents: HashMap<Root, Vec<Entry>>,
}

/// A session of one who fetches.
struct Place {
    address: Address,
    /// To where it spoke last.
    link: mpsc::WeakSender<Job>,
    /// What it is named for, what it has said last behind.
    contents: VecDeque<Root>,
}

/// One who fetches a content, and whom it was told of.
struct Entry {
    seat: u64,
    told: Vec<Address>,
}

/// A session's place among those who are named: it is forgotten when this is dropped.
pub(crate) struct Seat {
    swarm: Arc<Swarm>,
    address: Address,
    number: u64,
}

impl Swarm {
    /// A place for the session of the device at `address`; `None` where nobody else could open a session with it there.
    pub(crate) fn seat(self: &Arc<Self>, address: Address) -> Option<Seat> {
        if address.connection == LAN_CONNECTION {
            return None;
        }
        let mut state = lock(&self.0);
        state.next += 1;
        Some(Seat { swarm: self.clone(), address, number: state.next })
    }
}

impl Seat {
    /// The session fetches `root` and gives it on: it is named to the others, and they to it, over `link` and its like.
    pub(crate) fn has(&self, root: Root, link: &mpsc::WeakSender<Job>) {
        let mut state = lock(&self.swarm.0);
        let new = || Place { address: self.address, link: link.clone(), contents: VecDeque::new() };
        let place = state.seats.entry(self.number).or_insert_with(new);
        let lost = place.link.strong_count() == 0;
        place.link = link.clone();
        if place.contents.contains(&root) {
            if lost {
                state.tell(&root);
            }
            return;
        }
        place.contents.push_back(root);
        let oldest = (place.contents.len() > CONTENTS).then(|| place.contents.pop_front());
        if let Some(oldest) = oldest.flatten() {
            state.leave(self.number, &oldest);
        }
        let entry = Entry { seat: self.number, told: Vec::new() };
        state.contents.entry(root).or_default().push(entry);
        state.tell(&root);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = lock(&self.swarm.0);
        let Some(place) = state.seats.remove(&self.number) else { return };
        for root in place.contents {
            state.leave(self.number, &root);
        }
    }
}

impl State {
    fn leave(&mut self, seat: u64, root: &Root) {
        let Some(entries) = self.contents.get_mut(root) else { return };
        entries.retain(|entry| entry.seat != seat);
        if entries.is_empty() {
            self.contents.remove(root);
        }
        self.tell(root);
    }

    /// Tells everybody who fetches `root` of those nearest to it in the order in which they came, taken as a ring: so whoever is
    /// told of another is one of whom that other is told.
    fn tell(&mut self, root: &Root) {
        let Some(entries) = self.contents.get_mut(root) else { return };
        let ring: Vec<_> = entries.iter().map(|entry| entry.seat).collect();
        for (at, entry) in entries.iter_mut().enumerate() {
            let Some(place) = self.seats.get(&entry.seat) else { continue };
            let address = |seat: u64| self.seats.get(&seat).map(|place| place.address);
            let others = nearest(at, ring.len()).filter_map(|at| address(*ring.get(at)?));
            let others: Vec<_> =
                others.filter(|other| other.device != place.address.device).collect();
            if others == entry.told {
                continue;
            }
            if let Some(link) = place.link.upgrade()
                && let Ok(addresses) = List::new(others.clone())
                && courtesy(&link, SessionMessage::Others { root: *root, addresses }).is_none()
            {
                entry.told = others;
            }
        }
    }
}

/// The places of a ring of `len` that are nearest to `at`, as many to one side as to the other, each once.
fn nearest(at: usize, len: usize) -> impl Iterator<Item = usize> {
    let far = (OTHERS_MAX / 2).min(len / 2);
    let sides = (1..=far).flat_map(move |step| [(at + step) % len, (at + len - step) % len]);
    // Where the ring is of an even length and short, its other end is met from both sides.
    let even = len.is_multiple_of(2) && far == len / 2;
    sides.take(if even { (2 * far).saturating_sub(1) } else { 2 * far })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sealift_proto::identity::SecretKey;

    use super::*;
    use crate::link::{Outbox, Waiting, outbox};

    const ROOT: Root = Root([1; 32]);

    fn address(number: u8) -> Address {
        Address { device: SecretKey::from_seed([number; 32]).id(), connection: number.into() }
    }

    /// One who fetches, and what it was told.
    struct Member {
        seat: Option<Seat>,
        jobs: mpsc::Sender<Job>,
        waiting: Waiting,
    }

    impl Member {
        fn new(swarm: &Arc<Swarm>, number: u8) -> Self {
            let (Outbox { jobs, .. }, waiting) = outbox();
            Self { seat: swarm.seat(address(number)), jobs, waiting }
        }

        fn has(&self, root: Root) {
            self.seat.as_ref().unwrap().has(root, &self.jobs.downgrade());
        }

        /// Whom it was told of last, if of anybody since this was asked.
        fn told(&mut self) -> Option<Vec<Address>> {
            let mut last = None;
            while let Some(message) = self.waiting.next_message() {
                let SessionMessage::Others { root: ROOT, addresses } = message else {
                    panic!("{message:?}")
                };
                last = Some(addresses.into_vec());
            }
            last
        }
    }

    #[test]
    fn those_who_fetch_one_content_are_named_to_each_other_until_they_have_gone() {
        let swarm = Arc::new(Swarm::default());
        let [mut one, mut two, mut other] = [1, 2, 3].map(|number| Member::new(&swarm, number));
        one.has(ROOT);
        other.has(Root([2; 32]));
        assert_eq!((one.told(), two.told(), other.told()), (None, None, None));
        two.has(ROOT);
        assert_eq!(one.told(), Some(vec![address(2)]));
        assert_eq!(two.told(), Some(vec![address(1)]));
        two.has(ROOT);
        assert_eq!((one.told(), two.told()), (None, None), "nothing new");
        two.seat = None;
        assert_eq!(one.told(), Some(Vec::new()));
        one.seat = None;
        other.seat = None;
        let state = lock(&swarm.0);
        assert!(state.contents.is_empty() && state.seats.is_empty());
    }

    #[test]
    fn whoever_is_told_of_another_is_one_of_whom_that_one_is_told() {
        let swarm = Arc::new(Swarm::default());
        let mut members: Vec<_> = (1..=40).map(|number| Member::new(&swarm, number)).collect();
        let mut told = vec![Vec::new(); 40];
        for last in 0..40 {
            members[last].has(ROOT);
            for (member, told) in members.iter_mut().zip(&mut told) {
                *told = member.told().unwrap_or_else(|| std::mem::take(told));
            }
            for (one, others) in told.iter().take(last + 1).enumerate() {
                let distinct: BTreeSet<_> = others.iter().collect();
                assert_eq!(distinct.len(), others.len());
                assert_eq!(others.len(), last.min(OTHERS_MAX), "{one} of {last}");
                let own = address(one as u8 + 1);
                let back = |other: &Address| told[other.connection as usize - 1].contains(&own);
                assert!(others.iter().all(|other| *other != own && back(other)));
            }
        }
    }

    #[test]
    fn one_that_names_contents_without_end_takes_no_memory_without_end() {
        let swarm = Arc::new(Swarm::default());
        let member = Member::new(&swarm, 1);
        for number in 0..10_000_u32 {
            let mut root = [0; 32];
            root[..4].copy_from_slice(&number.to_be_bytes());
            member.has(Root(root));
        }
        let state = lock(&swarm.0);
        assert!(state.contents.len() <= CONTENTS && member.waiting.count() <= 64);
    }

    #[test]
    fn one_of_the_local_network_is_named_to_nobody() {
        let swarm = Arc::new(Swarm::default());
        let near = Address { connection: LAN_CONNECTION, ..address(1) };
        assert!(swarm.seat(near).is_none());
    }
}
