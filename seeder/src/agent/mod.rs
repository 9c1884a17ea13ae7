//! The process that shares for a profile answers others of its user, on a private socket in the profile's folder: what it does, and to
//! share more, or less, or to end.
//!
//! One line of JSON is asked and one answered on each connection ([`message`]). Where the path of the socket is too long for the
//! system, nobody can ask, and whoever would have tells what the profile knows.

mod client;
pub mod folders;
pub mod message;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_space::profile::Profile;
use sealift_space::profile::file::FileError;
use sealift_transport::device::ThisDevice;
use tokio::sync::{Mutex, Notify};

pub use client::ask;
pub use server::serve;

use crate::activity::Teller;
use crate::config::Config;
use crate::engine::Handle;
use crate::error::Error;
use crate::status::Source;
use message::{Answer, Explained, Request};

/// The folder of the socket, in that of the profile.
const FOLDER: &str = "agent";

/// Where the socket is, of the profile in the folder `profile`.
fn socket(profile: &Path) -> PathBuf {
    profile.join(FOLDER).join("socket")
}

/// What stands before the agent: it remembers for the next start what is shared, and finds words.
pub trait Front: Send + Sync {
    /// Remembers what `config` shares.
    ///
    /// # Errors
    /// When it cannot be written.
    fn remember(&self, profile: &Profile, config: &Config) -> Result<(), FileError>;

    /// `error` in words.
    fn explain(&self, error: &Error) -> Explained;
}

/// What answers.
pub struct Agent {
    /// What is shared, as it was asked for; held while that changes.
    config: Mutex<Config>,
    this: ThisDevice,
    engine: Handle,
    source: Source,
    teller: Teller,
    front: Arc<dyn Front>,
    stopping: Notify,
}

/// What an agent answers for.
pub struct Parts {
    /// What is shared, as it was asked for.
    pub config: Config,
    /// This device.
    pub this: ThisDevice,
    /// What looks after the folders.
    pub engine: Handle,
    /// What is told of all of it.
    pub source: Source,
    /// Hears what changes.
    pub teller: Teller,
    /// What stands before it.
    pub front: Arc<dyn Front>,
}

impl Agent {
    /// An agent for `parts`.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { config, this, engine, source, teller, front } = parts;
        let (config, stopping) = (Mutex::new(config), Notify::new());
        Arc::new(Self { config, this, engine, source, teller, front, stopping })
    }

    /// Does what is asked.
    async fn answer(&self, request: Request) -> Answer {
        let answered = match request {
            Request::Status => Ok(Answer::Status(Box::new(self.source.report()))),
            Request::Share { folders } => self.share(&folders).await,
            Request::Unshare { names } => self.unshare(&names).await,
            Request::Stop => Ok(Answer::Stopping { pid: std::process::id() }),
        };
        answered.unwrap_or_else(|error| Answer::Failed(self.front.explain(&error)))
    }

    /// Waits until somebody asks it to end.
    pub async fn stopped(&self) {
        self.stopping.notified().await;
    }
}
