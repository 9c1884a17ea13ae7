//! Completion in the user's shell. The script that `completions SHELL` prints asks the program itself at each Tab, so that it can
//! suggest what only it knows: names that are shared, people, spaces.

mod bash;
mod lex;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;
use clap_complete::engine::complete;
use clap_complete::env::{EnvCompleter, Fish, Zsh};

use crate::terminal::is_utf8;
use bash::{Asked, Letters};

pub use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

/// The variable that tells a program that a shell asks, and which.
const ASKED: &str = "SEALIFT_COMPLETE";

/// What is typed so far, as far as it matters for what can be suggested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// `--home`, or what the environment says instead.
    pub home: Option<PathBuf>,
    /// `--space`.
    pub space: Option<String>,
    /// The shell takes a candidate as it is, whatever is in it: it has to be fit to be shown.
    pub bare: bool,
}

/// Answers a shell that asks what can be typed, if one does: a program's `main` begins with it. `command` makes the command line, with
/// what can be suggested.
pub fn answer(command: impl FnOnce(Line) -> Command) -> Option<ExitCode> {
    let shell = env::var_os(ASKED).filter(|shell| !shell.is_empty())?;
    let args = env::args_os().skip_while(|arg| arg != "--").skip(1).collect();
    let mut answer = Vec::new();
    let made = match shell.to_str() {
        Some("bash") => bash(args, command, &mut answer),
        Some("zsh") => other(&Zsh, args, command, &mut answer),
        Some("fish") => other(&Fish, args, command, &mut answer),
        _ => Err(io::ErrorKind::Unsupported.into()),
    };
    // A shell shows nothing of a program that it asks at a Tab; the code is for whoever looks for a reason.
    let written = made.and_then(|()| io::stdout().lock().write_all(&answer));
    Some(if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn bash(
    args: Vec<OsString>,
    command: impl FnOnce(Line) -> Command,
    out: &mut dyn Write,
) -> io::Result<()> {
    let letters = Letters::of_locale(is_utf8(|name| env::var(name).ok()));
    let asked =
        Asked::new(args, env::var_os("HOME"), letters).ok_or(io::ErrorKind::InvalidInput)?;
    let Some(words) = asked.words() else { return Asked::write_other(out) };
    let words: Vec<OsString> = words.iter().map(Into::into).collect();
    let is_flag = words.last().is_some_and(|word| word.as_encoded_bytes().starts_with(b"-"));
    let at = words.len().saturating_sub(1);
    let mut command = command(Line::new(&words, false));
    let found = complete(&mut command, words, at, env::current_dir().ok().as_deref())?;
    asked.write(&chosen(&found, is_flag), out)
}

/// The candidates' words. Flags are suggested to whoever has typed a dash, and where there is nothing else.
fn chosen(found: &[CompletionCandidate], is_flag: bool) -> Vec<String> {
    let names_flag =
        |of: &&CompletionCandidate| of.get_id().is_some_and(|id| id.starts_with("arg::"));
    let (flags, others): (Vec<_>, Vec<_>) = found.iter().partition(names_flag);
    let chosen = if is_flag || others.is_empty() { [others, flags].concat() } else { others };
    chosen.iter().map(|of| of.get_value().to_string_lossy().into_owned()).collect()
}

fn other(
    shell: &dyn EnvCompleter,
    args: Vec<OsString>,
    command: impl FnOnce(Line) -> Command,
    mut out: &mut dyn Write,
) -> io::Result<()> {
    let mut command = command(Line::new(&args, true));
    shell.write_complete(&mut command, args, env::current_dir().ok().as_deref(), &mut out)
}

/// The script for `shell`. PowerShell and elvish get one that knows the words alone: there `clap_complete` puts names into the line as they
/// are, and names are what others call their files.
pub(crate) fn script(shell: Shell, mut command: Command) -> io::Result<Vec<u8>> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    match shell {
        Shell::Bash => script.extend(bash::script(ASKED, &name).into_bytes()),
        Shell::Zsh => Zsh.write_registration(ASKED, &name, &name, &name, &mut script)?,
        Shell::Fish => Fish.write_registration(ASKED, &name, &name, &name, &mut script)?,
        // In memory: the generator panics where it cannot write.
        shell => clap_complete::generate(shell, &mut command, name, &mut script),
    }
    Ok(script)
}

impl Line {
    fn new(words: &[OsString], bare: bool) -> Self {
        let home = flag(words, "--home").or_else(|| env::var_os("SEALIFT_HOME"));
        let space = flag(words, "--space").and_then(|name| name.into_string().ok());
        Self { home: home.filter(|home| !home.is_empty()).map(PathBuf::from), space, bare }
    }
}

/// What was typed for the flag `name`; the last word is still being typed.
fn flag(words: &[OsString], name: &str) -> Option<OsString> {
    let (_, words) = words.split_last()?;
    let mut values = words.iter().enumerate().filter_map(|(at, word)| {
        if word == name {
            return words.get(at + 1).cloned();
        }
        Some(word.to_str()?.strip_prefix(name)?.strip_prefix('=')?.into())
    });
    values.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_typed_before_are_heeded() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let home =
            |line: &str| flag(&words(line), "--home").map(|home| home.into_string().unwrap());
        assert_eq!(home("x --home a get ").as_deref(), Some("a"));
        assert_eq!(home("x --home=a get ").as_deref(), Some("a"));
        assert_eq!(home("x get --home"), None);
        assert_eq!(home("x --homes=a get "), None);
    }
}
