//! The honest transfer that everything else must leave alone: a real seeder and a real leecher through the relay, at most 200
//! MB/s. All of them are in process groups of their own: Ctrl-C ends this program, which then ends them.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::host::{Relay, programs};

/// How fast the seeder may send.
pub(crate) const LIMIT: &str = "200M";
/// The same as a number, bytes a second.
pub(crate) const LIMIT_BYTES: f64 = 200e6;
/// Size of the file that rows fetch, and how often; the best counts.
pub(crate) const FILE: (u64, u32) = (1 << 30, 3);
/// What of its speed a transfer must keep beside a load.
pub(crate) const KEPT: f64 = 0.9;
/// How long a seeder may take to offer, and a small download to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A seeder with one file, and a member of its space that fetches it again and again.
pub(crate) struct Pair {
    folder: TempDir,
    seeder: Child,
    size: u64,
    hash: [u8; 32],
    turn: u32,
}

impl Pair {
    /// A seeder that offers `size` bytes through the relay, and a device that has joined.
    pub(crate) fn start(relay: &Relay, size: u64) -> Result<Self> {
        let folder = TempDir::with_prefix("sealift-load-")?;
        let share = folder.path().join("share");
        std::fs::create_dir(&share)?;
        let hash = write_file(&share.join("big.bin"), size)?;
        let log = folder.path().join("seeder.log");
        let seeder = Command::new(programs()?.join("seeder"))
            .args(["--watch", "share", "--relay", &relay.place, "--limit", LIMIT])
            .args(["--name", "load", "--path", "relay"])
            .env("HOME", folder.path().join("ana"))
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()?;
        let pair = Self { folder, seeder, size, hash, turn: 0 };
        pair.wait_for(&log, "offering")?;
        let invite = pair.run("seeder", "ana", &["invite"])?;
        pair.run("leecher", "ben", &["join", invite.trim(), "--name", "ben"])?;
        Ok(pair)
    }

    /// The seeder's process.
    pub(crate) fn seeder(&self) -> u32 {
        self.seeder.id()
    }

    /// Fetches the file, checks it, and tells how fast it came, bytes a second.
    pub(crate) fn fetch(&mut self) -> Result<f64> {
        self.turn += 1;
        let out = format!("out{}", self.turn);
        let start = Instant::now();
        self.run("leecher", "ben", &["download", "big.bin", "--out", &out])?;
        let took = start.elapsed();
        let path = self.folder.path().join(&out);
        ensure!(hash_file(&path.join("big.bin"))? == self.hash, "what came is not what was sent");
        std::fs::remove_dir_all(path)?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        Ok(self.size as f64 / took.as_secs_f64())
    }

    /// The best of some fetches: what other programs of the machine take is not counted.
    pub(crate) fn best(&mut self, rounds: u32) -> Result<f64> {
        let mut best = 0.0_f64;
        for _ in 0..rounds {
            best = best.max(self.fetch()?);
        }
        Ok(best)
    }

    fn wait_for(&self, log: &Path, text: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = std::fs::read_to_string(log)?;
            if said.contains(text) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the seeder does not say {text:?}: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn run(&self, program: &str, home: &str, arguments: &[&str]) -> Result<String> {
        let output = Command::new(programs()?.join(program))
            .args(arguments)
            .env("HOME", self.folder.path().join(home))
            .current_dir(self.folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{program} does not start"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} {}: {said}", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = self.seeder.kill();
        let _ = self.seeder.wait();
    }
}

/// Writes bytes that no shift leaves equal; their hash.
fn write_file(path: &PathBuf, size: u64) -> Result<[u8; 32]> {
    use std::io::Write;
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let (mut state, mut left) = (0x9e37_79b9_7f4a_7c15_u64, size);
    let mut hash = blake3::Hasher::new();
    let mut block = vec![0_u8; 1 << 16];
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let part = &block[..usize::try_from(left).unwrap_or(usize::MAX).min(block.len())];
        hash.update(part);
        file.write_all(part)?;
        left -= part.len() as u64;
    }
    file.into_inner()?.sync_all()?;
    Ok(hash.finalize().into())
}

fn hash_file(path: &Path) -> Result<[u8; 32]> {
    let mut hash = blake3::Hasher::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut hash)?;
    Ok(hash.finalize().into())
}
