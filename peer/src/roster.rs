//! Who is in a space, for the commands `members` of both programs.

use std::collections::BTreeSet;

use sealift_proto::identity::DeviceId;
use serde_json::json;

use crate::connect::{GIVE_UP, Patience, Speaker, connect, relay_of};
use sealift_command::args::CommonArgs;
use sealift_command::exit::{Exit, Failure};
use sealift_space::members::Members;
use sealift_space::profile::space::SpaceState;

/// Lists the members of each space, with who serves now where the relay answers.
///
/// # Errors
/// With words and exit code for the person.
pub async fn command(speaker: &Speaker, common: &CommonArgs) -> Result<Exit, Failure> {
    let spaces = speaker.profile.spaces_named(common.space.as_deref())?;
    let several = spaces.len() > 1;
    for space in spaces {
        if several {
            speaker.console.note(
                format!("{}:", space.display_name()),
                &json!({"type": "space", "name": space.display_name(), "id": space.id().short()}),
            );
        }
        one_space(speaker, common, space).await?;
    }
    Ok(Exit::Done)
}

async fn one_space(
    speaker: &Speaker,
    common: &CommonArgs,
    space: SpaceState,
) -> Result<(), Failure> {
    let relay = relay_of(&speaker.profile, &space, common.relay.as_ref())?;
    let members = Members::load(&speaker.profile, &space, speaker.now())?;
    let (space, members, serving) =
        match connect(speaker, space.clone(), &relay, false, Patience::AtMost(GIVE_UP)).await {
            Ok(connected) => (connected.space, connected.members, Some(connected.serving)),
            Err(failure) if failure.exit == Exit::Relay => {
                speaker.console.warn(
                    format!("{}; this is who was known before", failure.what),
                    &json!({"type": "offline", "why": failure.what}),
                );
                (space, members, None)
            }
            Err(failure) => return Err(failure),
        };
    for member in members.iter() {
        print(speaker, &space, &members, &member.device, serving.as_ref());
    }
    Ok(())
}

fn print(
    speaker: &Speaker,
    space: &SpaceState,
    members: &Members,
    device: &DeviceId,
    serving: Option<&BTreeSet<DeviceId>>,
) {
    let name = members.display_name(device);
    let me = speaker.device.key.id() == *device;
    let provisional = members.is_provisional(space, device);
    let online = serving.map(|serving| serving.contains(device));
    let mut words = Vec::new();
    if me {
        words.push("this device");
    }
    // Only the owner's own device knows that it is: others see its certificate as any other.
    if me && space.owner().is_some() {
        words.push("owner");
    }
    if provisional {
        words.push("provisional until the owner's seeder has seen it");
    }
    if online == Some(true) {
        words.push("serving now");
    }
    let tail = if words.is_empty() { String::new() } else { format!("  ({})", words.join(", ")) };
    speaker.console.result(
        format!("{}  {name}{tail}", device.short()),
        &json!({
            "type": "member", "space": space.display_name(), "device": device.short(), "name": name,
            "this_device": me, "provisional": provisional, "serving": online,
        }),
    );
}
