//! Messages between a device and the relay (PROTOCOL.md section 5), one per frame on the control connection.
//!
//! ```text
//! device                                     relay
//! ToRelay::Hello, Heads, …  (one flight) →
//!                                          ← FromRelay::Welcome   or Refused and the end
//! Forward, Fetch, Publish, OpenLink …     ↔ Deliver, Segment, Done, LinkTicket …
//! ```

use serde::{Deserialize, Serialize};

use crate::codec::{self, Bytes, Extensions, List};
use crate::features::Features;
use crate::identity::{DeviceId, SecretKey, SignatureError};
use crate::kind;
use crate::label;
use crate::limits::{HELLO_MAX, PLACES_MAX, SEEN_AS_MAX, STATEMENT_MAX, VERSIONS_MAX};
use crate::probe::{ProbeKey, ProbeToken};
use crate::space::{Chain, HostName};

pub use crate::limits::{FETCH_MAX, FORWARD_MAX, PACKAGE_MAX, SEGMENT_MAX};

/// One connection of a device. Connection 0 is the one on which it serves others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Address {
    /// The device.
    pub device: DeviceId,
    /// 0, or the number that Welcome gave.
    pub connection: u32,
}

/// What a connection is for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Purpose {
    /// A member of the space its chain names. A serving connection becomes connection 0 of the device.
    Member {
        /// How the device belongs to the space.
        chain: Chain,
        /// Whether others may reach this connection.
        serving: bool,
    },
    /// Taking one invite package; nothing else is allowed.
    Join,
}

/// Number of the addition to a Hello that holds a private relay's token.
pub const TOKEN: u32 = kind::hello::TOKEN;

/// What a Hello says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HelloBody {
    /// Protocol versions the device speaks, best first.
    pub versions: List<u8, VERSIONS_MAX>,
    /// The device.
    pub device: DeviceId,
    /// What the connection is for.
    pub purpose: Purpose,
    /// What the device can do beyond the version.
    pub features: Features,
    /// Additions.
    pub extensions: Extensions,
}

/// The first message of a device: who it is, bound to this very TLS connection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    body: Bytes<HELLO_MAX>,
    #[serde(with = "codec::array")]
    signature: [u8; 64],
}

impl Hello {
    const CONTEXT: &'static str = label::HELLO;

    /// Signs `exporter ‖ body`; `exporter` is the value of this TLS connection (32 bytes).
    ///
    /// # Errors
    /// [`codec::CodecError::TooLong`] if the chain is over its limits.
    pub fn sign(
        body: &HelloBody,
        exporter: &[u8; 32],
        key: &SecretKey,
    ) -> Result<Self, codec::CodecError> {
        let body = Bytes::new(codec::encode(body))?;
        let signature = key.sign(Self::CONTEXT, &[&exporter[..], &body].concat());
        Ok(Self { body, signature })
    }

    /// What it says, if the device it names signed it for this TLS connection. Whether its chain holds is another
    /// question.
    ///
    /// # Errors
    /// [`SignatureError`] if it is malformed or was not signed so.
    pub fn verify(&self, exporter: &[u8; 32]) -> Result<HelloBody, SignatureError> {
        let body: HelloBody = codec::decode(&self.body).map_err(|_| SignatureError)?;
        let signed = [&exporter[..], &self.body].concat();
        body.device.verify(Self::CONTEXT, &signed, &self.signature)?;
        Ok(body)
    }
}

