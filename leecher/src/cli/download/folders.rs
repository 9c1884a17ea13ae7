//! What a download does about folders: empty ones are made, and of those that could not be shared whole that is said.

use sealift_command::escape::{escape, escape_os};
use sealift_command::event::Event;
use sealift_command::exit::Failure;
use sealift_command::human;
use sealift_command::people::speaker::Speaker;
use sealift_content::landing::{EmptyTarget, make_folders};

use crate::cli::args::DownloadArgs;
use crate::cli::words::landing::explain;
use crate::freshen::Known;
use crate::select::Unshared;

/// Makes the `empty` folders and says so; those that cannot be made. `alone` tells that there was nothing else to fetch.
///
/// # Errors
/// When none can be made.
pub(super) fn make(
    speaker: &Speaker,
    args: &DownloadArgs,
    empty: &[EmptyTarget],
    alone: bool,
) -> Result<Vec<(String, Failure)>, Failure> {
    if empty.is_empty() {
        return Ok(Vec::new());
    }
    let ends = make_folders(speaker.profile.platform(), &args.out, empty);
    let ends = ends.map_err(|error| explain(&error))?;
    let (mut made, mut there, mut failures) = (0, 0, Vec::new());
    for (target, end) in empty.iter().zip(ends) {
        let label = escape_os(target.path.as_os_str());
        match end {
            Ok(false) => made += 1,
            Ok(true) => there += 1,
            Err(error) => failures.push((label, explain(&error))),
        }
    }
    tell(speaker, args, made, there, alone);
    Ok(failures)
}

fn tell(speaker: &Speaker, args: &DownloadArgs, made: u64, there: u64, alone: bool) {
    let place = escape_os(args.out.as_os_str());
    let event = Event::Folders { made, already_there: there, place: place.clone() };
    let count = |count| human::count(count, "empty folder");
    if made > 0 {
        speaker.console.result(format!("made {} in {place}", count(made)), &event);
    } else if alone && there > 0 {
        speaker.console.result(format!("{} in {place}, already there", count(there)), &event);
    } else {
        speaker.console.detail(format!("{} already there", count(there)), &event);
    }
}

/// Says what is missing of folders because their seeders could not share it, and what they left out on purpose.
pub(super) fn tell_unshared(speaker: &Speaker, spaces: &[Known], unshared: &[Unshared]) {
    for one in unshared {
        let Unshared { folder, key, names, left_out } = one;
        let known = spaces.iter().find(|known| known.space.id() == key.space);
        let who = known.map(|known| known.members.display_name(&key.device));
        let who = who.unwrap_or_else(|| key.device.short());
        let (names, left_out) = (*names, *left_out);
        let event =
            Event::Unshared { folder: folder.clone(), seeder: who.clone(), names, left_out };
        let folder = escape(folder);
        let apart = human::count(left_out, "name");
        let apart =
            format!("{apart} in {folder} left out by {who}: links, sockets, pipes or devices");
        if !one.is_missed() {
            speaker.console.note(apart, &event);
            continue;
        }
        let missed =
            format!("{} in {folder} could not be shared by {who}", human::count(names, "name"));
        let both = if left_out > 0 { format!("{missed}; {apart}") } else { missed };
        speaker.console.warn(both, &event);
    }
}
