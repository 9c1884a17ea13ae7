//! Every reader of bytes that come from outside, by name. Each must survive anything; what it accepts, it must write again
//! byte for byte. The fuzz targets use the same list.

use serde::{Serialize, de::DeserializeOwned};

use sealift_proto::catalogue::{self, Change, Entry, Root, Status};
use sealift_proto::codec::{self, Extensions};
use sealift_proto::control::{FromRelay, HelloBody, LogHead, ToRelay, Welcome};
use sealift_proto::direct::{
    AtLeecher, AtSeeder, Call, Candidates, End, Ends, Knock, PROOF_LEN, TAKE_LEN, Terms, Transport,
};
use sealift_proto::frame::{self, FRAME_HEADER, PREAMBLE, Preamble};
use sealift_proto::handshake::{Message, Offer, Refuse, SessionId, Wrap};
use sealift_proto::identity::{DeviceId, SecretKey, Signed, Statement};
use sealift_proto::invite::{Invite, InvitePackage, parse_host_port};
use sealift_proto::keys::{EpochSecret, ExporterKey, InviteKeys};
use sealift_proto::link::{HEAD_LEN, MessageHead, OPENING_LEN, Opening};
use sealift_proto::log::Head;
use sealift_proto::manifest::{self, Layout};
use sealift_proto::message::{MESSAGE_MAX, RunHeader, SessionMessage};
use sealift_proto::object;
use sealift_proto::path::RelativePath;
use sealift_proto::probe::{Answer, Ask, ProbeKey};
use sealift_proto::seal::{self, SealKey};
use sealift_proto::space::{
    Card, CardSecret, Certificate, Chain, Label, RecordSecret, SpaceRecord,
};
use sealift_proto::{padme, text};

/// Reads `bytes`; true if they were accepted.
pub(crate) type Decoder = fn(&[u8]) -> bool;

/// Name and reader.
pub(crate) const DECODERS: &[(&str, Decoder)] = &[
    ("to_relay", value::<ToRelay>),
    ("from_relay", value::<FromRelay>),
    ("hello_body", value::<HelloBody>),
    ("welcome", value::<Welcome>),
    ("log_head", value::<LogHead>),
    ("handshake_message", value::<Message>),
    ("offer", signed::<Offer>),
    ("wrap", signed::<Wrap>),
    ("refuse", signed::<Refuse>),
    ("certificate", signed::<Certificate>),
    ("chain", chain),
    ("space_record", signed::<SpaceRecord>),
    ("record_secret", value::<RecordSecret>),
    ("card", signed::<Card>),
    ("card_secret", value::<CardSecret>),
    ("head", signed::<Head>),
    ("invite_package", value::<InvitePackage>),
    ("session_message", value::<SessionMessage>),
    ("run_header", run_header),
    ("entry", value::<Entry>),
    ("change", value::<Change>),
    ("changes", value::<Vec<Change>>),
    ("status", value::<Status>),
    ("extensions", value::<Extensions>),
    ("segment", segment),
    ("forward_object", forward_object),
    ("kept_object", kept_object),
    ("package_object", package_object),
    ("sealed", sealed),
    ("padding", padding),
    ("frame_header", frame_header),
    ("preamble", preamble),
    ("link_head", link_head),
    ("link_opening", link_opening),
    ("page", page),
    ("candidates", candidates),
    ("direct_call", direct_call),
    ("direct_proofs", direct_proofs),
    ("knock", knock),
    ("probe", probe),
    ("invite_line", invite_line),
    ("names", names),
    ("text_forms", text_forms),
];

/// The reader called `name`.
#[allow(dead_code, reason = "the fuzz targets ask by name, the everyday test takes them all")]
pub(crate) fn decoder(name: &str) -> Decoder {
    DECODERS.iter().find(|(known, _)| *known == name).map(|(_, run)| *run).expect("a known name")
}

/// A message of its own.
fn value<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> bool {
    let Ok(value) = codec::decode::<T>(bytes) else { return false };
    assert_eq!(codec::encode(&value), bytes, "a second encoding was accepted");
    true
}

