//! Every message of the control connection, as its frame body; opening bytes of other connections.

use sealift_proto::{
    codec::{self, Bytes, Extensions, List},
    control::{FromRelay, Hash, Hello, HelloBody, LogHead, Purpose, Refusal, ToRelay, Welcome},
    features::Features,
    frame::{self, LinkKind, Preamble, VERSION},
    probe::{ProbeKey, ProbeToken},
    space::HostName,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{hex, statements, world};

const TAG: [u8; 16] = [15; 16];
const INVITE: [u8; 16] = [30; 16];

pub fn vectors() -> Value {
    let message = |(name, bytes): (&str, Vec<u8>)| json!({ "message": name, "frame": hex(frame::frame(&bytes).unwrap()) });
    json!({
        "to_relay": to_relay().into_iter().map(message).collect::<Vec<_>>(),
        "from_relay": from_relay().into_iter().map(message).collect::<Vec<_>>(),
        "refusals": refusals(),
        "preambles": preambles(),
    })
}

fn encode(message: &impl Serialize) -> Vec<u8> {
    codec::encode(message)
}

fn statement() -> Bytes<{ sealift_proto::identity::SIGNED_MAX + 80 }> {
    Bytes::new(statements::head().to_bytes()).unwrap()
}

fn join() -> Hello {
    let body = HelloBody {
        versions: List::new(vec![VERSION]).unwrap(),
        device: world::leecher().id(),
        purpose: Purpose::Join,
        features: Features::from_bits(1 << 63 | 5),
        extensions: Extensions::default(),
    };
    Hello::sign(&body, &[14; 32], &world::leecher()).unwrap()
}

fn to_relay() -> Vec<(&'static str, Vec<u8>)> {
    let device = world::seeder().id();
    let (to, log_id) = (world::seeder_address(), statements::LOG_ID);
    let body = Bytes::new(b"sealed".to_vec()).unwrap();
    let segment = Bytes::new(b"segment".to_vec()).unwrap();
    let package = Bytes::new(b"package".to_vec()).unwrap();
    let follows = Some(Hash([31; 32]));
    let statement = statement();
    let (deadline, id) = (world::NOW + 86_400, INVITE);
    let put = ToRelay::PutInvite { request: 4, id, deadline, uses: 1, package };
    vec![
        ("Hello of a member", encode(&ToRelay::Hello(statements::hello()))),
        ("Hello to join", encode(&ToRelay::Hello(join()))),
        ("Forward", encode(&ToRelay::Forward { to, body })),
        ("Heads", encode(&ToRelay::Heads)),
        ("Fetch", encode(&ToRelay::Fetch { request: 1, device, log: 2, log_id, from: 3, to: 19 })),
        ("PutSegment", encode(&ToRelay::PutSegment { log: 2, log_id, position: 300, segment })),
        ("Publish", encode(&ToRelay::Publish { request: 3, log: 2, follows, statement })),
        ("OpenLink", encode(&ToRelay::OpenLink { to, tag: TAG })),
        ("PutInvite", encode(&put)),
        ("TakeInvite", encode(&ToRelay::TakeInvite { request: 5, id })),
        ("Peers", encode(&ToRelay::Peers)),
        ("Ping", encode(&ToRelay::Ping { nonce: 300 })),
        ("Pong", encode(&ToRelay::Pong { nonce: 300 })),
        ("Bye", encode(&ToRelay::Bye)),
        ("GetProbe", encode(&ToRelay::GetProbe { request: 4 })),
    ]
}

fn from_relay() -> Vec<(&'static str, Vec<u8>)> {
    let device = world::seeder().id();
    let welcome = Welcome {
        version: VERSION,
        connection: 7,
        time: world::NOW * 1000,
        seen_as: Bytes::new(b"192.0.2.1:50000".to_vec()).unwrap(),
        features: Features::default(),
        extensions: Extensions::default(),
    };
    let body = Bytes::new(b"sealed".to_vec()).unwrap();
    let head = LogHead { device, log: 2, statement: statement() };
    let segment = Bytes::new(b"segment".to_vec()).unwrap();
    let package = Bytes::new(b"package".to_vec()).unwrap();
    let ticket = |address| FromRelay::LinkTicket {
        ticket: [32; 32],
        tag: TAG,
        peer: world::seeder_address(),
        address,
        extensions: Extensions::default(),
    };
    let elsewhere = Some((HostName::new("192.0.2.9").unwrap(), 443));
    let leaving = FromRelay::Leaving {
        spread: 5,
        places: List::new(elsewhere.iter().cloned().collect()).unwrap(),
        extensions: Extensions::default(),
    };
    let (to, why) = (world::seeder_address(), Refusal::Offline);
    vec![
        ("Welcome", encode(&FromRelay::Welcome(welcome))),
        ("Refused", encode(&FromRelay::Refused(Refusal::NotMember))),
        ("Deliver", encode(&FromRelay::Deliver { from: world::leecher_address(), body })),
        ("Undeliverable", encode(&FromRelay::Undeliverable { to, why })),
        ("Head", encode(&FromRelay::Head(head))),
        ("HeadsEnd", encode(&FromRelay::HeadsEnd)),
        ("Segment", encode(&FromRelay::Segment { request: 1, position: 3, segment })),
        ("Done", encode(&FromRelay::Done { request: 1 })),
        ("Failed", encode(&FromRelay::Failed { request: 1, why: Refusal::Stale })),
        ("Invite", encode(&FromRelay::Invite { request: 5, package })),
        ("LinkTicket here", encode(&ticket(None))),
        ("LinkTicket elsewhere", encode(&ticket(elsewhere))),
        ("PeerHere", encode(&FromRelay::PeerHere { device })),
        ("PeerGone", encode(&FromRelay::PeerGone { device })),
        ("PeersEnd", encode(&FromRelay::PeersEnd)),
        ("Ping", encode(&FromRelay::Ping { nonce: 300 })),
        ("Pong", encode(&FromRelay::Pong { nonce: 300 })),
        (
            "Probe",
            encode(&FromRelay::Probe {
                request: 4,
                port: 7743,
                token: ProbeToken([58; 16]),
                key: ProbeKey::new([55; 32]),
            }),
        ),
        ("Leaving", encode(&leaving)),
    ]
}

/// Every refusal by its number.
fn refusals() -> Value {
    let mut all = Vec::new();
    for number in 0..=u8::MAX {
        match codec::decode::<Refusal>(&[number]) {
            Ok(refusal) => all.push(json!({ "number": number, "name": format!("{refusal:?}") })),
            Err(_) => break,
        }
    }
    Value::Array(all)
}

fn preambles() -> Value {
    let kinds = [("relay", LinkKind::Relay), ("direct", LinkKind::Direct), ("lan", LinkKind::Lan)];
    kinds
        .map(|(name, kind)| {
            let preamble = Preamble { kind, value: [32; 32] };
            json!({ "kind": name, "value": hex([32; 32]), "bytes": hex(preamble.to_bytes()) })
        })
        .to_vec()
        .into()
}
