//! Shows what a running seeder does: live lines on a terminal, plain lines elsewhere.

mod session;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealift_command::console::Console;
use sealift_command::escape::{escape, escape_os};
use sealift_command::human;
use sealift_command::line::Line;
use sealift_command::meter::Meter;
use sealift_command::screen::Block;
use sealift_proto::catalogue::Status;
use sealift_transport::path::Way;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::activity::Activity;
use crate::engine::Shared;
use crate::index::Name;
use session::Session;

/// How often live lines change.
const TICK: Duration = Duration::from_millis(250);
/// How often a plain line tells how far reading is, and how long it must have lasted to be worth one.
const PLAIN: Duration = Duration::from_secs(5);
const WORTH: Duration = Duration::from_secs(2);
/// More new files than this at once are counted, not named.
const NAMED: usize = 5;

/// Shows what it hears.
pub struct Progress {
    console: Console,
    shared: Arc<Shared>,
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
    /// Shows on `console` what happens to what `shared` knows.
    #[must_use]
    pub fn new(console: Console, shared: Arc<Shared>) -> Self {
        Self {
            reading: console.block(),
            console,
            shared,
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

    /// Shows until nothing more can be heard.
    pub async fn run(mut self, mut heard: mpsc::UnboundedReceiver<Activity>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                activity = heard.recv() => match activity {
                    Some(activity) => self.hear(activity),
                    None => break,
                },
                _ = ticks.tick() => self.tick(),
            }
        }
        self.tell_skipped();
    }

