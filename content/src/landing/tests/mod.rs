//! Tests of the store: over a disk in memory, and over the machine's.

mod empties;
mod faults;
mod names;
mod parts;
mod smalls;
mod stages;

use super::*;
use sealift_platform::random::SystemRandom;
use sealift_platform::testing::MemoryDisk as Memory;

/// For comparing how things ended.
impl PartialEq for LandingError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 7 % 251) as u8 + 1).collect()
}

fn root_of(content: &[u8]) -> Root {
    Root(blake3::hash(content).into())
}

fn targets(paths: &[&str]) -> Vec<Target> {
    let target = |path: &&str| Target {
        path: PathBuf::from(path),
        modified_ms: 1_700_000_000_000,
        executable: false,
    };
    paths.iter().map(target).collect()
}

fn open(folder: Arc<dyn Folder>, paths: &[&str]) -> Landing {
    Landing::within(folder, Path::new("out"), targets(paths), Arc::new(SystemRandom)).unwrap()
}

fn landing(memory: &Memory, paths: &[&str]) -> Landing {
    open(memory.root(), paths)
}

fn chunk(content: &[u8], index: u64) -> &[u8] {
    content.chunks(1 << 20).nth(index as usize).unwrap_or(&[])
}

fn begin(landing: &Landing, job: usize, content: &[u8]) -> Result<Begun, LandingError> {
    landing.begin(job, root_of(content), content.len() as u64)
}

/// Begins a job, verifies what an earlier process left, and writes what is missing; how many chunks were written.
fn try_fill(landing: &Landing, job: usize, content: &[u8]) -> Result<u64, LandingError> {
    let Begun { mut missing, earlier, .. } = begin(landing, job, content)?;
    for index in earlier.into_iter().flatten() {
        if !landing.check(job, index, &|bytes| bytes == chunk(content, index))? {
            missing.push(index..index + 1);
        }
    }
    let mut written = 0;
    for index in missing.into_iter().flatten() {
        landing.write(job, index, chunk(content, index))?;
        written += 1;
    }
    Ok(written)
}

fn fill(landing: &Landing, content: &[u8]) -> u64 {
    try_fill(landing, 0, content).unwrap()
}

fn finish(landing: &Landing) -> Result<(), LandingError> {
    landing.finish(&[0]).remove(0).1
}

/// Ends as if the process had been killed: nothing is tidied.
fn kill(memory: &Memory, landing: Landing) {
    memory.stop_after(Some(0));
    drop(landing);
    memory.stop_after(None);
}

/// The part file of several chunks, without its record.
fn part_of(memory: &Memory) -> String {
    let is_part = |name: &String| name.contains(PREFIX) && !name.ends_with(".record");
    memory.files().into_iter().find(is_part).unwrap()
}
