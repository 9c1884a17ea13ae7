mod crash;
mod room;

use std::sync::Arc;

use sealift_platform::disk::{Disk, Root, SystemDisk};
use sealift_proto::codec::{Bytes, Extensions, List};
use sealift_proto::identity::{SecretKey, Signed, Statement};
use sealift_proto::log::{Head, chain_next, chain_start, statement_hash};
use sealift_proto::space::{Card, Role, SerialNumber, SpaceRecord};

use super::*;
use crate::limits::Limits;

const NOW: u64 = 1_800_000_000;
const LOG: u16 = 2;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

/// The space whose owner has key 1.
fn space() -> SpaceId {
    SpaceId::derive(&key(1).id(), &[0; 16])
}

fn writer(seed: u8) -> Writer {
    Writer { space: space(), device: key(seed).id(), role: Role::BOTH, connection: 1 }
}

fn record(number: u64, epoch: u32, removed: &[u8]) -> SpaceRecord {
    SpaceRecord {
        version: 1,
        owner: key(1).id(),
        salt: [0; 16],
        number,
        epoch,
        time: NOW,
        removed: List::new(removed.iter().map(|one| SerialNumber([*one; 16])).collect()).unwrap(),
        sealed: Bytes::new(vec![5; 300]).unwrap(),
        extensions: Extensions::default(),
    }
}

fn card(seed: u8, number: u64) -> Card {
    Card {
        version: 1,
        space: space(),
        device: key(seed).id(),
        number,
        sealed: Bytes::new(vec![6; 200]).unwrap(),
        extensions: Extensions::default(),
    }
}

fn head(seed: u8, log_id: u8, base: u64, segments: &[Vec<u8>]) -> Head {
    let log_id = [log_id; 16];
    let chain = segments.iter().fold(chain_start(&log_id, base), |c, s| chain_next(&c, s));
    Head {
        version: 1,
        space: space(),
        device: key(seed).id(),
        log: LOG,
        log_id,
        base,
        position: base + segments.len() as u64,
        chain,
        epoch: 0,
        time: NOW * 1000,
        status: Bytes::default(),
        extensions: Extensions::default(),
    }
}

fn signed<T: Statement>(value: T, seed: u8) -> Vec<u8> {
    Signed::sign(value, &key(seed)).unwrap().to_bytes()
}

fn segment(number: u8, len: usize) -> Vec<u8> {
    vec![number; len]
}

struct Held {
    core: Core,
}

impl Held {
    fn open(root: Arc<dyn Root>, limits: &Limits) -> Self {
        Self { core: Core::open(root, InForce::new(limits.clone())).unwrap() }
    }

    fn one<O: Operation>(&mut self, operation: O) -> Result<O::Reply, Refusal> {
        let (to, mut reply) = oneshot::channel();
        let mut requests: Vec<Box<dyn Request>> = vec![Box::new(Asked::new(operation, Some(to)))];
        let failed = apply_all(&mut self.core, &mut requests);
        requests.into_iter().for_each(|request| request.answer(failed));
        reply.try_recv().unwrap()
    }

    fn stage(&mut self, seed: u8, log_id: u8, from: u64, segments: &[Vec<u8>]) {
        for (position, segment) in (from..).zip(segments) {
            let (writer, log_id, segment) = (writer(seed), [log_id; 16], segment.clone());
            let _ = self.one(Stage { writer, log: LOG, log_id, position, segment });
        }
    }

    fn publish(
        &mut self,
        seed: u8,
        log: u16,
        follows: Option<&[u8]>,
        statement: &[u8],
    ) -> Result<Option<Published>, Refusal> {
        let (writer, follows) = (writer(seed), follows.map(statement_hash));
        self.one(Publish { writer, log, follows, statement: statement.to_vec() })
    }

    fn segments(&self, seed: u8, log_id: u8, from: u64, to: u64) -> Option<Vec<Vec<u8>>> {
        let (space, device, log_id) = (space(), key(seed).id(), [log_id; 16]);
        let range = SegmentRange { space, device, log: LOG, log_id, from, to };
        self.core.shared().segments(&range).unwrap()
    }

    fn heads(&self) -> Vec<LogHead> {
        let (mut all, mut cursor) = (Vec::new(), Some(Cursor::default()));
        while let Some(at) = cursor {
            let (more, next) = self.core.shared().heads(&space(), at).unwrap();
            all.extend(more);
            cursor = next;
        }
        all
    }
}

