//! What the relay is called.

use sealift_server::Program;

/// The program.
pub(crate) const PROGRAM: Program = Program { name: "relay", detail: "sealift_relay=debug" };
