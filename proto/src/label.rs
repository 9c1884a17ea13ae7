//! Every label: what stands first in each hash, derivation, proof and signature, so that none gives the value of another
//! (PROTOCOL.md section 13.2 has the same table, and a test holds the two together).

/// A row: its name, the text, the sections, and what it is for.
#[cfg(all(test, feature = "sealed"))]
pub(crate) struct Label {
    pub(crate) text: &'static str,
    pub(crate) sections: &'static str,
    pub(crate) what: &'static str,
}

/// `/// what for`, then `NAME = text, sections;`. Each becomes a constant, and a row for the test.
macro_rules! labels {
    ($($(#[doc = $what:literal])+ $name:ident = $text:literal, $sections:literal;)+) => {
        $(
            $(#[doc = $what])+
            #[doc = concat!(" (PROTOCOL.md ", $sections, ")")]
            pub const $name: &str = $text;
        )+

        #[cfg(all(test, feature = "sealed"))]
        pub(crate) fn all() -> Vec<Label> {
            vec![$(Label {
                text: $text,
                sections: $sections,
                what: concat!($($what),+).trim_ascii(),
            }),+]
        }
    };
}

labels! {
    /// Hash: the id of a space.
    SPACE = "sealift/1 space\0", "4.1";
    /// Hash: the chain of a log before its first segment.
    LOG = "sealift/1 log\0", "8.1";
    /// Hash: the chain after one more segment.
    SEGMENT = "sealift/1 segment\0", "8.1";
    /// Hash: what a fresh key is wrapped for.
    WRAP = "sealift/1 wrap\0", "6.4";
    /// Hash: everything that both sides of a handshake said.
    TRANSCRIPT = "sealift/1 transcript\0", "6.4";

    /// Signature: a certificate.
    CERTIFICATE = "sealift/1 certificate\0", "3";
    /// Signature: a space record.
    SPACE_RECORD = "sealift/1 space record\0", "3";
    /// Signature: a card.
    CARD = "sealift/1 card\0", "3";
    /// Signature: the head of a catalogue.
    HEAD = "sealift/1 head\0", "3";
    /// Signature: OFFER.
    OFFER = "sealift/1 offer\0", "3";
    /// Signature: WRAP.
    SIGNED_WRAP = "sealift/1 signed wrap\0", "3";
    /// Signature: REFUSE.
    REFUSE = "sealift/1 refuse\0", "3";
    /// Signature: a Hello.
    HELLO = "sealift/1 hello\0", "3, 5.2";

    /// From the epoch secret: seals segments and statuses.
    CATALOGUE_KEY = "sealift/1 catalogue key\0", "6.4";
    /// From the epoch secret: seals what a relay forwards.
    FORWARD_KEY = "sealift/1 forward key\0", "6.4";
    /// From the epoch secret: seals cards.
    CARD_KEY = "sealift/1 card key\0", "6.4";
    /// From the epoch secret: seals the private part of records.
    RECORD_KEY = "sealift/1 record key\0", "6.4";
    /// From the epoch secret: makes names on a local network.
    LAN_KEY = "sealift/1 lan key\0", "6.4";
    /// From the epoch secret: goes into each session.
    PSK = "sealift/1 psk\0", "6.4";

    /// From the secret of an invite, as salt.
    INVITE = "sealift/1 invite\0", "11";
    /// From that: the id of the package.
    INVITE_ID = "sealift/1 invite id\0", "11";
    /// From that: seals the package.
    INVITE_PACKAGE_KEY = "sealift/1 invite package key\0", "11";

    /// Within the key schedule, from the wrapped key to the transcript.
    DERIVED = "sealift/1 derived\0", "6.4";
    /// From the key schedule: key of the ACK.
    CONFIRM_LEECHER = "sealift/1 confirm leecher\0", "6.4";
    /// From the key schedule: key of READY.
    CONFIRM_SEEDER = "sealift/1 confirm seeder\0", "6.4";
    /// From the key schedule: seals what the leecher sends.
    LEECHER_TO_SEEDER = "sealift/1 leecher to seeder\0", "6.4";
    /// From the key schedule: seals what the seeder sends.
    SEEDER_TO_LEECHER = "sealift/1 seeder to leecher\0", "6.4";
    /// From the key schedule: key of the proofs of further links.
    EXPORTER = "sealift/1 exporter\0", "6.4";

    /// MAC: the ACK.
    ACK = "ack\0", "6.4";
    /// MAC: READY.
    READY = "ready\0", "6.4";
    /// MAC: the seeder's proof on a direct link.
    DIRECT_SEEDER = "direct seeder\0", "10.4";
    /// MAC: the leecher's proof on a direct link.
    DIRECT_LEECHER = "direct leecher\0", "10.4";
    /// MAC: a knock.
    KNOCK = "knock\0", "10.5";
    /// MAC: what is asked of a relay's UDP service.
    PROBE_ASK = "probe ask\0", "5.7";
    /// MAC: what it answers.
    PROBE_ANSWER = "probe answer\0", "5.7";
    /// MAC: hides the address in the answer.
    PROBE_MASK = "probe mask\0", "5.7";

    /// Sealing: the context of a message on a link.
    LINK = "sealift/1 link\0", "7.2";
    /// Sealing: the format itself, in front of every context.
    COBBLESTONE = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0", "7";

    /// TLS of a control connection: the protocol's name (ALPN).
    ALPN = "sealift/1", "5.2";
    /// TLS of a control connection: what a Hello signs.
    TLS_EXPORTER = "EXPORTER-sealift-1", "5.2";
    /// TLS within QUIC: the protocol's name (ALPN).
    QUIC_ALPN = "sealift-direct/1", "10.4";
    /// TLS within QUIC: what the proofs of a direct link bind to.
    QUIC_EXPORTER = "EXPORTER-sealift-1-direct", "10.4";
}