fn open() -> (tempfile::TempDir, Held) {
    open_with(&Limits::default())
}

fn open_with(limits: &Limits) -> (tempfile::TempDir, Held) {
    let folder = tempfile::tempdir().unwrap();
    let root = SystemDisk.open(folder.path()).unwrap();
    (folder, Held::open(root, limits))
}

#[test]
fn a_record_takes_the_owners_signature_and_a_higher_number() {
    let (_folder, mut store) = open();
    let first = signed(record(5, 1, &[]), 1);
    assert_eq!(store.publish(2, 0, None, &signed(record(5, 1, &[]), 2)), Err(Refusal::Invalid));
    assert!(
        matches!(store.publish(2, 0, None, &first), Ok(Some(Published { head, .. })) if head.device == key(1).id())
    );
    assert_eq!(store.publish(2, 0, None, &first), Ok(None), "acknowledged again");
    assert_eq!(store.publish(2, 0, None, &signed(record(5, 1, &[9]), 1)), Err(Refusal::Stale));
    assert_eq!(store.publish(2, 0, None, &signed(record(6, 0, &[]), 1)), Err(Refusal::Stale));
    let other = SpaceRecord { salt: [1; 16], ..record(7, 1, &[]) };
    assert_eq!(store.publish(2, 0, None, &signed(other, 1)), Err(Refusal::Invalid));
    let removing = store.publish(2, 0, None, &signed(record(7, 2, &[9]), 1));
    assert!(matches!(removing, Ok(Some(Published { removed, .. })) if removed == [[9; 16]]));
    assert_eq!(store.core.shared().removed(&space()).unwrap(), [[9; 16]]);
    assert_eq!(store.publish(2, 0, None, b"garbage"), Err(Refusal::Invalid));
}

#[test]
fn a_card_takes_the_devices_signature_and_a_higher_number() {
    let (_folder, mut store) = open();
    assert!(store.publish(2, 1, None, &signed(card(2, 5), 2)).is_ok());
    assert_eq!(store.publish(3, 1, None, &signed(card(2, 6), 2)), Err(Refusal::Invalid));
    assert_eq!(store.publish(2, 1, None, &signed(card(2, 6), 3)), Err(Refusal::Invalid));
    assert_eq!(store.publish(2, 1, None, &signed(card(2, 4), 2)), Err(Refusal::Stale));
    assert!(store.publish(2, 1, None, &signed(card(2, 6), 2)).is_ok());
}

#[test]
fn a_head_covers_its_segments_from_the_moment_it_is_acknowledged() {
    let (_folder, mut store) = open();
    let parts = [segment(1, 100), segment(2, 60_000), segment(3, 1)];
    store.stage(2, 7, 0, &parts[..2]);
    assert_eq!(store.segments(2, 7, 0, 1), None);
    let first = signed(head(2, 7, 0, &parts[..2]), 2);
    assert!(matches!(store.publish(2, LOG, None, &first), Ok(Some(Published { .. }))));
    assert_eq!(store.segments(2, 7, 0, 2), Some(parts[..2].to_vec()));
    assert_eq!(store.segments(2, 7, 0, 3), None);
    assert_eq!(store.segments(2, 8, 0, 1), None);
    assert_eq!(store.segments(3, 7, 0, 1), None);
    // More of the same log.
    store.stage(2, 7, 2, &parts[2..]);
    let second = signed(head(2, 7, 0, &parts), 2);
    assert_eq!(store.publish(2, LOG, None, &second), Err(Refusal::Stale), "follows another");
    assert!(store.publish(2, LOG, Some(&first), &second).is_ok());
    assert_eq!(store.segments(2, 7, 0, 3), Some(parts.to_vec()));
    // Only the status changed.
    let third = Head { status: Bytes::new(vec![1]).unwrap(), ..head(2, 7, 0, &parts) };
    let third = signed(third, 2);
    assert!(store.publish(2, LOG, Some(&second), &third).is_ok());
    assert_eq!(store.publish(2, LOG, Some(&second), &third), Ok(None));
    assert_eq!(store.publish(2, LOG, Some(&third), &first), Err(Refusal::Invalid), "goes back");
}

