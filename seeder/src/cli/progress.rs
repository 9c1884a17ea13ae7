//! Shows what a running seeder does: live lines on a terminal, plain lines elsewhere.

mod news;
mod session;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealift_command::console::{Channel, Console};
use sealift_command::escape::{escape, escape_os};
use sealift_command::event::{Event, PathInfo};
use sealift_command::exit::Failure;
use sealift_command::human;
use sealift_command::line::Line;
use sealift_command::meter::Meter;
use sealift_command::screen::Block;
use sealift_proto::catalogue::Status;
use sealift_proto::wrap::Suite;
use sealift_transport::path::Way;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::activity::{Activity, Lost};
use crate::engine::Shared;
use crate::index::Name;
use crate::watch::WatchError;
use session::Session;

/// How often live lines change.
const TICK: Duration = Duration::from_millis(250);
/// How often a plain line tells how far reading is, and how long it must have lasted to be worth one.
const PLAIN: Duration = Duration::from_secs(5);
const WORTH: Duration = Duration::from_secs(2);
/// More new files than this at once are counted, not named.
const NAMED: usize = 5;

/// What a person can do where the system watches no more folders.
const MORE_WATCHES: &str = "raise the limit with: sudo sysctl fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=1024";

/// Makes what is told of one file by its path, or of so many, and their bytes.
type Files = fn(Option<String>, Option<usize>, u64) -> Event;

/// Shows what it hears.
pub(super) struct Progress {
    console: Console,
    shared: Option<Arc<Shared>>,
    reading: Block,
    sessions: BTreeMap<u64, Session>,
    added: Vec<(Name, u64)>,
    changed: Vec<(Name, u64)>,
    removed: u64,
    /// What is left out, shown, each with the reason.
    skipped: Vec<(String, String)>,
    offered: bool,
    /// Since when files have been waiting.
    reading_since: Option<Instant>,
    last_plain: Option<Instant>,
    meter: Meter,
}

impl Progress {
    /// Shows on `console` what happens.
    #[must_use]
    pub(super) fn new(console: Console) -> Self {
        Self {
            reading: console.block(),
            console,
            shared: None,
            sessions: BTreeMap::new(),
            added: Vec::new(),
            changed: Vec::new(),
            removed: 0,
            skipped: Vec::new(),
            offered: false,
            reading_since: None,
            last_plain: None,
            meter: Meter::default(),
        }
    }

