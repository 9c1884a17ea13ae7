//! Lines at the bottom of a terminal that are drawn again in place, beneath what else is printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use unicode_width::UnicodeWidthStr;

use sealift_platform::sync::lock;

use crate::line::Line;
use crate::terminal::{self, Glyphs, Size};

/// What a terminal that does not know its size is taken for.
pub(crate) const USUAL: Size = Size { columns: 80, rows: 24 };

/// The live lines of a process. Clones share them.
#[derive(Clone)]
pub struct Screen {
    /// `None` where nobody looks.
    state: Option<Arc<Mutex<State>>>,
    glyphs: Glyphs,
}

#[derive(Default)]
struct State {
    blocks: BTreeMap<u64, Vec<Line>>,
    next: u64,
    /// What is on the terminal now.
    drawn: Vec<String>,
    closed: bool,
}

impl Screen {
    /// A screen on the terminal that standard error is; or one that shows nothing.
    #[must_use]
    pub fn new(live: bool) -> Self {
        Self { state: live.then(Arc::default), glyphs: Glyphs::of_process() }
    }

    /// The characters it draws with.
    #[must_use]
    pub const fn glyphs(&self) -> Glyphs {
        self.glyphs
    }

    /// Room for lines beneath those that are there already.
    #[must_use]
    pub fn block(&self) -> Block {
        let number = self.lock().map_or(0, |mut state| {
            state.next += 1;
            state.next
        });
        Block { screen: self.clone(), number }
    }

    /// Prints something else by `print`: the lines make room for it.
    pub fn print_above(&self, print: impl FnOnce()) {
        let Some(mut state) = self.lock() else { return print() };
        let lines = std::mem::take(&mut state.drawn);
        put(&over(&lines, &[], size().columns));
        print();
        self.draw(&mut state);
    }

    /// Takes everything away for good.
    pub fn close(&self) {
        let Some(mut state) = self.lock() else { return };
        state.blocks.clear();
        self.draw(&mut state);
        state.closed = true;
    }

    fn set(&self, number: u64, lines: Vec<Line>) {
        let Some(mut state) = self.lock() else { return };
        if state.closed {
            return;
        }
        if lines.is_empty() {
            state.blocks.remove(&number);
        } else {
            state.blocks.insert(number, lines);
        }
        self.draw(&mut state);
    }

    fn lock(&self) -> Option<MutexGuard<'_, State>> {
        self.state.as_deref().map(lock)
    }

    /// Brings the terminal in step with what is to be seen.
    fn draw(&self, state: &mut State) {
        let size = size();
        // The last column stays free, since terminals differ in what they do after it; so does one row.
        let (columns, rows) = (size.columns.saturating_sub(1), size.rows.saturating_sub(1));
        let lines = state.blocks.values().flatten().take(rows.max(1));
        let lines: Vec<_> = lines.map(|line| line.layout(columns, self.glyphs)).collect();
        if lines != state.drawn {
            put(&over(&state.drawn, &lines, size.columns));
            state.drawn = lines;
        }
    }
}

/// Lines of a [`Screen`] that belong together; gone when this is dropped.
pub struct Block {
    screen: Screen,
    number: u64,
}

impl Block {
    /// Shows `lines` in place of what it showed.
    pub fn set(&self, lines: Vec<Line>) {
        self.screen.set(self.number, lines);
    }

    /// Shows nothing, until it is set again.
    pub fn clear(&self) {
        self.set(Vec::new());
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.clear();
    }
}

fn size() -> Size {
    terminal::size().unwrap_or(USUAL)
}

/// What draws `lines` in place of `drawn`, on a terminal of so many columns: a window that became narrower since has broken
/// lines in two or more.
fn over(drawn: &[String], lines: &[String], columns: usize) -> String {
    if drawn.is_empty() && lines.is_empty() {
        return String::new();
    }
    let rows = |line: &String| line.width().div_ceil(columns.max(1)).max(1);
    // The cursor waits at the beginning of the last line, where `^C` cannot break it.
    let above = drawn.split_last().map_or(&[][..], |(_, above)| above);
    let up = above.iter().map(rows).sum::<usize>();
    let mut text = String::from("\r");
    if up > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, "\x1b[{up}A");
    }
    for (number, line) in lines.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\r\n" };
        let _ = write!(text, "{gap}{line}\x1b[K");
    }
    text.push_str("\x1b[J\r");
    text
}

/// A terminal that is gone shows nothing, and the work goes on.
fn put(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn lines_are_drawn_over_those_before() {
        let (none, one, two) = (lines(&[]), lines(&["one"]), lines(&["one", "two"]));
        assert_eq!(over(&none, &two, 80), "\rone\x1b[K\r\ntwo\x1b[K\x1b[J\r");
        assert_eq!(over(&two, &one, 80), "\r\x1b[1Aone\x1b[K\x1b[J\r");
        assert_eq!(over(&one, &none, 80), "\r\x1b[J\r");
        assert_eq!(over(&none, &none, 80), "", "nothing is written where nothing is shown");
        let long = lines(&[&"長".repeat(40), &"x".repeat(79)]);
        let narrower = "\r\x1b[2Aone\x1b[K\x1b[J\r";
        assert_eq!(over(&long, &one, 40), narrower, "the window is narrower now");
    }

    #[test]
    fn nothing_is_kept_where_nobody_looks() {
        let screen = Screen::new(false);
        let block = screen.block();
        block.set(vec![Line::new().text(0, "x")]);
        let mut printed = false;
        screen.print_above(|| printed = true);
        assert!(printed && screen.state.is_none());
    }
}
