//! What a person is told to type: `sealift` has every verb itself, while without it sharing is `seeder`'s and finding `leecher`'s.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set once, before anything is said, and never again.
static HAS_EVERY_VERB: AtomicBool = AtomicBool::new(false);

/// This process is `sealift`: from now on its verbs are named.
pub fn has_every_verb() {
    HAS_EVERY_VERB.store(true, Ordering::Relaxed);
}

fn named(alone: &'static str, all: &'static str) -> &'static str {
    if HAS_EVERY_VERB.load(Ordering::Relaxed) { all } else { alone }
}

/// The program with `search`, `list`, `download`, `verify` and `ping`.
#[must_use]
pub fn finder() -> &'static str {
    named("leecher", "sealift")
}

/// The program with `invite`, `status` and `service`.
#[must_use]
pub fn sharer() -> &'static str {
    named("seeder", "sealift")
}

/// What stands before folders to share them.
#[must_use]
pub fn sharing() -> &'static str {
    named("seeder --watch", "sealift share")
}

/// The verb of `sealift` that shares, where this process is `sealift`.
#[must_use]
pub fn verb_of_sharing() -> Option<&'static str> {
    HAS_EVERY_VERB.load(Ordering::Relaxed).then_some("share")
}

/// What shares what was shared the last time, and takes flags of sharing.
#[must_use]
pub fn going_on() -> &'static str {
    named("seeder", "sealift share")
}
