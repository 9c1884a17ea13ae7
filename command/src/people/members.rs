//! Who is in a space, for the commands `members` of both programs.

use std::collections::BTreeSet;

use sealift_platform::sync::lock;
use sealift_proto::identity::DeviceId;
use sealift_space::members::Members;
use sealift_space::profile::space::SpaceState;
use sealift_transport::connect::{GIVE_UP, Patience, connect, relay_of};

use super::speaker::Speaker;
use crate::args::CommonArgs;
use crate::event::{Event, SpaceInfo};
use crate::exit::{Exit, Failure};

/// Lists the members of each space, with who serves now where the relay answers.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(speaker: &Speaker, common: &CommonArgs) -> Result<Exit, Failure> {
    let spaces = speaker.profile.spaces_named(common.space.as_deref())?;
    let several = spaces.len() > 1;
    for (space, known) in at_once(speaker, common, spaces).await {
        if several {
            speaker.console.note(
                format!("{}:", space.display_name()),
                &Event::Space(SpaceInfo {
                    name: space.display_name(),
                    id: space.id().short(),
                    ..SpaceInfo::default()
                }),
            );
        }
        let known = known?;
        if let Some(why) = &known.offline {
            speaker.console.warn(
                format!("{why}; this is who was known before"),
                &Event::Offline { why: why.clone() },
            );
        }
        for member in known.members.iter() {
            let serving = known.serving.as_ref();
            print(speaker, &known.space, &known.members, &member.device, serving);
        }
    }
    Ok(Exit::Done)
}

/// What is known of who is in a space.
struct Known {
    space: SpaceState,
    members: Members,
    /// Who serves now, if the relay told.
    serving: Option<BTreeSet<DeviceId>>,
    /// Why it did not.
    offline: Option<String>,
}

/// Asks the relays of all `spaces` side by side: one that is down holds up no other.
async fn at_once(
    speaker: &Speaker,
    common: &CommonArgs,
    spaces: Vec<SpaceState>,
) -> Vec<(SpaceState, Result<Known, Failure>)> {
    let asked = spaces.into_iter().map(|space| {
        let (speaker, common, of) = (speaker.clone(), common.clone(), space.clone());
        (space, tokio::spawn(async move { one_space(&speaker, &common, of).await }))
    });
    let mut all = Vec::new();
    // All are begun before the first is waited for.
    for (space, task) in asked.collect::<Vec<_>>() {
        let lost = |_| Failure::new(Exit::Other, "asking a relay was broken off");
        all.push((space, task.await.map_err(lost).and_then(|known| known)));
    }
    all
}

async fn one_space(
    speaker: &Speaker,
    common: &CommonArgs,
    space: SpaceState,
) -> Result<Known, Failure> {
    let relay = relay_of(&speaker.profile, &space, common.relay.as_ref())?;
    let members = Members::load(&speaker.profile, &space, speaker.now())?;
    match connect(speaker, space.clone(), &relay, false, Patience::AtMost(GIVE_UP)).await {
        Ok(connected) => Ok(Known {
            members: Members::clone(&lock(&connected.roster)),
            space: connected.space,
            serving: Some(connected.serving),
            offline: None,
        }),
        Err(error) if error.is_relays() => {
            let failure = Failure::from(error);
            Ok(Known { space, members, serving: None, offline: Some(failure.what) })
        }
        Err(error) => Err(error.into()),
    }
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
        &Event::Member {
            space: space.display_name(),
            device: device.short(),
            name,
            this_device: me,
            provisional,
            serving: online,
        },
    );
}
