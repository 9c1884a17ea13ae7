//! What somebody probably meant.

/// The one of `known` that `typed` was probably meant to be.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong. What is far longer than any key is no misspelling.
    let most = (typed.len() / 3).clamp(1, 4);
    let near = known.filter(|name| name.len().abs_diff(typed.len()) <= most);
    let near = near.map(|name| (distance(typed, name), name));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// How many bytes to change, insert or remove.
fn distance(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, byte) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(byte != *wanted);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_are_recognised_and_other_words_are_not() {
        let known = ["listen", "limits", "log", "space_bytes"];
        let near = |typed| nearest(typed, known.into_iter());
        assert_eq!(near("lisen"), Some("listen"));
        assert_eq!(near("space-bytes"), Some("space_bytes"));
        assert_eq!(near("space_byte"), Some("space_bytes"));
        assert_eq!((near("nonsense"), near(""), near(&"x".repeat(5000))), (None, None, None));
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
