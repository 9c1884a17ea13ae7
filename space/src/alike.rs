//! Names that look like each other: their skeletons are equal (Unicode Technical Standard 39).

use std::collections::HashMap;
use std::sync::LazyLock;

use sealift_proto::shown::is_unsafe;
use unicode_normalization::UnicodeNormalization;

/// What letters look like: of each line the first letters are what each of the others is taken for. From Unicode's
/// `confusables.txt`, under the Unicode License V3, as the crate has it that the test compares it with.
const TABLE: &str = include_str!("alike/table.txt");

static LOOKS: LazyLock<HashMap<char, String>> = LazyLock::new(|| read(TABLE));

/// What `text` looks like: two texts that look alike have the same. It is made to be compared, not to be shown.
#[must_use]
pub(crate) fn skeleton(text: &str) -> String {
    let seen = text.nfd().filter(|c| !is_unsafe(*c));
    let looks = seen.fold(String::with_capacity(text.len()), |mut looks, c| {
        match LOOKS.get(&c) {
            Some(like) => looks.push_str(like),
            None => looks.push(c),
        }
        looks
    });
    looks.nfd().collect()
}

fn read(table: &str) -> HashMap<char, String> {
    let letter = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    let mut looks = HashMap::new();
    for (like, letters) in table.lines().filter_map(|line| line.split_once(':')) {
        let like: String = like.split(' ').filter_map(letter).collect();
        looks.extend(letters.split(' ').filter_map(letter).map(|c| (c, like.clone())));
    }
    looks
}

#[cfg(test)]
mod tests;
