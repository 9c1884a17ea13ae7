//! How a command ends: exit codes, and failures that say what happened, why, and what to do next.

use crate::escape::{escape, escape_lines};
use crate::event::{Event, Failed};

/// Exit codes of all programs. They are part of the interface and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// Something else went wrong, or part of it was left out.
    Other = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// Nothing has that name.
    NotFound = 3,
    /// No seeder that has it is online.
    Offline = 4,
    /// Refused: not a member, no right, or a relay with another key.
    Refused = 5,
    /// Tampering was noticed and nobody could give the truth.
    Tampered = 6,
    /// The relay cannot be reached.
    Relay = 7,
    /// The local disk: full, read-only, unreadable or damaged.
    Disk = 8,
    /// The name has several contents; one has to be chosen.
    Choose = 9,
    /// Only a direct path was allowed, and there is none.
    NoPath = 10,
    /// Ended by Ctrl-C.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// The code for the process.
    #[must_use]
    pub fn code(self) -> std::process::ExitCode {
        std::process::ExitCode::from(self.number())
    }

    /// The code whose number is `number`.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        const ALL: [Exit; 13] = [
            Exit::Done,
            Exit::Other,
            Exit::Usage,
            Exit::NotFound,
            Exit::Offline,
            Exit::Refused,
            Exit::Tampered,
            Exit::Relay,
            Exit::Disk,
            Exit::Choose,
            Exit::NoPath,
            Exit::Interrupted,
            Exit::Terminated,
        ];
        ALL.into_iter().find(|exit| exit.number() == number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// Why a command ends without having done what was asked. Texts from strangers are escaped before they get here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What did not work.
    pub what: String,
    /// The reason, if known.
    pub why: Option<String>,
    /// What the person can do about it.
    pub next: Option<String>,
    /// It may pass by itself: a program that runs for long tries again.
    pub passing: bool,
}

impl Failure {
    /// A failure that says `what`.
    #[must_use]
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: None, next: None, passing: exit == Exit::Relay }
    }

    /// Says that it may pass by itself, or not.
    #[must_use]
    pub fn passing(self, passing: bool) -> Self {
        Self { passing, ..self }
    }

    /// Whether it may pass by itself, so that what was begun goes on when it has.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        self.passing
    }

    /// Adds the reason.
    #[must_use]
    pub fn why(mut self, why: impl ToString) -> Self {
        self.why = Some(in_words(&why.to_string()));
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// A failure of the local disk at `place`.
    #[must_use]
    pub fn disk(place: impl std::fmt::Display, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let place = place.to_string();
        let failure = Self::new(Exit::Disk, format!("cannot use {}", escape(&place)))
            .why(error)
            .passing(true);
        match error.kind() {
            ErrorKind::StorageFull => {
                failure.next("free some space and run the same command again")
            }
            ErrorKind::PermissionDenied => {
                failure.next("give this user the right to it, or choose another folder")
            }
            ErrorKind::ReadOnlyFilesystem => failure.next("choose a folder that can be written"),
            _ => failure,
        }
    }

    /// What did not work and why, for a program that goes on by itself: what a person would do next is left out.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{}{why}", self.what)
    }

    /// As a part of a line of JSON.
    #[must_use]
    pub fn failed(&self) -> Failed {
        let Self { what, why, next, .. } = self.clone();
        Failed { code: self.exit.number(), what, why, next, kept: None }
    }

    /// As a line of JSON.
    #[must_use]
    pub fn event(&self) -> Event {
        Event::Error(self.failed())
    }
}

/// What the system says, in words alone: a number in brackets helps nobody.
pub(crate) fn in_words(text: &str) -> String {
    let mut words = text.replace("Connection reset by peer", "the connection was reset");
    while let Some(start) = words.find(" (os error ") {
        let Some(length) = words[start..].find(')') else { break };
        words.replace_range(start..=start + length, "");
    }
    words
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Paths of this machine are in them as they are; whatever they hold moves no cursor.
        write!(f, "error: {}", escape_lines(&self.what))?;
        if let Some(why) = &self.why {
            write!(f, "\n  why: {}", escape_lines(why))?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  next: {}", escape_lines(next))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_codes() {
        for number in 0..=u8::MAX {
            assert!(Exit::of(number).is_none_or(|exit| exit.number() == number));
        }
        let known = (0..=u8::MAX).filter(|number| Exit::of(*number).is_some());
        assert_eq!(known.count(), 13);
    }

    #[test]
    fn what_the_system_says_is_told_in_words() {
        let why = |error| Failure::new(Exit::Other, "x").why(error).why.unwrap();
        let reset = std::io::Error::from_raw_os_error(104);
        assert_eq!(why(format!("ana: {reset}")), "ana: the connection was reset");
        assert_eq!(why("a (os error 5): b (os error 6)".into()), "a: b");
        assert_eq!(why("odd (os error ".into()), "odd (os error ");
    }
}
