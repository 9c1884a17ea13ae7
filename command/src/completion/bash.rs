//! Completion in bash. `clap_complete`'s own adapter takes words apart at spaces and quotes nothing that it suggests; here names
//! are anything that somebody shares, and must be one word again when the line is run.

use std::ffi::OsString;
use std::io::{self, Write};

use sealift_proto::shown::is_unsafe;

use super::lex::{Quote, Typed, lex};
use crate::shell::{is_plain, spelled};

/// What bash runs at each Tab: the line up to the cursor, and as much of it as bash will put a candidate for, go to the program; it
/// answers with how to go on after the candidates, and one candidate on each line, quoted.
const SCRIPT: &str = r#"_sealift_NAME() {
    local how candidate
    COMPREPLY=()
    {
        IFS= read -r how
        while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done
    } < <(ASKED=bash command NAME -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    case $how in
        open) compopt -o nospace 2>/dev/null ;;
        other) compopt -o default 2>/dev/null ;;
    esac
}
complete -o bashdefault -o nosort -F _sealift_NAME NAME 2>/dev/null ||
    complete -o bashdefault -F _sealift_NAME NAME
"#;

/// The script for the program `name`, which asks by the variable `asked`.
pub(super) fn script(asked: &str, name: &str) -> String {
    SCRIPT.replace("ASKED", asked).replace("NAME", name)
}

/// What is asked of the program.
pub(super) struct Asked {
    typed: Typed,
    /// The part of the last word that stays, without its quotes.
    head: String,
    /// Within which quotes the part begins that is replaced.
    quote: Quote,
    /// This user's home, where the last word begins with `~/`.
    tilde: Option<String>,
    letters: Letters,
}

/// How letters beyond ASCII are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letters {
    /// As they are.
    Plain,
    /// By their bytes. In an encoding such as GBK the last byte of a letter and a sign of the shell's behind it may be one character,
    /// and the sign would quote nothing.
    Spelled,
}

impl Letters {
    /// What the locale calls for.
    pub(super) fn of_locale(is_utf8: bool) -> Self {
        if is_utf8 { Self::Plain } else { Self::Spelled }
    }

    fn spells(self, c: char) -> bool {
        is_unsafe(c) || self == Self::Spelled && !c.is_ascii()
    }
}

impl Asked {
    /// Reads what the script passes; `home` is this user's.
    pub(super) fn new(
        args: Vec<OsString>,
        home: Option<OsString>,
        letters: Letters,
    ) -> Option<Self> {
        let mut args = args.into_iter();
        let (line, replaced) = (args.next()?.into_string().ok()?, args.next()?.into_string().ok()?);
        let mut typed = lex(&line);
        let word = &line[typed.start..];
        // Bash has its own mind where a word begins: behind an open quote, and behind signs such as `:` and `=`.
        let stays = lex(word.strip_suffix(&*replaced).unwrap_or(""));
        let head = stays.words.last().cloned().unwrap_or_default();
        let (mut tilde, last) = (None, typed.words.last_mut()?);
        if word.starts_with("~/") && head.is_empty() {
            let home = home?.into_string().ok()?;
            *last = format!("{home}{}", &last[1..]);
            tilde = Some(home + "/");
        } else if word.starts_with('~') {
            typed.foreign = true;
        }
        Some(Self { typed, head, quote: stays.quote, tilde, letters })
    }

    /// The words of the line; `None` where bash itself is to complete the last one.
    pub(super) fn words(&self) -> Option<&[String]> {
        (!self.typed.foreign).then_some(&self.typed.words)
    }

    /// Writes `candidates`, whole words, as the script reads them.
    pub(super) fn write(&self, candidates: &[String], out: &mut dyn Write) -> io::Result<()> {
        let open = matches!(candidates, [one] if one.ends_with(['/', '=']));
        writeln!(out, "{}", if open { "open" } else { "whole" })?;
        for word in candidates.iter().filter_map(|candidate| self.quoted(candidate)) {
            writeln!(out, "{word}")?;
        }
        Ok(())
    }

    /// Tells the script that the program has nothing to say.
    pub(super) fn write_other(out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "other")
    }

    /// What is put for the last part of the word, for all of it to mean `candidate`.
    fn quoted(&self, candidate: &str) -> Option<String> {
        let rest = candidate.strip_prefix(self.tilde.as_ref().unwrap_or(&self.head))?;
        if rest.is_empty() {
            return None;
        }
        let letters = self.letters;
        if self.tilde.is_some() {
            return Some(format!("~/{}", escaped(rest, letters)));
        }
        // Bash closes the quotes behind a folder itself, and so do we behind what is whole.
        let close = |quote| if rest.ends_with('/') { "" } else { quote };
        Some(match self.quote {
            Quote::None => escaped(rest, letters),
            Quote::Single => single(rest, letters) + close("'"),
            Quote::Double => double(rest, letters)? + close("\""),
            Quote::Spelled => spelled(rest.as_bytes()) + close("'"),
        })
    }
}

