//! Sealift's building blocks on one core: `cargo bench -p sealift-bench`. What carries content works on 1 MiB, a chunk, in
//! memory that no cache holds whole; a plain copy of the same memory stands first, since ratios say more than bytes per
//! second.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use sealift_proto::catalogue::{self, Change, Entry, Root};
use sealift_proto::codec::{self, List};
use sealift_proto::control::Hash;
use sealift_proto::manifest::chunk_value;
use sealift_proto::message::{ITEMS_MAX, Item, SessionMessage};
use sealift_proto::path::RelativePath;
use sealift_proto::seal::{
    Backend, HEADER_LEN, Opener, PIECE_LEN, SEALED_PIECE_LEN, SealKey, Sealer, TAG_LEN,
};

/// One chunk.
const CHUNK: usize = 1 << 20;
/// Pieces of a chunk.
const PIECES: usize = CHUNK / PIECE_LEN;
/// Chunks that take turns: more than the caches of a small machine hold.
const TURNS: usize = 64;

fn main() {
    divan::main();
}

/// Calls `work` with one buffer of `len` bytes after the other.
fn in_turns(bencher: Bencher<'_, '_>, len: usize, mut work: impl FnMut(usize, &mut [u8])) {
    let mut buffers: Vec<_> = (0..TURNS).map(|_| vec![0x5a_u8; len]).collect();
    let mut turn = 0;
    bencher.counter(BytesCount::new(CHUNK)).bench_local(|| {
        turn = (turn + 1) % TURNS;
        work(turn, &mut buffers[turn]);
    });
}

fn key() -> SealKey {
    SealKey::new([7; 32])
}

fn sealer(backend: Backend) -> (Sealer, [u8; HEADER_LEN]) {
    Sealer::with_backend(backend, &key(), b"bench", [9; 24])
}

/// A sealed chunk, and what opens it. All pieces are whole, so that none is the last.
fn sealed(backend: Backend) -> ([u8; HEADER_LEN], Vec<u8>) {
    let (mut sealer, header) = sealer(backend);
    let mut all = Vec::with_capacity(PIECES * SEALED_PIECE_LEN);
    for _ in 0..PIECES {
        let mut piece = vec![0x5a; PIECE_LEN];
        let tag = sealer.seal_piece(&mut piece).expect("far below the limit");
        all.extend_from_slice(&piece);
        all.extend_from_slice(&tag);
    }
    (header, all)
}

mod content {
    use super::*;

    #[divan::bench]
    fn a_copy(bencher: Bencher<'_, '_>) {
        let source = vec![0x5a_u8; CHUNK];
        in_turns(bencher, CHUNK, |_, buffer| buffer.copy_from_slice(black_box(&source)));
    }

    #[divan::bench(args = [Backend::AwsLc, Backend::Portable])]
    fn seal(bencher: Bencher<'_, '_>, backend: Backend) {
        in_turns(bencher, CHUNK, |_, buffer| {
            let (mut sealer, _) = sealer(backend);
            for piece in buffer.chunks_exact_mut(PIECE_LEN) {
                black_box(sealer.seal_piece(piece).expect("far below the limit"));
            }
        });
    }

    #[divan::bench(args = [Backend::AwsLc, Backend::Portable])]
    fn open_elsewhere(bencher: Bencher<'_, '_>, backend: Backend) {
        let (header, sealed) = sealed(backend);
        in_turns(bencher, CHUNK, |_, buffer| {
            let mut opener =
                Opener::with_backend(backend, &key(), b"bench", &header).expect("the same key");
            let pieces = sealed.chunks_exact(SEALED_PIECE_LEN);
            for (piece, plain) in pieces.zip(buffer.chunks_exact_mut(PIECE_LEN)) {
                black_box(opener.open_piece_into(piece, plain).expect("as it was sealed"));
            }
        });
    }

