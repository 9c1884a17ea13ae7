//! Errors of the seeder in words: what happened, why, and what to do next.

use std::path::Path;

use sealift_command::escape::{escape, escape_path};
use sealift_command::exit::{Exit, Failure};
use sealift_command::shell::{shell_os, shell_word};
use sealift_command::{program, words};

use crate::catalogue::log::LogError;
use crate::error::{Error, FolderError, InviteError};
use crate::folder::MADE_UP;

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Transport(error) => (&**error).into(),
            Error::Folder(error) => error.into(),
            // A disk that is not there yet is no slip of a person, where nobody has just typed its name.
            Error::Remembered(error) => Self { exit: Exit::Disk, ..error.into() },
            Error::Invite(error) => error.into(),
            Error::Running { holder } => running(holder),
            Error::SpaceName => Self::new(Exit::Usage, error.to_string())
                .why("a name has 1 to 64 bytes and no control characters"),
            Error::NewSpace(why) => Self::new(Exit::Other, "cannot make a space").why(why),
            Error::Cache { place, error } => Self::disk(place.display(), error),
            Error::Catalogue(error) => catalogue(error),
            Error::UsedTwice => Self::new(Exit::Other, error.to_string())
                .why("the relay has a catalogue head that this device signed, but not this program")
                .next(format!(
                    "run the seeder on one of them only; for a second machine, join it as a device of its own: {} invite",
                    program::sharer()
                )),
            Error::Ended => Self::new(Exit::Other, error.to_string()),
        }
    }
}

impl From<&FolderError> for Failure {
    fn from(error: &FolderError) -> Self {
        use FolderError as E;
        let usage = |what: String| Self::new(Exit::Usage, what);
        match error {
            E::MadeUp(place) => usage(format!("{} cannot be shared", escape_path(place)))
                .why(MADE_UP)
                .next("share another folder"),
            E::Own(_) => usage(error.to_string())
                .why("keys are kept there, and nothing of it is ever shared")
                .next("share another folder"),
            E::Missing(place) => {
                usage(error.to_string()).next(format!("make it with: mkdir -p {}", shell(place)))
            }
            E::NoFolder(_) => usage(error.to_string()).next("share a folder, or a regular file"),
            E::Unreadable { place, error } => Self::disk(escape_path(place), error),
            E::NotShared { known, .. } => Self::new(Exit::NotFound, error.to_string()).next(
                match known.iter().map(|name| shell_word(name)).collect::<Vec<_>>() {
                    known if known.is_empty() => {
                        format!("share a folder: {} DIR", program::sharing())
                    }
                    known => format!("shared are: {}", known.join(", ")),
                },
            ),
            E::NoName { place, why } => {
                let failure = usage(error.to_string())
                    .next(format!("give it one: --watch NAME={}", shell(place)));
                why.map_or(failure.clone(), |why| failure.why(why))
            }
            E::SameName { name, places: [first, second] } => {
                usage(error.to_string()).next(format!(
                    "give one of them another: --watch {} --watch {}={}",
                    shell(first),
                    shell_word(&format!("{}2", name.as_str())),
                    shell(second),
                ))
            }
        }
    }
}

impl From<&InviteError> for Failure {
    fn from(error: &InviteError) -> Self {
        match error {
            InviteError::NotOwner => Self::new(Exit::Refused, error.to_string())
                .why("this device joined by an invite, which lets it offer and fetch, but not invite")
                .next(format!("ask the owner to run `{} invite`", program::sharer())),
            InviteError::Outgrown(why) => {
                Self::new(Exit::Other, "the invite outgrew its limits").why(why)
            }
            InviteError::NotKept { relay, error, clock } => {
                let failure = words::call(error, relay);
                match clock {
                    // It ends by this device's clock, and the relay judges by its own.
                    Some(clock) if failure.exit == Exit::Refused => failure
                        .why(words::clock(clock))
                        .next("set the clock of this device, and run the same command again"),
                    _ => failure,
                }
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        (&error).into()
    }
}

fn running(holder: &str) -> Failure {
    let who = if holder.is_empty() { String::new() } else { format!(" ({})", escape(holder)) };
    Failure::new(Exit::Other, format!("another seeder runs on this profile already{who}")).next(
        "`sealift share DIR` has it share more; or end it first, or give this one a --home of its own",
    )
}

fn catalogue(error: &LogError) -> Failure {
    match error {
        LogError::Profile(error) => error.into(),
        LogError::Head(error) => Failure::from(error)
            .next("restore it from a backup, or remove it: then the seeder goes on behind what the relay has"),
        error => Failure::new(Exit::Disk, "the catalogue in the profile cannot be used").why(error),
    }
}

fn shell(path: &Path) -> String {
    shell_os(path.as_os_str())
}

#[cfg(test)]
mod tests {
    use sealift_proto::path::RelativePath;
    use sealift_transport::control::CallError;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_folder_says_what_to_type() {
        let name = RelativePath::new("share").unwrap();
        let same = FolderError::SameName { name, places: ["/x/share".into(), "/y y/share".into()] };
        for (error, part) in [
            (FolderError::Missing("/a b".into()), "mkdir -p '/a b'"),
            (FolderError::NoName { place: "/".into(), why: None }, "--watch NAME=/"),
            (same, "--watch share2='/y y/share'"),
        ] {
            let failure = Failure::from(&error);
            assert_eq!(failure.exit, Exit::Usage, "{failure}");
            assert!(failure.next.as_ref().unwrap().contains(part), "{failure}");
            assert_eq!(failure.what, error.to_string());
            assert_eq!(Failure::from(Error::Remembered(error)).exit, Exit::Disk);
        }
    }

    #[test]
    fn whether_it_may_pass_is_the_same_in_both() {
        let call = |error| sealift_transport::Error::Call { relay: "r".into(), error };
        for error in [
            Error::UsedTwice,
            Error::Ended,
            InviteError::NotOwner.into(),
            call(CallError::Closed).into(),
        ] {
            let passes = error.may_pass();
            assert_eq!(Failure::from(&error).may_pass(), passes, "{error}");
        }
    }
}
