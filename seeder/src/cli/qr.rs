//! A line as a QR code of characters, for the camera of another device.

use qrcodegen::{QrCode, QrCodeEcc};
use sealift_command::console::{Channel, Console};
use sealift_command::event::Event;
use sealift_command::terminal::{self, Glyphs, Size};

/// Light modules around the code, which readers need to find it.
const QUIET: i32 = 4;
/// White on black, whatever colours the terminal has: few readers take a code for one whose colours are swapped.
const COLOURS: (&str, &str) = ("\x1b[38;5;231;48;5;16m", "\x1b[0m");

/// The same where there are no blocks to draw with: the ground itself is light or dark.
const GROUNDS: (&str, &str) = ("\x1b[48;5;231m  ", "\x1b[48;5;16m  ");

/// A code as lines of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    lines: Vec<String>,
    size: Size,
}

impl Picture {
    /// The code that says `text`; `None` if it is too long for one, which no invite is. With `colours` it has its own; else
    /// it is right where text is light on a dark ground.
    #[must_use]
    pub fn of(text: &str, glyphs: Glyphs, colours: bool) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
        let lines = match glyphs {
            Glyphs::Unicode => blocks(&code, colours),
            Glyphs::Ascii => grounds(&code, colours),
        };
        let modules = usize::try_from(code.size() + 2 * QUIET).ok()?;
        let columns = if glyphs == Glyphs::Unicode { modules } else { 2 * modules };
        let size = Size { columns, rows: lines.len() };
        Some(Self { lines, size })
    }

    /// Columns and rows that it takes.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// As text of several lines.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// Two modules in each character, one above the other.
fn blocks(code: &QrCode, colours: bool) -> Vec<String> {
    let end = code.size() + QUIET;
    let (before, after) = if colours { COLOURS } else { ("", "") };
    // Outside of the code `get_module` says light. Of an odd number of rows the last line has one, and below it what is light.
    let line = |y: i32| (-QUIET..end).map(|x| glyph(code, x, y)).collect::<String>();
    (-QUIET..end).step_by(2).map(|y| format!("{before}{}{after}", line(y))).collect()
}

/// Two characters for each module.
fn grounds(code: &QrCode, colours: bool) -> Vec<String> {
    let end = code.size() + QUIET;
    let ((light, dark), after) = if colours { (GROUNDS, COLOURS.1) } else { (("##", "  "), "") };
    let module = |x: i32, y: i32| if code.get_module(x, y) { dark } else { light };
    let line = |y: i32| (-QUIET..end).map(|x| module(x, y)).collect::<String>();
    (-QUIET..end).map(|y| format!("{}{after}", line(y))).collect()
}

/// Shows `text` as a code on standard error, or says why not.
pub fn show(console: &Console, text: &str) {
    let why = match Picture::of(text, console.glyphs(), console.is_live()) {
        Some(picture) => {
            match terminal::size().and_then(|window| too_small(window, picture.size())) {
                Some(why) => why,
                None => return console.show(Channel::Note, &picture.text()),
            }
        }
        None => "the line is too long for one".to_owned(),
    };
    let what = format!("no QR code: {why}");
    console.warn(&what, &Event::Warning { what: what.clone() });
}

/// Why a code does not fit into a window, if it does not. Some terminals do not know how many rows they have.
fn too_small(window: Size, code: Size) -> Option<String> {
    let fits = window.columns >= code.columns && (window.rows == 0 || window.rows >= code.rows);
    (!fits).then(|| {
        format!(
            "it needs {} columns and {} rows, and this window has {} and {}; make it larger, or its letters smaller",
            code.columns, code.rows, window.columns, window.rows
        )
    })
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

    fn picture(glyphs: Glyphs, colours: bool) -> Picture {
        Picture::of(LINE, glyphs, colours).unwrap()
    }

    fn check(rows: &[Vec<bool>], size: usize) {
        let code = QrCode::encode_text(LINE, QrCodeEcc::Low).unwrap();
        for (y, row) in rows.iter().enumerate() {
            assert_eq!(row.len(), size + 8);
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
    fn the_picture_is_the_code_within_its_quiet_zone() {
        let drawn = picture(Glyphs::Unicode, false);
        let size = drawn.size().columns - 8;
        let rows = seen(&drawn);
        assert_eq!(rows.len(), size + 9);
        check(&rows, size);
        let plain = picture(Glyphs::Ascii, false);
        assert!(plain.text().is_ascii() && plain.size().columns == 2 * (size + 8));
        let pairs = |line: &String| line.as_bytes().chunks(2).map(|pair| pair == b"  ").collect();
        check(&plain.lines.iter().map(pairs).collect::<Vec<_>>(), size);
    }

    #[test]
    fn an_invite_fits_a_usual_terminal_or_it_is_said_what_it_needs() {
        let drawn = picture(Glyphs::Unicode, false);
        let usual = Size { columns: 80, rows: 24 };
        assert_eq!(too_small(usual, drawn.size()), None);
        let small = Size { columns: 80, rows: 20 };
        assert!(
            too_small(small, drawn.size()).unwrap().contains("rows, and this window has 80 and 20")
        );
        assert!(too_small(usual, picture(Glyphs::Ascii, true).size()).is_some());
        assert_eq!(too_small(Size { columns: 80, rows: 0 }, drawn.size()), None);
        assert!(!drawn.text().contains('\u{1b}'));
        assert!(
            picture(Glyphs::Unicode, true).lines.iter().all(|line| line.ends_with("\u{1b}[0m"))
        );
        assert!(picture(Glyphs::Ascii, true).text().is_ascii());
        // The longest host there can be.
        let long = LINE.replace("relay.example.org", &"a".repeat(253));
        assert!(Picture::of(&long, Glyphs::Unicode, true).is_some());
        assert_eq!(Picture::of(&"x".repeat(3000), Glyphs::Unicode, true), None);
    }
}
