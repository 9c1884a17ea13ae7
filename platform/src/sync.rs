//! Locks that a panic elsewhere does not close.
//!
//! A task that panics while it holds a lock poisons it. What the programs keep behind their locks is changed in steps that each
//! leave it whole, and one failed task must not take every other one with it: so the lock is used as it is.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Waits for the lock.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until nobody writes.
pub fn read<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until nobody else reads or writes.
pub fn write<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// A lock with a place in the order in which locks may be taken together: whoever holds one takes only later ones, so that no two
/// ever wait for each other. A build with debug assertions panics at the first one that is taken against the order, and not only
/// on the day on which two threads meet.
#[derive(Debug)]
pub struct Ordered<T> {
    place: u8,
    mutex: Mutex<T>,
}

impl<T> Ordered<T> {
    /// A lock at that place of its order.
    pub const fn new(place: u8, value: T) -> Self {
        Self { place, mutex: Mutex::new(value) }
    }

    /// Waits for the lock.
    ///
    /// # Panics
    /// With debug assertions, when this thread holds a lock of the same place or a later one.
    pub fn lock(&self) -> OrderedGuard<'_, T> {
        let held = Held::take(self.place);
        OrderedGuard { value: lock(&self.mutex), _held: held }
    }
}

/// What an [`Ordered`] lock keeps, until dropped.
#[derive(Debug)]
pub struct OrderedGuard<'l, T> {
    // Before `_held`: fields are dropped in order, and the place is free only when the lock is.
    value: MutexGuard<'l, T>,
    _held: Held,
}

impl<T> Deref for OrderedGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for OrderedGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

thread_local! {
    /// The places of the locks that this thread holds. A guard never leaves its thread.
    static PLACES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// That this thread holds a lock, as far as debug assertions want to know.
#[derive(Debug)]
struct Held(u8);

impl Held {
    fn take(place: u8) -> Self {
        if cfg!(debug_assertions) {
            PLACES.with_borrow_mut(|held| {
                assert!(
                    held.iter().all(|other| *other < place),
                    "lock {place} taken behind {held:?}"
                );
                held.push(place);
            });
        }
        Self(place)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if cfg!(debug_assertions) {
            PLACES.with_borrow_mut(|held| held.retain(|place| *place != self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_lock_whose_holder_failed_goes_on_with_what_it_held() {
        let held = Arc::new((Mutex::new(1), RwLock::new(2)));
        let other = Arc::clone(&held);
        let failed = std::thread::spawn(move || {
            let (_one, _two) = (lock(&other.0), write(&other.1));
            panic!("as a bug would");
        });
        assert!(failed.join().is_err());
        *lock(&held.0) += 1;
        *write(&held.1) += 1;
        assert_eq!((*lock(&held.0), *read(&held.1)), (2, 3));
    }

    #[cfg(debug_assertions)]
    #[test]
    fn locks_are_taken_in_order_or_not_at_all() {
        let (first, second) = (Ordered::new(1, 'a'), Ordered::new(2, 'b'));
        let (one, mut two) = (first.lock(), second.lock());
        *two = 'c';
        // In whatever order they are given back.
        drop(one);
        drop(two);
        let against = || {
            let _two = second.lock();
            let _one = first.lock();
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(against)).is_err());
        let (one, two) = (first.lock(), second.lock());
        assert_eq!((*one, *two), ('a', 'c'), "nothing stays taken");
    }
}
