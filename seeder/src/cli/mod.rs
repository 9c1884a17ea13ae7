//! The program `seeder`: its command line, and all that it says. The rest of this crate does not speak.

pub mod agent;
pub mod args;
pub mod commands;
pub mod foreground;
pub mod invite;
mod progress;
pub mod qr;
pub mod service;
mod sharing;
mod words;

use std::future::Future;
use std::sync::Arc;

use sealift_command::console::Console;
use sealift_command::exit::Failure;
use sealift_command::words::reporter;
use sealift_platform::Platform;
use tokio::sync::oneshot;

use crate::activity::Teller;
use crate::{Config, Seeder};
use progress::Progress;

/// Offers folders until `shutdown` is done, and tells on `console` what happens.
///
/// # Errors
/// With words and exit code for the person.
pub async fn share(
    platform: Platform,
    config: Config,
    console: Console,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Failure> {
    let (teller, heard) = Teller::new();
    let seeder = Seeder::open(&platform, config, reporter(&console), teller)?;
    seeder.this.bear(sharing::remember(&seeder.this.profile, &seeder.config))?;
    let (end, ended) = oneshot::channel();
    let progress = tokio::spawn(Progress::new(console).run(heard, ended));
    let result = seeder.run(Arc::new(agent::Spokesman), shutdown).await;
    // What was told before the end is shown before it.
    let _ = end.send(());
    let _ = progress.await;
    Ok(result?)
}
