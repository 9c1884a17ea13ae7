//! Answering on a socket in a folder of the profile that is this user's alone.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::message::{Answer, Explained, LINE_MAX, Request};
use super::{Agent, FOLDER, socket};

/// Connections at once; more wait.
const CONNECTIONS: usize = 16;
/// How long a connection may take with its request, and with taking the answer.
const MOMENT: Duration = Duration::from_secs(10);
/// How long to wait when the system could not accept a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers for the profile in the folder `profile` until it is dropped.
///
/// # Errors
/// When the socket cannot be made.
pub async fn serve(profile: &Path, agent: Arc<Agent>) -> io::Result<()> {
    let (listener, _removed) = listen(profile)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return Ok(()) };
        match listener.accept().await {
            Ok((stream, _)) => {
                let agent = agent.clone();
                tokio::spawn(async move {
                    // Who asked and left does not want the answer.
                    let _ = converse(stream, &agent).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection to the agent's socket failed");
                sleep(PAUSE).await;
            }
        }
    }
}

fn listen(profile: &Path) -> io::Result<(UnixListener, Removed)> {
    let folder = profile.join(FOLDER);
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700))?,
    }
    let path = socket(profile);
    // The profile's lock is held: what is there was left by a process that was killed.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
    Ok((listener, Removed(path)))
}

struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Takes one request and answers it.
async fn converse(mut stream: UnixStream, agent: &Agent) -> io::Result<()> {
    if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let asked = timeout(MOMENT, read(&mut stream)).await??;
    let answer = match serde_json::from_slice::<Request>(&asked) {
        Ok(request) => agent.answer(request).await,
        Err(error) => not_understood(&error),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    timeout(MOMENT, stream.write_all(&line)).await??;
    if matches!(answer, Answer::Stopping { .. }) {
        agent.stopping.notify_one();
    }
    Ok(())
}

async fn read(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LINE_MAX as u64)).read_until(b'\n', &mut line).await?;
    if line.ends_with(b"\n") { Ok(line) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn not_understood(error: &serde_json::Error) -> Answer {
    Answer::Failed(Explained {
        code: 1,
        what: "the process that shares for this profile does not know this request".to_owned(),
        why: Some(error.to_string()),
        next: Some("end it and start it again: it may be of another version".to_owned()),
    })
}
