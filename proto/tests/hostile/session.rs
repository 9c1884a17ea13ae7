//! A leecher, a seeder, and a relay between them that does what the bytes say: it carries messages, or drops, repeats,
//! reorders and alters them. Whatever it does, nobody accepts a byte that the other did not send at that place.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealift_proto::codec::{Extensions, List};
use sealift_proto::control::Address;
use sealift_proto::handshake::{
    AwaitingAck, HandshakeError, Message, Offered, Party, SessionKeys, Terms, respond,
};
use sealift_proto::identity::{SecretKey, Signed};
use sealift_proto::keys::{EpochKeys, EpochSecret};
use sealift_proto::link::{
    HEAD_LEN, LinkReceiver, LinkSender, MessageHead, Opening, ToLeecher, ToSeeder,
};
use sealift_proto::space::{Certificate, Chain, Role, SpaceId};
use sealift_proto::wrap::{ShareSecret, Suite};

const NOW: u64 = 1_800_000_000;

/// Counts; the same each time.
struct Counter(u64);

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| number as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(8) {
            let bytes = self.try_next_u64()?.to_be_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}

/// The bytes that decide; zero once they are used up.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn next(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn at(&mut self, len: usize) -> usize {
        (self.next() << 8 | self.next()) % len.max(1)
    }

    /// What the relay makes of `bytes`: most often what was sent.
    fn carry(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut carried = bytes.to_vec();
        match self.next() % 8 {
            0 if !carried.is_empty() => {
                let at = self.at(carried.len());
                carried[at] ^= 1 << (self.next() % 8);
            }
            1 => carried.truncate(self.at(carried.len())),
            2 => carried.push(self.next() as u8),
            _ => {}
        }
        carried
    }
}

struct Device {
    key: SecretKey,
    chain: Chain,
    address: Address,
}

impl Device {
    fn new(seed: u8, connection: u32, role: Role) -> Self {
        let owner = SecretKey::from_seed([1; 32]);
        let key = SecretKey::from_seed([seed; 32]);
        let certificate = Certificate {
            version: 1,
            space: SpaceId::derive(&owner.id(), &[3; 16]),
            subject: key.id(),
            role,
            depth_left: 0,
            uses: 0,
            not_after: NOW + 1000,
            serial: [seed; 16],
            extensions: Extensions::default(),
        };
        let certificates = List::new(vec![Signed::sign(certificate, &owner).unwrap()]).unwrap();
        let chain = Chain { owner: owner.id(), salt: [3; 16], certificates };
        Self { address: Address { device: key.id(), connection }, key, chain }
    }

    fn party(&self) -> Party<'_> {
        Party { key: &self.key, chain: &self.chain, address: self.address }
    }
}

struct World {
    keys: EpochKeys,
    leecher: Device,
    seeder: Device,
    rng: Counter,
}

