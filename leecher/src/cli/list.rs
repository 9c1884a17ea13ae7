//! `leecher list`.

mod shown;

use sealift_command::args::CommonArgs;
use sealift_command::escape::escape;
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_command::program;

use crate::cli::known::{excuse, freshen, tell_unread, unreadable};
use crate::freshen::{Known, News};
use crate::listing::lines;

/// How a listing is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Only at what is known already.
    pub offline: bool,
    /// With all that is known of each.
    pub long: bool,
}

/// Prints what is directly in the folder `path`, or all shared folders.
///
/// # Errors
/// When there is no such folder (exit 3), or the catalogues cannot be read.
pub async fn run(
    speaker: &Speaker,
    common: &CommonArgs,
    path: Option<&str>,
    look: Look,
) -> Result<Exit, Failure> {
    let path = path.map(|path| path.trim_start_matches("./").trim_matches('/'));
    let path = path.filter(|path| !path.is_empty());
    let mut spaces = freshen(speaker, common, News::wanted(look.offline)).await?;
    let mut any = show(speaker, &spaces, path, look.long)?;
    // That there is nothing is not said before everybody's newest catalogue has been looked at, if it can be had.
    if !any && spaces.iter().any(|known| known.late) {
        spaces = freshen(speaker, common, News::All).await?;
        any = show(speaker, &spaces, path, look.long)?;
    }
    match (any, path) {
        (true, _) => Ok(Exit::Done),
        (false, Some(path)) => {
            let missing =
                Failure::new(Exit::NotFound, format!("nothing is shared at `{}`", escape(path)));
            Err(excuse(
                &spaces,
                missing.next(format!("`{} list` shows the shared folders", program::finder())),
            ))
        }
        (false, None) => {
            speaker.console.note("nothing is shared yet", &Event::Empty);
            Ok(Exit::Done)
        }
    }
}

/// Prints what is there; whether anything is.
fn show(
    speaker: &Speaker,
    spaces: &[Known],
    path: Option<&str>,
    long: bool,
) -> Result<bool, Failure> {
    let mut any = false;
    for known in spaces {
        let lines = lines(known, path).map_err(|error| unreadable(speaker, &known.views, error))?;
        any |= !lines.is_empty();
        if (spaces.len() > 1 || long) && !lines.is_empty() {
            let name = known.space.display_name();
            speaker.console.remark(&format!("{name}:"));
        }
        shown::show(speaker, known, &lines, long);
        tell_unread(speaker, known);
    }
    Ok(any)
}
