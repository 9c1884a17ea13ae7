//! A running seeder answers `seeder status` on a private socket in the profile's folder.
//!
//! One line of JSON for each connection, and the end. Where the system has no such sockets, or the path is too long for one,
//! `seeder status` tells what the profile knows.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sealift_platform::sync::lock;
use sealift_proto::shown::escape;
use sealift_transport::path::Way;
use serde::{Deserialize, Serialize};

use crate::engine::Shared;
use crate::folder::Folder;
use crate::online::Live;
use crate::sent::Sent;

/// Name of the socket in the profile's folder.
pub const SOCKET: &str = "seeder.sock";

/// How many names that cannot be shared are named.
const FEW: usize = 5;

/// What a running seeder says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Its process.
    pub pid: u32,
    /// Short id of the space it offers in.
    pub space: String,
    /// `HOST:PORT` of the relay, while it is connected.
    pub relay: Option<String>,
    /// Folders it offers.
    pub folders: Vec<FolderReport>,
    /// Files offered.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Files that wait to be read.
    pub waiting: u64,
    /// Whether folders are still being walked.
    pub scanning: bool,
    /// Members of the space it knows.
    pub members: usize,
    /// Sessions open.
    pub sessions: usize,
    /// Bytes of content sent since its start, by the way they took.
    #[serde(default)]
    pub sent: Vec<Carried>,
}

/// What went one way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Carried {
    /// Name of the way.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
}

/// One folder of a running seeder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FolderReport {
    /// Name it is offered under.
    pub name: String,
    /// Where it is.
    pub place: PathBuf,
    /// Whether it is there.
    pub here: bool,
    /// How many names in it cannot be shared.
    #[serde(default)]
    pub unshared: u64,
    /// A few of them, as they are shown.
    #[serde(default)]
    pub unshared_names: Vec<String>,
}

/// Where a running seeder's answers come from.
pub struct Source {
    /// Short id of the space.
    pub space: String,
    /// What is offered.
    pub shared: Arc<Shared>,
    /// The connection.
    pub live: Arc<Mutex<Live>>,
    /// What has been sent.
    pub sent: Arc<Sent>,
}

impl Source {
    /// The state now.
    #[must_use]
    pub fn report(&self) -> Report {
        let live = lock(&self.live).clone();
        let folders =
            self.shared.folders.all().iter().map(|(_, folder)| self.folder(folder)).collect();
        let carried = |(way, bytes): (Way, u64)| Carried { path: way.name().to_owned(), bytes };
        let sent = self.sent.list().into_iter().map(carried).collect();
        let index = self.shared.index();
        let status = index.status();
        Report {
            pid: std::process::id(),
            space: self.space.clone(),
            relay: live.relay,
            folders,
            files: status.files,
            bytes: index.bytes(),
            waiting: status.waiting,
            scanning: status.scanning,
            members: live.members,
            sessions: live.sessions,
            sent,
        }
    }
}

impl Source {
    fn folder(&self, folder: &Folder) -> FolderReport {
        let name = folder.name.as_str();
        let (unshared, names) = self.shared.index().unshared_in(name, FEW);
        FolderReport {
            name: name.to_owned(),
            place: folder.dir.clone(),
            here: folder.is_here(),
            unshared,
            unshared_names: names.iter().map(|name| shown(name)).collect(),
        }
    }
}

/// A name that cannot be shared, for people. One that is no path has a `\` before its last name here, and is escaped already.
fn shown(name: &str) -> String {
    match name.split_once("/\\") {
        Some((above, last)) => format!("{}/{last}", escape(above)),
        None => escape(name).into_owned(),
    }
}

/// Answers on the socket in `profile` until it is dropped.
///
/// # Errors
/// When the socket cannot be made.
#[cfg(unix)]
pub async fn answer(profile: &Path, source: Source) -> std::io::Result<()> {
    use tokio::io::AsyncWriteExt;
    let path = profile.join(SOCKET);
    // The profile's lock is held: what is there was left by a seeder that was killed.
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path)?;
    let _removed = Removed(path);
    loop {
        let (mut stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a status connection failed");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let mut line = serde_json::to_vec(&source.report()).unwrap_or_default();
        line.push(b'\n');
        tokio::spawn(async move {
            // Who asked and left does not want the answer.
            let _ = stream.write_all(&line).await;
        });
    }
}

/// Does nothing where there are no such sockets.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub async fn answer(_: &Path, _: Source) -> std::io::Result<()> {
    std::future::pending().await
}

#[cfg(unix)]
struct Removed(PathBuf);

#[cfg(unix)]
impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Asks the seeder that runs on the profile in `profile`; `None` if none answers.
#[cfg(unix)]
#[must_use]
pub fn ask(profile: &Path) -> Option<Report> {
    use std::io::Read;
    let stream = std::os::unix::net::UnixStream::connect(profile.join(SOCKET)).ok()?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(2))).ok()?;
    let mut line = Vec::new();
    stream.take(1 << 20).read_to_end(&mut line).ok()?;
    serde_json::from_slice(&line).ok()
}

/// `None` where there are no such sockets.
#[cfg(not(unix))]
#[must_use]
pub fn ask(_: &Path) -> Option<Report> {
    None
}
