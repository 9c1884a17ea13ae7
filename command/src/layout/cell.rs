//! Text of one style or several, and the columns that it takes.

use crate::paint::{Paint, Style};
use unicode_width::UnicodeWidthStr;

/// What stands in one place of a list; its texts are safe to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    parts: Vec<(Style, String)>,
    width: usize,
}

impl Cell {
    /// One text.
    pub fn new(style: Style, text: impl Into<String>) -> Self {
        Self::default().with(style, text)
    }

    /// The same with more text behind it.
    pub fn with(mut self, style: Style, text: impl Into<String>) -> Self {
        let text = text.into();
        self.width += text.width();
        self.parts.push((style, text));
        self
    }

    /// Columns that it takes.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Its text, coloured.
    pub fn draw(&self, paint: Paint) -> String {
        self.parts.iter().map(|(style, text)| paint.text(*style, text)).collect()
    }
}
