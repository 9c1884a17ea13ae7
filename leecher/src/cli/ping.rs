//! `leecher ping`: every path to a member, how quick it is, and why others do not work.

use std::net::SocketAddr;
use std::time::Duration;

use sealift_command::args::CommonArgs;
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_command::words;
use sealift_proto::identity::DeviceId;
use sealift_transport::direct::{Direct, Outcome, Tried};
use sealift_transport::path::Way;
use sealift_transport::session::{SessionError, WrapChoice};

use crate::cli::known::freshen;
use crate::freshen::{Known, News};
use crate::online::Online;
use crate::people::devices;
use crate::probe::Probe;

/// One path, and how long a message takes there and back, or why it does not work.
struct Row {
    way: Way,
    place: Option<SocketAddr>,
    result: Result<Duration, String>,
}

/// Shows every path to `person`, looking for them at most for `wait`.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(
    speaker: &Speaker,
    common: &CommonArgs,
    person: &str,
    wait: Duration,
) -> Result<Exit, Failure> {
    let spaces = freshen(speaker, common, News::All).await?;
    let found = devices(&spaces, person)?;
    for device in found {
        let Some(online) = online_with(&spaces, &device) else {
            return Err(absent(&spaces, &device));
        };
        let who = online.name_of(&device);
        let show = |row: &Row| show(speaker, &who, row);
        paths(speaker, online, device, wait, &show)
            .await
            .map_err(|error| words::session(&error, &who))?;
    }
    Ok(Exit::Done)
}

/// The connection over which `device` serves.
fn online_with<'s>(spaces: &'s [Known], device: &DeviceId) -> Option<&'s Online> {
    let mut online = spaces.iter().filter_map(|known| known.connection.as_ref());
    online.find(|connection| connection.online.serves(device)).map(|of| &*of.online)
}

fn absent(spaces: &[Known], device: &DeviceId) -> Failure {
    if spaces.iter().all(|known| known.connection.is_none()) {
        return Failure::new(Exit::Relay, "the relay cannot be reached")
            .next("members are met through it; try again in a moment");
    }
    let known = spaces.iter().find(|known| known.members.get(device).is_some());
    let who = known.map_or_else(|| device.short(), |known| known.members.display_name(device));
    Failure::new(Exit::Offline, format!("{who} is not online"))
        .why("only who runs a seeder can be reached")
        .next("try again later")
}

/// Shows all paths to `device` as they are found: the relay's first, those that do not work last.
async fn paths(
    speaker: &Speaker,
    online: &Online,
    device: DeviceId,
    wait: Duration,
    show: &dyn Fn(&Row),
) -> Result<(), SessionError> {
    let (session, _) = online.session(device, WrapChoice::Auto).await?;
    let control = online.relay().map_err(|_| SessionError::Closed)?;
    let direct = Direct::new(speaker.profile.platform().clone());
    let (probe, through_relay) = Probe::begin(session, &direct, control).await?;
    show(&Row { way: Way::Relay, place: None, result: Ok(through_relay) });
    let mut none = true;
    let up = |tried: &Tried| {
        none = false;
        show(&Row::of(tried));
    };
    let others = probe.search(wait, up).await;
    direct.close().await;
    let others = others?;
    others.iter().for_each(|tried| show(&Row::of(tried)));
    if none && others.is_empty() {
        let result = Err("the other side names no address".to_owned());
        show(&Row { way: Way::Tcp, place: None, result });
    }
    Ok(())
}

impl Row {
    fn of(tried: &Tried) -> Self {
        let result = match &tried.outcome {
            Outcome::Up(round_trip) => Ok(*round_trip),
            Outcome::Failed(why) => Err(why.clone()),
            Outcome::Trying => Err("no answer".to_owned()),
        };
        Self { way: Way::from(tried.transport), place: Some(tried.address), result }
    }
}

fn show(speaker: &Speaker, who: &str, row: &Row) {
    let place = row.place.map(|place| place.to_string());
    let (millis, error) = match &row.result {
        Ok(round_trip) => (Some(round_trip.as_secs_f64() * 1000.0), None),
        Err(why) => (None, Some(why.as_str())),
    };
    let what = match (millis, error) {
        (Some(millis), _) => format!("{millis:.1} ms"),
        (None, why) => format!("no: {}", why.unwrap_or("no answer")),
    };
    let at = place.as_ref().map(|place| format!("  {place}")).unwrap_or_default();
    speaker.console.result(
        format!("{:<12} {what}{at}", row.way.name()),
        &Event::Ping {
            seeder: who.into(),
            path: row.way.name().into(),
            address: place,
            round_trip_ms: millis,
            why: error.map(Into::into),
        },
    );
}
