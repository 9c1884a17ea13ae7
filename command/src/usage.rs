//! A command line that is read, or answered at once: help, version, and what cannot be understood.

use std::io::Write;

use clap::Parser;

use crate::console::unwritten;

/// What was typed; ends the process with words where that is answered by the parser itself.
#[must_use]
pub fn read<P: Parser>() -> P {
    P::try_parse().unwrap_or_else(|error| end(&error))
}

/// Shows what the parser has to say, and ends the process. Help that could not be written is no success, as for any other result.
pub fn end(error: &clap::Error) -> ! {
    let shown = error.print().and_then(|()| std::io::stdout().flush());
    let code = match shown {
        Err(failed) if !error.use_stderr() => i32::from(unwritten(&failed).number()),
        // A closed standard error cannot be reported anywhere.
        _ => error.exit_code(),
    };
    std::process::exit(code)
}
