//! Files landing on a disk that loses its power, or fails once, at one operation after the other: what was reported lasts, no
//! name ever stands for less than the whole file, and the same command ends well afterwards.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::path::Path;
use std::sync::Arc;

use sealift_content::landing::sink::{Begun, Sink};
use sealift_content::landing::{Landing, LandingError, Target};
use sealift_platform::Platform;
use sealift_platform::clock::SystemClock;
use sealift_platform::random::SystemRandom;
use sealift_proto::catalogue::Root;
use sealift_tests::sim::disk::Fault;
use sealift_tests::sim::{Loss, SimDisk, SimRandom};

const OUT: &str = "/out";
const CHUNK: usize = 1 << 20;
/// Enough for one flush of everything, in more folders than are flushed one by one.
const SMALL: usize = 70;

struct Wanted {
    path: String,
    content: Vec<u8>,
}

/// Small files in many folders, and two of several chunks; then small ones alone in a folder that gets its name with them.
fn wanted() -> Vec<Wanted> {
    let small = (0..SMALL).map(|number| Wanted {
        path: format!("tree/{}/{number}", number % 20),
        content: vec![1; number * 100],
    });
    let large = [3 * CHUNK + 5, 2 * CHUNK].into_iter().enumerate().map(|(number, len)| Wanted {
        path: format!("tree/{number}/large"),
        content: (0..len).map(|at| ((at >> 12) + number + 1) as u8).collect(),
    });
    let alone = (0..5).map(|number| Wanted {
        path: format!("alone/{}/{number}", number % 2),
        content: vec![2; number * 100],
    });
    small.chain(large).chain(alone).collect()
}

fn open(disk: &SimDisk, wanted: &[Wanted]) -> Result<Landing, LandingError> {
    let platform = Platform {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        disk: Arc::new(disk.clone()),
        net: Platform::system().net,
    };
    let target = |wanted: &Wanted| Target {
        path: wanted.path.clone().into(),
        modified_ms: 1_700_000_000_000,
        executable: false,
    };
    Landing::open(&platform, Path::new(OUT), wanted.iter().map(target).collect())
}

fn fill(landing: &Landing, job: usize, content: &[u8]) -> Result<(), LandingError> {
    let root = Root(blake3::hash(content).into());
    let chunk = |index: u64| content.chunks(CHUNK).nth(index as usize).unwrap_or(&[]);
    let Begun { mut missing, earlier, .. } = landing.begin(job, root, content.len() as u64)?;
    for index in earlier.into_iter().flatten() {
        if !landing.check(job, index, &|bytes| bytes == chunk(index))? {
            missing.push(index..index + 1);
        }
    }
    for index in missing.into_iter().flatten() {
        landing.write(job, index, chunk(index))?;
    }
    Ok(())
}

/// Lands everything, first a few files and then the others; which are said to be there, and whether that is all.
fn land(disk: &SimDisk, wanted: &[Wanted]) -> (Vec<usize>, bool) {
    let Ok(landing) = open(disk, wanted) else { return (Vec::new(), false) };
    let mut done = Vec::new();
    let (few, many) = (SMALL - 3..SMALL + 1, (0..SMALL - 3).chain(SMALL + 1..wanted.len()));
    for batch in [few.collect::<Vec<_>>(), many.collect()] {
        let begun = batch.into_iter().filter(|job| {
            let ended = fill(&landing, *job, &wanted[*job].content);
            let on_disk = |error: &LandingError| matches!(error, LandingError::Disk { .. });
            ended.inspect_err(|error| assert!(on_disk(error), "{error}")).is_ok()
        });
        let ends = landing.finish(&begun.collect::<Vec<_>>());
        done.extend(ends.into_iter().filter(|(_, end)| end.is_ok()).map(|(job, _)| job));
    }
    // As at the end of a command.
    landing.record();
    let all = done.len() == wanted.len();
    (done, all)
}

/// Each name is absent or stands for the whole file; those of `done` are there.
fn check(disk: &SimDisk, wanted: &[Wanted], done: &[usize], when: &str) {
    for (job, Wanted { path, content }) in wanted.iter().enumerate() {
        match disk.get(Path::new(OUT).join(path)) {
            Ok(there) => assert!(there == *content, "{path} is not whole {when}"),
            Err(_) => assert!(!done.contains(&job), "{path} was said to be there {when}"),
        }
    }
}

/// One run with `fault` at operation `at`, the power cut that may follow, and the same command once more.
fn play(wanted: &[Wanted], at: u64, fault: Fault, loss: &Loss) -> bool {
    let when = format!("after {fault:?} at {at}");
    let disk = SimDisk::new(Arc::new(SystemClock));
    disk.fail_at(at, fault);
    let (done, all) = land(&disk, wanted);
    if disk.has_power() {
        check(&disk, wanted, &done, &when);
    }
    disk.restart(loss);
    check(&disk, wanted, &done, &when);
    let (done, again) = land(&disk, wanted);
    assert!(again, "the same command ends well {when}");
    disk.restart(&Loss::All);
    check(&disk, wanted, &done, &when);
    // The power cut may have brought back names whose removal was not flushed: the next command removes them.
    assert!(land(&disk, wanted).1);
    let left = disk.files(OUT).into_iter().map(|(path, _)| path);
    let left: Vec<_> = left.filter(|path| !is_wanted(wanted, path)).collect();
    // A disk that keeps later names and loses earlier ones can hide from it what is to be removed.
    assert!(left.is_empty() || matches!(loss, Loss::Some(_)), "{left:?} stay {when}");
    all
}