/// From a device to the relay. `request` numbers are the device's own and come back in the answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToRelay {
    /// First of all.
    Hello(Hello),
    /// Carry `body` to another connection of the same space.
    Forward {
        /// Where to.
        to: Address,
        /// Sealed object.
        body: Bytes<FORWARD_MAX>,
    },
    /// Tell all heads, records and cards of the space now, and each new one from now on.
    Heads,
    /// Send the segments `from..to` of a catalogue: at most [`FETCH_MAX`].
    Fetch {
        /// Echoed.
        request: u32,
        /// Whose catalogue.
        device: DeviceId,
        /// Which log of the device, 2 and up.
        log: u16,
        /// The log id in its head.
        #[serde(with = "codec::array")]
        log_id: [u8; 16],
        /// First position.
        from: u64,
        /// One past the last position.
        to: u64,
    },
    /// A segment of a catalogue of this device, kept aside until the head that covers it is published. Not answered.
    PutSegment {
        /// Which log, 2 and up.
        log: u16,
        /// Log id.
        #[serde(with = "codec::array")]
        log_id: [u8; 16],
        /// Its position.
        position: u64,
        /// Sealed object.
        segment: Bytes<SEGMENT_MAX>,
    },
    /// Replace the statement of a log: 0 the space record (signed by the owner), 1 this device's card, 2 and up a
    /// catalogue head. Answered by `Done` once it is on disk, or `Failed`.
    Publish {
        /// Echoed.
        request: u32,
        /// Which log.
        log: u16,
        /// Hash of the head it follows ([`crate::log::statement_hash`]); `None` for the first, and for logs 0 and 1.
        follows: Option<Hash>,
        /// The signed statement.
        statement: Bytes<STATEMENT_MAX>,
    },
    /// Give both sides a ticket for a link.
    OpenLink {
        /// The other side.
        to: Address,
        /// Which session it is for.
        #[serde(with = "codec::array")]
        tag: [u8; 16],
    },
    /// Keep an invite package for takers.
    PutInvite {
        /// Echoed.
        request: u32,
        /// Derived from the secret.
        #[serde(with = "codec::array")]
        id: [u8; 16],
        /// Until when, unix seconds.
        deadline: u64,
        /// By how many device keys it may be taken.
        uses: u32,
        /// Sealed object.
        package: Bytes<PACKAGE_MAX>,
    },
    /// Hand out an invite package; the use is bound to the device key of the Hello.
    TakeInvite {
        /// Echoed.
        request: u32,
        /// Which.
        #[serde(with = "codec::array")]
        id: [u8; 16],
    },
    /// Tell which devices serve now, and each change from now on.
    Peers,
    /// Asks for a Pong.
    Ping {
        /// Echoed.
        nonce: u64,
    },
    /// Answers a Ping.
    Pong {
        /// As in the Ping.
        nonce: u64,
    },
    /// The connection ends on purpose.
    Bye,
    /// Asks for what the relay's UDP service wants to see (section 5.7).
    GetProbe {
        /// Echoed.
        request: u32,
    },
}

/// 32 bytes that name something by its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Hash(#[serde(with = "codec::array")] pub [u8; 32]);

/// The relay's consent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// The version chosen.
    pub version: u8,
    /// This connection's number; 0 for a serving one.
    pub connection: u32,
    /// The relay's clock, unix milliseconds.
    pub time: u64,
    /// The address that the relay saw, `IP:PORT`.
    pub seen_as: Bytes<SEEN_AS_MAX>,
    /// What the relay can do beyond the version.
    pub features: Features,
    /// Additions.
    pub extensions: Extensions,
}

/// Why the relay says no. The numbers are fixed; a retired one stays listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// 0: no common version.
    #[error("no common protocol version")]
    Version,
    /// 1: bytes that are no message.
    #[error("malformed message")]
    Malformed,
    /// 2: a message that this connection may not send now.
    #[error("not allowed on this connection")]
    NotAllowed,
    /// 3: the chain or signature proves nothing.
    #[error("not a member of the space")]
    NotMember,
    /// 4: the certificate has ended by the relay's clock.
    #[error("the certificate has ended, or a clock is wrong")]
    Expired,
    /// 5: removed by the owner.
    #[error("removed from the space by its owner")]
    Removed,
    /// 6: a private relay that does not carry this space.
    #[error("this relay does not carry the space")]
    SpaceNotAllowed,
    /// 7: a limit of storage.
    #[error("the relay's space for this is full")]
    Full,
    /// 8: a limit of connections or rate.
    #[error("too much at once for the relay")]
    Busy,
    /// 9: the other side is not connected.
    #[error("not connected to the relay")]
    Offline,
    /// 10: another head was published before.
    #[error("the relay holds another head")]
    Stale,
    /// 11: a statement, head or segment that does not hold.
    #[error("the statement does not hold")]
    Invalid,
    /// 12: no such log, segment or invite.
    #[error("the relay does not have it")]
    NotFound,
    /// 13: the invite has been used as often as it may be.
    #[error("the invite has been used up")]
    Spent,
    /// 14: a fault of the relay itself.
    #[error("the relay has a fault of its own")]
    Internal,
    /// 15: a newer serving connection of the same device took this one's place.
    #[error("a newer connection of this device took its place")]
    Replaced,
    /// 16: the relay is shutting down; connect again.
    #[error("the relay is shutting down")]
    Shutdown,
    /// 17: nothing was heard for too long.
    #[error("nothing heard for too long")]
    Idle,
    /// 18: a limit on spaces that the relay did not know before.
    #[error("too many spaces that are new to the relay came from this network within a day")]
    NewSpaces,
    /// 19: the relay's budget of bytes for this month.
    #[error("the relay has carried all the bytes it may this month")]
    Traffic,
    /// 20: a private relay, which does not know the token that was shown.
    #[error("the relay does not know the token")]
    Token,
}

