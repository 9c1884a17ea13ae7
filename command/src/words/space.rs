//! What can go wrong with the profile and the spaces in it.

use std::io;

use sealift_space::error::Error;
use sealift_space::home::HomeError;
use sealift_space::package::PackageError;
use sealift_space::profile::ProfileError;
use sealift_space::profile::file::FileError;
use sealift_space::profile::space::SpaceError;
use sealift_space::profile::tokens::TokenError;

use crate::escape::{escape, escape_path};
use crate::exit::{Exit, Failure};
use crate::program;
use crate::shell::shell_os;

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Home(error) => error.into(),
            Error::File(error) => error.into(),
            Error::Profile(error) => error.into(),
            Error::Space(error) => error.into(),
            Error::Token(error) => error.into(),
        }
    }
}

impl From<&HomeError> for Failure {
    fn from(HomeError(why): &HomeError) -> Self {
        Self::new(Exit::Disk, "this user has no home folder")
            .why(why)
            .next("name a folder for Sealift's files with --home DIR")
    }
}

impl From<&FileError> for Failure {
    fn from(error: &FileError) -> Self {
        match error {
            FileError::Disk { place, error } => Self::disk(place.display(), error),
            FileError::Busy { place } => {
                let why = "another program is writing the profile";
                let busy = io::Error::new(io::ErrorKind::TimedOut, why);
                Self::disk(place.display(), &busy)
                    .next("look for a program of yours that is stopped, and end it")
            }
            FileError::Damaged { place } => Self::new(
                Exit::Disk,
                format!("{} is damaged", escape_path(place)),
            )
            .why("its content does not match its checksum, or another version of Sealift wrote it")
            .next("restore this file from a backup; nothing was changed"),
        }
    }
}

impl From<&ProfileError> for Failure {
    fn from(error: &ProfileError) -> Self {
        use ProfileError as E;
        match error {
            E::KeysMissing { file } => {
                Self::new(Exit::Disk, format!("{} is missing", escape_path(file)))
                    .why("the profile holds spaces that this device joined, but not its keys")
                    .next("restore the file from a backup, or start with an empty --home and join again")
            }
            E::KeysVanished => Self::new(Exit::Disk, "the device keys vanished"),
            E::NoSpace => Self::new(Exit::Refused, "this device is not in any space yet").next(format!(
                "paste the line that the other side printed: {} join INVITE; or share a folder: {} DIR",
                program::finder(),
                program::sharing(),
            )),
            E::UnknownSpace { name } => {
                Self::new(Exit::NotFound, format!("no space is called `{}`", escape(name)))
                    .next(format!("`{} status` lists the spaces of this profile", program::finder()))
            }
            E::SeveralSpaces { names } => {
                let names: Vec<_> = names.iter().map(|name| escape(name)).collect();
                Self::new(Exit::Usage, "this profile has several spaces")
                    .why(format!("they are: {}", names.join(", ")))
                    .next("choose one with --space NAME")
            }
            E::NoName => Self::new(Exit::Usage, "this name cannot be used").why(error),
        }
    }
}

impl From<&SpaceError> for Failure {
    fn from(error: &SpaceError) -> Self {
        use SpaceError as E;
        match error {
            E::Incoherent { state } => {
                Self::new(Exit::Disk, format!("{} is damaged", escape_path(state)))
                    .why("its parts do not belong together")
                    .next("restore this file from a backup; nothing was changed")
            }
            E::Lost { state, space, aside } => {
                let [from, to] = [space, aside].map(|path| shell_os(path.as_os_str()));
                Self::new(Exit::Disk, format!("{} is missing", escape_path(state)))
                    .why("the owner's key of this space lies beside it, but not what the space is")
                    .next(format!(
                        "restore it from a backup; or, to go on without this space: mv {from} {to}"
                    ))
            }
            E::NotOwner => Self::new(Exit::Refused, "only the space's owner can do this")
                .next("run it on the device that made the space"),
            E::Outgrown(why) => {
                Self::new(Exit::Other, "the space record has outgrown its limits").why(why)
            }
            E::Certificate(why) => Self::new(Exit::Other, "cannot make a certificate").why(why),
        }
    }
}

impl From<&TokenError> for Failure {
    fn from(error: &TokenError) -> Self {
        match error {
            TokenError::Unreadable { file, error } => Self::disk(file.display(), error),
            TokenError::Missing { file } => {
                Self::new(Exit::Usage, format!("there is no token in {}", escape_path(file)))
                    .why("a token is one line of 16 to 256 characters")
                    .next("ask the relay's operator for it")
            }
            TokenError::UnknownRelay => {
                Self::new(Exit::Usage, "a token is shown only to a relay whose key is known")
                    .next("name the relay with its PIN, as it prints it: --relay HOST:PORT#PIN")
            }
        }
    }
}

impl From<&PackageError> for Failure {
    fn from(error: &PackageError) -> Self {
        let failure = match error {
            PackageError::Sealed => Self::new(Exit::Tampered, error.to_string())
                .why("the relay altered it, or the invite was edited"),
            _ => Self::new(Exit::Refused, "the invite does not hold").why(error),
        };
        failure.next("ask for a new invite")
    }
}

super::by_value!(Error, HomeError, FileError, ProfileError, SpaceError, TokenError, PackageError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_has_its_exit_code_and_names_the_file() {
        let device = || "profile/device.key".into();
        let exits = [
            (Error::from(ProfileError::NoSpace), Exit::Refused),
            (ProfileError::UnknownSpace { name: "theirs".into() }.into(), Exit::NotFound),
            (ProfileError::SeveralSpaces { names: vec!["ours".into()] }.into(), Exit::Usage),
            (ProfileError::KeysMissing { file: device() }.into(), Exit::Disk),
            (FileError::Damaged { place: device() }.into(), Exit::Disk),
            (SpaceError::NotOwner.into(), Exit::Refused),
            (TokenError::UnknownRelay.into(), Exit::Usage),
        ];
        for (error, exit) in exits {
            let (short, disk) = (error.to_string(), error.is_disk());
            let failure = Failure::from(error);
            assert_eq!(failure.exit, exit, "{failure}");
            assert_eq!(failure.exit == Exit::Disk, disk, "{failure}");
            assert!(exit != Exit::Disk || failure.what.contains("device.key"), "{failure}");
            assert!(!failure.may_pass() && !short.is_empty());
        }
    }

    #[test]
    fn whether_the_disk_may_take_it_later_is_the_same_in_both() {
        let full =
            || FileError::Disk { place: "x".into(), error: io::ErrorKind::StorageFull.into() };
        let errors = [
            Error::from(full()),
            FileError::Busy { place: "x".into() }.into(),
            FileError::Damaged { place: "x".into() }.into(),
            TokenError::Missing { file: "x".into() }.into(),
            ProfileError::KeysVanished.into(),
        ];
        for error in errors {
            let for_now = error.is_disk_for_now();
            let failure = Failure::from(error);
            assert_eq!(failure.exit == Exit::Disk && failure.may_pass(), for_now, "{failure}");
        }
        assert_eq!(Failure::from(full()).in_one_line(), full().to_string());
    }
}
