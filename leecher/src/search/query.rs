//! What a person typed, and how well a path answers it.

use globset::{GlobBuilder, GlobMatcher};
use memchr::memmem::Finder;

use super::fuzzy::Fuzzy;
use crate::text::fold;

/// How a path answers a pattern, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Match {
    /// The pattern is the file name.
    Name,
    /// The pattern is the path, or its end from some folder on.
    Path,
    /// The file name begins with it.
    Prefix,
    /// It is within the file name.
    InName,
    /// It is within the path.
    InPath,
    /// All words of it are within the path.
    Words,
    /// The glob fits.
    Glob,
    /// The file name has something close to it.
    Close,
}

/// Place in the order of hits; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) kind: Match,
    /// 0 in the case typed and 1 in another; for [`Match::Close`] how far off.
    pub(super) off: u16,
}

/// A pattern prepared for search by substring and glob.
pub(super) struct Query {
    typed: Pattern,
    folded: Pattern,
    /// Its words, if they are several.
    words: Vec<Pattern>,
    glob: Option<Glob>,
    glob_on_path: bool,
    anchor: Finder<'static>,
}

/// A text with the machinery to look for it, which would cost more than a look if it were made for each.
struct Pattern {
    text: String,
    finder: Finder<'static>,
}

impl Pattern {
    fn new(text: String) -> Self {
        let finder = Finder::new(text.as_bytes()).into_owned();
        Self { text, finder }
    }

    fn is_in(&self, text: &str) -> bool {
        self.finder.find(text.as_bytes()).is_some()
    }

    /// How `path` contains it, both in the same letter case.
    fn kind(&self, path: &str) -> Option<Match> {
        let ways = [Match::Name, Match::Path, Match::Prefix, Match::InName, Match::InPath];
        ways.into_iter().find(|kind| self.fits(*kind, path))
    }

    /// Whether `path` contains it in this way.
    fn fits(&self, kind: Match, path: &str) -> bool {
        let (pattern, name) = (self.text.as_str(), name_of(path));
        match kind {
            Match::Name => name == pattern,
            Match::Path => path.strip_suffix(pattern).is_some_and(|above| {
                above.is_empty() || (pattern.contains('/') && above.ends_with('/'))
            }),
            Match::Prefix => name.starts_with(pattern),
            Match::InName => self.is_in(name),
            Match::InPath => self.is_in(path),
            Match::Words | Match::Glob | Match::Close => false,
        }
    }
}

impl Query {
    pub(super) fn new(pattern: &str) -> Self {
        let typed = pattern.trim_start_matches("./").trim_end_matches('/').to_owned();
        let folded = fold(&typed).into_owned();
        let glob_on_path = folded.contains('/');
        let glob = if is_glob(&folded) { compile(&folded, glob_on_path) } else { None };
        let words: Vec<_> = folded.split_whitespace().collect();
        let words = if words.len() > 1 && glob.is_none() { words } else { Vec::new() };
        let anchor = match &glob {
            Some(_) => longest_literal(&folded),
            None => words.iter().max_by_key(|word| word.len()).unwrap_or(&&*folded).to_string(),
        };
        let words = words.into_iter().map(|word| Pattern::new(word.to_owned())).collect();
        let anchor = Finder::new(anchor.as_bytes()).into_owned();
        let (typed, folded) = (Pattern::new(typed), Pattern::new(folded));
        Self { typed, folded, words, glob, glob_on_path, anchor }
    }

    /// Every path that answers contains this, in its folded form; empty when nothing can be said.
    pub(super) const fn anchor(&self) -> &Finder<'static> {
        &self.anchor
    }

    pub(super) fn fuzzy(&self) -> Option<Fuzzy> {
        if self.glob.is_some() || self.glob_on_path { None } else { Fuzzy::new(&self.folded.text) }
    }

    /// How `path`, of which `folded` is the folded form, answers; `None` if it does not.
    pub(super) fn rank(&self, path: &str, folded: &str) -> Option<Rank> {
        if let Some(kind) = self.folded.kind(folded) {
            let exact = self.typed.fits(kind, path);
            return Some(Rank { kind, off: u16::from(!exact) });
        }
        if !self.words.is_empty() && self.words.iter().all(|word| word.is_in(folded)) {
            return Some(Rank { kind: Match::Words, off: 0 });
        }
        let subject = if self.glob_on_path { folded } else { name_of(folded) };
        let fits = self.glob.as_ref().is_some_and(|glob| glob.fits(subject));
        fits.then_some(Rank { kind: Match::Glob, off: 0 })
    }
}

fn name_of(path: &str) -> &str {
    let start = memchr::memrchr(b'/', path.as_bytes()).map_or(0, |slash| slash + 1);
    path.get(start..).unwrap_or(path)
}

/// Whether `text` has signs that a glob gives a meaning.
pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// A folded glob. The usual ones need no machinery, which matters over a million names.
pub(crate) enum Glob {
    /// `*.pdf`, `*`
    Ends(String),
    /// `img_*`
    Begins(String),
    /// `*holiday*`
    Contains(Finder<'static>),
    /// Any other.
    Other(GlobMatcher),
}

impl Glob {
    /// A glob of file names.
    fn of_names(glob: &str) -> Option<Self> {
        let plain = |text: &str| !text.contains(['*', '?', '[', ']', '{', '}', '\\', ',', '!']);
        let (open_start, open_end) = (glob.strip_prefix('*'), glob.strip_suffix('*'));
        if let Some(end) = open_start.filter(|end| plain(end)) {
            return Some(Self::Ends(end.to_owned()));
        }
        if let Some(start) = open_end.filter(|start| plain(start)) {
            return Some(Self::Begins(start.to_owned()));
        }
        let middle = open_start.and_then(|rest| rest.strip_suffix('*'));
        if let Some(middle) = middle.filter(|middle| plain(middle)) {
            return Some(Self::Contains(Finder::new(middle.as_bytes()).into_owned()));
        }
        Self::other(glob)
    }

