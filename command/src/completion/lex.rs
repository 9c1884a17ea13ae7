//! A command line up to the cursor, as bash reads it.

use std::iter::Peekable;
use std::str::CharIndices;

/// Within which quotes a place of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    /// None.
    None,
    /// `'`.
    Single,
    /// `"`.
    Double,
    /// `$'`.
    Spelled,
}

/// A line, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Typed {
    /// Its words, without their quotes; the last one is at the cursor, and may be empty.
    pub(super) words: Vec<String>,
    /// Where the last word begins in the line, bytes.
    pub(super) start: usize,
    /// Within which quotes the cursor is.
    pub(super) quote: Quote,
    /// The last word is not the program's to complete: it names a file to read or write, or holds a variable.
    pub(super) foreign: bool,
}

/// Reads `line`.
pub(super) fn lex(line: &str) -> Typed {
    let mut lexer = Lexer {
        letters: line.char_indices().peekable(),
        words: Vec::new(),
        word: Vec::new(),
        begun: None,
        quote: Quote::None,
        foreign: false,
    };
    while let Some((at, c)) = lexer.letters.next() {
        lexer.take(at, c);
    }
    let start = lexer.begun.get_or_insert(line.len()).to_owned();
    let (quote, foreign) = (lexer.quote, lexer.foreign);
    lexer.end_word();
    Typed { words: lexer.words, start, quote, foreign }
}

struct Lexer<'l> {
    letters: Peekable<CharIndices<'l>>,
    words: Vec<String>,
    /// The word at hand, without its quotes.
    word: Vec<u8>,
    /// Where it begins, if it has.
    begun: Option<usize>,
    quote: Quote,
    foreign: bool,
}

impl Lexer<'_> {
    fn take(&mut self, at: usize, c: char) {
        match self.quote {
            Quote::None => self.plain(at, c),
            Quote::Single if c == '\'' => self.quote = Quote::None,
            Quote::Single => self.push(c),
            Quote::Double => self.double(c),
            Quote::Spelled => self.spelled(c),
        }
    }

    fn plain(&mut self, at: usize, c: char) {
        if c.is_ascii_whitespace() {
            return self.end_word();
        }
        if ";|&()<>".contains(c) {
            self.end_word();
            self.foreign = true;
            return;
        }
        self.begun.get_or_insert(at);
        match c {
            '\'' => self.quote = Quote::Single,
            '"' => self.quote = Quote::Double,
            '\\' => self.next_as_it_is(),
            '$' if self.letters.next_if(|(_, c)| *c == '\'').is_some() => {
                self.quote = Quote::Spelled;
            }
            c => self.push_live(c),
        }
    }

    fn double(&mut self, c: char) {
        match c {
            '"' => self.quote = Quote::None,
            '\\' => match self.letters.next_if(|(_, c)| "$`\"\\".contains(*c)) {
                Some((_, c)) => self.push(c),
                None => self.push('\\'),
            },
            c => self.push_live(c),
        }
    }

    fn spelled(&mut self, c: char) {
        match c {
            '\'' => self.quote = Quote::None,
            '\\' => self.escaped(),
            c => self.push(c),
        }
    }

    /// What is behind a backslash within `$'…'`, as far as we write it: up to three digits of eight, or the letter itself.
    fn escaped(&mut self) {
        let mut byte: Option<u32> = None;
        for _ in 0..3 {
            let Some((_, c)) = self.letters.next_if(|(_, c)| c.is_digit(8)) else { break };
            byte = c.to_digit(8).map(|digit| byte.unwrap_or(0) * 8 + digit);
        }
        match byte {
            Some(byte) => self.word.extend(u8::try_from(byte)),
            None => self.next_as_it_is(),
        }
    }

    fn next_as_it_is(&mut self) {
        if let Some((_, c)) = self.letters.next() {
            self.push(c);
        }
    }

    /// A letter that the shell may take for the beginning of something else.
    fn push_live(&mut self, c: char) {
        self.foreign |= "$`".contains(c);
        self.push(c);
    }

    fn push(&mut self, c: char) {
        self.word.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// The word at hand has ended, if one had begun.
    fn end_word(&mut self) {
        if self.begun.take().is_some() {
            let word = std::mem::take(&mut self.word);
            self.words.push(String::from_utf8_lossy(&word).into_owned());
            self.foreign = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_bash_would_pass() {
        for (line, words, quote, start) in [
            ("x ", vec!["x", ""], Quote::None, 2),
            ("x 'a b' c", vec!["x", "a b", "c"], Quote::None, 8),
            ("x 'my fi", vec!["x", "my fi"], Quote::Single, 2),
            (r#"x "a\"\n $"#, vec!["x", "a\"\\n $"], Quote::Double, 2),
            (r"x it\'s\ ", vec!["x", "it's "], Quote::None, 2),
            (r"x a$'\0121\'\303\251", vec!["x", "a\n1'é"], Quote::Spelled, 2),
            (r"x $'\01", vec!["x", "\u{1}"], Quote::Spelled, 2),
            (r"x a\", vec!["x", "a"], Quote::None, 2),
            ("x ''", vec!["x", ""], Quote::None, 2),
        ] {
            let typed = lex(line);
            assert_eq!(
                (typed.words, typed.quote, typed.start),
                (words.into_iter().map(str::to_owned).collect(), quote, start),
                "{line}"
            );
        }
    }

    #[test]
    fn what_the_shell_completes_itself_is_seen() {
        for line in ["x > f", "x >f", "x 2>&1 >", "x $HO", "x \"$H", "x `d"] {
            assert!(lex(line).foreign, "{line}");
        }
        for line in ["x > f a", "x '$H", r"x \$H", "x $'a", "x $H b"] {
            assert!(!lex(line).foreign, "{line}");
        }
    }
}
