//! Why files cannot land.

use sealift_command::escape::escape_path;
use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_content::landing::LandingError;

/// `error` as the end of a command.
pub(crate) fn explain(error: &LandingError) -> Failure {
    use LandingError as E;
    match error {
        E::Disk { place, error } => Failure::disk(place.display(), error),
        E::NoRoom { place, needed, free } => {
            let place = escape_path(place);
            Failure::new(Exit::Disk, format!("{place} has too little space"))
                .why(format!(
                    "{} are needed, {} are free",
                    human::size(*needed),
                    human::size(*free)
                ))
                .next("free some space, or choose another folder with --out")
        }
        E::InTheWay { place } => {
            Failure::new(Exit::Disk, format!("{} is in the way", escape_path(place)))
                .why("a folder of that name is needed, and it is something else")
                .next("move it away, or choose another folder with --out")
        }
        E::Stdout(error) => Failure::disk("standard output", error),
        E::StdoutClosed => Failure::new(Exit::Other, error.to_string())
            .why("the program that reads it has stopped reading"),
        E::StdoutChanged => Failure::new(Exit::Other, error.to_string())
            .why("what has been written to standard output cannot be taken back")
            .next("run the command again, or use --out with a folder"),
        E::Size(_) | E::NotCome | E::NotBegun | E::NoTarget => {
            Failure::new(Exit::Other, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use LandingError as E;

    use super::*;

    #[test]
    fn what_the_user_can_mend_says_how() {
        let place = || "out/a\u{7}".into();
        let full = io::Error::from(io::ErrorKind::StorageFull);
        for (error, exit, part) in [
            (E::NoRoom { place: place(), needed: 2 << 20, free: 1 << 20 }, Exit::Disk, "--out"),
            (E::InTheWay { place: place() }, Exit::Disk, "move it away"),
            (E::disk("out", full), Exit::Disk, "free"),
            (E::StdoutChanged, Exit::Other, "run the command again"),
        ] {
            let failure = explain(&error);
            assert_eq!(failure.exit, exit, "{error}");
            assert!(failure.next.as_ref().is_some_and(|next| next.contains(part)), "{failure:?}");
            assert!(!failure.what.contains('\u{7}'), "{failure:?}");
        }
        let closed = explain(&E::StdoutClosed);
        assert!(closed.exit == Exit::Other && closed.why.is_some());
    }
}