    #[divan::bench(args = [Backend::AwsLc, Backend::Portable])]
    fn open_in_place(bencher: Bencher<'_, '_>, backend: Backend) {
        let (header, sealed) = sealed(backend);
        let len = sealed.len();
        bencher
            .counter(BytesCount::new(len - PIECES * TAG_LEN))
            .with_inputs(|| sealed.clone())
            .bench_local_values(|mut all| {
                let mut opener =
                    Opener::with_backend(backend, &key(), b"bench", &header).expect("the same key");
                for piece in all.chunks_exact_mut(SEALED_PIECE_LEN) {
                    black_box(opener.open_piece(piece).expect("as it was sealed"));
                }
                all
            });
    }

    /// What the manifest has of each chunk.
    #[divan::bench]
    fn hash_a_chunk(bencher: Bencher<'_, '_>) {
        in_turns(bencher, CHUNK, |turn, buffer| {
            black_box(chunk_value(turn as u64, buffer));
        });
    }
}

mod messages {
    use super::*;

    fn page() -> SessionMessage {
        let values = List::new(vec![Hash([7; 32]); 4096]).expect("a full page");
        SessionMessage::Page { request: 1, values }
    }

    fn get() -> SessionMessage {
        let items = (0..ITEMS_MAX as u64)
            .map(|first| Item {
                root: Root([first.to_le_bytes()[0]; 32]),
                first,
                count: 1,
                skip: 0,
            })
            .collect();
        SessionMessage::Get { request: 1, items: List::new(items).expect("a full request") }
    }

    #[divan::bench]
    fn encode_a_full_page(bencher: Bencher<'_, '_>) {
        let page = page();
        bencher.counter(ItemsCount::new(4096_usize)).bench_local(|| codec::encode(&page));
    }

    #[divan::bench]
    fn decode_a_full_page(bencher: Bencher<'_, '_>) {
        let bytes = codec::encode(&page());
        bencher
            .counter(ItemsCount::new(4096_usize))
            .bench_local(|| codec::decode::<SessionMessage>(&bytes));
    }

    #[divan::bench]
    fn encode_a_full_request(bencher: Bencher<'_, '_>) {
        let get = get();
        bencher.counter(ItemsCount::new(ITEMS_MAX)).bench_local(|| codec::encode(&get));
    }

    #[divan::bench]
    fn decode_a_full_request(bencher: Bencher<'_, '_>) {
        let bytes = codec::encode(&get());
        bencher
            .counter(ItemsCount::new(ITEMS_MAX))
            .bench_local(|| codec::decode::<SessionMessage>(&bytes));
    }
}

mod catalogues {
    use super::*;

    const ENTRIES: u32 = 20_000;

    /// Entries as a photo collection has them, with random roots.
    fn changes() -> Vec<Change> {
        let entry = |number: u32| {
            let path = format!(
                "share/photos/20{:02}/holiday {:03}/DSC_{number:06}.jpg",
                number / 2000,
                number / 100
            );
            Change::Put(Entry {
                path: RelativePath::new(path).expect("a plain path"),
                size: 3_000_000 + u64::from(number) * 977,
                modified: 1_700_000_000_000 + i64::from(number) * 61_000,
                flags: 0,
                root: Some(Root(blake3::hash(&number.to_be_bytes()).into())),
            })
        };
        (0..ENTRIES).map(entry).collect()
    }

    #[divan::bench]
    fn fold(bencher: Bencher<'_, '_>) {
        let changes = changes();
        bencher.counter(ItemsCount::new(ENTRIES)).bench_local(|| catalogue::fold_all(&changes));
    }

    #[divan::bench]
    fn unfold(bencher: Bencher<'_, '_>) {
        let folded = catalogue::fold_all(&changes()).expect("entries that fit");
        bencher.counter(ItemsCount::new(ENTRIES)).bench_local(|| {
            folded
                .iter()
                .map(|part| catalogue::unfold(part).map_or(0, |all| all.len()))
                .sum::<usize>()
        });
    }
}
