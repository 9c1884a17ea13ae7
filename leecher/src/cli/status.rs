//! `leecher status`.

use sealift_command::args::CommonArgs;
use sealift_command::escape::escape_path;
use sealift_command::event::{Event, SpaceInfo};
use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_command::people::speaker::Speaker;
use sealift_command::program;
use sealift_proto::invite::host_port;
use sealift_space::members::Members;
use sealift_space::profile::space::SpaceState;
use sealift_transport::connect::relay_of;

use crate::freshen::synced;
use crate::replica::{self, LogView};
use crate::sync;

/// Prints what this device is and knows, from what is on disk alone.
///
/// # Errors
/// When the profile cannot be read.
pub fn run(speaker: &Speaker, common: &CommonArgs) -> Result<Exit, Failure> {
    let name =
        sealift_command::escape::escape(speaker.profile.device_name()?.as_str()).into_owned();
    let id = speaker.device.key.id().short();
    speaker.console.result(
        format!("device   {name}  {id}"),
        &Event::Device { name: name.clone(), device: Some(id.clone()), profile: None },
    );
    if common.space.is_none() && speaker.profile.spaces()?.is_empty() {
        let join = format!("{} join INVITE", program::finder());
        speaker.console.note(
            format!("in no space yet; join one with the line that the other side printed: {join}"),
            &Event::hint(join),
        );
        return Ok(Exit::Done);
    }
    for space in speaker.profile.spaces_named(common.space.as_deref())? {
        one_space(speaker, common, &space)?;
    }
    Ok(Exit::Done)
}

fn one_space(speaker: &Speaker, common: &CommonArgs, space: &SpaceState) -> Result<(), Failure> {
    let relay = relay_of(&speaker.profile, space, common.relay.as_ref())?;
    let members = Members::load(&speaker.profile, space, speaker.now())?;
    let synced = synced(speaker, space)?;
    let age =
        synced.map_or("never".to_owned(), |time| human::age(speaker.now().saturating_sub(time)));
    let owner_file = space.owner_file(speaker.profile.folder()).map(|path| escape_path(&path));
    let place = host_port(&relay.host, relay.port);
    speaker.console.result(
        format!(
            "space    {}  {}  {}, relay {place}, catalogues compared {age}",
            space.display_name(),
            space.id().short(),
            human::count(members.len(), "member"),
        ),
        &Event::Space(SpaceInfo {
            name: space.display_name(),
            id: space.id().short(),
            members: Some(members.len()),
            relay: Some(place.clone()),
            synced,
            owner_key: owner_file,
            ..SpaceInfo::default()
        }),
    );
    if let Some(path) = space.backup(speaker.profile.folder()).map(|path| escape_path(&path)) {
        speaker.console.result(
            format!("back up  {path}: without the owner key in it nobody can ever invite into this space"),
            &Event::Backup { folder: path.clone() },
        );
    }
    catalogues(speaker, space, &members)
}

/// Tells of the catalogue of each member what is known.
///
/// # Errors
/// When the cache cannot be read.
pub fn catalogues(speaker: &Speaker, space: &SpaceState, members: &Members) -> Result<(), Failure> {
    let root = speaker.profile.cache().root();
    let logs = replica::logs(&**root, &space.id()).map_err(|error| {
        Failure::disk(speaker.profile.cache().place("replica").display(), &error)
    })?;
    for key in logs {
        let who = members.display_name(&key.device);
        let status = match LogView::open(root, &key) {
            Ok(Some(view)) => sync::status(space.keys(), &view.state().head),
            Ok(None) => continue,
            Err(error) => {
                speaker.console.warn(
                    format!("the local copy of the catalogue of {who} is damaged ({error}); the next sync builds it anew"),
                    &Event::Damaged { what: "catalogue".into(), device: key.device.short() },
                );
                continue;
            }
        };
        let Some((head, status)) = status else { continue };
        let seconds = speaker.now().saturating_sub(head.time / 1000);
        speaker.console.result(
            format!(
                "shares   {who}: {}, {} not hashed yet, as of {}",
                human::count(status.files, "file"),
                status.waiting,
                human::age(seconds)
            ),
            &Event::Catalogue {
                of: who.clone(),
                files: status.files,
                waiting: status.waiting,
                scanning: status.scanning,
                age_seconds: seconds,
            },
        );
    }
    Ok(())
}
