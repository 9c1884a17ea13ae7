//! What a running seeder says of itself.

use std::sync::{Arc, Mutex};

use sealift_platform::sync::lock;
use sealift_proto::shown::{escape, escape_path};
use sealift_transport::path::Way;
use serde::{Deserialize, Serialize};

use crate::engine::Shared;
use crate::folder::Folder;
use crate::online::Live;
use crate::sent::Sent;

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
    /// Where it is, safe to show.
    pub place: String,
    /// Whether it is there.
    pub here: bool,
    /// How many names in it cannot be shared.
    #[serde(default)]
    pub unshared: u64,
    /// A few of them, as they are shown.
    #[serde(default)]
    pub unshared_names: Vec<String>,
    /// How many names in it are left out on purpose.
    #[serde(default)]
    pub left_out: u64,
}

/// Where a running seeder's answers come from.
pub struct Source {
    /// Short id of the space.
    pub space: String,
    /// Name of the space, safe to show.
    pub space_name: String,
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
        let (lacks, names) = self.shared.index().lacking_in(name, FEW);
        FolderReport {
            name: name.to_owned(),
            place: escape_path(&folder.place()),
            here: folder.is_here(),
            unshared: lacks.unshared,
            left_out: lacks.left_out,
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