/// A statement with its signature, which then does not hold for a stranger.
fn signed<T: Statement>(bytes: &[u8]) -> bool {
    let Ok(statement) = Signed::<T>::from_bytes(bytes) else { return false };
    assert_eq!(statement.to_bytes(), bytes, "a second encoding was accepted");
    assert!(statement.verify(&stranger()).is_err());
    true
}

fn stranger() -> DeviceId {
    SecretKey::from_seed([0x77; 32]).id()
}

fn chain(bytes: &[u8]) -> bool {
    let Ok(chain) = codec::decode::<Chain>(bytes) else { return false };
    let _ = chain.verify(1_800_000_000, &[]);
    value::<Chain>(bytes)
}

fn run_header(bytes: &[u8]) -> bool {
    let Some((first, rest)) = bytes.split_first_chunk::<4>() else { return false };
    let Ok(len) = RunHeader::body_len(*first) else { return false };
    let Some(body) = rest.get(..len) else { return false };
    let Ok(header) = codec::decode::<RunHeader>(body) else { return false };
    let _ = header.content_len();
    header.to_bytes() == bytes[..4 + len]
}

fn segment(bytes: &[u8]) -> bool {
    catalogue::unfold(bytes).is_ok()
}

/// The epoch secret of the published vectors, so that objects among them open.
fn forward_object(bytes: &[u8]) -> bool {
    let keys = EpochSecret::new([6; 32]).keys();
    object::open_anywhere::<object::Forward>(&keys.forward, bytes).is_ok()
}

fn kept_object(bytes: &[u8]) -> bool {
    let keys = EpochSecret::new([6; 32]).keys();
    object::open_anywhere::<object::Card>(&keys.card, bytes).is_ok()
        || object::open_anywhere::<object::Record>(&keys.record, bytes).is_ok()
        || object::open_anywhere::<object::Segment>(&keys.catalogue, bytes).is_ok()
        || object::open_anywhere::<object::HeadStatus>(&keys.catalogue, bytes).is_ok()
}

fn package_object(bytes: &[u8]) -> bool {
    object::open_anywhere::<object::Package>(&InviteKeys::derive(&[7; 16]).package, bytes).is_ok()
}

fn sealed(bytes: &[u8]) -> bool {
    seal::open(&SealKey::new([9; 32]), b"context", bytes).is_ok()
}

fn padding(bytes: &[u8]) -> bool {
    let Ok(content) = padme::unpad(bytes) else { return false };
    assert_eq!(padme::pad(content).as_deref(), Ok(bytes), "a second padding was accepted");
    true
}

fn frame_header(bytes: &[u8]) -> bool {
    let Some((header, _)) = bytes.split_first_chunk::<FRAME_HEADER>() else { return false };
    frame::body_len(*header).is_ok_and(|len| len <= frame::FRAME_MAX && len > 0)
}

fn preamble(bytes: &[u8]) -> bool {
    let Some((first, _)) = bytes.split_first_chunk::<PREAMBLE>() else { return false };
    let Ok(preamble) = Preamble::from_bytes(first) else { return false };
    assert_eq!(preamble.to_bytes(), *first);
    true
}

fn link_head(bytes: &[u8]) -> bool {
    let Some((first, _)) = bytes.split_first_chunk::<HEAD_LEN>() else { return false };
    let Ok(head) = MessageHead::parse(*first) else { return false };
    assert!(head.message_len() < 32 * 1024 * 1024);
    true
}

fn link_opening(bytes: &[u8]) -> bool {
    let Some((first, _)) = bytes.split_first_chunk::<OPENING_LEN>() else { return false };
    let opening = Opening::from_bytes(first);
    assert_eq!(opening.to_bytes(), *first);
    true
}

