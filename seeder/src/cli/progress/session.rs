//! What is shown of one session.

use std::collections::BTreeMap;

use sealift_command::escape::escape;
use sealift_command::event::PathBytes;
use sealift_command::human;
use sealift_command::line::Line;
use sealift_command::meter::Meter;
use sealift_command::people::ways;
use sealift_command::screen::Block;
use sealift_transport::path::{self, Way};
use tokio::time::Instant;

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
    meter: Meter,
    block: Block,
}

impl Session {
    pub(super) fn new(who: String, suite: &'static str, block: Block) -> Self {
        Self {
            who,
            suite,
            completed: false,
            ways: BTreeMap::new(),
            file: None,
            since: None,
            last: Instant::now(),
            meter: Meter::default(),
            block,
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

    pub(super) fn shares(&self) -> Vec<PathBytes> {
        ways::path_bytes(&self.parts())
    }

    /// Bytes per second over the whole session.
    pub(super) fn rate(&self) -> Option<u64> {
        let millis = u64::try_from((self.last - self.since?).as_millis()).ok()?;
        (millis >= 20).then(|| self.bytes().saturating_mul(1000) / millis)
    }

    pub(super) fn pace(&self) -> String {
        let path = ways::behind_speed(&self.parts());
        self.rate().map_or(path.clone(), |rate| format!(", {}{path}", human::speed(rate)))
    }

    pub(super) fn tick(&mut self) {
        self.meter.note(Instant::now(), self.bytes());
        if self.bytes() > 0 {
            self.block.set(vec![self.line()]);
        }
    }

    fn line(&self) -> Line {
        let file = self.file.as_ref().map(|name| escape(name).into_owned());
        Line::new()
            .name(0, &*self.who)
            .name(2, file.unwrap_or_default())
            .text(3, human::size(self.bytes()))
            .text(1, human::speed(self.meter.per_second().unwrap_or(0)))
            .text(4, ways::shares(&self.parts()).unwrap_or_default())
    }
}
