//! `leecher search`.

mod shown;

use sealift_command::args::CommonArgs;
use sealift_command::escape::escape;
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_command::program;

use crate::cli::known::{excuse, forget, freshen, tell_unread, unreadable};
use crate::freshen::{Known, News};
use crate::search::search;
use shown::Told;

/// How a search is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// What to look for.
    pub pattern: &'a str,
    /// So many are shown.
    pub limit: usize,
    /// Only in what is known already.
    pub offline: bool,
    /// With all that is known of each.
    pub long: bool,
}

/// Prints what fits, best first.
///
/// # Errors
/// When nothing fits (exit 3), or the catalogues cannot be read.
pub async fn run(speaker: &Speaker, common: &CommonArgs, look: Look<'_>) -> Result<Exit, Failure> {
    let mut spaces = freshen(speaker, common, News::wanted(look.offline)).await?;
    if show(speaker, &spaces, look)? {
        return Ok(Exit::Done);
    }
    // That there is nothing is not said before everybody's newest catalogue has been looked at, if it can be had.
    if spaces.iter().any(|known| known.late) {
        spaces = freshen(speaker, common, News::All).await?;
        if show(speaker, &spaces, look)? {
            return Ok(Exit::Done);
        }
    }
    let shown = escape(look.pattern);
    let missing = Failure::new(
        Exit::NotFound,
        format!("nothing is called `{shown}`, nor anything close to it"),
    );
    Err(excuse(&spaces, missing.next(format!("`{} list` shows what is shared", program::finder()))))
}

/// Prints what fits; whether anything does.
fn show(speaker: &Speaker, spaces: &[Known], look: Look<'_>) -> Result<bool, Failure> {
    let told = Told { look, spaces: spaces.len() > 1 || look.long };
    let mut found_any = false;
    for known in spaces {
        let found = search(&known.views, look.pattern, look.limit)
            .map_err(|error| unreadable(speaker, &known.views, error))?;
        for key in &found.damaged {
            forget(speaker, key)?;
        }
        found_any |= !found.hits.is_empty();
        shown::show(speaker, known, &found.hits, told);
        if found.more > 0 {
            speaker.console.note(
                format!(
                    "{} and {} more; --limit N shows more of them",
                    speaker.console.glyphs().ellipsis(),
                    found.more
                ),
                &Event::More { count: found.more },
            );
        }
        tell_unread(speaker, known);
    }
    Ok(found_any)
}
