//! Colours of what is listed, where the reader wants them.

use std::ffi::OsString;

use clap::ValueEnum;

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Into files and pipes too
    Always,
    /// Nowhere
    Never,
}

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Nothing special.
    Plain,
    /// A folder.
    Folder,
    /// What was looked for.
    Match,
    /// Of less use now.
    Faint,
}

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Leaves all text as it is.
    pub const NONE: Self = Self { on: false };
    /// Colours.
    pub const ALL: Self = Self { on: true };

    /// What `when` means for an output that is a terminal or not; `variable` reads the environment.
    #[must_use]
    pub fn new(when: When, terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let says = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let dumb = || variable("TERM").is_some_and(|kind| kind == "dumb");
        let on = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !says("NO_COLOR") && !dumb(),
        };
        Self { on }
    }

    /// `text`, which is safe to show, as one that is of this `style`.
    #[must_use]
    pub fn text(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Folder => "1;34",
            Style::Match => "1;31",
            Style::Faint => "2",
            Style::Plain => "",
        };
        if !self.on || code.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_somebody_says_otherwise() {
        let on = |when, terminal, set: &[(&str, &str)]| {
            let find = |name: &str| set.iter().find(|(key, _)| *key == name);
            Paint::new(when, terminal, |name| find(name).map(|(_, value)| value.into())).on
        };
        assert!(on(When::Auto, true, &[]) && on(When::Auto, true, &[("NO_COLOR", "")]));
        assert!(!on(When::Auto, false, &[]) && !on(When::Auto, true, &[("NO_COLOR", "1")]));
        assert!(!on(When::Auto, true, &[("TERM", "dumb")]) && !on(When::Never, true, &[]));
        assert!(on(When::Always, false, &[("NO_COLOR", "1")]), "typed by the person");
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(Paint::ALL.text(Style::Folder, "a/"), "\x1b[1;34ma/\x1b[0m");
        assert_eq!(Paint::ALL.text(Style::Plain, "a"), "a");
        assert_eq!(Paint::NONE.text(Style::Match, "a"), "a");
    }
}