#[test]
fn a_new_base_or_log_id_takes_the_old_segments_away() {
    let (_folder, mut store) = open();
    let parts = [segment(1, 100), segment(2, 100)];
    store.stage(2, 7, 0, &parts);
    let first = signed(head(2, 7, 0, &parts), 2);
    store.publish(2, LOG, None, &first).unwrap();
    let anew = [segment(3, 50)];
    store.stage(2, 7, 2, &anew);
    assert_eq!(store.segments(2, 7, 0, 2), Some(parts.to_vec()), "until the swap");
    let second = signed(head(2, 7, 2, &anew), 2);
    store.publish(2, LOG, Some(&first), &second).unwrap();
    assert_eq!(store.segments(2, 7, 0, 1), None);
    assert_eq!(store.segments(2, 7, 2, 3), Some(anew.to_vec()));
    // Another log id needs a later time.
    store.stage(2, 8, 0, &parts);
    let same_time = signed(head(2, 8, 0, &parts), 2);
    assert_eq!(store.publish(2, LOG, Some(&second), &same_time), Err(Refusal::Invalid));
    let later = Head { time: NOW * 1000 + 1, ..head(2, 8, 0, &parts) };
    store.stage(2, 8, 0, &parts);
    store.publish(2, LOG, Some(&second), &signed(later, 2)).unwrap();
    assert_eq!(store.segments(2, 8, 0, 2), Some(parts.to_vec()));
    assert_eq!(store.segments(2, 7, 2, 3), None);
}

#[test]
fn a_head_that_does_not_hold_is_refused() {
    let (_folder, mut store) = open();
    let parts = [segment(1, 100), segment(2, 100)];
    let good = head(2, 7, 0, &parts);
    let bad = [
        Head { chain: [0; 32], ..good.clone() },
        Head { position: 3, ..good.clone() },
        Head { position: 1, ..good.clone() },
        Head { base: 1, ..good.clone() },
        Head { base: 3, ..good.clone() },
        Head { log_id: [8; 16], ..good.clone() },
        Head { log: 3, ..good.clone() },
        Head { version: 2, ..good.clone() },
        Head { device: key(3).id(), ..good.clone() },
        Head { space: SpaceId::from_bytes([1; 32]), ..good.clone() },
    ];
    for head in bad {
        store.stage(2, 7, 0, &parts);
        let refused = store.publish(2, LOG, None, &signed(head.clone(), 2));
        assert_eq!(refused, Err(Refusal::Invalid), "{head:?}");
    }
    assert_eq!(store.publish(2, LOG, None, &signed(good.clone(), 3)), Err(Refusal::Invalid));
    assert_eq!(store.publish(2, 16, None, &signed(good.clone(), 2)), Err(Refusal::NotAllowed));
    let fetching = Writer { role: Role::FETCH, ..writer(2) };
    let statement = signed(good.clone(), 2);
    let publish =
        Publish { writer: fetching, log: LOG, follows: None, statement: statement.clone() };
    assert_eq!(store.one(publish), Err(Refusal::NotAllowed));
    store.publish(2, 0, None, &signed(record(1, 3, &[]), 1)).unwrap();
    assert_eq!(store.publish(2, LOG, None, &statement), Err(Refusal::Invalid), "an old epoch");
    let good = Head { epoch: 3, ..good };
    assert!(store.publish(2, LOG, None, &signed(good, 2)).is_ok());
}

#[test]
fn segments_that_do_not_follow_start_anew() {
    let (_folder, mut store) = open();
    let parts = [segment(1, 100), segment(2, 100)];
    store.stage(2, 7, 0, &[segment(9, 10), segment(9, 10), segment(9, 10)]);
    store.stage(2, 7, 0, &parts);
    store.publish(2, LOG, None, &signed(head(2, 7, 0, &parts), 2)).unwrap();
    assert_eq!(store.segments(2, 7, 0, 2), Some(parts.to_vec()));
    // What is dropped leaves nothing behind that counts.
    store.stage(2, 7, 2, &parts);
    store.one(DropStaged(writer(2))).unwrap();
    store.stage(2, 7, 2, &parts);
    assert_eq!(store.segments(2, 7, 0, 2), Some(parts.to_vec()));
}