fn is_wanted(wanted: &[Wanted], path: &Path) -> bool {
    wanted.iter().any(|wanted| path.ends_with(&wanted.path))
}

/// Plays `fault` at operations spread over all that one run needs, or with the variable `SIMULATION_POINTS` at so many.
fn everywhere(fault: Fault, points: u64) {
    let wanted = wanted();
    let disk = SimDisk::new(Arc::new(SystemClock));
    assert!(land(&disk, &wanted).1);
    let total = disk.operations();
    let asked = std::env::var("SIMULATION_POINTS").ok().and_then(|number| number.parse().ok());
    let step = (total / asked.unwrap_or(points)).max(1);
    let mut unfinished = 0;
    for at in (0..total).step_by(usize::try_from(step).unwrap()) {
        let random = SimRandom::new(at);
        let loss = if (at / step).is_multiple_of(2) { Loss::All } else { Loss::Some(random) };
        unfinished += u64::from(!play(&wanted, at, fault, &loss));
    }
    assert!(unfinished > total / step / 2, "most faults are noticed: {unfinished}");
}

#[test]
fn the_power_may_go_at_any_operation() {
    everywhere(Fault::PowerCut, 80);
}

#[test]
fn any_operation_may_fail_once() {
    everywhere(Fault::Broken, 80);
}

#[test]
fn the_disk_may_be_full_at_any_operation() {
    everywhere(Fault::Full, 40);
}

/// A file of `chunks` chunks, alone.
fn one(chunks: usize) -> [Wanted; 1] {
    let content = (0..chunks * CHUNK).map(|at| (at >> 12) as u8).collect();
    [Wanted { path: "large".to_owned(), content }]
}

/// Begins the file and writes the chunks `indices`.
fn write(landing: &Landing, wanted: &Wanted, indices: std::ops::Range<usize>) {
    let root = Root(blake3::hash(&wanted.content).into());
    landing.begin(0, root, wanted.content.len() as u64).unwrap();
    for index in indices {
        let chunk = &wanted.content[index * CHUNK..(index + 1) * CHUNK];
        landing.write(0, index as u64, chunk).unwrap();
    }
}

/// The chunks of the file that an earlier process left, each verified.
fn earlier(disk: &SimDisk, wanted: &[Wanted; 1]) -> Vec<u64> {
    let landing = open(disk, wanted).unwrap();
    let [Wanted { content, .. }] = wanted;
    let begun = landing.begin(0, Root(blake3::hash(content).into()), content.len() as u64).unwrap();
    let fits = |index: &u64| {
        let start = *index as usize * CHUNK;
        landing.check(0, *index, &|bytes| bytes == &content[start..start + CHUNK]).unwrap()
    };
    begun.earlier.into_iter().flatten().filter(fits).collect()
}

#[test]
fn a_power_cut_costs_what_came_since_the_last_flush() {
    let wanted = one(66);
    let disk = SimDisk::new(Arc::new(SystemClock));
    let landing = open(&disk, &wanted).unwrap();
    write(&landing, &wanted[0], 0..66);
    disk.restart(&Loss::All);
    assert_eq!(earlier(&disk, &wanted), (0..64).collect::<Vec<_>>());
}

#[test]
fn a_failed_flush_takes_back_what_the_one_before_did_not_cover() {
    let wanted = one(8);
    let disk = SimDisk::new(Arc::new(SystemClock));
    let landing = open(&disk, &wanted).unwrap();
    write(&landing, &wanted[0], 0..3);
    landing.record();
    write(&landing, &wanted[0], 3..6);
    disk.fail_at(0, Fault::Broken);
    landing.record();
    assert!(landing.finish(&[0])[0].1.is_err());
    drop(landing);
    // The lost pages can still be read: nothing but the record says that they will not stay.
    assert_eq!(earlier(&disk, &wanted), [0, 1, 2]);
    disk.restart(&Loss::All);
    assert_eq!(earlier(&disk, &wanted), [0, 1, 2]);
    assert!(land_one(&disk, &wanted));
    disk.restart(&Loss::All);
    assert!(disk.get("/out/large").unwrap() == wanted[0].content);
}

fn land_one(disk: &SimDisk, wanted: &[Wanted; 1]) -> bool {
    let landing = open(disk, wanted).unwrap();
    fill(&landing, 0, &wanted[0].content).unwrap();
    landing.finish(&[0])[0].1.is_ok()
}
