//! Every size, count and time that two implementations must agree on (PROTOCOL.md section 13.1 has the same table, and a test
//! holds the two together). The modules that check them give them on under the same names.
//!
//! What follows from a layout (a preamble has 36 bytes) stands with the layout. What each side may choose for itself (how long
//! it waits before it tries again) is no part of the protocol.

/// A row: its name, value, unit, sections, and what it is with the reason for it.
#[cfg(all(test, feature = "sealed"))]
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) value: u64,
    pub(crate) unit: &'static str,
    pub(crate) sections: &'static str,
    pub(crate) what: &'static str,
}

/// `/// what and why`, then `NAME: type = value, unit, sections;`. Each becomes a constant, and a row for the test.
macro_rules! limits {
    ($($(#[doc = $what:literal])+ $name:ident: $type:ty = $value:expr, $unit:literal, $sections:literal;)+) => {
        $(
            $(#[doc = $what])+
            #[doc = concat!(" (", $unit, "; PROTOCOL.md ", $sections, ")")]
            pub const $name: $type = $value;
        )+

        #[cfg(all(test, feature = "sealed"))]
        pub(crate) fn all() -> Vec<Limit> {
            vec![$(Limit {
                name: stringify!($name),
                value: u64::try_from($name).unwrap(),
                unit: $unit,
                sections: $sections,
                what: concat!($($what),+).trim_ascii(),
            }),+]
        }
    };
}

limits! {
    /// Additions to one message: more than will ever be thought of, and few enough to be read one by one.
    EXTENSIONS_MAX: usize = 16, "count", "2.2";
    /// One addition: room for a key or a token, not for content.
    EXTENSION_MAX: usize = 1024, "bytes", "2.2";

    /// Body of any signed statement: with what stands around it, it fits a frame.
    SIGNED_MAX: usize = 56 * 1024, "bytes", "3";
    /// Signed statement on its way: the longest body, its length and the signature, rounded up.
    STATEMENT_MAX: usize = SIGNED_MAX + 80, "bytes", "5.3, 10.1";
    /// Body of a certificate: it has only fixed fields and additions.
    CERTIFICATE_MAX: usize = 2048, "bytes", "3";
    /// Body of a card: its sealed part and little else.
    CARD_MAX: usize = 10 * 1024, "bytes", "3";
    /// Body of a head: one is sent for each change of a catalogue.
    HEAD_MAX: usize = 2048, "bytes", "3";
    /// Body of OFFER, WRAP and REFUSE: the most shares of the longest kind and a chain; sealed it fits a Forward.
    HANDSHAKE_MAX: usize = 40 * 1024, "bytes", "3";
    /// Body of a Hello: a chain and a token, from somebody who has shown nothing yet.
    HELLO_MAX: usize = 8192, "bytes", "3, 5.2";

    /// Certificates in a chain: an invite key and a device.
    CHAIN_MAX: usize = 2, "count", "4.3";
    /// How long after its end a certificate still holds: clocks differ.
    CLOCK_SKEW: u64 = 120, "s", "4.3";
    /// Serials that a space record removes.
    REMOVED_MAX: usize = 1024, "count", "4.4";
    /// Sealed part of a space record: the most lasting certificates.
    RECORD_SEALED_MAX: usize = 32_768, "bytes", "4.4";
    /// Relays that a space record or an invite package names.
    RELAYS_MAX: usize = 8, "count", "4.4, 11";
    /// Lasting certificates in one space record; who has taken its own makes room.
    LASTING_MAX: usize = 100, "count", "4.4";
    /// Name of a space or device: it fits a line of a terminal.
    LABEL_MAX: usize = 64, "bytes", "4.4";
    /// Name of a host, as in DNS.
    HOST_MAX: usize = 253, "bytes", "4.4";
    /// Sealed part of a card: a name, a key and a chain.
    CARD_SEALED_MAX: usize = 8192, "bytes", "4.5";
    /// Public key that a card names: an X-Wing key's length.
    RECEIVE_KEY_MAX: usize = 1216, "bytes", "4.5";

    /// Port of a relay unless it is told another.
    DEFAULT_PORT: u16 = 7743, "count", "5.1, 11";
    /// Body of a frame on a control connection: what one side holds for the other at a time.
    FRAME_MAX: usize = 64 * 1024, "bytes", "5.1";
    /// Versions that a Hello lists.
    VERSIONS_MAX: usize = 8, "count", "5.2";
    /// Text of an address and port that a relay saw.
    SEEN_AS_MAX: usize = 64, "bytes", "5.2";
    /// What a Forward carries: a sealed OFFER or WRAP of the longest kind.
    FORWARD_MAX: usize = 48 * 1024, "bytes", "5.3, 6.6";
    /// Sealed segment: with what stands around it, it fits a frame.
    SEGMENT_MAX: usize = 60 * 1024, "bytes", "5.3";
    /// Sealed invite package: as a segment.
    PACKAGE_MAX: usize = 60 * 1024, "bytes", "5.3";
    /// Positions in one Fetch: together at most 1 MiB.
    FETCH_MAX: u64 = 16, "count", "5.5";
    /// Places that a Leaving names.
    PLACES_MAX: usize = 4, "count", "5.3";
    /// Life of a link's ticket: both sides have it and only need to connect.
    TICKET_TIME: u64 = 15, "s", "5.4, 5.6";
    /// Segments from base to position of one log: what a relay keeps for it.
    SEGMENTS_MAX: u64 = 65_536, "count", "5.5, 5.6, 8.1";
    /// Logs of a device that a relay keeps.
    LOGS_MAX: u64 = 16, "count", "5.6";
    /// Connections of a device in one space that a relay takes, at least.
    CONNECTIONS_MIN: u64 = 64, "count", "5.6";
    /// Probes of a connection that a relay answers in a second.
    PROBES_PER_SECOND: u64 = 4, "a second", "5.6";
    /// From connecting to a Hello that holds.
    HELLO_TIME: u64 = 10, "s", "5.6";
    /// From the first byte of a message to its last.
    MESSAGE_TIME: u64 = 30, "s", "5.6";
    /// Silence after which a relay sends Ping.
    PING_TIME: u64 = 15, "s", "5.6";
    /// Silence after which a relay closes a connection: three Pings lost.
    IDLE_TIME: u64 = 45, "s", "5.6";

    /// How long a leecher waits for WRAP and ticket, and then for READY.
    ANSWER_TIME: u64 = 15, "s", "6.1";
    /// How long a seeder waits for the ACK from the ticket on.
    ACK_TIME: u64 = 30, "s", "6.1";
    /// Shares in an OFFER: more than there are suites, so that further ones find room.
    SHARES_MAX: usize = 16, "count", "6.2";
    /// Public key of a share: X-Wing's.
    SHARE_MAX: usize = 1216, "bytes", "6.2";
    /// Key encapsulation in a WRAP: X-Wing's.
    ENCAPSULATION_MAX: usize = 1120, "bytes", "6.2";
    /// Wrapped key in a WRAP: RSA's with the longest modulus.
    WRAPPED_MAX: usize = 512, "bytes", "6.2";
    /// Modulus of an RSA key as it is made.
    RSA_BITS: usize = 3072, "bits", "6.3";
    /// Shortest modulus that is accepted: below, it is broken.
    RSA_BITS_MIN: usize = 2048, "bits", "6.3";
    /// Longest modulus that is accepted: beyond, it only costs time.
    RSA_BITS_MAX: usize = 4096, "bits", "6.3";
    /// How long a handshake waits for its ACK.
    PENDING_TIME: u64 = 30, "s", "6.5";
    /// Handshakes of one device that wait; the oldest of it makes room.
    PENDING_PER_DEVICE: usize = 64, "count", "6.5";
    /// Handshakes that wait in all; the oldest makes room.
    PENDING_MAX: usize = 1024, "count", "6.5";
    /// From connecting to an ACK that holds, without a relay.
    LAN_TIME: u64 = 15, "s", "6.6";
    /// The connection in addresses where no relay gives one.
    LAN_CONNECTION: u32 = u32::MAX, "count", "6.6";

    /// Plaintext of a piece: small enough to be opened before it is sent on, large enough that its tag costs nothing.
    PIECE_LEN: usize = 16 * 1024, "bytes", "7";
    /// Pieces of one sealed message: where the format ends.
    PIECES_MAX: u64 = 1 << 38, "count", "7";
    /// Message on a link before padding: a full page and some.
    MESSAGE_MAX: usize = 160 * 1024, "bytes", "7.2";
    /// How far below the highest accepted one the number of a new link may lie: links that open at one time overtake each other.
    LINK_WINDOW: u64 = 64, "count", "7.2";

    /// Sealed status in a head.
    STATUS_MAX: usize = 512, "bytes", "8.1";
    /// What a segment unfolds to: what a reader must hold to read it.
    UNFOLDED_MAX: usize = 1024 * 1024, "bytes", "8.2";
    /// Folded segment: padded and sealed it is no longer than a segment may be.
    FOLDED_MAX: usize = 56 * 1024, "bytes", "8.2";

    /// What all catalogues of one device weigh: what a reader keeps for it. A million files with paths of 150 bytes fit twice.
    CATALOGUE_MAX: u64 = 512 * 1024 * 1024, "count", "8.2";
    /// What a change weighs beside its path.
    CHANGE_WEIGHT: u64 = 64, "count", "8.2";

    /// Path of a file, as on Linux.
    PATH_MAX: usize = 4096, "bytes", "9.1";
    /// One name in it, as on most file systems.
    NAME_MAX: usize = 255, "bytes", "9.1";
    /// Names in it.
    DEPTH_MAX: usize = 64, "count", "9.1";
    /// A chunk: what is verified at once, and asked for again if it was wrong.
    CHUNK: u64 = 1024 * 1024, "bytes", "9.2";
    /// Chunks whose values fill a page, and values in a Page.
    PAGE_CHUNKS: u64 = 4096, "count", "9.2, 10.1";
    /// Largest file: as many full pages as their own values fill one page.
    FILE_MAX: u64 = CHUNK * PAGE_CHUNKS * PAGE_CHUNKS, "bytes", "8.2, 9.2";

    /// Items of a Get, outcomes of a run, and files in a Done.
    ITEMS_MAX: usize = 4096, "count", "10.1, 10.2";
    /// Content of a run: seconds of it on most ways.
    RUN_MAX: u64 = 16 * 1024 * 1024, "bytes", "7.2, 10.1, 10.2";
    /// Encoded outcomes of a run.
    RUN_HEADER_MAX: usize = 64 * 1024, "bytes", "7.2, 10.2";
    /// Others that fetch a content, named to one that does.
    OTHERS_MAX: usize = 16, "count", "10.1";
    /// Runs of chunks in one Have.
    HAVE_MAX: usize = 1024, "count", "10.1";
    /// Silence after which a leecher sends a Done without files: relays and routers close what is silent for longer.
    KEEP_TIME: u64 = 120, "s", "10.1";
    /// Addresses in one Paths.
    CANDIDATES_MAX: usize = 24, "count", "10.1";
    /// Paths of one side in a session that count.
    PATHS_MAX: u32 = 64, "count", "10.3";
    /// Lowest port of a direct link: those below belong to services.
    LOWEST_PORT: u16 = 1024, "count", "10.3";
    /// Opening of a direct link.
    DIRECT_TIME: u64 = 5, "s", "10.4";
    /// Addresses learnt from knocks at a time.
    LEARNT_MAX: usize = 4, "count", "10.5";

    /// How long the certificate of an invite key holds beyond its invite: time to be made a member for good.
    PROVISIONAL: u64 = 30 * 24 * 3600, "s", "11";
}
