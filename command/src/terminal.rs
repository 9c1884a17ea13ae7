//! The terminal at standard error: its size, and which characters it can show.

/// Which characters a line may be drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyphs {
    /// Those of the keyboard.
    Ascii,
    /// Blocks and an ellipsis too.
    Unicode,
}

impl Glyphs {
    /// What the locale of this process allows.
    #[must_use]
    pub fn of_process() -> Self {
        if is_utf8(|name| std::env::var(name).ok()) { Self::Unicode } else { Self::Ascii }
    }

    /// What stands for something left out.
    #[must_use]
    pub const fn ellipsis(self) -> &'static str {
        match self {
            Self::Ascii => "...",
            Self::Unicode => "…",
        }
    }

    /// A full and an empty place of a bar.
    #[must_use]
    pub const fn bar(self) -> (&'static str, &'static str) {
        match self {
            Self::Ascii => ("#", "."),
            Self::Unicode => ("█", "░"),
        }
    }
}

/// Whether the locale writes text in UTF-8: the first of the three variables that says anything decides, as in the C library.
pub(crate) fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    if cfg!(windows) {
        return true;
    }
    let said = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable);
    let locale = said.filter(|value| !value.is_empty()).map(|value| value.to_ascii_lowercase());
    locale.take(1).any(|locale| locale.contains("utf-8") || locale.contains("utf8"))
}

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

/// The size of the terminal that standard error is; `None` if it is none, or one that does not know.
#[cfg(unix)]
#[must_use]
pub fn size() -> Option<Size> {
    size_of(std::io::stderr())
}

/// The same of standard output.
#[cfg(unix)]
#[must_use]
pub fn size_of_output() -> Option<Size> {
    size_of(std::io::stdout())
}

#[cfg(unix)]
fn size_of(stream: impl std::os::fd::AsFd) -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then_some(Size { columns: size.ws_col.into(), rows: size.ws_row.into() })
}

/// The size of the terminal, which is not known here.
#[cfg(not(unix))]
#[must_use]
pub const fn size() -> Option<Size> {
    None
}

/// The same of standard output.
#[cfg(not(unix))]
#[must_use]
pub const fn size_of_output() -> Option<Size> {
    None
}

/// Whether lines can be drawn again in place on a terminal of this kind.
#[must_use]
pub fn can_redraw() -> bool {
    std::env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_says_anything_decides() {
        let says = |set: &[(&str, &str)]| {
            let find = |name: &str| set.iter().find(|(key, _)| *key == name);
            is_utf8(|name| find(name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(says(&[("LANG", "de_DE.UTF-8")]) && says(&[("LC_CTYPE", "C.utf8")]));
        assert!(says(&[("LC_ALL", ""), ("LANG", "en_GB.UTF-8")]));
        assert!(!says(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
        assert!(!says(&[("LANG", "C")]) && !says(&[]) && !says(&[("LANG", "de_DE.ISO-8859-1")]));
    }
}