    fn hear(&mut self, activity: Activity) {
        match activity {
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
                &json!({"type": "folder", "folder": shown(&place), "here": false, "why": why}),
            ),
            Activity::FolderBack { place } => self.console.note(
                format!("{} is back", shown(&place)),
                &json!({"type": "folder", "folder": shown(&place), "here": true}),
            ),
            Activity::Polling { place, every, why } => self.polling(&place, every, why),
            Activity::Warning(words) => {
                self.console.warn(&words, &json!({"type": "warning", "what": words}));
            }
            Activity::Published { status } => self.published(status),
            Activity::Connected { relay, again } => self.connected(&relay, again),
            Activity::Lost { relay, why } => self.lost(&relay, why),
            Activity::Session { number, who, suite } => self.session(number, who, suite),
            Activity::Sent { number, way, name, bytes } => self.sent(number, way, name, bytes),
            Activity::Link { number, way, place, ended } => self.link(number, way, place, ended),
            Activity::Completed { number, files, bytes } => self.completed(number, files, bytes),
            Activity::Ended { number, why } => self.ended(number, why),
        }
    }

    /// Names each thing left out, or of many at once a few.
    fn tell_skipped(&mut self) {
        let skipped = std::mem::take(&mut self.skipped);
        if skipped.len() <= NAMED || self.console.is_json() {
            for (place, why) in skipped {
                let json = json!({"type": "skipped", "path": place, "why": why});
                self.console.warn(format!("not offered: {place}: {}", escape(&why)), &json);
            }
            return;
        }
        let few: Vec<_> = skipped.iter().take(NAMED).map(|(place, _)| place.as_str()).collect();
        self.console.warn(
            format!(
                "not offered: {}, such as {}; whoever fetches their folders is told how many",
                human::count(skipped.len() as u64, "name"),
                few.join(", ")
            ),
            &json!({"type": "skipped", "count": skipped.len(), "paths": few}),
        );
    }

    fn polling(&self, place: &Path, every: Duration, why: Option<String>) {
        let seconds = every.as_secs_f32();
        let json =
            json!({"type": "polling", "folder": shown(place), "seconds": seconds, "why": why});
        let words = format!("{} is walked every {seconds} s", shown(place));
        match why {
            Some(why) => self.console.warn(format!("{words} instead of watched: {why}"), &json),
            None => self.console.detail(words, &json),
        }
    }

    fn connected(&self, relay: &str, again: bool) {
        let words = if again { "connected again to the relay" } else { "connected to the relay" };
        let json = json!({"type": "connected", "relay": relay, "again": again});
        self.console.note(format!("{words} {relay}"), &json);
    }

    fn lost(&self, relay: &str, why: Option<String>) {
        let because = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        self.console.note(
            format!("lost the relay {relay}{because}; connecting again"),
            &json!({"type": "lost", "relay": relay, "why": why}),
        );
    }

    /// Once the relay has all there is, others can find it.
    fn published(&mut self, status: Status) {
        let complete = status.waiting == 0 && !status.scanning;
        if complete && !self.offered {
            self.offered = true;
            let bytes = self.shared.index().bytes();
            self.console.note(
                format!("offering {}, {}", human::count(status.files, "file"), human::size(bytes)),
                &json!({"type": "offering", "files": status.files, "bytes": bytes}),
            );
        }
    }

    fn session(&mut self, number: u64, who: String, suite: &'static str) {
        let json = json!({"type": "session", "session": number, "with": who, "wrap": suite, "path": "relay"});
        self.console.detail(format!("{who} opened a session ({suite})"), &json);
        let block = self.console.block();
        self.sessions.insert(number, Session::new(who, suite, block));
    }

    fn sent(&mut self, number: u64, way: Way, name: Option<Name>, bytes: u64) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if let Some(name) = session.sent(way, name, bytes) {
            let (who, file) = (&session.who, escape(&name));
            let json = json!({
                "type": "sending", "session": number, "to": who, "path": file, "via": way.name(),
            });
            self.console.note(format!("{who} downloads {file} {}", way.phrase()), &json);
        }
    }

    fn link(&self, number: u64, way: Way, place: SocketAddr, ended: Option<String>) {
        let Some(session) = self.sessions.get(&number) else { return };
        let (who, how) = (&session.who, way.phrase());
        let (state, words) = match &ended {
            None => ("up", format!("{who} is reached {how} at {place}")),
            Some(why) => ("down", format!("{who} is no longer reached {how} at {place} ({why})")),
        };
        let json = json!({
            "type": "path", "session": number, "with": who, "path": way.name(), "state": state,
            "address": place.to_string(), "why": ended,
        });
        self.console.detail(words, &json);
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
            &json!({
                "type": "completed", "session": number, "with": who, "files": count, "bytes": bytes,
                "speed": session.rate(), "via": session.chief().name(), "paths": session.shares(),
            }),
        );
    }

    fn ended(&mut self, number: u64, why: Option<String>) {
        let Some(session) = self.sessions.remove(&number) else { return };
        let because = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let (who, sent) = (&session.who, human::size(session.bytes()));
        let words = format!("{who} left{because}; it got {sent}{}", session.pace());
        let json = json!({
            "type": "ended", "session": number, "with": session.who, "bytes": session.bytes(),
            "speed": session.rate(), "wrap": session.suite, "why": why,
            "via": session.chief().name(), "paths": session.shares(),
        });
        // A leecher that did not say that it has everything is worth a line.
        if session.bytes() > 0 && !session.completed {
            self.console.note(words, &json);
        } else {
            self.console.detail(words, &json);
        }
    }

    fn tick(&mut self) {
        self.tell_files();
        self.tell_skipped();
        let status = self.shared.index().status();
        self.meter.note(Instant::now(), self.shared.bytes_read());
        self.show_reading(status);
        for session in self.sessions.values_mut() {
            session.tick();
        }
    }

    fn tell_files(&mut self) {
        let lists = [
            ("added", std::mem::take(&mut self.added)),
            ("changed", std::mem::take(&mut self.changed)),
        ];
        for (what, list) in lists {
            if list.len() > NAMED {
                let bytes: u64 = list.iter().map(|(_, size)| size).sum();
                self.console.note(
                    format!(
                        "{what} {}, {}",
                        human::count(list.len() as u64, "file"),
                        human::size(bytes)
                    ),
                    &json!({"type": what, "files": list.len(), "bytes": bytes}),
                );
                continue;
            }
            for (name, size) in list {
                let name = escape(&name);
                self.console.note(
                    format!("{what} {name}, {}", human::size(size)),
                    &json!({"type": what, "path": name, "bytes": size}),
                );
            }
        }
        let removed = std::mem::take(&mut self.removed);
        if removed > 0 {
            let json = json!({"type": "removed", "files": removed});
            self.console.note(format!("removed {}", human::count(removed, "file")), &json);
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
            let json = json!({
                "type": "reading", "waiting": status.waiting, "files": status.files, "speed": speed,
                "scanning": status.scanning,
            });
            self.console.note(reading_words(status, speed), &json);
        }
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
