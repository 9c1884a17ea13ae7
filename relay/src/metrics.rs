//! What a relay counts while it runs. Nothing here names a device, a space or an address: what is counted can be shown.

use sealift_server::metrics::{Counter, Tally};

/// All counters of a relay beside those of strangers, since it started.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Hellos that were good.
    pub(crate) welcomed: Counter,
    /// Members' connections ended by the relay, by reason.
    pub(crate) closed: Tally,
    /// Requests of members that were answered with no, by reason.
    pub(crate) refused: Tally,
    /// Pairs of tickets given out.
    pub(crate) tickets: Counter,
    /// Links that both halves came to.
    pub(crate) links: Counter,
    /// Their ends, by how.
    pub(crate) links_ended: Tally,
    /// Answers of the UDP service, and bytes of them.
    pub(crate) probes: Counter,
    pub(crate) probe_bytes: Counter,
    /// Datagrams that it did not answer, by reason.
    pub(crate) probes_dropped: Tally,
}
