//! A seeder as a process of its own, in the foreground.

use sealift_command::args::CommonArgs;
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::process;
use sealift_platform::Platform;

use super::args::WatchArgs;
use super::commands;

/// Shares until a signal comes: that is how a seeder is meant to end.
///
/// # Errors
/// With words and exit code for the person.
pub fn share(common: &CommonArgs, watch: &WatchArgs) -> Result<(), Failure> {
    let config = commands::config(common, watch)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, "cannot start").why(error))?;
    let console = common.console();
    let result = runtime.block_on(async {
        let signal = process::signal();
        let ended = async {
            let _ = signal.await;
        };
        super::share(Platform::system(), config, console.clone(), ended).await
    });
    // A walk or a reading that is under way has nothing to lose.
    runtime.shutdown_background();
    console.close();
    result.inspect(|()| {
        console.note(
            "stopped; nothing is lost, and the same command shares it again",
            &Event::Stopped,
        );
    })
}
