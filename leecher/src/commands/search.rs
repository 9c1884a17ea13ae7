//! `leecher search`.

use std::collections::BTreeSet;

use sealift_command::args::CommonArgs;
use sealift_command::escape::escape;
use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_peer::connect::Speaker;
use sealift_proto::identity::DeviceId;
use serde_json::{Value, json};

use crate::freshen::{Known, News, excuse, forget, freshen, tell_unread, unreadable};
use crate::search::{Hit, Holding, search};

/// Prints what fits `pattern`, best first.
///
/// # Errors
/// When nothing fits (exit 3), or the catalogues cannot be read.
pub async fn run(
    speaker: &Speaker,
    common: &CommonArgs,
    pattern: &str,
    limit: usize,
    offline: bool,
) -> Result<Exit, Failure> {
    let mut spaces = freshen(speaker, common, News::wanted(offline)).await?;
    if show(speaker, &spaces, pattern, limit)? {
        return Ok(Exit::Done);
    }
    // That there is nothing is not said before everybody's newest catalogue has been looked at, if it can be had.
    if spaces.iter().any(|known| known.late) {
        spaces = freshen(speaker, common, News::All).await?;
        if show(speaker, &spaces, pattern, limit)? {
            return Ok(Exit::Done);
        }
    }
    let shown = escape(pattern);
    let missing = Failure::new(
        Exit::NotFound,
        format!("nothing is called `{shown}`, nor anything close to it"),
    );
    Err(excuse(&spaces, missing.next("`leecher list` shows what is shared")))
}

/// Prints what fits; whether anything does.
fn show(speaker: &Speaker, spaces: &[Known], pattern: &str, limit: usize) -> Result<bool, Failure> {
    let mut found_any = false;
    for known in spaces {
        let found = search(&known.views, pattern, limit)
            .map_err(|error| unreadable(speaker, &known.views, &error))?;
        for key in &found.damaged {
            forget(speaker, key)?;
        }
        for hit in &found.hits {
            found_any = true;
            speaker.console.result(line(speaker, known, hit), &object(known, hit));
        }
        if found.more > 0 {
            speaker.console.note(
                format!("… and {} more; --limit N shows more of them", found.more),
                &json!({"type": "more", "count": found.more}),
            );
        }
        tell_unread(speaker, known);
    }
    Ok(found_any)
}

fn owners(hit: &Hit) -> Vec<DeviceId> {
    let devices: BTreeSet<_> = hit.holdings.iter().map(|holding| holding.key.device).collect();
    devices.into_iter().collect()
}

/// Whether a device serves now, if the relay told.
fn serves(known: &Known, device: &DeviceId) -> Option<bool> {
    known.connection.as_ref().map(|connection| connection.online.serves(device))
}

fn line(speaker: &Speaker, known: &Known, hit: &Hit) -> String {
    let Some(best) = hit.holdings.first() else { return String::new() };
    let now = i64::try_from(speaker.now()).unwrap_or(i64::MAX);
    let age = now.saturating_sub(best.stored.modified.div_euclid(1000));
    let owners: Vec<_> = owners(hit)
        .iter()
        .map(|device| {
            let away = serves(known, device) == Some(false);
            let name = known.members.display_name(device);
            if away { format!("{name} (away)") } else { name }
        })
        .collect();
    let unread = if best.stored.root.is_none() { "  [not hashed yet]" } else { "" };
    format!(
        "{}  {}  {}  {}{unread}",
        escape(&best.path),
        human::size(best.stored.size),
        human::age(u64::try_from(age).unwrap_or(0)),
        owners.join(", "),
    )
}

fn object(known: &Known, hit: &Hit) -> Value {
    let holder = |holding: &Holding| {
        json!({
            "name": known.members.display_name(&holding.key.device),
            "device": holding.key.device.short(),
            "path": holding.path,
            "serving": serves(known, &holding.key.device),
        })
    };
    let best = hit.holdings.first();
    json!({
        "type": "hit",
        "space": known.space.display_name(),
        "match": format!("{:?}", hit.kind).to_lowercase(),
        "path": best.map(|best| best.path.clone()),
        "size": best.map(|best| best.stored.size),
        "modified_ms": best.map(|best| best.stored.modified),
        "hash": best.and_then(|best| best.stored.root).map(|root| root.hex()),
        "holders": hit.holdings.iter().map(holder).collect::<Vec<_>>(),
    })
}
