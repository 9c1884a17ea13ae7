//! Sealed objects outside a session, one of each kind.

use sealift_proto::{
    codec::{self, Bytes, Extensions, List},
    invite::{Invite, InvitePackage, InviteSecret},
    keys::InviteKeys,
    object::{self, Kind, Place},
    space::{CardSecret, HostName, Label, RecordSecret, RelayAddress},
};
use serde_json::{Value, json};

use super::{derive, hex, statements, world};

pub fn vectors() -> Value {
    let keys = world::epoch_secret().keys();
    let invite = InviteKeys::derive(&world::INVITE_SECRET);
    json!({
        "card": sealed::<object::Card>(&keys.card, &card_place(), &codec::encode(&card())),
        "record": sealed::<object::Record>(&keys.record, &record_place(), &codec::encode(&record())),
        "package": sealed::<object::Package>(&invite.package, &package_place(), &codec::encode(&package())),
        "invite_line": line(),
    })
}

pub fn place(device: sealift_proto::identity::DeviceId, log: u16, position: u64) -> Place {
    Place { space: world::space(), epoch: world::EPOCH, device, log, position }
}

/// One object in all its parts.
pub fn sealed<K: Kind>(key: &K::Key, place: &Place, content: &[u8]) -> Value {
    let object = object::seal::<K>(key, place, world::SEAL_SALT, content);
    assert_eq!(object::open::<K>(key, place, &object).unwrap(), content);
    json!({
        "space": hex(place.space.as_bytes()),
        "epoch": place.epoch,
        "device": hex(place.device.as_bytes()),
        "log": place.log,
        "position": place.position,
        "salt": hex(world::SEAL_SALT),
        "content": hex(content),
        "object": hex(object),
    })
}

pub fn card_place() -> Place {
    place(world::seeder().id(), 1, 11)
}

pub fn record_place() -> Place {
    place(world::owner().id(), 0, 12)
}

fn package_place() -> Place {
    place(world::owner().id(), 0, 0)
}

pub fn relay() -> RelayAddress {
    RelayAddress { host: HostName::new("relay.example.org").unwrap(), port: 7743, pin: [10; 16] }
}

pub fn card() -> CardSecret {
    CardSecret {
        name: Label::new("ana@desk").unwrap(),
        receive_key: Bytes::new(vec![11; 1216]).unwrap(),
        chain: world::lasting_chain(),
        extensions: Extensions::default(),
    }
}

pub fn record() -> RecordSecret {
    RecordSecret {
        name: Label::new("family").unwrap(),
        lowest_suite: 2,
        relays: List::new(vec![relay()]).unwrap(),
        lasting: List::new(vec![world::certificate(&world::leecher(), &world::owner(), 0)])
            .unwrap(),
        extensions: Extensions::default(),
    }
}

fn package() -> InvitePackage {
    InvitePackage {
        record: statements::record(),
        epoch_secret: world::EPOCH_SECRET,
        invite_seed: *world::invite_key().seed(),
        certificate: world::certificate(&world::invite_key(), &world::owner(), 1),
        relays: List::default(),
        extensions: Extensions::default(),
    }
}

fn line() -> Value {
    let invite = Invite { relay: relay(), secret: InviteSecret(world::INVITE_SECRET) };
    let line = invite.to_line();
    assert!(Invite::parse(&line).unwrap() == invite);
    let prk = derive::extract(b"sealift/1 invite\0", &world::INVITE_SECRET);
    json!({
        "line": line,
        "host": "relay.example.org",
        "port": 7743,
        "pin": hex([10; 16]),
        "secret": hex(world::INVITE_SECRET),
        "package_key": hex(derive::expand(&prk, "sealift/1 invite package key\0")),
    })
}
