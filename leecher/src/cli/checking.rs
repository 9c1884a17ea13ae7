//! Progress of hashing: a line that moves on a terminal, one now and then elsewhere.

use std::time::Duration;

use sealift_command::console::Console;
use sealift_command::event::Event;
use sealift_command::human;
use sealift_command::line::Line;
use sealift_command::meter::Meter;
use sealift_command::screen::Block;
use tokio::time::Instant;

/// How often a line is written where there is none that moves.
const LINE: Duration = Duration::from_secs(5);

/// Bytes read, of so many.
pub struct CheckBar {
    console: Console,
    block: Block,
    meter: Meter,
    total: u64,
    last_line: Instant,
}

impl CheckBar {
    /// Begins at 0 of `total` bytes.
    #[must_use]
    pub fn new(console: &Console, total: u64) -> Self {
        let (console, block) = (console.clone(), console.block());
        Self { console, block, meter: Meter::default(), total, last_line: Instant::now() }
    }

    /// `read` bytes are read.
    pub fn set(&mut self, read: u64) {
        self.meter.note(Instant::now(), read);
        self.block.set(vec![self.line(read)]);
        if self.console.is_live() || self.last_line.elapsed() < LINE {
            return;
        }
        self.last_line = Instant::now();
        self.console.note(
            format!("checking, {} of {}", human::size(read), human::size(self.total)),
            &Event::Checking { bytes: read, total: self.total },
        );
    }

    fn line(&self, read: u64) -> Line {
        let speed = self.meter.per_second();
        let left = speed.and_then(|speed| self.total.saturating_sub(read).checked_div(speed));
        let left = left.and_then(human::left).map(|left| format!("{left} left"));
        Line::new()
            .text(0, "checking")
            .bar(1, read, self.total)
            .text(4, format!("{}/{}", human::size(read), human::size(self.total)))
            .text(2, speed.map_or_else(String::new, human::speed))
            .text(3, left.unwrap_or_default())
    }
}
