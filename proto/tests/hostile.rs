//! Every reader of outside bytes, with valid input altered everywhere, with counts far too large, and with noise: nothing
//! panics, nothing spins, nothing has two encodings. The long form of this is `fuzz/`.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "hostile/decoders.rs"]
mod decoders;
#[path = "hostile/seeds.rs"]
mod seeds;
#[path = "hostile/session.rs"]
mod session;

use std::time::{Duration, Instant};

use decoders::{DECODERS, Decoder};
use proptest::prelude::*;
use seeds::seeds;

/// The integer 2^64 - 1 as postcard writes it: the largest count there is.
const HUGE: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
/// Far above what reading a few bytes takes, far below what a loop over a huge count takes.
const LONG: Duration = Duration::from_secs(2);

/// Readers with the seeds that they accept.
fn accepted() -> Vec<(&'static str, Decoder, Vec<Vec<u8>>)> {
    let seeds = seeds();
    let of = |run: Decoder| seeds.iter().filter(|seed| run(seed)).cloned().collect();
    DECODERS.iter().map(|(name, run)| (*name, *run, of(*run))).collect()
}

fn timed(name: &str, run: Decoder, bytes: &[u8]) -> bool {
    let start = Instant::now();
    let accepted = run(bytes);
    assert!(start.elapsed() < LONG, "{name} took {:?} for {bytes:02x?}", start.elapsed());
    accepted
}

#[test]
fn there_is_something_valid_for_every_reader() {
    let without: Vec<_> = accepted()
        .into_iter()
        .filter(|(.., seeds)| seeds.is_empty())
        .map(|(name, ..)| name)
        .collect();
    // What it checks are hashes: only the readers' own tests can make values that fit.
    assert_eq!(without, ["page"]);
}

#[test]
fn cut_and_lengthened_messages_are_survived() {
    for (name, run, seeds) in accepted() {
        for seed in seeds {
            for end in 0..seed.len() {
                timed(name, run, &seed[..end]);
            }
            for more in [0, 1, 0x80, 0xff] {
                timed(name, run, &[&seed[..], &[more]].concat());
            }
        }
    }
}

#[test]
fn nothing_that_is_read_whole_takes_a_byte_more() {
    // These look at a fixed number of bytes and leave the rest to others.
    let prefix = ["frame_header", "preamble", "link_head", "link_opening", "run_header", "padding"];
    for (name, run, seeds) in accepted().into_iter().filter(|(name, ..)| !prefix.contains(name)) {
        for seed in seeds.iter().filter(|seed| seed.len() > 2) {
            assert!(!run(&[&seed[..], &[0]].concat()), "{name} took a trailing byte");
        }
    }
}

#[test]
fn every_altered_bit_is_survived() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let accepted = accepted();
    let every = |first: usize| {
        for (name, run, seeds) in &accepted {
            for seed in seeds {
                let mut seed = seed.clone();
                for bit in (first..seed.len() * 8).step_by(threads) {
                    seed[bit / 8] ^= 1 << (bit % 8);
                    timed(name, *run, &seed);
                    seed[bit / 8] ^= 1 << (bit % 8);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn({
                let every = &every;
                move || every(first)
            });
        }
    });
}

#[test]
fn a_huge_count_anywhere_costs_nothing() {
    for (name, run, seeds) in accepted() {
        for seed in seeds {
            for at in 0..seed.len() {
                timed(name, run, &[&seed[..at], &HUGE, &seed[at + 1..]].concat());
                timed(name, run, &[&seed[..at], &HUGE].concat());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for (name, run) in DECODERS {
            timed(name, *run, &bytes);
        }
    }

    #[test]
    fn small_numbers_are_survived(bytes in proptest::collection::vec(0u8..6, 0..200)) {
        for (name, run) in DECODERS {
            timed(name, *run, &bytes);
        }
    }

    #[test]
    fn text_is_survived(text in "(sealift:)?[a-z0-9.:/\\[\\]%-]{0,80}") {
        for (name, run) in DECODERS {
            timed(name, *run, text.as_bytes());
        }
    }

    #[test]
    fn nobody_accepts_what_the_other_did_not_send(
        script in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        session::play(&script);
    }
}

#[test]
fn an_honest_relay_brings_a_session_about() {
    assert!(session::play(&[7; 200]));
}

#[test]
fn a_compressed_bomb_unfolds_to_the_limit_and_no_further() {
    let plain = vec![0; 64 * 1024 * 1024];
    let bomb = zstd::bulk::compress(&plain, 19).unwrap();
    assert!(bomb.len() < 16 * 1024);
    assert!(sealift_proto::catalogue::unfold(&bomb).is_err());
}
