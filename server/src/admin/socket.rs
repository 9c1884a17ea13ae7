//! The state of a program: whoever may enter its folder connects to a socket there and gets one line of JSON.

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

use super::Observed;
use crate::Program;
use crate::accept::Backoff;

/// How long one that asks may take to read the answer, and one that is asked to give it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer, bytes.
const LONGEST: u64 = 1 << 20;

/// A bound socket; its name is removed when dropped.
pub struct Bound {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Bound {
    fn drop(&mut self) {
        // The next start removes what is left.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Binds the socket in `home`, whose lock the caller holds: what lies there was left by one that was killed.
///
/// # Errors
/// When it cannot be made, as where the path is longer than such a socket's may be.
pub fn bind(program: Program, home: &Path) -> io::Result<Bound> {
    let path = home.join(program.socket());
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    let bound = Bound { listener, path };
    // The folder keeps others out already.
    std::fs::set_permissions(&bound.path, std::fs::Permissions::from_mode(0o600))?;
    Ok(bound)
}

/// Answers on the socket until dropped, one after the other.
pub async fn serve<O: Observed>(bound: Bound, program: O) {
    let mut backoff = Backoff::new();
    loop {
        let Ok((mut stream, _)) = bound.listener.accept().await else {
            backoff.wait().await;
            continue;
        };
        backoff.reset();
        let Some(report) = program.report().await else { return };
        let mut line = serde_json::to_vec(&report).unwrap_or_default();
        line.push(b'\n');
        // Who asked and left does not want the answer.
        let _ = tokio::time::timeout(PATIENCE, stream.write_all(&line)).await;
    }
}

/// Asks the program that runs on `home`.
///
/// # Errors
/// When none does, or it does not answer in time.
pub fn ask<R: DeserializeOwned>(program: Program, home: &Path) -> io::Result<R> {
    let stream = std::os::unix::net::UnixStream::connect(home.join(program.socket()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = Vec::new();
    stream.take(LONGEST).read_to_end(&mut line)?;
    Ok(serde_json::from_slice(&line)?)
}
