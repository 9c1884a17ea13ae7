//! What stands below the flags in `--help`, where it is not the same as of `seeder` or `leecher`.

/// What stands below the help of `leecher` or `seeder`, with its examples as they are typed for `sealift`. Whole examples move by the
/// same number of letters, so that what is explained behind them stays in one column.
pub(super) fn here(text: &str) -> String {
    let lines = text.lines().map(|line| match line.trim_start() {
        typed if typed.starts_with("leecher ") => line
            .replacen("leecher ", "sealift ", 1)
            .replacen("sealift download ", "sealift get ", 1),
        typed if typed.starts_with("seeder ") => line.replacen("seeder ", "sealift ", 1),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands below the help of `command`.
pub(super) fn below(command: &clap::Command) -> String {
    command.get_after_help().map(ToString::to_string).unwrap_or_default()
}

pub(super) const ALL: &str = "\
Examples:
  sealift share ./photos                                    offer a folder, for as long as this runs
  sealift invite                                            a line that lets one more device in
  sealift join sealift:relay.example.org:7743/PIN/SECRET    become a member, once per device
  sealift search report                                     find files by name
  sealift get report.pdf -o Downloads                       fetch one
  sealift get 'share/photos/*.jpg' -o Pictures              fetch what fits
  sealift status                                            what is shared and known here

`sealift COMMAND --help` shows more of each. A relay is named once, with --relay HOST:PORT#PIN, or comes with the \
invite; `relay` runs one.

Exit codes:
  0 done                        5 refused              9 several contents, choose
  1 other, or part left out     6 tampering noticed  130 interrupted
  2 usage   3 not found         7 relay unreachable   10 no direct path
  4 no seeder of it is online   8 local disk         143 terminated";

pub(super) const SHARE: &str = "\
Examples:
  sealift share ./photos                             share a folder, through the relay on this machine or the last one used
  sealift share ./photos --relay relay.example.org:7743#PIN
                                                     through another relay, from now on
  sealift share Photos=/mnt/disk/pictures ./papers   two folders, one of them under another name
  sealift share report.pdf Plan=plan-7.odt           files alone, as files/report.pdf and files/Plan
  sealift share                                      go on with what was shared the last time
  sealift service install                            the same by itself, after each login

What a `.sealiftignore` names (gitignore syntax) is left out, and by default swap files, locks and half downloads of other \
programs (`!*.part` there takes such back).
Links are not followed. Ctrl-C ends it; nothing is lost. Where a process shares for this profile already, such as the service, it \
shares DIR too, now and whenever it starts again.

Exit codes:
  0 ended by Ctrl-C or SIGTERM   5 refused    7 relay unreachable
  1 other                        2 usage      8 local disk";

pub(super) const UNSHARE: &str = "\
Examples:
  sealift unshare photos           at once where a process shares it, and for the next start
  sealift unshare photos files/report.pdf

Exit codes: 0 done; 3 nothing is shared by that name here.";

pub(super) const STOP: &str = "\
Example:
  sealift stop      as Ctrl-C ends it where it runs; `sealift share` goes on with the same folders

Exit codes: 0 done; 3 nothing shares for this profile.";

pub(super) const STATUS: &str = "\
Examples:
  sealift status            what is shared, whose catalogues are known, which folder to back up
  sealift status --json     the same for a program";

pub(super) const SERVICE: &str = "\
Examples:
  sealift share ./photos      once by hand: what is to be shared
  sealift service install     from now on by itself, after each login
  sealift service remove      no more

It writes a unit for systemd into ~/.config/systemd/user and starts it. `loginctl enable-linger` lets it go on while \
nobody is logged in.";

/// Where things are.
pub(super) const FILES: &str = "  \
~/.local/share/sealift    keys and spaces; `sealift status` names the folder to back up
  ~/.cache/sealift          hashes of files here and catalogues of others; can be made again
  DIR/profile, DIR/cache    instead of these with --home DIR
  .sealiftignore            in a shared folder: what is left out of it, in gitignore syntax
  OUT/.sealift-part-*       a download that is not complete; the same command uses or removes it";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_typed_for_this_program() {
        let text =
            "Examples:\n  leecher download a    one\n  seeder invite    b\n\nA leecher fetches.";
        let here = here(text);
        assert_eq!(
            here,
            "Examples:\n  sealift get a    one\n  sealift invite    b\n\nA leecher fetches."
        );
    }
}
