//! What is shown of one session.

use std::collections::{BTreeMap, VecDeque};

use indicatif::ProgressBar;
use sealift_peer::console::Console;
use sealift_peer::escape::escape;
use sealift_peer::human;
use sealift_peer::path::{self, Way};
use serde_json::Value;
use tokio::time::Instant;

use super::{TICK, bar};
use crate::index::Name;

pub(super) struct Session {
    pub(super) who: String,
    pub(super) suite: &'static str,
    /// Whether the leecher said that files are complete.
    pub(super) completed: bool,
    /// Bytes sent, by the way they took.
    ways: BTreeMap<Way, u64>,
    /// The file last sent of.
    file: Option<Name>,
    since: Option<Instant>,
    last: Instant,
    speed: Speed,
    bar: Option<ProgressBar>,
}

impl Session {
    pub(super) fn new(who: String, suite: &'static str) -> Self {
        Self {
            who,
            suite,
            completed: false,
            ways: BTreeMap::new(),
            file: None,
            since: None,
            last: Instant::now(),
            speed: Speed::default(),
            bar: None,
        }
    }

    /// Counts what was sent; the name of the file, if it is another than before.
    pub(super) fn sent(&mut self, way: Way, name: Option<Name>, bytes: u64) -> Option<Name> {
        let now = Instant::now();
        self.since.get_or_insert(now);
        self.last = now;
        *self.ways.entry(way).or_default() += bytes;
        let other = name.filter(|name| self.file.as_ref() != Some(name))?;
        self.file = Some(other.clone());
        Some(other)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.ways.values().sum()
    }

    fn parts(&self) -> Vec<(Way, u64)> {
        self.ways.iter().map(|(way, bytes)| (*way, *bytes)).collect()
    }

    /// The way that carried the most.
    pub(super) fn chief(&self) -> Way {
        path::chief(&self.parts())
    }

    pub(super) fn shares(&self) -> Value {
        path::shares_json(&self.parts())
    }

    /// Bytes per second over the whole session.
    pub(super) fn rate(&self) -> Option<u64> {
        let millis = u64::try_from((self.last - self.since?).as_millis()).ok()?;
        (millis >= 20).then(|| self.bytes().saturating_mul(1000) / millis)
    }

    pub(super) fn pace(&self) -> String {
        let path = path::behind_speed(&self.parts());
        self.rate().map_or(path.clone(), |rate| format!(", {}{path}", human::speed(rate)))
    }

    pub(super) fn tick(&mut self, console: &Console) {
        self.speed.tick(self.bytes());
        if !console.is_live() || self.bytes() == 0 {
            return;
        }
        let file = self.file.as_ref().map(|name| format!("  {}", escape(name))).unwrap_or_default();
        let words = format!(
            "{}  {}  {}{}{file}",
            self.who,
            human::size(self.bytes()),
            human::speed(self.speed.get()),
            path::behind_speed(&self.parts()),
        );
        self.bar.get_or_insert_with(|| bar(console)).set_message(words);
    }

    /// Removes what was drawn.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Bytes per second over the last few ticks.
#[derive(Default)]
pub(super) struct Speed {
    ticks: VecDeque<u64>,
}

impl Speed {
    const KEPT: usize = 12;

    pub(super) fn tick(&mut self, total: u64) {
        self.ticks.push_back(total);
        if self.ticks.len() > Self::KEPT {
            self.ticks.pop_front();
        }
    }

    pub(super) fn get(&self) -> u64 {
        let (Some(first), Some(last)) = (self.ticks.front(), self.ticks.back()) else { return 0 };
        let ticks = self.ticks.len().saturating_sub(1) as u64;
        let millis = u64::try_from(TICK.as_millis()).unwrap_or(1) * ticks;
        ((last - first) * 1000).checked_div(millis).unwrap_or(0)
    }
}