/// `u64 size ‖ u64 page ‖ root ‖ values`, as a leecher checks what a seeder sent.
fn page(bytes: &[u8]) -> bool {
    let Some((size, rest)) = bytes.split_first_chunk::<8>() else { return false };
    let Some((number, rest)) = rest.split_first_chunk::<8>() else { return false };
    let Some((root, rest)) = rest.split_first_chunk::<32>() else { return false };
    let Ok(layout) = Layout::new(u64::from_be_bytes(*size)) else { return false };
    let number = u64::from_be_bytes(*number);
    let values: Vec<_> = rest.chunks_exact(32).map(|value| value.try_into().unwrap()).collect();
    let root = Root(*root);
    let _ = (layout.chunk_len(number), layout.page_len(number), layout.pages());
    let fits = manifest::check_page(layout, &root, values.first(), number, &values).is_ok();
    let single = manifest::check_page(layout, &root, None, number, &values).is_ok();
    let pages = manifest::check_page_values(layout, &root, &values).is_ok();
    let chunk = &rest[..rest.len().min(MESSAGE_MAX)];
    fits || single || pages || manifest::chunk_fits(layout, &root, values.first(), number, chunk)
}

fn invite_line(bytes: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(bytes) else { return false };
    let Ok(invite) = Invite::parse(line) else { return false };
    assert!(Invite::parse(&invite.to_line()).as_ref() == Ok(&invite));
    true
}

fn names(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    if let Ok(path) = RelativePath::new(text) {
        assert!(path.names().all(|name| !name.is_empty() && name != ".." && name != "."));
        assert!(!path.as_str().starts_with('/') && !path.as_str().contains('\0'));
    }
    let _ = Label::new(text);
    parse_host_port(text).is_some() || RelativePath::new(text).is_ok()
}

fn text_forms(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let decoded = text::from_base32::<16>(text);
    if let Some(decoded) = decoded {
        assert!(text::base32(&decoded).eq_ignore_ascii_case(text));
    }
    decoded.is_some() || text::from_hex(text).is_some()
}

/// No list of addresses leads to this machine itself, to a service's port, or to many at once.
fn candidates(bytes: &[u8]) -> bool {
    let Ok(list) = codec::decode::<Candidates>(bytes) else { return false };
    for place in list.iter().filter_map(|candidate| candidate.place(false).ok()) {
        let ip = place.ip().to_canonical();
        assert!(!ip.is_loopback() && !ip.is_multicast() && !ip.is_unspecified());
        assert!(place.port() >= 1024);
    }
    value::<Candidates>(bytes)
}

fn direct_call(bytes: &[u8]) -> bool {
    let Ok(exact) = <&[u8; PREAMBLE]>::try_from(bytes) else { return false };
    let Ok(call) = Call::from_bytes(exact) else { return false };
    assert_eq!(call.to_bytes(), *exact);
    true
}

/// The session of the published vectors.
fn ends(end: End) -> Ends {
    Ends { session: SessionId([50; 16]), end, exporter: ExporterKey::new([51; 32]) }
}

/// Proofs of the published vectors' opening over QUIC.
fn direct_proofs(bytes: &[u8]) -> bool {
    let terms = Terms {
        connector: End::Leecher,
        transport: Transport::Udp,
        connector_nonce: [52; 16],
        acceptor_nonce: [53; 16],
        binding: [54; 32],
    };
    if let Ok(proof) = <&[u8; PROOF_LEN]>::try_from(bytes) {
        return AtLeecher::new(&ends(End::Leecher), &terms).verify(proof).is_ok();
    }
    let Ok(take) = <&[u8; TAKE_LEN]>::try_from(bytes) else { return false };
    AtSeeder::new(&ends(End::Seeder), &terms).prove().0.check(take).is_ok()
}

fn knock(bytes: &[u8]) -> bool {
    let heard = Knock::from_bytes(bytes, &ends(End::Leecher));
    if let Some(knock) = heard {
        assert_eq!(knock.to_bytes(&ends(End::Seeder))[..], *bytes);
    }
    heard.is_some()
}

fn probe(bytes: &[u8]) -> bool {
    let key = ProbeKey::new([55; 32]);
    if let Some(ask) = Ask::from_bytes(bytes, &key) {
        assert_eq!(ask.to_bytes(&key)[..], *bytes);
        return true;
    }
    Answer::from_bytes(bytes, &key).is_some()
}