    fn other(glob: &str) -> Option<Self> {
        let glob = GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build();
        glob.ok().map(|glob| Self::Other(glob.compile_matcher()))
    }

    /// Whether it fits all of `subject`, which is folded.
    pub(crate) fn fits(&self, subject: &str) -> bool {
        match self {
            Self::Ends(end) => subject.ends_with(end),
            Self::Begins(start) => subject.starts_with(start),
            Self::Contains(finder) => finder.find(subject.as_bytes()).is_some(),
            Self::Other(matcher) => matcher.is_match(subject),
        }
    }
}

/// A folded glob of paths, or of file names. One of paths fits their end from some folder on. `None` if it is malformed, and
/// then is only text.
pub(crate) fn compile(glob: &str, on_path: bool) -> Option<Glob> {
    if on_path {
        return Glob::other(&format!("**/{}", glob.trim_start_matches('/')));
    }
    Glob::of_names(glob)
}

/// The longest run of letters that everything which fits `glob` must contain.
fn longest_literal(glob: &str) -> String {
    let (mut best, mut run) = (String::new(), String::new());
    let (mut braces, mut class) = (0u32, false);
    let mut letters = glob.chars();
    while let Some(letter) = letters.next() {
        let literal = match letter {
            ']' if class => {
                class = false;
                None
            }
            _ if class => None,
            '[' => {
                class = true;
                None
            }
            '{' => {
                braces += 1;
                None
            }
            '}' => {
                braces = braces.saturating_sub(1);
                None
            }
            '*' | '?' => None,
            '\\' => letters.next().filter(|_| braces == 0),
            other => (braces == 0).then_some(other),
        };
        match literal {
            Some(letter) => run.push(letter),
            None => run.clear(),
        }
        if run.len() > best.len() {
            best.clone_from(&run);
        }
    }
    // `a/**/b` also fits `a/b`: slashes beside stars are not certain.
    best.trim_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(pattern: &str, path: &str) -> Option<(Match, u16)> {
        Query::new(pattern).rank(path, &fold(path)).map(|rank| (rank.kind, rank.off))
    }

    #[test]
    fn paths_answer_by_kind_and_case() {
        assert_eq!(rank("a.txt", "s/a.txt"), Some((Match::Name, 0)));
        assert_eq!(rank("A.txt", "s/a.TXT"), Some((Match::Name, 1)));
        assert_eq!(rank("s/a.txt", "s/a.txt"), Some((Match::Path, 0)));
        assert_eq!(rank("d/a.txt", "s/d/a.txt"), Some((Match::Path, 0)));
        assert_eq!(rank("xd/a.txt", "s/d/a.txt"), None);
        assert_eq!(rank("a", "s/a.txt"), Some((Match::Prefix, 0)));
        assert_eq!(rank("txt", "s/a.txt"), Some((Match::InName, 0)));
        assert_eq!(rank("S/", "s/a.txt"), Some((Match::InPath, 1)));
        assert_eq!(rank("*.TXT", "s/a.txt"), Some((Match::Glob, 0)));
        assert_eq!(rank("s/*.txt", "r/s/a.txt"), Some((Match::Glob, 0)));
        assert_eq!(rank("s/*.txt", "r/s/d/a.txt"), None);
        assert_eq!(rank("[1].txt", "s/x[1].txt"), Some((Match::InName, 0)));
        assert_eq!(rank("[1", "s/x[1].txt"), Some((Match::InName, 0)));
        assert_eq!(rank("É", "s/e\u{301}t\u{e9}"), Some((Match::Prefix, 1)));
        assert_eq!(rank("resume", "s/Résumé.pdf"), Some((Match::Prefix, 1)));
        assert_eq!(rank("./s/a.txt", "s/a.txt"), Some((Match::Path, 0)));
    }

    #[test]
    fn several_words_are_each_somewhere_in_the_path() {
        assert_eq!(rank("img 2024", "s/2024/IMG_1.jpg"), Some((Match::Words, 0)));
        assert_eq!(rank("img 2025", "s/2024/IMG_1.jpg"), None);
        assert_eq!(rank("my file", "s/my file.txt"), Some((Match::Prefix, 0)), "first as one");
        let query = Query::new("a holiday 24");
        assert_eq!(query.anchor().needle(), b"holiday");
    }

    #[test]
    fn the_short_ways_of_globs_agree_with_the_long_one() {
        for glob in
            ["*", "**", "*.pdf", "img*", "*a*", "a*b", "*a*b*", "[ab]*", "*{a,b}", "?*", "\\**"]
        {
            let (short, long) = (Glob::of_names(glob).unwrap(), Glob::other(glob).unwrap());
            for name in ["a", "ab", "img_1.pdf", ".pdf", "b.a", "*", "x"] {
                assert_eq!(short.fits(name), long.fits(name), "{glob} {name}");
            }
        }
    }

    #[test]
    fn an_anchor_is_part_of_whatever_fits() {
        for (glob, literal) in [
            ("*.pdf", ".pdf"),
            ("img_????.{jpg,jpeg}", "img_"),
            ("[abc]x*longer", "longer"),
            ("*", ""),
            ("a/**/b", "a"),
            ("[]x]y", ""),
        ] {
            let found = longest_literal(glob);
            assert!(found == literal || literal.is_empty(), "{glob}: {found}");
        }
    }
}
