//! Derivations, written down a second time from the specification.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sealift_proto::{
    keys::{EpochSecret, InviteKeys},
    object::{self, Place},
    padme,
    seal::{self, SealKey},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{hex, world};

pub fn expand(key: &[u8; 32], label: &str) -> [u8; 32] {
    let mut out = [0; 32];
    Hkdf::<Sha256>::from_prk(key).unwrap().expand(label.as_bytes(), &mut out).unwrap();
    out
}

pub fn extract(salt: &[u8], ikm: &[u8]) -> [u8; 32] {
    Hkdf::<Sha256>::extract(Some(salt), ikm).0.into()
}

pub fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key)
        .unwrap()
        .chain_update(message)
        .finalize()
        .into_bytes()
        .into()
}

pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

pub fn psk() -> [u8; 32] {
    expand(&world::EPOCH_SECRET, "sealift/1 psk\0")
}

pub fn vectors() -> Value {
    let key = |label| expand(&world::EPOCH_SECRET, label);
    let catalogue = key("sealift/1 catalogue key\0");
    let forward = key("sealift/1 forward key\0");
    let card = key("sealift/1 card key\0");
    let record = key("sealift/1 record key\0");
    check_epoch_keys(&catalogue, &forward, &card, &record);

    let lan = key("sealift/1 lan key\0");
    let device = world::leecher().id();
    let lan_name = &hmac(&lan, &[&[9; 8], &device.as_bytes()[..]].concat())[..16];
    let keys = EpochSecret::new(world::EPOCH_SECRET).keys();
    assert_eq!(keys.lan.name(&[9; 8], &device), lan_name);

    let prk = extract(b"sealift/1 invite\0", &world::INVITE_SECRET);
    let id = expand(&prk, "sealift/1 invite id\0");
    assert_eq!(InviteKeys::derive(&world::INVITE_SECRET).id, id[..16]);
    json!({
        "epoch": {
            "epoch_secret": hex(world::EPOCH_SECRET),
            "catalogue_key": hex(catalogue),
            "forward_key": hex(forward),
            "card_key": hex(card),
            "record_key": hex(record),
            "lan_key": hex(lan),
            "lan_salt": hex([9; 8]),
            "lan_device": hex(device.as_bytes()),
            "lan_name": hex(lan_name),
            "psk": hex(psk()),
        },
        "invite": {
            "invite_secret": hex(world::INVITE_SECRET),
            "id": hex(&id[..16]),
            "package_key": hex(expand(&prk, "sealift/1 invite package key\0")),
        },
        "space_id": {
            "owner": hex(world::owner().id().as_bytes()),
            "salt": hex(world::SPACE_SALT),
            "space_id": hex(world::space().as_bytes()),
        },
    })
}

/// What the product seals under each key of the epoch opens under the value derived here.
fn check_epoch_keys(catalogue: &[u8; 32], forward: &[u8; 32], card: &[u8; 32], record: &[u8; 32]) {
    let keys = world::epoch_secret().keys();
    let place = Place {
        space: world::space(),
        epoch: world::EPOCH,
        device: world::owner().id(),
        log: 0,
        position: 0,
    };
    let salt = world::SEAL_SALT;
    opens(catalogue, &object::seal::<object::Segment>(&keys.catalogue, &place, salt, b"x"));
    opens(forward, &object::seal::<object::Forward>(&keys.forward, &place, salt, b"x"));
    opens(card, &object::seal::<object::Card>(&keys.card, &place, salt, b"x"));
    opens(record, &object::seal::<object::Record>(&keys.record, &place, salt, b"x"));
}

pub fn opens(key: &[u8; 32], object: &[u8]) -> Vec<u8> {
    let (header, message) = object.split_at(object::HEADER_LEN);
    let padded = seal::open(&SealKey::new(*key), header, message).unwrap();
    padme::unpad(&padded).unwrap().to_vec()
}
