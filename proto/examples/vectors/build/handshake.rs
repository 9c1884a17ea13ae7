//! A whole handshake under each suite, with every value on the way.

use sealift_proto::{
    handshake::{Message, Offered, Party, RefuseCode, Terms, refuse, respond},
    keys::EpochKeys,
    link::{HEAD_LEN, LinkReceiver, LinkSender, MessageHead, ToLeecher, ToSeeder},
    object, padme,
    seal::{self, SealKey},
    wrap::{ShareSecret, Suite},
};
use serde_json::{Value, json};

use super::derive::{self, expand, extract, hmac, sha256};
use super::world::{self, Seeded};
use super::{hex, objects};

/// A suite and the secret half of its share.
pub type Choice = (Suite, &'static [u8]);

pub const X25519: Choice = (Suite::X25519, &[21; 32]);
pub const RSA: Choice = (Suite::Rsa, include_bytes!("../../../testdata/rsa-3072.pk8"));
pub const HYBRID: Choice = (Suite::Hybrid, &[22; 32]);

/// Seeds of the two sides' randomness.
const LEECHER: u64 = 1;
const SEEDER: u64 = 2;

fn terms(keys: &EpochKeys) -> Terms<'_> {
    Terms {
        space: world::space(),
        epoch: world::EPOCH,
        keys,
        lowest_suite: 2,
        removed: &[],
        now: world::NOW,
    }
}

pub fn vectors((suite, secret): Choice) -> Value {
    let keys = world::epoch_secret().keys();
    let terms = terms(&keys);
    let (leecher, seeder) = (world::leecher(), world::seeder());
    let (leecher_chain, seeder_chain) = (world::invited_chain(), world::lasting_chain());
    let (from, to) = (world::leecher_address(), world::seeder_address());
    let me = Party { key: &leecher, chain: &leecher_chain, address: from };
    let other = Party { key: &seeder, chain: &seeder_chain, address: to };

    let share = ShareSecret::from_bytes(suite, secret).unwrap();
    let public = share.public();
    let mut rng = Seeded::new(LEECHER);
    let offered = Offered::new(&terms, &me, to, [15; 16], vec![share], &mut rng).unwrap();
    let offer_message = offered.message();
    let Message::Offer(offer) = &offer_message else { unreachable!("an offer") };
    let mut seeder_rng = Seeded::new(SEEDER);
    let awaiting = respond(&terms, &other, from, offer, &mut seeder_rng).unwrap();
    let wrap_message = awaiting.message();
    let Message::Wrap(wrap) = &wrap_message else { unreachable!("a wrap") };
    let answered = offered.answer(&terms, to, &wrap_message, &mut rng).unwrap();
    let (acknowledged, opening) = answered.acknowledge();
    let ready = awaiting.confirm(&opening.proof).unwrap();
    acknowledged.confirm(&ready.proof).unwrap();

    let schedule = Schedule::derive(suite, &offer.to_bytes(), &wrap.to_bytes(), &opening.session.0);
    assert_eq!(opening.proof, schedule.ack());
    assert_eq!(ready.proof, schedule.ready());
    let refusal = refuse(&seeder, offer, RefuseCode::Busy);
    let links = links(&ready.keys, &schedule);
    json!({
        "suite": suite.number(),
        "share_secret": hex(secret),
        "share_public": hex(public),
        "encapsulation": hex(&*wrap.unverified().wrapped.encapsulation),
        "wrapped": hex(&*wrap.unverified().wrapped.sealed),
        "fresh_key": hex(schedule.fresh),
        "session": hex(opening.session.0),
        "psk": hex(derive::psk()),
        "offer": hex(offer.to_bytes()),
        "wrap": hex(wrap.to_bytes()),
        "offer_forwarded": forwarded(&offer_message, &keys, leecher.id()),
        "wrap_forwarded": forwarded(&wrap_message, &keys, seeder.id()),
        "refuse_forwarded": forwarded(&refusal, &keys, seeder.id()),
        "schedule": schedule.to_json(),
        "opening": hex(opening.to_bytes()),
        "ready": hex(ready.proof),
        "link": links,
    })
}

fn forwarded(
    message: &Message,
    keys: &EpochKeys,
    from: sealift_proto::identity::DeviceId,
) -> Value {
    let content = sealift_proto::codec::encode(message);
    let value =
        objects::sealed::<object::Forward>(&keys.forward, &objects::place(from, 0, 0), &content);
    let sealed = message.seal(&terms(keys), &from, world::SEAL_SALT);
    assert_eq!(value["object"], hex(sealed));
    value
}

/// The key schedule of section 6.4, from its text.
struct Schedule {
    fresh: [u8; 32],
    offer_hash: [u8; 32],
    wrap_context: [u8; 32],
    transcript: [u8; 32],
    prk0: [u8; 32],
    prk: [u8; 32],
}