#[test]
fn everything_is_back_after_a_restart_but_what_was_only_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let root = SystemDisk.open(folder.path()).unwrap();
    let parts = [segment(1, 100), segment(2, 100)];
    let mut store = Held::open(Arc::clone(&root), &Limits::default());
    store.publish(2, 0, None, &signed(record(1, 0, &[]), 1)).unwrap();
    store.publish(2, 1, None, &signed(card(2, 1), 2)).unwrap();
    store.stage(2, 7, 0, &parts[..1]);
    let first = signed(head(2, 7, 0, &parts[..1]), 2);
    store.publish(2, LOG, None, &first).unwrap();
    store.stage(2, 7, 1, &parts[1..]);
    store.stage(3, 7, 0, &parts);
    // A durable transaction carries what was only kept aside to the disk.
    store.publish(3, 1, None, &signed(card(3, 1), 3)).unwrap();
    drop(store);
    let mut store = Held::open(root, &Limits::default());
    let logs: Vec<(DeviceId, u16)> = store.heads().iter().map(|h| (h.device, h.log)).collect();
    assert_eq!(logs[0], (key(1).id(), 0), "the record comes first");
    assert_eq!(logs.len(), 4);
    assert_eq!(store.segments(2, 7, 0, 1), Some(parts[..1].to_vec()));
    let whole = signed(head(2, 7, 0, &parts), 2);
    assert_eq!(store.publish(2, LOG, Some(&first), &whole), Err(Refusal::Invalid));
    store.stage(2, 7, 1, &parts[1..]);
    assert!(store.publish(2, LOG, Some(&first), &whole).is_ok());
}

#[test]
fn an_invite_is_for_so_many_devices_until_its_deadline() {
    let (_folder, mut store) = open();
    let put = |uses, deadline| PutInvite {
        space: space(),
        id: [4; 16],
        deadline,
        uses,
        package: vec![8; 500],
        now: NOW,
    };
    let take = |seed, now| TakeInvite { device: key(seed).id(), id: [4; 16], now };
    assert_eq!(store.one(take(5, NOW)), Err(Refusal::NotFound));
    for bad in [put(0, NOW + 10), put(1001, NOW + 10), put(1, NOW - 1), put(1, u64::MAX)] {
        assert_eq!(store.one(bad), Err(Refusal::Invalid));
    }
    assert_eq!(store.one(put(2, NOW + 10)), Ok(()));
    assert_eq!(store.one(put(2, NOW + 10)), Ok(()));
    assert_eq!(store.one(put(3, NOW + 10)), Err(Refusal::Invalid));
    let package = Ok(vec![8; 500]);
    assert_eq!(store.one(take(5, NOW)), package);
    assert_eq!(store.one(take(5, NOW)), package, "the same device again");
    assert_eq!(store.one(take(6, NOW)), package);
    assert_eq!(store.one(take(7, NOW)), Err(Refusal::Spent));
    assert_eq!(store.one(take(5, NOW + 10)), package);
    assert_eq!(store.one(take(5, NOW + 11)), Err(Refusal::NotFound));
    store.one(SweepInvites(NOW + 10)).unwrap();
    assert_eq!(store.one(take(5, NOW)), package);
    store.one(SweepInvites(NOW + 11)).unwrap();
    assert_eq!(store.one(take(5, NOW)), Err(Refusal::NotFound));
    assert_eq!(store.one(put(2, NOW + 10)), Ok(()));
}

#[test]
fn limits_hold_and_what_leaves_makes_room() {
    let limits = Limits {
        device_bytes: 10_000,
        space_bytes: 15_000,
        total_bytes: 20_000,
        space_statements: 4,
        log_segments: 3,
        space_invites: 1,
        ..Limits::default()
    };
    let (_folder, mut store) = open_with(&limits);
    let parts = [segment(1, 4000), segment(2, 4000)];
    store.stage(2, 7, 0, &parts);
    let first = signed(head(2, 7, 0, &parts), 2);
    store.publish(2, LOG, None, &first).unwrap();
    let refused = |store: &mut Held, seed, parts: &[Vec<u8>], why| {
        store.stage(seed, 8, 0, parts);
        let head = Head { time: NOW * 1000 + 5, ..head(seed, 8, 0, parts) };
        let follows = (seed == 2).then_some(&first[..]);
        assert_eq!(store.publish(seed, LOG, follows, &signed(head, seed)), Err(why));
    };
    refused(&mut store, 2, &parts, Refusal::Full);
    let small = vec![segment(0, 10); 4];
    refused(&mut store, 3, &small, Refusal::Invalid);
    let third = [segment(4, 4000)];
    store.stage(3, 7, 0, &third);
    store.publish(3, LOG, None, &signed(head(3, 7, 0, &third), 3)).unwrap();
    refused(&mut store, 4, &third, Refusal::Full);
    store.publish(2, 1, None, &signed(card(2, 1), 2)).unwrap();
    store.publish(3, 1, None, &signed(card(3, 1), 3)).unwrap();
    assert_eq!(store.publish(4, 1, None, &signed(card(4, 1), 4)), Err(Refusal::Full));
    let put = |id| PutInvite {
        space: space(),
        id: [id; 16],
        deadline: NOW,
        uses: 1,
        package: vec![1; 10],
        now: NOW,
    };
    store.one(put(1)).unwrap();
    assert_eq!(store.one(put(2)), Err(Refusal::Full));
    // An empty catalogue in place of the full one.
    let empty = signed(Head { time: NOW * 1000 + 9, ..head(2, 9, 0, &[]) }, 2);
    store.publish(2, LOG, Some(&first), &empty).unwrap();
    store.stage(2, 9, 0, &parts);
    let again = signed(Head { time: NOW * 1000 + 9, ..head(2, 9, 0, &parts) }, 2);
    store.publish(2, LOG, Some(&empty), &again).unwrap();
}

