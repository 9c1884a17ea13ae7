//! Diagnostics for developers and operators: off unless asked for.

use tracing_subscriber::EnvFilter;

/// Writes diagnostics to standard error: warnings of this program's own with `verbose`, or what the environment variable
/// `SEALIFT_LOG` asks for (`debug`, `sealift_transport=trace`).
pub fn start(verbose: bool, json: bool) {
    let filter = match std::env::var("SEALIFT_LOG") {
        Ok(wanted) => EnvFilter::new(wanted),
        Err(_) if verbose => EnvFilter::new("sealift=info,warn"),
        Err(_) => return,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber in one process is a test's: the first one stays.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
