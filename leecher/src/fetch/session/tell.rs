//! What is told of the ways to a seeder as they come and go.

use std::net::SocketAddr;

use sealift_command::console::Console;
use sealift_peer::path::Way;
use serde_json::json;
use tokio::time::Instant;

/// Tells of the ways to one seeder.
#[derive(Clone)]
pub(in crate::fetch) struct Teller {
    console: Console,
    /// Name of the seeder, escaped.
    who: String,
    /// When the download began.
    start: Instant,
}

impl Teller {
    pub(in crate::fetch) const fn new(console: Console, who: String, start: Instant) -> Self {
        Self { console, who, start }
    }

    /// A way is there, or works again.
    pub(super) fn up(&self, way: Way, place: Option<SocketAddr>) {
        let at = place.map(|place| format!(" at {place}")).unwrap_or_default();
        self.tell(way, "up", place, None, &format!("is reached {}{at}", way.phrase()));
    }

    /// A way is there no more.
    pub(super) fn down(&self, way: Way, place: Option<SocketAddr>, why: &str) {
        let at = place.map(|place| format!(" at {place}")).unwrap_or_default();
        let words = format!("is no longer reached {}{at}: {why}", way.phrase());
        self.tell(way, "down", place, Some(why), &words);
    }

    /// The relay's link carries nothing any more, since the direct ones do as well.
    pub(super) fn standby(&self) {
        let words = "sends directly alone; the link through the relay stands by";
        self.tell(Way::Relay, "standby", None, None, words);
    }

    fn tell(&self, way: Way, state: &str, at: Option<SocketAddr>, why: Option<&str>, words: &str) {
        let after = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let json = json!({
            "type": "path", "seeder": self.who, "path": way.name(), "state": state,
            "address": at.map(|at| at.to_string()), "why": why, "after_ms": after,
        });
        // For programs it is news, for a person the progress line says what works.
        if self.console.is_json() {
            self.console.note("", &json);
        } else {
            self.console.detail(format!("{} {words}", self.who), &json);
        }
    }
}
