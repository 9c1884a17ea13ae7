//! A command line that is read, or answered at once: help, version, and what cannot be understood.

use std::io::Write;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::console::unwritten;

/// What was typed; ends the process with words where that is answered by the parser itself.
#[must_use]
pub fn read<P: Parser>() -> P {
    P::try_parse().unwrap_or_else(|error| end(&error))
}

/// Words that mean something to somebody who came from elsewhere, and what to type here.
pub type Meant<'a> = &'a [(&'a [&'a str], &'a str)];

/// As [`read`]; where a command was typed that there is none of, and it is one of those `meant`, what to type is told.
#[must_use]
pub fn read_hinted<P: Parser>(meant: Meant<'_>) -> P {
    P::try_parse().unwrap_or_else(|error| end(&hinted(error, meant)))
}

/// The error, with what was meant, if that is known.
#[must_use]
pub fn hinted(mut error: clap::Error, meant: Meant<'_>) -> clap::Error {
    let word = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::InvalidSubcommand => word,
        _ => return error,
    };
    let meant = meant.iter().find(|(words, _)| words.contains(&word.as_str()));
    if let Some((_, meant)) = meant {
        let hint = vec![format!("perhaps: {meant}").into()];
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(hint));
    }
    error
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