impl World {
    fn terms<'a>(&self, keys: &'a EpochKeys) -> Terms<'a> {
        let space = self.leecher.chain.space();
        Terms { space, epoch: 1, keys, lowest_suite: 2, removed: &[], now: NOW }
    }

    fn offer(&mut self) -> Offered {
        let secret = ShareSecret::generate(Suite::X25519, &mut self.rng).unwrap();
        let keys = self.keys.clone();
        let terms = self.terms(&keys);
        let (party, to) = (self.leecher.party(), self.seeder.address);
        Offered::new(&terms, &party, to, [5; 16], vec![secret], &mut self.rng).unwrap()
    }

    /// Carries a message from one device to the other.
    fn carry(&self, script: &mut Script<'_>, from: &Device, message: &Message) -> Option<Message> {
        let terms = self.terms(&self.keys);
        let device = from.address.device;
        let sent = message.seal(&terms, &device, [2; 24]);
        let carried = script.carry(&sent);
        let opened = Message::open(&terms, &device, &carried).ok();
        assert_eq!(opened.is_some(), carried == sent, "an altered message was opened");
        opened
    }

    fn handshake(&mut self, script: &mut Script<'_>) -> Option<(SessionKeys, SessionKeys)> {
        let offered = self.offer();
        let message = self.carry(script, &self.leecher, &offered.message())?;
        let awaiting = self.respond(&message).ok()?;
        // Sometimes the answer to an earlier offer arrives instead.
        let answer = match script.next() % 8 {
            0 => {
                let other = self.offer().message();
                self.respond(&other).ok()?.message()
            }
            _ => awaiting.message(),
        };
        let right = answer == awaiting.message();
        let answer = self.carry(script, &self.seeder, &answer)?;
        let keys = self.keys.clone();
        let from = self.seeder.address;
        let answered = offered.answer(&self.terms(&keys), from, &answer, &mut self.rng);
        assert_eq!(answered.is_ok(), right, "an answer to another offer was taken");
        let (acknowledged, opening) = answered.ok()?.acknowledge();
        let sent = opening.to_bytes();
        let carried: [u8; 52] = script.carry(&sent).try_into().ok()?;
        let opening = Opening::from_bytes(&carried);
        let ready = awaiting.confirm(&opening.proof);
        assert_eq!(ready.is_ok(), carried[20..] == sent[20..], "an altered ACK was taken");
        let ready = ready.ok()?;
        let proof: [u8; 32] = script.carry(&ready.proof).try_into().ok()?;
        let keys = acknowledged.confirm(&proof);
        assert_eq!(keys.is_ok(), proof == ready.proof, "an altered READY was taken");
        Some((keys.ok()?, ready.keys))
    }

    fn respond(&mut self, message: &Message) -> Result<AwaitingAck, HandshakeError> {
        let Message::Offer(offer) = message else { return Err(HandshakeError::Unexpected) };
        let keys = self.keys.clone();
        let terms = self.terms(&keys);
        respond(&terms, &self.seeder.party(), self.leecher.address, offer, &mut self.rng)
    }
}

/// Plays what `bytes` say; true if a session came about.
pub(crate) fn play(bytes: &[u8]) -> bool {
    let mut script = Script(bytes);
    let mut world = World {
        keys: EpochSecret::new([6; 32]).keys(),
        leecher: Device::new(2, 7, Role::FETCH),
        seeder: Device::new(3, 0, Role::BOTH),
        rng: Counter(1),
    };
    let Some((leecher, seeder)) = world.handshake(&mut script) else { return false };
    let requests = LinkSender::<ToSeeder>::new(leecher.to_seeder, leecher.id, 0);
    let taken = LinkReceiver::<ToSeeder>::new(seeder.to_seeder, seeder.id, 0);
    exchange(&mut script, requests, taken);
    let replies = LinkSender::<ToLeecher>::new(seeder.to_leecher, seeder.id, 0);
    let taken = LinkReceiver::<ToLeecher>::new(leecher.to_leecher, leecher.id, 0);
    exchange(&mut script, replies, taken);
    true
}

/// Sends messages one way until the script ends or the link has failed.
fn exchange<D: sealift_proto::link::Direction>(
    script: &mut Script<'_>,
    mut sender: LinkSender<D>,
    mut receiver: LinkReceiver<D>,
) {
    let mut sent: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let (mut taken, mut failed) = (0, false);
    for number in 0..script.next() % 16 {
        let content = vec![number as u8; script.next()];
        let message = sender.message(&content, [number as u8; 24]).unwrap();
        sent.push((content, message));
        // Any message sent so far may arrive now, as it was or altered.
        let which =
            if script.next().is_multiple_of(4) { script.at(sent.len()) } else { taken.min(number) };
        let Some((content, message)) = sent.get(which) else { break };
        let carried = script.carry(message);
        let Some((head, body)) = carried.split_first_chunk::<HEAD_LEN>() else { break };
        let Ok(head) = MessageHead::parse(*head) else { break };
        let opened = receiver.message(&head, body);
        let right = !failed && which == taken && carried == *message;
        assert_eq!(opened.is_ok(), right, "message {which} as number {taken}");
        match opened {
            Ok(opened) => {
                assert_eq!(opened, *content);
                taken += 1;
            }
            Err(_) => failed = true,
        }
    }
}
