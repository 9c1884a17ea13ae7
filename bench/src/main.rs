//! Benchmarks of Sealift's building blocks: `cargo run --release -p sealift-bench`.
//!
//! Each figure is the median of several rounds, taken in turn so that a machine whose speed drifts does not favour one of
//! them, and stands beside a plain copy of the same memory: ratios say more than bytes per second.

use std::hint::black_box;
use std::time::{Duration, Instant};

use sealift_proto::catalogue::{self, Change, Entry, Root};
use sealift_proto::manifest::chunk_value;
use sealift_proto::path::RelativePath;
use sealift_proto::seal::{Backend, PIECE_LEN, SealKey, Sealer};

/// Bytes that each round works on: more than the caches of a small machine hold.
const WORK: usize = 64 << 20;
const ROUNDS: usize = 7;

fn main() {
    let mut buffer = vec![0x5a_u8; WORK];
    let mut target = vec![0_u8; WORK];
    let changes = changes(20_000);
    let folded_len: usize =
        catalogue::fold_all(&changes).map_or(0, |all| all.iter().map(Vec::len).sum());
    let mut times = vec![Vec::new(); 6];
    for _ in 0..ROUNDS {
        times[0].push(time(|| {
            target.copy_from_slice(black_box(&buffer));
            black_box(&mut target);
        }));
        times[1].push(time(|| seal(&mut buffer, Backend::AwsLc)));
        times[2].push(time(|| seal(&mut buffer, Backend::Portable)));
        times[3].push(time(|| hash_chunks(&buffer)));
        times[4].push(time(|| {
            black_box(blake3::hash(&buffer));
        }));
        times[5].push(time(|| drop(black_box(catalogue::fold_all(&changes)))));
    }
    let copy = median(&mut times[0]);
    println!("{:<44} {:>9} {:>9}", "work", "GB/s", "of a copy");
    for (name, times) in
        ["copy", "seal, aws-lc-rs", "seal, aes-gcm", "hash by chunks", "hash whole"]
            .iter()
            .zip(&mut times)
    {
        let time = median(times);
        println!(
            "{name:<44} {:>9.2} {:>9.2}",
            WORK as f64 / time.as_secs_f64() / 1e9,
            ratio(copy, time)
        );
    }
    let fold = median(&mut times[5]);
    println!(
        "\ncatalogue: {} entries fold to {:.1} bytes each, {:.0} entries/s",
        changes.len(),
        folded_len as f64 / changes.len() as f64,
        changes.len() as f64 / fold.as_secs_f64(),
    );
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn seal(buffer: &mut [u8], backend: Backend) {
    let key = SealKey::new([7; 32]);
    let (mut sealer, header) = Sealer::with_backend(backend, &key, b"bench", [9; 24]);
    black_box(header);
    for piece in buffer.chunks_mut(PIECE_LEN) {
        // A buffer of whole pieces: none of them is the last.
        black_box(sealer.seal_piece(piece).expect("far below the limit"));
    }
}

fn hash_chunks(buffer: &[u8]) {
    for (index, chunk) in (0..).zip(buffer.chunks(1 << 20)) {
        black_box(chunk_value(index, chunk));
    }
}

/// Entries as a photo collection has them, with random roots.
fn changes(count: u32) -> Vec<Change> {
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
    (0..count).map(entry).collect()
}