/// The newest statement of one log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogHead {
    /// Whose; for log 0 the owner key.
    pub device: DeviceId,
    /// Which log.
    pub log: u16,
    /// The signed statement.
    pub statement: Bytes<STATEMENT_MAX>,
}

/// From the relay to a device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FromRelay {
    /// Answers Hello.
    Welcome(Welcome),
    /// Ends the connection.
    Refused(Refusal),
    /// A body that another connection forwarded.
    Deliver {
        /// Who sent it.
        from: Address,
        /// As it was given.
        body: Bytes<FORWARD_MAX>,
    },
    /// A Forward or OpenLink that could not be done.
    Undeliverable {
        /// Where it was to go.
        to: Address,
        /// Why.
        why: Refusal,
    },
    /// One statement, in answer to Heads or because it is new.
    Head(LogHead),
    /// All statements that Heads asked for have been sent.
    HeadsEnd,
    /// One segment, in answer to Fetch, in order of position.
    Segment {
        /// As asked.
        request: u32,
        /// Its position.
        position: u64,
        /// As it was put.
        segment: Bytes<SEGMENT_MAX>,
    },
    /// The request is done: published and on disk, all segments sent, invite kept.
    Done {
        /// As asked.
        request: u32,
    },
    /// The request failed; what it concerned is as before.
    Failed {
        /// As asked.
        request: u32,
        /// Why.
        why: Refusal,
    },
    /// An invite package, in answer to TakeInvite.
    Invite {
        /// As asked.
        request: u32,
        /// As it was put.
        package: Bytes<PACKAGE_MAX>,
    },
    /// This side's half of a link.
    LinkTicket {
        /// To be shown when connecting; once, within 15 s.
        #[serde(with = "codec::array")]
        ticket: [u8; 32],
        /// As in OpenLink.
        #[serde(with = "codec::array")]
        tag: [u8; 16],
        /// The other side.
        peer: Address,
        /// Where to connect; `None` is the relay's own address as this device dialled it.
        address: Option<(HostName, u16)>,
        /// Additions.
        extensions: Extensions,
    },
    /// A device serves now.
    PeerHere {
        /// The device.
        device: DeviceId,
    },
    /// A device no longer serves.
    PeerGone {
        /// The device.
        device: DeviceId,
    },
    /// All devices that Peers asked for have been told.
    PeersEnd,
    /// Asks for a Pong.
    Ping {
        /// Echoed.
        nonce: u64,
    },
    /// Answers a Ping.
    Pong {
        /// As in the Ping.
        nonce: u64,
    },
    /// Answers GetProbe. Token and key hold as long as this connection.
    Probe {
        /// As asked.
        request: u32,
        /// Port of the UDP service, on the host of the relay.
        port: u16,
        /// Names this connection to it.
        token: ProbeToken,
        /// Seals what is asked and answered there.
        key: ProbeKey,
    },
    /// The relay is about to end; Refused follows.
    Leaving {
        /// Seconds over which devices are to spread when they look for it again.
        spread: u16,
        /// Where a relay with the same key takes over; none means here.
        places: List<(HostName, u16), PLACES_MAX>,
        /// Additions.
        extensions: Extensions,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_holds_for_one_connection_only() {
        let key = SecretKey::from_seed([5; 32]);
        let body = HelloBody {
            versions: List::new(vec![1]).unwrap(),
            device: key.id(),
            purpose: Purpose::Join,
            features: Features::from_bits(u64::MAX),
            extensions: Extensions::default(),
        };
        let hello = Hello::sign(&body, &[1; 32], &key).unwrap();
        assert_eq!(hello.verify(&[1; 32]), Ok(body));
        assert_eq!(hello.verify(&[2; 32]), Err(SignatureError));
    }

    #[test]
    fn the_largest_messages_fit_a_frame() {
        let key = SecretKey::from_seed([5; 32]).id();
        let largest = [
            codec::encode(&ToRelay::PutInvite {
                request: u32::MAX,
                id: [0; 16],
                deadline: u64::MAX,
                uses: u32::MAX,
                package: Bytes::new(vec![0; PACKAGE_MAX]).unwrap(),
            }),
            codec::encode(&ToRelay::PutSegment {
                log: u16::MAX,
                log_id: [0; 16],
                position: u64::MAX,
                segment: Bytes::new(vec![0; SEGMENT_MAX]).unwrap(),
            }),
            codec::encode(&FromRelay::Head(LogHead {
                device: key,
                log: u16::MAX,
                statement: Bytes::new(vec![0; STATEMENT_MAX]).unwrap(),
            })),
        ];
        for message in largest {
            assert!(crate::frame::frame(&message).is_ok());
        }
    }
}
