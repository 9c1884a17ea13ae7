//! Where in a path the pattern is that it answers, for eyes.

use std::ops::Range;

use crate::text::fold;

/// The places in `path`, in bytes, that hold `pattern` or its words, each once and in order; none for a glob or a misspelling.
#[must_use]
pub(crate) fn marks(pattern: &str, path: &str) -> Vec<Range<usize>> {
    let pattern = fold(pattern.trim_start_matches("./").trim_end_matches('/')).into_owned();
    let folded = Folded::new(path);
    if let Some(place) = folded.last(&pattern) {
        return vec![place];
    }
    let mut places: Vec<_> =
        pattern.split_whitespace().filter_map(|word| folded.last(word)).collect();
    places.sort_by_key(|place| (place.start, std::cmp::Reverse(place.end)));
    places.dedup_by(|later, earlier| {
        let touches = later.start <= earlier.end;
        if touches {
            earlier.end = earlier.end.max(later.end);
        }
        touches
    });
    places
}

/// A path as search sees it, with the place of each letter.
struct Folded {
    text: String,
    /// For each byte of the text, the letter it comes from; then the end.
    from: Vec<usize>,
}

impl Folded {
    fn new(path: &str) -> Self {
        let (mut text, mut from) = (String::with_capacity(path.len()), Vec::new());
        for (at, c) in path.char_indices() {
            text.push_str(&fold(c.encode_utf8(&mut [0; 4])));
            from.resize(text.len(), at);
        }
        from.push(path.len());
        Self { text, from }
    }

    /// The last place of `word`, with the accents of its last letter: names stand at the end.
    fn last(&self, word: &str) -> Option<Range<usize>> {
        let start = if word.is_empty() { None } else { self.text.rfind(word) }?;
        Some(self.from[start]..self.from[start + word.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(pattern: &str, path: &str) -> Vec<String> {
        marks(pattern, path).into_iter().map(|place| path[place].to_owned()).collect()
    }

    #[test]
    fn what_was_typed_is_found_in_any_case_and_accent() {
        assert_eq!(marked("ete", "share/été/Éte\u{301}.txt"), ["Éte\u{301}"]);
        assert_eq!(marked("share/a", "x/Share/a.txt"), ["Share/a"]);
        assert_eq!(marked("img 2024", "img/2024/img.jpg"), ["2024", "img"]);
        assert_eq!(marked("ab bc", "abc"), ["abc"]);
        assert_eq!(marked("東", "東京"), ["東"]);
    }

    #[test]
    fn a_glob_and_a_misspelling_mark_nothing() {
        assert!(marked("*.jpg", "a.jpg").is_empty());
        assert!(marked("raport", "report").is_empty() && marked("", "a").is_empty());
    }
}
