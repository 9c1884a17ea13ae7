//! Transfers over a small internet of network namespaces. `skipped:` where the system does not permit to make it.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

mod mapped;
mod matrix;
mod places;
mod scene;
mod speed;
mod translators;
