//! First guesses of somebody who does not know the words yet.

use std::ffi::OsStr;
use std::path::Path;

use sealift_command::escape::escape_os;

/// What a word that is neither a command nor a folder was meant to say.
const MEANT: [(&[&str], &str); 3] = [
    (&["share", "serve", "start", "add", "watch", "offer", "send", "upload"], "seeder ./FOLDER"),
    (&["get", "download", "fetch", "pull"], "leecher download NAME"),
    (&["search", "find", "list", "ls", "verify", "ping"], "leecher --help"),
];

/// Why `word` is taken for no folder, if it is not: it looks like a command, and nothing of that name is here.
pub(super) fn no_folder(word: &OsStr) -> Option<String> {
    let text = word.to_str()?;
    if text.contains(['/', '=', '.']) || Path::new(word).exists() {
        return None;
    }
    let meant = MEANT.iter().find(|(words, _)| words.contains(&text)).map(|(_, meant)| *meant);
    let next = meant.map_or_else(
        || {
            "the commands are invite, join, status, members, service; `seeder --help` shows more"
                .to_owned()
        },
        |meant| format!("perhaps: {meant}"),
    );
    Some(format!("`{}` is no command, and no folder here\n\n  next: {next}", escape_os(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_folder_gets_a_hint() {
        let hint = |word: &str| no_folder(OsStr::new(word));
        assert!(hint("./x").is_none() && hint("a=b").is_none() && hint("src").is_none());
        assert!(hint("share").unwrap().contains("seeder ./FOLDER"));
        assert!(hint("download").unwrap().contains("leecher download"));
        assert!(hint("invit").unwrap().contains("invite, join"));
        assert!(!hint("a\u{1b}[31m").unwrap().contains('\u{1b}'));
    }
}