    /// Shows until `ended`, and then what was told before.
    pub(super) async fn run(
        mut self,
        mut heard: mpsc::UnboundedReceiver<Activity>,
        mut ended: oneshot::Receiver<()>,
    ) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                activity = heard.recv() => match activity {
                    Some(activity) => self.hear(activity),
                    None => break,
                },
                _ = ticks.tick() => self.tick(),
                _ = &mut ended => break,
            }
        }
        while let Ok(activity) = heard.try_recv() {
            self.hear(activity);
        }
        self.tell_skipped();
    }

    fn hear(&mut self, activity: Activity) {
        match activity {
            Activity::Started(shared) => self.shared = Some(shared),
            Activity::Scanned => {}
            Activity::Added(name, size) => self.added.push((name, size)),
            Activity::Changed(name, size) => self.changed.push((name, size)),
            Activity::Removed(count) => self.removed += count,
            Activity::Skipped { place, why } => self.skipped.push((shown(&place), why)),
            Activity::FolderGone { place, why } => self.console.warn(
                format!(
                    "{} is gone ({why}); nothing of it is offered until it is back",
                    shown(&place)
                ),
                &Event::FolderGone { folder: shown(&place), why: why.to_string() },
            ),
            Activity::FolderBack { place } => self.console.note(
                format!("{} is back", shown(&place)),
                &Event::FolderBack { folder: shown(&place) },
            ),
            Activity::Polling { place, every, why } => self.polling(&place, every, why.as_ref()),
            Activity::Published { status } => self.published(status),
            Activity::Connected { relay, again } => self.connected(&relay, again),
            Activity::Lost { relay, why } => self.lost(&relay, why.and_then(lost_why)),
            Activity::Session { number, who, suite } => self.session(number, who, suite),
            Activity::Sent { number, way, name, bytes } => self.sent(number, way, name, bytes),
            Activity::Link { number, way, place, ended } => self.link(number, way, place, ended),
            Activity::Completed { number, files, bytes } => self.completed(number, files, bytes),
            Activity::Ended { number, why } => {
                self.ended(number, why.map(|why| why.to_string()));
            }
            other => news::tell(&self.console, other),
        }
    }

    /// Names each thing left out, or of many at once a few.
    fn tell_skipped(&mut self) {
        let skipped = std::mem::take(&mut self.skipped);
        if skipped.len() <= NAMED || self.console.is_json() {
            for (place, why) in skipped {
                let event = Event::Skipped { path: place.clone(), why: Some(why.clone()) };
                self.console.warn(format!("not offered: {place}: {}", escape(&why)), &event);
            }
            return;
        }
        let few: Vec<_> = skipped.iter().take(NAMED).map(|(place, _)| place.as_str()).collect();
        let words = format!(
            "not offered: {}, such as {}; whoever fetches their folders is told how many",
            human::count(skipped.len() as u64, "name"),
            few.join(", ")
        );
        self.console.show(Channel::Note, &format!("warning: {words}"));
    }

    fn polling(&self, place: &Path, every: Duration, why: Option<&WatchError>) {
        let seconds = every.as_secs_f32();
        let why = why.map(|why| match why {
            WatchError::Limit => format!("{why}; {MORE_WATCHES}"),
            _ => why.to_string(),
        });
        let event = Event::Polling { folder: shown(place), seconds, why: why.clone() };
        let words = format!("{} is walked every {seconds} s", shown(place));
        match why {
            Some(why) => self.console.warn(format!("{words} instead of watched: {why}"), &event),
            None => self.console.detail(words, &event),
        }
    }

    fn connected(&self, relay: &str, again: bool) {
        let words = if again { "connected again to the relay" } else { "connected to the relay" };
        let event = Event::Connected { relay: relay.into(), again };
        self.console.note(format!("{words} {relay}"), &event);
    }

    fn lost(&self, relay: &str, why: Option<String>) {
        let because = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        self.console.note(
            format!("lost the relay {relay}{because}; connecting again"),
            &Event::Lost { relay: relay.into(), why },
        );
    }

    /// Once the relay has all there is, others can find it.
    fn published(&mut self, status: Status) {
        let complete = status.waiting == 0 && !status.scanning;
        if complete && !self.offered {
            self.offered = true;
            let bytes = self.shared.as_ref().map_or(0, |shared| shared.index().bytes());
            self.console.note(
                format!("offering {}, {}", human::count(status.files, "file"), human::size(bytes)),
                &Event::Offering { files: status.files, bytes },
            );
        }
    }

    fn session(&mut self, number: u64, who: String, suite: Suite) {
        let suite = suite_name(suite);
        let event = Event::Session {
            session: number,
            with: who.clone(),
            wrap: suite.into(),
            path: "relay".into(),
        };
        self.console.detail(format!("{who} opened a session ({suite})"), &event);
        let block = self.console.block();
        self.sessions.insert(number, Session::new(who, suite, block));
    }

    fn sent(&mut self, number: u64, way: Way, name: Option<Name>, bytes: u64) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if let Some(name) = session.sent(way, name, bytes) {
            let (who, file) = (&session.who, escape(&name));
            let event = Event::Sending {
                session: number,
                to: who.clone(),
                path: file.clone().into_owned(),
                via: way.name().into(),
            };
            self.console.note(format!("{who} downloads {file} {}", way.phrase()), &event);
        }
    }

    fn link(&self, number: u64, way: Way, place: SocketAddr, ended: Option<String>) {
        let Some(session) = self.sessions.get(&number) else { return };
        let (who, how) = (&session.who, way.phrase());
        let (state, words) = match &ended {
            None => ("up", format!("{who} is reached {how} at {place}")),
            Some(why) => ("down", format!("{who} is no longer reached {how} at {place} ({why})")),
        };
        let event = Event::Path(PathInfo {
            path: way.name().into(),
            state: state.into(),
            session: Some(number),
            with: Some(who.clone()),
            address: Some(place.to_string()),
            why: ended,
            ..PathInfo::default()
        });
        self.console.detail(words, &event);
    }

    fn completed(&mut self, number: u64, count: u64, bytes: u64) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        session.completed = true;
        let who = &session.who;
        self.console.note(
            format!(
                "{who} has {} complete, {}{}",
                human::count(count, "file"),
                human::size(bytes),
                session.pace()
            ),
            &Event::Completed {
                session: number,
                with: who.clone(),
                files: count,
                bytes,
                bytes_per_second: session.rate(),
                via: session.chief().name().into(),
                paths: session.shares(),
            },
        );
    }

    fn ended(&mut self, number: u64, why: Option<String>) {
        let Some(session) = self.sessions.remove(&number) else { return };
        let because = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let (who, sent) = (&session.who, human::size(session.bytes()));
        let words = format!("{who} left{because}; it got {sent}{}", session.pace());
        let event = Event::Ended {
            session: number,
            with: who.clone(),
            bytes: session.bytes(),
            bytes_per_second: session.rate(),
            wrap: session.suite.into(),
            why,
            via: session.chief().name().into(),
            paths: session.shares(),
        };
        // A leecher that did not say that it has everything is worth a line.
        if session.bytes() > 0 && !session.completed {
            self.console.note(words, &event);
        } else {
            self.console.detail(words, &event);
        }
    }

    fn tick(&mut self) {
        self.tell_files();
        self.tell_skipped();
        if let Some(shared) = &self.shared {
            let status = shared.index().status();
            self.meter.note(Instant::now(), shared.bytes_read());
            self.show_reading(status);
        }
        for session in self.sessions.values_mut() {
            session.tick();
        }
    }

    fn tell_files(&mut self) {
        let added: Files = |path, files, bytes| Event::Added { path, files, bytes };
        let changed: Files = |path, files, bytes| Event::Changed { path, files, bytes };
        let lists = [
            ("added", added, std::mem::take(&mut self.added)),
            ("changed", changed, std::mem::take(&mut self.changed)),
        ];
        for (what, event, list) in lists {
            if list.len() > NAMED {
                let bytes: u64 = list.iter().map(|(_, size)| size).sum();
                self.console.note(
                    format!(
                        "{what} {}, {}",
                        human::count(list.len() as u64, "file"),
                        human::size(bytes)
                    ),
                    &event(None, Some(list.len()), bytes),
                );
                continue;
            }
            for (name, size) in list {
                let name = escape(&name);
                self.console.note(
                    format!("{what} {name}, {}", human::size(size)),
                    &event(Some(name.clone().into_owned()), None, size),
                );
            }
        }
        let removed = std::mem::take(&mut self.removed);
        if removed > 0 {
            let event = Event::Removed { files: removed };
            self.console.note(format!("removed {}", human::count(removed, "file")), &event);
        }
    }

    fn show_reading(&mut self, status: Status) {
        if status.waiting == 0 && !status.scanning {
            self.reading_since = None;
            return self.reading.clear();
        }
        let since = *self.reading_since.get_or_insert_with(Instant::now);
        let lasts = since.elapsed() >= WORTH;
        let speed = self.meter.per_second().unwrap_or(0);
        self.reading.set(vec![reading_line(status, speed)]);
        if self.console.is_live() {
            return;
        }
        if lasts && self.last_plain.is_none_or(|last| last.elapsed() >= PLAIN) {
            self.last_plain = Some(Instant::now());
            let event = Event::Reading {
                seeder: None,
                serving: None,
                waiting: status.waiting,
                files: status.files,
                scanning: status.scanning,
                bytes_per_second: Some(speed),
            };
            self.console.note(reading_words(status, speed), &event);
        }
    }
}

const fn suite_name(suite: Suite) -> &'static str {
    match suite {
        Suite::X25519 => "x25519",
        Suite::Rsa => "rsa",
        Suite::Hybrid => "hybrid",
    }
}

fn lost_why(why: Lost) -> Option<String> {
    match why {
        Lost::Refused(why) => Some(why.to_string()),
        Lost::Error(error) => Failure::from(error).why,
    }
}

fn reading_words(status: Status, speed: u64) -> String {
    let read = status.files.saturating_sub(status.waiting);
    let more = if status.scanning { " found so far" } else { "" };
    format!("read {read} of {}{more}, {}", human::count(status.files, "file"), human::speed(speed))
}

fn reading_line(status: Status, speed: u64) -> Line {
    let read = status.files.saturating_sub(status.waiting);
    let more = if status.scanning { " found so far" } else { "" };
    Line::new()
        .text(2, "reading")
        .text(0, format!("{read} of {}{more}", human::count(status.files, "file")))
        .bar(3, read, status.files)
        .text(1, human::speed(speed))
}

fn shown(path: &Path) -> String {
    escape_os(path.as_os_str())
}