#[test]
fn a_full_disk_refuses_more_but_goes_on_serving() {
    let folder = tempfile::tempdir().unwrap();
    let root = SystemDisk.open(folder.path()).unwrap();
    let mut store = Held::open(Arc::clone(&root), &Limits::default());
    let first = signed(record(1, 0, &[]), 1);
    store.publish(2, 0, None, &first).unwrap();
    drop(store);
    let limits = Limits { disk_reserve: u64::MAX, ..Limits::default() };
    let mut store = Held::open(root, &limits);
    assert_eq!(store.publish(2, 1, None, &signed(card(2, 1), 2)), Err(Refusal::Full));
    assert_eq!(store.publish(2, 0, None, &first), Ok(None));
    assert_eq!(store.heads().len(), 1);
}

#[test]
fn many_statements_come_in_pages() {
    let (_folder, mut store) = open();
    let big = |seed| Card { sealed: Bytes::new(vec![0; 8000]).unwrap(), ..card(seed, 1) };
    for seed in 2..82 {
        store.publish(seed, 1, None, &signed(big(seed), seed)).unwrap();
    }
    let (first, next) = store.core.shared().heads(&space(), Cursor::default()).unwrap();
    assert!(next.is_some() && first.len() < 80);
    assert_eq!(store.heads().len(), 80);
}

#[test]
fn a_damaged_store_is_an_error_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let root = SystemDisk.open(folder.path()).unwrap();
    let mut store = Held::open(Arc::clone(&root), &Limits::default());
    for seed in 2..50 {
        store.publish(seed, 1, None, &signed(card(seed, 1), seed)).unwrap();
    }
    drop(store);
    let good = std::fs::read(&path).unwrap();
    for damaged in [vec![], good[..good.len() / 2].to_vec(), vec![0; good.len()]] {
        std::fs::write(&path, &damaged).unwrap();
        assert!(Core::open(Arc::clone(&root), InForce::new(Limits::default())).is_err());
        assert_eq!(std::fs::read(&path).unwrap().is_empty(), damaged.is_empty());
    }
}

#[test]
fn a_flipped_byte_anywhere_is_noticed_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let root = SystemDisk.open(folder.path()).unwrap();
    let mut store = Held::open(Arc::clone(&root), &Limits::default());
    let parts = [segment(1, 5000), segment(2, 50)];
    for seed in 2..20 {
        store.publish(seed, 1, None, &signed(card(seed, 1), seed)).unwrap();
        store.stage(seed, 7, 0, &parts);
        store.publish(seed, LOG, None, &signed(head(seed, 7, 0, &parts), seed)).unwrap();
    }
    let whole = store.heads();
    drop(store);
    let good = std::fs::read(&path).unwrap();
    let used: Vec<usize> = (0..good.len()).step_by(64).filter(|at| good[*at] != 0).collect();
    let mut refused = 0;
    for at in used.iter().step_by(1 + used.len() / 50) {
        let mut bad = good.clone();
        bad[*at] ^= 0x10;
        std::fs::write(&path, bad).unwrap();
        let Ok(core) = Core::open(Arc::clone(&root), InForce::new(Limits::default())) else {
            refused += 1;
            continue;
        };
        let read = core.shared().heads(&space(), Cursor::default());
        assert!(read.is_err() || read.is_ok_and(|(heads, _)| heads == whole), "byte {at}");
    }
    assert!(refused > 0);
}
