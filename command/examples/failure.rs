//! How a failure is told: what, why and what to type next for a person, one object for a program, and an exit code for both. What
//! strangers have named moves no cursor.
//!
//! ```text
//! cargo run -p sealift-command --example failure
//! cargo run -p sealift-command --example failure -- --json
//! ```

use std::process::ExitCode;

use sealift_command::console::{Console, Verbosity};
use sealift_command::exit::{Exit, Failure};
use sealift_platform::sync::lock;

fn main() -> ExitCode {
    let file = "report\u{1b}[2J.pdf";
    let failure = Failure::new(Exit::Offline, format!("nobody who has {file} is online"))
        .why("ana was here 2 hours ago")
        .next("run the same command again with --wait 1h");

    // A captured console keeps what would be seen.
    for json in [false, true] {
        let (captured, lines) = Console::captured(json);
        captured.failure(&failure);
        let lines = lock(&lines);
        assert!(!lines.is_empty() && lines.iter().all(|(_, line)| !line.contains('\u{1b}')));
    }

    let json = std::env::args().any(|argument| argument == "--json");
    Console::process(json, Verbosity::Normal).failure(&failure);
    failure.exit.code()
}