impl Schedule {
    fn derive(suite: Suite, offer: &[u8], wrap: &[u8], session: &[u8; 16]) -> Self {
        // The seeder's generator gives the session id first, then the fresh key.
        let fresh = sha256(&[&SEEDER.to_be_bytes(), &2_u64.to_be_bytes()]);
        let offer_hash = sha256(&[offer]);
        let (leecher, seeder) = (world::leecher_address(), world::seeder_address());
        let wrap_context = sha256(&[
            b"sealift/1 wrap\0",
            &offer_hash,
            &[suite.number()],
            leecher.device.as_bytes(),
            &leecher.connection.to_be_bytes(),
            seeder.device.as_bytes(),
            &seeder.connection.to_be_bytes(),
            session,
        ]);
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes();
        let transcript =
            sha256(&[b"sealift/1 transcript\0", &length(offer), offer, &length(wrap), wrap]);
        let prk0 = extract(&wrap_context, &[fresh, derive::psk()].concat());
        let prk = extract(&transcript, &expand(&prk0, "sealift/1 derived\0"));
        Self { fresh, offer_hash, wrap_context, transcript, prk0, prk }
    }

    fn key(&self, name: &str) -> [u8; 32] {
        expand(&self.prk, &format!("sealift/1 {name}\0"))
    }

    fn ack(&self) -> [u8; 32] {
        hmac(&self.key("confirm leecher"), &[b"ack\0", &self.transcript[..]].concat())
    }

    fn ready(&self) -> [u8; 32] {
        let message = [b"ready\0", &self.transcript[..], &self.ack()].concat();
        hmac(&self.key("confirm seeder"), &message)
    }

    fn to_json(&self) -> Value {
        json!({
            "h1": hex(self.offer_hash),
            "wc": hex(self.wrap_context),
            "th": hex(self.transcript),
            "prk0": hex(self.prk0),
            "prk": hex(self.prk),
            "confirm_leecher": hex(self.key("confirm leecher")),
            "confirm_seeder": hex(self.key("confirm seeder")),
            "leecher_to_seeder": hex(self.key("leecher to seeder")),
            "seeder_to_leecher": hex(self.key("seeder to leecher")),
            "exporter": hex(self.key("exporter")),
        })
    }
}

/// The first two messages of each direction of link 0, and a run.
fn links(keys: &sealift_proto::handshake::SessionKeys, schedule: &Schedule) -> Value {
    let mut to_seeder = LinkSender::<ToSeeder>::new(keys.to_seeder.clone(), keys.id, 0);
    let mut to_leecher = LinkSender::<ToLeecher>::new(keys.to_leecher.clone(), keys.id, 0);
    let salt = world::SEAL_SALT;
    let first = to_seeder.message(b"first to seeder", salt).unwrap();
    let second = to_seeder.message(b"second to seeder", salt).unwrap();
    let answer = to_leecher.message(b"first to leecher", salt).unwrap();
    let run = run(&mut to_leecher, b"a run");

    let context = |direction: u8, count: u64, kind: u8| {
        let numbers = [&0_u32.to_be_bytes()[..], &count.to_be_bytes()].concat();
        [b"sealift/1 link\0", &keys.id.0[..], &[direction], &numbers, &[kind]].concat()
    };
    let check = |key: &str, context: Vec<u8>, content: &str, bytes: &[u8]| {
        let key = SealKey::new(schedule.key(key));
        let plain = seal::open(&key, &context, &bytes[HEAD_LEN..]).unwrap();
        assert!(plain == content.as_bytes() || padme::unpad(&plain).unwrap() == content.as_bytes());
        json!({ "context": hex(context), "salt": hex(salt), "content": hex(content), "bytes": hex(bytes) })
    };
    let mut receiver = LinkReceiver::<ToSeeder>::new(keys.to_seeder.clone(), keys.id, 0);
    let head = MessageHead::parse(*first.first_chunk().unwrap()).unwrap();
    assert_eq!(receiver.message(&head, &first[HEAD_LEN..]).unwrap(), b"first to seeder");
    json!({
        "first_to_seeder": check("leecher to seeder", context(1, 0, 1), "first to seeder", &first),
        "second_to_seeder": check("leecher to seeder", context(1, 1, 1), "second to seeder", &second),
        "first_to_leecher": check("seeder to leecher", context(2, 0, 1), "first to leecher", &answer),
        "run_to_leecher": check("seeder to leecher", context(2, 1, 2), "a run", &run),
    })
}

fn run(sender: &mut LinkSender<ToLeecher>, content: &[u8]) -> Vec<u8> {
    let (mut sealer, head) = sender.run(content.len(), world::SEAL_SALT).unwrap();
    let mut piece = content.to_vec();
    let tag = sealer.piece(&mut piece).unwrap();
    [&head[..], &piece, &tag].concat()
}
