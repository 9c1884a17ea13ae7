//! `sealift status`: what this device shares, and what it knows of others.

use sealift_command::args::CommonArgs;
use sealift_command::event::SpaceInfo;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_leecher::cli::status as known;
use sealift_leecher::freshen::synced;
use sealift_platform::Platform;
use sealift_seeder::cli::commands as shared;
use sealift_space::home::Home;
use sealift_space::members::Members;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;

/// Tells all of it, from what is on disk and what the process that shares says, without needing the relay.
///
/// # Errors
/// When the profile or the cache is damaged or cannot be read.
pub fn run(platform: &Platform, common: &CommonArgs) -> Result<Exit, Failure> {
    let home = Home::find(common.home.as_deref())?;
    let profile = Profile::open(platform, &home)?;
    shared::tell_device(&profile, common)?;
    if common.space.is_some() || !profile.spaces()?.is_empty() {
        let speaker = Speaker::new(profile, common.console())?;
        for space in speaker.profile.spaces_named(common.space.as_deref())? {
            tell_space(&speaker, common, &space)?;
        }
    }
    shared::tell_running(&home, common);
    Ok(Exit::Done)
}

fn tell_space(speaker: &Speaker, common: &CommonArgs, space: &SpaceState) -> Result<(), Failure> {
    let members = Members::load(&speaker.profile, space, speaker.now())?;
    let synced = synced(speaker, space)?;
    let known = SpaceInfo { members: Some(members.len()), synced, ..SpaceInfo::default() };
    shared::tell_space(&speaker.profile, common, space, known)?;
    known::catalogues(speaker, space, &members)
}