/// `text` outside of quotes. Letter by letter, so that what several candidates have in common is the beginning of each.
fn escaped(text: &str, letters: Letters) -> String {
    let letter = |c: char| match c {
        c if letters.spells(c) => format!("$'{}'", spelled(c.encode_utf8(&mut [0; 4]).as_bytes())),
        c if is_plain(c) || !c.is_ascii() => c.to_string(),
        c => format!("\\{c}"),
    };
    text.chars().map(letter).collect()
}

/// `text` behind an open `'`.
fn single(text: &str, letters: Letters) -> String {
    let letter = |c: char| match c {
        '\'' => r"'\''".to_owned(),
        c if letters.spells(c) => format!("'{}'", escaped(c.encode_utf8(&mut [0; 4]), letters)),
        c => c.to_string(),
    };
    text.chars().map(letter).collect()
}

/// `text` behind an open `"`; `None` if it holds what cannot be written there.
fn double(text: &str, letters: Letters) -> Option<String> {
    let letter = |c: char| match c {
        '"' | '$' | '`' | '\\' => Some(format!("\\{c}")),
        // The first is taken for history even there.
        c if c == '!' || letters.spells(c) => None,
        c => Some(c.to_string()),
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written for `candidates` where `line` was typed and bash would replace `replaced`.
    fn answer(line: &str, replaced: &str, candidates: &[&str]) -> String {
        answer_in(Letters::Plain, line, replaced, candidates)
    }

    fn answer_in(letters: Letters, line: &str, replaced: &str, candidates: &[&str]) -> String {
        let args = vec![line.into(), replaced.into()];
        let asked = Asked::new(args, Some("/home/ana".into()), letters).unwrap();
        let candidates: Vec<_> = candidates.iter().map(|text| (*text).to_owned()).collect();
        let mut out = Vec::new();
        asked.write(&candidates, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn candidates_fit_what_is_there() {
        for (line, replaced, candidate, expected) in [
            ("x my", "my", "my file's", r"my\ file\'s"),
            ("x 'my fi", "my fi", "my file's", r"my file'\''s'"),
            ("x \"my fi", "my fi", "my $file", "my \\$file\""),
            ("x a:b", "b", "a:b c", r"b\ c"),
            ("x --path=a", "a", "--path=any", "any"),
            ("x $'a\\0", "a\\0", "a\n1", r"a\0121'"),
            ("x a", "a", "a\n1", r"a$'\012'1"),
            ("x é'x", "x", "éx y", "x y'"),
            ("x '~", "~", "~a", "~a'"),
            ("x ", "", "~a", r"\~a"),
            ("x ~/b", "~/b", "/home/ana/b c", r"~/b\ c"),
        ] {
            assert_eq!(
                answer(line, replaced, &[candidate]),
                format!("whole\n{expected}\n"),
                "{line}"
            );
        }
        assert_eq!(answer("x 'a", "a", &["a b/"]), "open\na b/\n");
        assert_eq!(answer("x a", "a", &["ab/", "ac/"]), "whole\nab/\nac/\n");
        assert_eq!(answer("x \"a", "a", &["a!", "ab"]), "whole\nab\"\n", "what cannot be written");
    }

    /// In GBK the last byte of `\u{4f60}` and the backslash behind it are one character, and the `;` ends the command.
    #[test]
    fn a_letter_never_takes_the_quote_behind_it_in_another_encoding() {
        for (line, replaced, expected) in [
            ("x a", "a", r"a$'\344\275\240'\;id"),
            ("x ~/a", "~/a", r"~/a$'\344\275\240'\;id"),
            ("x 'a", "a", r"a'$'\344\275\240'';id'"),
            ("x $'a", "a", r"a\344\275\240;id'"),
        ] {
            let candidate =
                if line.contains('~') { "/home/ana/a\u{4f60};id" } else { "a\u{4f60};id" };
            let answer = answer_in(Letters::Spelled, line, replaced, &[candidate]);
            assert_eq!(answer, format!("whole\n{expected}\n"), "{line}");
        }
        let answer = answer_in(Letters::Spelled, "x \"a", "a", &["a\u{4f60}$(id)"]);
        assert_eq!(answer, "whole\n", "what cannot be written");
        assert_eq!(answer_in(Letters::Plain, "x a", "a", &["a\u{4f60};"]), "whole\na\u{4f60}\\;\n");
    }

    #[test]
    fn another_users_home_is_left_to_bash() {
        let asked = |line: &str| Asked::new(vec![line.into(), "".into()], None, Letters::Plain);
        assert!(asked("x ~ben/f").unwrap().words().is_none());
        assert!(asked("x > f").unwrap().words().is_none());
        assert_eq!(asked("x '~b").unwrap().words().unwrap(), ["x", "~b"]);
    }
}
