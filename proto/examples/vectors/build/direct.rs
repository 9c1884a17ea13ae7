//! Direct links: addresses, both openings, knocks, and the datagrams of the relay's UDP service. Proofs and MACs are also
//! worked out by hand here.

use sealift_proto::codec;
use sealift_proto::direct::{
    AtLeecher, AtSeeder, Call, Candidate, Candidates, End, Ends, Knock, KnockKind, Origin, Terms,
    Transport,
};
use sealift_proto::handshake::SessionId;
use sealift_proto::keys::ExporterKey;
use sealift_proto::probe::{Answer, Ask, ProbeKey, ProbeToken};
use serde_json::{Value, json};

use super::{derive::hmac, hex};

const SESSION: SessionId = SessionId([50; 16]);
const EXPORTER: [u8; 32] = [51; 32];
const CONNECTOR_NONCE: [u8; 16] = [52; 16];
const ACCEPTOR_NONCE: [u8; 16] = [53; 16];
const BINDING: [u8; 32] = [54; 32];
const PROBE_KEY: [u8; 32] = [55; 32];

pub fn vectors() -> Value {
    json!({
        "session": hex(SESSION.0),
        "exporter": hex(EXPORTER),
        "candidates": hex(codec::encode(&candidates())),
        "openings": [
            opening("TCP, the seeder connects", End::Seeder, Transport::Tcp, [0; 32]),
            opening("QUIC", End::Leecher, Transport::Udp, BINDING),
        ],
        "knocks": [
            knock(End::Leecher, KnockKind::Ask, 0),
            knock(End::Seeder, KnockKind::Answer, 1),
        ],
        "probes": probes(),
    })
}

fn ends(end: End) -> Ends {
    Ends { session: SESSION, end, exporter: ExporterKey::new(EXPORTER) }
}

pub fn candidates() -> Candidates {
    let candidate = |transport, origin, address: &str| {
        Candidate::new(transport, origin, address.parse().unwrap())
    };
    Candidates::new(vec![
        candidate(Transport::Tcp, Origin::Interface, "192.168.1.20:40000"),
        candidate(Transport::Udp, Origin::Seen, "198.51.100.7:40001"),
        candidate(Transport::Udp, Origin::Mapped, "[2001:db8::9]:40002"),
    ])
    .unwrap()
}

fn opening(name: &str, connector: End, transport: Transport, binding: [u8; 32]) -> Value {
    let terms = Terms {
        connector,
        transport,
        connector_nonce: CONNECTOR_NONCE,
        acceptor_nonce: ACCEPTOR_NONCE,
        binding,
    };
    let call = Call { session: SESSION, nonce: CONNECTOR_NONCE }.to_bytes();
    let (awaiting, proof) = AtSeeder::new(&ends(End::Seeder), &terms).prove();
    let verified = AtLeecher::new(&ends(End::Leecher), &terms).verify(&proof).ok().unwrap();
    let take = verified.take(1);
    assert_eq!(awaiting.check(&take), Ok(1));
    let transcript = [
        &[connector.number(), transport.number()][..],
        &SESSION.0,
        &CONNECTOR_NONCE,
        &ACCEPTOR_NONCE,
        &binding,
    ]
    .concat();
    let number = 1_u32.to_be_bytes();
    assert_eq!(proof, mac(&EXPORTER, &[b"direct seeder\0", &transcript]));
    assert_eq!(take[4..], mac(&EXPORTER, &[b"direct leecher\0", &transcript, &number]));
    json!({
        "opening": name,
        "binding": hex(binding),
        "preamble": hex(call),
        "acceptor_nonce": hex(ACCEPTOR_NONCE),
        "transcript": hex(transcript),
        "from_seeder": hex(proof),
        "from_leecher": hex(take),
    })
}

fn knock(end: End, kind: KnockKind, number: u8) -> Value {
    let bytes = Knock { kind, nonce: [56; 16] }.to_bytes(&ends(end));
    let covered =
        [&[2][..], b"SLP", &SESSION.0, &[end.number(), number], &[56; 16], &[0; 10]].concat();
    assert_eq!(bytes[..48], covered);
    assert_eq!(bytes[48..], mac(&EXPORTER, &[b"knock\0", &covered])[..16]);
    json!({ "speaker": end.number(), "kind": number, "bytes": hex(bytes) })
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    hmac(key, &parts.concat())
}

fn probes() -> Value {
    let key = ProbeKey::new(PROBE_KEY);
    let nonce = [57; 16];
    let ask = Ask { token: ProbeToken([58; 16]), nonce }.to_bytes(&key);
    assert_eq!(ask[48..], mac(&PROBE_KEY, &[b"probe ask\0", &ask[..48]])[..16]);
    let seen = "198.51.100.7:40001";
    let answer = Answer { nonce, seen: seen.parse().unwrap() }.to_bytes(&key);
    let mask = mac(&PROBE_KEY, &[b"probe mask\0", &nonce]);
    let plain: Vec<_> = answer[20..38].iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let port = 40_001_u16.to_be_bytes();
    assert_eq!(plain, [&[0; 10][..], &[255, 255, 198, 51, 100, 7], &port].concat());
    assert_eq!(answer[48..], mac(&PROBE_KEY, &[b"probe answer\0", &answer[..48]])[..16]);
    json!({ "key": hex(PROBE_KEY), "ask": hex(ask), "seen": seen, "answer": hex(answer) })
}
