//! Whole relays at work with clients that say whatever a test wants. One binary, because these tests mostly wait: side by side.

mod common;
mod drain;
mod full_disk;
mod garbage;
mod limits;
mod members;
mod probe;
mod refusals;
