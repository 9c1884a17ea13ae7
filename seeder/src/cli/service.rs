//! `seeder service`: the seeder as a service of this user, so that there is nothing to repeat tomorrow.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Subcommand;
use sealift_command::args::CommonArgs;
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_command::program;
use sealift_space::home::configuration;

use super::sharing;

/// The unit as the package has it.
const UNIT: &str = include_str!("service.unit");
/// Its line that starts the program.
const START: &str = "ExecStart=/usr/bin/seeder\n";
const NAME: &str = "sealift-seeder.service";

/// What to do with the service.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Service {
    /// Go on with what was shared the last time whenever this user is logged in
    #[command(after_help = "Example:\n  seeder service install")]
    Install,
    /// End that
    #[command(after_help = "Example:\n  seeder service remove")]
    Remove,
}

/// Installs or removes the unit of this user.
///
/// # Errors
/// When there is no systemd for this user, nothing was shared yet, or the unit cannot be written.
pub(crate) fn run(speaker: &Speaker, common: &CommonArgs, what: Service) -> Result<Exit, Failure> {
    let place = place()?;
    match what {
        Service::Install => install(speaker, common, &place)?,
        Service::Remove => remove(speaker, &place)?,
    }
    Ok(Exit::Done)
}

fn install(speaker: &Speaker, common: &CommonArgs, place: &Path) -> Result<(), Failure> {
    if sharing::recall(&speaker.profile)?.is_none() {
        return Err(Failure::new(
            Exit::Usage,
            "nothing has been shared yet, so there is nothing to go on with",
        )
        .next(format!(
            "once by hand: {} DIR; then again: {} service install",
            program::sharing(),
            program::sharer()
        )));
    }
    let Some(lock) = speaker.profile.lock_seeder()? else {
        return Err(Failure::new(Exit::Other, "a seeder runs on this profile")
            .next("end it first (Ctrl-C)"));
    };
    drop(lock);
    let failed = |error: std::io::Error| Failure::disk(place.display(), &error);
    let executable = std::env::current_exe().map_err(failed)?;
    let verb = program::verb_of_sharing();
    let unit = unit(&executable, verb, common.home.as_deref()).ok_or_else(|| {
        Failure::new(Exit::Usage, "the path of the program or of --home is no text").next("move it")
    })?;
    std::fs::create_dir_all(place.parent().unwrap_or(place)).map_err(failed)?;
    std::fs::write(place, unit).map_err(failed)?;
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", "--now", NAME])?;
    let shown = place.display().to_string();
    speaker.console.result(
        format!("the seeder runs as a service of this user now, and after each login ({shown})"),
        &Event::Service { installed: true, unit: Some(shown.clone()) },
    );
    speaker.console.note(
        "to go on while nobody is logged in: loginctl enable-linger\nwhat it says: journalctl --user -u sealift-seeder",
        &Event::hint("loginctl enable-linger"),
    );
    Ok(())
}

fn remove(speaker: &Speaker, place: &Path) -> Result<(), Failure> {
    if !place.exists() {
        return Err(Failure::new(Exit::NotFound, "there is no such service of this user"));
    }
    systemctl(&["disable", "--now", NAME])?;
    std::fs::remove_file(place).map_err(|error| Failure::disk(place.display(), &error))?;
    systemctl(&["daemon-reload"])?;
    let words =
        format!("the service is gone; what is shared stays known to `{}`", program::going_on());
    speaker.console.result(words, &Event::Service { installed: false, unit: None });
    Ok(())
}

fn place() -> Result<PathBuf, Failure> {
    Ok(configuration()?.join("systemd/user").join(NAME))
}

/// The unit for the program at `executable`, told `verb`, with the home `home`; none where a path is no text.
fn unit(executable: &Path, verb: Option<&str>, home: Option<&Path>) -> Option<String> {
    let mut line = format!("ExecStart={}", quoted(executable)?);
    if let Some(verb) = verb {
        line.push_str(&format!(" {verb}"));
    }
    if let Some(home) = home {
        let home = std::path::absolute(home).ok()?;
        line.push_str(&format!(" --home {}", quoted(&home)?));
    }
    Some(UNIT.replace(START, &format!("{line}\n")))
}

/// A word of a unit's command line: systemd reads quotes, backslashes, `$` and `%` in it.
fn quoted(path: &Path) -> Option<String> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control))?;
    let escaped =
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$").replace('%', "%%");
    Some(format!("\"{escaped}\""))
}

fn systemctl(words: &[&str]) -> Result<(), Failure> {
    let shown = format!("systemctl --user {}", words.join(" "));
    let failed = |why: String| {
        Failure::new(Exit::Other, format!("`{shown}` did not work"))
            .why(why)
            .next(format!("this needs systemd and a session of this user; elsewhere start `{}` by what the system has", program::going_on()))
    };
    let ended = Command::new("systemctl").arg("--user").args(words).output();
    match ended {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(failed(sealift_command::escape::escape(said.trim()).into_owned()))
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_that_of_the_package_and_paths_are_quoted() {
        let packaged = include_str!("../../../packaging/sealift-seeder.service");
        assert_eq!(UNIT, packaged);
        let starts = |program: &str, verb| {
            let unit = unit(Path::new(program), verb, Some(Path::new("/h"))).unwrap();
            unit.lines().find(|line| line.starts_with("ExecStart")).unwrap().to_owned()
        };
        assert_eq!(
            starts("/opt/50% $x/\"s\"/seeder", None),
            r#"ExecStart="/opt/50%% $$x/\"s\"/seeder" --home "/h""#
        );
        assert_eq!(
            starts("/b/sealift", Some("share")),
            r#"ExecStart="/b/sealift" share --home "/h""#
        );
        assert!(quoted(Path::new("/a\nExecStartPre=x")).is_none());
    }
}
