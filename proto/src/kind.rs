//! Every number that stands in a fixed layout and says what something is (PROTOCOL.md section 13.3 has the same table, and a
//! test holds the two together). Numbers of encoded enums follow from the order of their variants; the same test holds those.

/// A group of numbers: what they tell apart, its sections, and each with its meaning.
#[cfg(all(test, feature = "sealed"))]
pub(crate) struct Group {
    pub(crate) what: &'static str,
    pub(crate) sections: &'static str,
    pub(crate) numbers: Vec<(u64, &'static str)>,
}

/// `/// what they tell apart`, then `module: type, sections { NAME = number, meaning; }`.
macro_rules! kinds {
    ($(#[doc = $what:literal] $group:ident: $type:ty, $sections:literal {
        $($name:ident = $number:literal, $meaning:literal;)+
    })+) => {
        $(
            #[doc = $what]
            #[doc = concat!(" (PROTOCOL.md ", $sections, ")")]
            pub mod $group {
                $(
                    #[doc = $meaning]
                    pub const $name: $type = $number;
                )+
            }
        )+

        #[cfg(all(test, feature = "sealed"))]
        pub(crate) fn all() -> Vec<Group> {
            vec![$(Group {
                what: $what.trim_ascii(),
                sections: $sections,
                numbers: vec![$((u64::from($group::$name), $meaning)),+],
            }),+]
        }
    };
}

kinds! {
    /// Connection that is no TLS: fourth byte of its preamble
    connection: u8, "5.1" {
        RELAY = 1, "half of a link through the relay";
        DIRECT = 2, "a direct link between two devices";
        LAN = 3, "an OFFER on the local network";
    }
    /// Datagram of our own: its first byte
    datagram: u8, "5.7, 10.5" {
        PROBE = 1, "asked of a relay's UDP service, or its answer";
        KNOCK = 2, "a knock";
    }
    /// Addition to a Hello
    hello: u32, "5.2" {
        TOKEN = 1, "a private relay's token";
    }
    /// Log
    log: u16, "4.4, 4.5, 8.1" {
        RECORD = 0, "the space record";
        CARD = 1, "a card";
        CATALOGUE = 2, "a catalogue, as every higher number";
    }
    /// Bit of a role: its value
    role: u8, "4.2" {
        FETCH = 1, "may fetch";
        OFFER = 2, "may offer";
    }
    /// Suite
    suite: u8, "6.3" {
        X25519 = 1, "X25519";
        RSA = 2, "RSA";
        HYBRID = 3, "hybrid";
    }
    /// Code of a REFUSE
    refuse: u8, "6.2" {
        VERSION = 1, "another version";
        EPOCH = 2, "another epoch";
        NOT_MEMBER = 3, "not a member, or without the right to fetch";
        EXPIRED = 4, "the certificate has ended, or a clock is wrong";
        REMOVED = 5, "removed by the owner";
        NO_COMMON_SUITE = 6, "no common suite";
        MALFORMED = 7, "malformed offer";
        BUSY = 8, "too much at once, or no room";
        SHUTDOWN = 9, "the seeder is shutting down";
    }
    /// End of a session, and direction from it
    end: u8, "7.2, 10.4, 10.5" {
        LEECHER = 1, "leecher";
        SEEDER = 2, "seeder";
    }
    /// Message on a link
    link: u8, "7.2" {
        MESSAGE = 1, "a message, padded";
        RUN = 2, "a run";
    }
    /// Knock
    knock: u8, "10.5" {
        ASK = 0, "an ask";
        ANSWER = 1, "an answer";
    }
    /// Sealed object
    object: u8, "7.3" {
        FORWARD = 1, "forwarded message";
        CARD = 2, "private part of a card";
        RECORD = 3, "private part of the space record";
        SEGMENT = 4, "segment";
        STATUS = 5, "status";
        PACKAGE = 6, "invite package";
    }
}
