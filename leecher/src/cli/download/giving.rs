//! What goes on after a download with `--seed-for`: what came is given to others who fetch it.

use std::task::Poll;
use std::time::Duration;

use sealift_command::console::Console;
use sealift_command::event::Event;
use sealift_command::line::Line;
use sealift_command::{human, process};
use sealift_content::fetch::download::Download;
use tokio::time::{Instant, interval};

use super::begin::Shown;
use crate::cli::progress::TICK;
use crate::reach::Reach;

/// Downloads that have ended, and what can be seen of each.
pub(super) type Giving = Vec<(Download<Reach>, Shown)>;

/// Gives for `time` what the downloads brought, or until Ctrl-C.
pub(super) async fn give(console: &Console, giving: Giving, time: Duration) {
    if !giving.iter().any(|(download, _)| download.has_to_give()) {
        return console.note(
            "nothing of it is given on: it was there already, or is too small",
            &Event::Seeding { state: "nothing".into(), seconds: None, bytes: None, devices: None },
        );
    }
    console.note(
        format!(
            "giving it to others who fetch it for {}; Ctrl-C ends that",
            human::duration(time.as_secs())
        ),
        &Event::Seeding {
            state: "begun".into(),
            seconds: Some(time.as_secs()),
            bytes: None,
            devices: None,
        },
    );
    let (downloads, shown): (Vec<_>, Vec<_>) = giving.into_iter().unzip();
    let given = || shown.iter().map(|shown| shown.view.given()).fold((0, 0), both);
    process::until_signal(async {
        tokio::select! {
            () = all(downloads, time) => {}
            () = show(console, Instant::now() + time, &given) => {}
        }
    })
    .await;
    let (bytes, devices) = given();
    console.note(
        format!("gave {} to {}", human::size(bytes), human::count(devices, "other")),
        &Event::Seeding {
            state: "ended".into(),
            seconds: None,
            bytes: Some(bytes),
            devices: Some(devices as u64),
        },
    );
}

fn both(one: (u64, usize), other: (u64, usize)) -> (u64, usize) {
    (one.0 + other.0, one.1 + other.1)
}

/// All of them at once.
async fn all(downloads: Vec<Download<Reach>>, time: Duration) {
    let mut all: Vec<_> = downloads.into_iter().map(|one| Box::pin(one.give(time))).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Shows how much is given, on a terminal; without end.
async fn show(console: &Console, end: Instant, given: &impl Fn() -> (u64, usize)) {
    let block = console.block();
    let mut ticks = interval(TICK);
    loop {
        ticks.tick().await;
        let (bytes, devices) = given();
        let left = end.saturating_duration_since(Instant::now()).as_secs();
        let left = human::left(left).map(|left| format!("{left} left")).unwrap_or_default();
        let gave = format!("{} to {}", human::size(bytes), human::count(devices, "other"));
        block.set(vec![Line::new().text(0, "giving it on").text(1, gave).text(2, left)]);
    }
}
