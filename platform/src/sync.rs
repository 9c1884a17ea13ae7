//! Locks that a panic elsewhere does not close.
//!
//! A task that panics while it holds a lock poisons it. What the programs keep behind their locks is changed in steps that each
//! leave it whole, and one failed task must not take every other one with it: so the lock is used as it is.

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
}
