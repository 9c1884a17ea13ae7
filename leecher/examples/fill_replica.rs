//! Fills the replica of a new profile with made-up entries, to measure search at scale:
//!
//! ```text
//! cargo build --release -p sealift-leecher
//! cargo run --release -p sealift-leecher --example fill_replica -- /tmp/many 1000000
//! time target/release/leecher --home /tmp/many search --offline holiday
//! ```
//!
//! With `long` behind the count the paths have 4 KiB each, as nobody's files have: 120,000 of them are about the most that is taken of a device.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use sealift_leecher::replica::{LogKey, Update};
use sealift_platform::Platform;
use sealift_proto::catalogue::{Change, Entry, Root, weight};
use sealift_proto::path::RelativePath;
use sealift_proto::space::Label;
use sealift_space::home::Home;
use sealift_space::members::Members;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;

/// Entries that each made-up segment holds.
const SEGMENT: u64 = 700;
/// Entries of the first sync, of a hundred; the rest comes in small syncs, as it does in life.
const FIRST: u64 = 99;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let home = arguments.next().context("usage: fill_replica HOME COUNT [long]")?;
    let count: u64 = arguments.next().context("usage: fill_replica HOME COUNT")?.parse()?;
    let entry = if arguments.next().as_deref() == Some("long") { long_entry } else { entry };
    let platform = Platform::system();
    let profile = Profile::open(&platform, &Home::beneath(Path::new(&home)))?;
    let secret = profile.device_or_new()?.key;
    let device = secret.id();
    let name = Label::new("many").context("a name")?;
    let now = platform.clock.unix_seconds();
    let space = SpaceState::create(&*platform.random, now, &device, name.clone(), Vec::new())?;
    profile.save_space(&space)?;
    let card = space.make_card(&*platform.random, &secret, now * 1000, name, vec![0; 1216])?;
    let mut members = Members::load(&profile, &space, now)?;
    members.take_own(&space, &card, now);
    members.save(&profile)?;
    let key = LogKey { space: space.id(), device, log: 2 };

    let start = Instant::now();
    let replica = profile.cache().root();
    let (mut from, mut position) = (0, 0);
    while from < count {
        let to = if from == 0 { count * FIRST / 100 } else { (from + SEGMENT).min(count) };
        let mut update =
            Update::begin(replica, &key, [7; 16], 0, u64::MAX, false)?.context("in use")?;
        for first in (from..to).step_by(usize::try_from(SEGMENT)?) {
            let changes: Vec<_> =
                (first..to.min(first + SEGMENT)).map(entry).collect::<Result<_>>()?;
            position += 1;
            update.apply([0; 32], weight(0, &changes), changes)?;
        }
        update.commit(vec![1])?;
        from = to.max(1);
    }
    println!("{count} entries in {position} segments in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// A path of some 60 bytes, in an order that is not that of the names.
fn entry(number: u64) -> Result<Change> {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let words = ["holiday", "Invoice", "report", "backup", "lecture", "IMG", "sketch", "letter"];
    let word = words[usize::try_from(mixed % 8)?];
    let extension = ["jpg", "pdf", "txt", "mp4", "odt"][usize::try_from(mixed % 5)?];
    let (year, month) = (1995 + mixed % 30, 1 + mixed % 12);
    let path = format!(
        "share/archive/{year}/{month:02}/{word} {:05}/{word}_{number:08}.{extension}",
        mixed % 20_011
    );
    Ok(Change::Put(Entry {
        path: RelativePath::new(path)?,
        size: mixed >> 34,
        modified: i64::try_from(mixed >> 23)?,
        flags: 0,
        root: Some(Root(blake3::hash(&number.to_be_bytes()).into())),
    }))
}

/// The same file in a folder so deep that its path has 4 KiB.
fn long_entry(number: u64) -> Result<Change> {
    let Change::Put(short) = entry(number)? else { bail!("a file") };
    let above = vec!["x".repeat(250); 15].join("/");
    let path = RelativePath::new(format!("share/{above}/{}", short.path.as_str()))?;
    Ok(Change::Put(Entry { path, ..short }))
}
