//! Which spaces have a device connected: those are never dropped to make room.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use sealift_platform::sync::lock;
use sealift_proto::control::Refusal;
use sealift_proto::space::SpaceId;

/// The spaces with connected devices. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Presence(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    connected: HashMap<SpaceId, usize>,
    /// Those that had a device since [`Presence::seen`] was asked.
    left: HashSet<SpaceId>,
    dropping: HashSet<SpaceId>,
}

/// A connected device's hold on its space.
#[derive(Debug)]
pub(crate) struct Present {
    presence: Presence,
    space: SpaceId,
}

impl Presence {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// A device of `space` is connected until the answer is dropped.
    ///
    /// # Errors
    /// [`Refusal::Busy`] in the moment in which the space is dropped.
    pub(crate) fn enter(&self, space: SpaceId) -> Result<Present, Refusal> {
        let mut state = self.state();
        if state.dropping.contains(&space) {
            return Err(Refusal::Busy);
        }
        *state.connected.entry(space).or_default() += 1;
        Ok(Present { presence: self.clone(), space })
    }

    /// Keeps devices of `space` out until [`Self::dropped`]; false if one is connected.
    pub(super) fn begin_drop(&self, space: SpaceId) -> bool {
        let mut state = self.state();
        !state.connected.contains_key(&space) && {
            state.dropping.insert(space);
            true
        }
    }

    /// All that began to be dropped is gone, or stays.
    pub(super) fn dropped(&self) {
        self.state().dropping.clear();
    }

    /// The spaces that have a device now, or had one since this was last asked.
    pub(crate) fn seen(&self) -> Vec<SpaceId> {
        let mut state = self.state();
        let left = std::mem::take(&mut state.left);
        left.into_iter().chain(state.connected.keys().copied()).collect()
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut state = self.presence.state();
        let Some(count) = state.connected.get_mut(&self.space) else { return };
        *count -= 1;
        if *count == 0 {
            state.connected.remove(&self.space);
            state.left.insert(self.space);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_with_a_device_is_not_dropped_and_one_being_dropped_takes_none() {
        let presence = Presence::default();
        let (one, other) = (SpaceId::from_bytes([1; 32]), SpaceId::from_bytes([2; 32]));
        let first = presence.enter(one).unwrap();
        let second = presence.enter(one).unwrap();
        drop(first);
        assert!(!presence.begin_drop(one) && presence.begin_drop(other));
        assert_eq!(presence.enter(other).err(), Some(Refusal::Busy));
        presence.dropped();
        drop(presence.enter(other).unwrap());
        let mut seen = presence.seen();
        seen.sort();
        assert_eq!(seen, [one, other]);
        assert_eq!(presence.seen(), [one]);
        drop(second);
        assert!(presence.begin_drop(one));
        assert_eq!(presence.seen(), [one]);
    }
}
