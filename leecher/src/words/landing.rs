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
