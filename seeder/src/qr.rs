//! A line as a QR code of characters, for the camera of another device.

use qrcodegen::{QrCode, QrCodeEcc};
use sealift_peer::console::Console;
use serde_json::json;

/// Light modules around the code, which readers need to find it.
const QUIET: i32 = 4;
/// White on black, whatever colours the terminal has: few readers take a code for one whose colours are swapped.
const COLOURS: (&str, &str) = ("\x1b[38;5;231;48;5;16m", "\x1b[0m");

/// A code as lines of characters, two modules in each, one above the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    lines: Vec<String>,
    width: usize,
}

impl Picture {
    /// The code that says `text`; `None` if it is too long for one, which no invite is.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
        let end = code.size() + QUIET;
        // Outside of the code `get_module` says light.
        let line = |y: i32| (-QUIET..end).map(|x| glyph(&code, x, y)).collect();
        // An odd number of rows: the last line has one, and below it what is light.
        let lines = (-QUIET..end).step_by(2).map(line).collect();
        Some(Self { lines, width: usize::try_from(end + QUIET).ok()? })
    }

    /// Columns it takes.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// As text of several lines. With `colours` it has its own; else it is right where text is light on a dark ground.
    #[must_use]
    pub fn text(&self, colours: bool) -> String {
        let (before, after) = if colours { COLOURS } else { ("", "") };
        let lines: Vec<_> =
            self.lines.iter().map(|line| format!("{before}{line}{after}")).collect();
        lines.join("\n")
    }
}

/// Shows `text` as a code on standard error, or says why not.
pub fn show(console: &Console, text: &str) {
    let too_narrow = |picture: &Picture| columns().is_some_and(|columns| columns < picture.width());
    let why = match Picture::of(text) {
        Some(picture) if too_narrow(&picture) => {
            format!("it needs a terminal of {} columns; make the window wider", picture.width())
        }
        Some(picture) => return console.picture(&picture.text(console.is_live())),
        None => "the line is too long for one".to_owned(),
    };
    console
        .warn(format!("no QR code: {why}"), &json!({"type": "warning", "what": "qr", "why": why}));
}

/// Columns of the terminal that standard error is, if it is one.
#[cfg(unix)]
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    // Some terminals do not know.
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(not(unix))]
const fn columns() -> Option<usize> {
    None
}

/// The modules at (`x`, `y`) and below it: what is light is drawn.
fn glyph(code: &QrCode, x: i32, y: i32) -> char {
    match (code.get_module(x, y), code.get_module(x, y + 1)) {
        (false, false) => '█',
        (false, true) => '▀',
        (true, false) => '▄',
        (true, true) => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "sealift:relay.example.org:7743/aaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbb";

    /// Rows of modules, dark is true, as an eye sees them.
    fn seen(picture: &Picture) -> Vec<Vec<bool>> {
        let row = |line: &String, light: [char; 2]| {
            line.chars().map(|glyph| !light.contains(&glyph)).collect::<Vec<_>>()
        };
        let rows = picture.lines.iter();
        rows.flat_map(|line| [row(line, ['█', '▀']), row(line, ['█', '▄'])]).collect()
    }

    #[test]
    fn the_picture_is_the_code_within_its_quiet_zone() {
        let picture = Picture::of(LINE).unwrap();
        let code = QrCode::encode_text(LINE, QrCodeEcc::Low).unwrap();
        let rows = seen(&picture);
        let size = usize::try_from(code.size()).unwrap();
        assert_eq!(picture.width(), size + 8);
        assert!(rows.len() == size + 9 && rows.iter().all(|row| row.len() == size + 8));
        for (y, row) in rows.iter().enumerate() {
            for (x, dark) in row.iter().enumerate() {
                let within = (4..size + 4).contains(&x) && (4..size + 4).contains(&y);
                let at = |n: usize| i32::try_from(n).unwrap() - 4;
                assert_eq!(*dark, within && code.get_module(at(x), at(y)), "{x} {y}");
            }
        }
        // The three corners by which readers find it.
        for (x, y) in [(4, 4), (size - 3, 4), (4, size - 3)] {
            assert!((0..7).all(|n| rows[y][x + n] && rows[y + n][x]));
        }
    }

    #[test]
    fn an_invite_fits_a_usual_terminal() {
        let picture = Picture::of(LINE).unwrap();
        assert!(picture.width() <= 80 && picture.lines.len() <= 24, "{}", picture.width());
        assert!(!picture.text(false).contains('\u{1b}'));
        assert!(picture.text(true).lines().all(|line| line.ends_with("\u{1b}[0m")));
        // The longest host there can be.
        assert!(Picture::of(&LINE.replace("relay.example.org", &"a".repeat(253))).is_some());
        assert_eq!(Picture::of(&"x".repeat(3000)), None);
    }
}
