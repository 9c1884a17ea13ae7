//! Signed statements: certificates, record, card, head, hello.

use sealift_proto::{
    codec::{self, Bytes, Extensions, List},
    control::{Hello, HelloBody, Purpose},
    features::Features,
    frame::VERSION,
    identity::{SecretKey, Signed, Statement},
    log::{FIRST_CATALOGUE, Head, chain_next, chain_start, statement_hash},
    object,
    space::{Card, SerialNumber, SpaceRecord},
};
use serde_json::{Value, json};

use super::{hex, objects, world};

pub fn vectors() -> Value {
    let invite_certificate = world::certificate(&world::invite_key(), &world::owner(), 1);
    let device_certificate = world::certificate(&world::leecher(), &world::invite_key(), 0);
    let lasting = world::certificate(&world::seeder(), &world::owner(), 0);
    for chain in [world::invited_chain(), world::lasting_chain()] {
        assert!(chain.verify(world::NOW, &[]).is_ok());
    }
    json!({
        "certificate_of_invite_key": signed(&invite_certificate, &world::owner()),
        "certificate_by_invite_key": signed(&device_certificate, &world::invite_key()),
        "lasting_certificate": signed(&lasting, &world::owner()),
        "chain_by_invite": hex(codec::encode(&world::invited_chain())),
        "lasting_chain": hex(codec::encode(&world::lasting_chain())),
        "space_record": signed(&record(), &world::owner()),
        "card": signed(&card(), &world::seeder()),
        "head": signed(&head(), &world::seeder()),
        "log_chain": log_chain(),
        "hello": hello_vector(),
    })
}

fn signed<T: Statement>(statement: &Signed<T>, signer: &SecretKey) -> Value {
    let bytes = statement.to_bytes();
    let body = codec::encode(statement.verify(&signer.id()).unwrap());
    json!({
        "context": hex(T::CONTEXT),
        "signer_seed": hex(signer.seed()),
        "signer": hex(signer.id().as_bytes()),
        "body": hex(body),
        "signature": hex(&bytes[bytes.len() - 64..]),
        "statement": hex(&bytes),
        "statement_hash": hex(statement_hash(&bytes).0),
    })
}

pub fn record() -> Signed<SpaceRecord> {
    let keys = world::epoch_secret().keys();
    let secret = codec::encode(&objects::record());
    let place = objects::record_place();
    let sealed = object::seal::<object::Record>(&keys.record, &place, world::SEAL_SALT, &secret);
    let record = SpaceRecord {
        version: VERSION,
        owner: world::owner().id(),
        salt: world::SPACE_SALT,
        number: 12,
        epoch: world::EPOCH,
        time: world::NOW,
        removed: List::new(vec![SerialNumber([99; 16])]).unwrap(),
        sealed: Bytes::new(sealed).unwrap(),
        extensions: Extensions::default(),
    };
    Signed::sign(record, &world::owner()).unwrap()
}

pub fn card() -> Signed<Card> {
    let keys = world::epoch_secret().keys();
    let secret = codec::encode(&objects::card());
    let place = objects::card_place();
    let sealed = object::seal::<object::Card>(&keys.card, &place, world::SEAL_SALT, &secret);
    let card = Card {
        version: VERSION,
        space: world::space(),
        device: world::seeder().id(),
        number: 11,
        sealed: Bytes::new(sealed).unwrap(),
        extensions: Extensions::default(),
    };
    Signed::sign(card, &world::seeder()).unwrap()
}

pub const LOG_ID: [u8; 16] = [12; 16];

pub fn head() -> Signed<Head> {
    let head = Head {
        version: VERSION,
        space: world::space(),
        device: world::seeder().id(),
        log: FIRST_CATALOGUE,
        log_id: LOG_ID,
        base: 0,
        position: 1,
        chain: chain_next(&chain_start(&LOG_ID, 0), b"segment"),
        epoch: world::EPOCH,
        time: world::NOW * 1000,
        status: Bytes::new(vec![13; 20]).unwrap(),
        extensions: Extensions::default(),
    };
    Signed::sign(head, &world::seeder()).unwrap()
}

fn log_chain() -> Value {
    let start = chain_start(&LOG_ID, 3);
    json!({
        "log_id": hex(LOG_ID),
        "base": 3,
        "start": hex(start),
        "segment": hex("segment"),
        "next": hex(chain_next(&start, b"segment")),
    })
}

pub fn hello() -> Hello {
    let chain = world::invited_chain();
    let body = HelloBody {
        versions: List::new(vec![VERSION]).unwrap(),
        device: world::leecher().id(),
        purpose: Purpose::Member { chain, serving: false },
        features: Features::default(),
        extensions: Extensions::default(),
    };
    Hello::sign(&body, &[14; 32], &world::leecher()).unwrap()
}

fn hello_vector() -> Value {
    assert!(hello().verify(&[14; 32]).is_ok());
    json!({
        "context": hex("sealift/1 hello\0"),
        "exporter": hex([14; 32]),
        "signer_seed": hex(world::leecher().seed()),
        "hello": hex(codec::encode(&hello())),
    })
}
