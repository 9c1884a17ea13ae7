//! The command line of `sealift`: the arguments are those of `seeder` and `leecher`.

mod help;

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand, ValueHint};
use sealift_command::args::CommonArgs;
use sealift_command::manual::{About, ENVIRONMENT, Manual};
use sealift_leecher::cli::args::{
    DownloadArgs, JoinArgs, ListArgs, PingArgs, SearchArgs, VerifyArgs, help as finding,
};
use sealift_seeder::cli::args::{InviteArgs, WatchArgs, help as sharing};
use sealift_seeder::cli::service::Service;

/// What the manual pages say beside what the flags do.
pub const ABOUT: About =
    About { exit: finding::EXIT, environment: ENVIRONMENT, files: help::FILES };

/// Share folders with people you trust, find files by name and fetch them, end-to-end encrypted through a relay that can read nothing
#[derive(Debug, Parser)]
#[command(name = "sealift", version, after_help = help::ALL, arg_required_else_help = true)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub common: CommonArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What was typed; ends the process with words where that cannot be understood.
    #[must_use]
    pub fn read() -> Self {
        sealift_command::usage::read_hinted(&MEANT)
    }
}

/// Words of others that mean something here.
const MEANT: [(&[&str], &str); 1] = [(
    &["watch", "seed", "serve", "send", "upload", "offer", "add", "put", "start"],
    "sealift share FOLDER",
)];

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Share folders and files and follow their changes; without any, go on with those of the last time
    #[command(after_help = help::SHARE)]
    Share(ShareArgs),
    /// Anything else.
    #[command(flatten)]
    Other(Verb),
}

/// What ends by itself.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Share a folder or file no more, by the name it has for others; what is shared stays where it is
    #[command(after_help = help::UNSHARE)]
    Unshare(UnshareArgs),
    /// End what shares for this profile
    #[command(after_help = help::STOP)]
    Stop,
    /// Find files by name: exact, part of a name, glob, or a close misspelling; best first
    #[command(alias = "find", after_help = help::here(finding::SEARCH))]
    Search(SearchArgs),
    /// List what is shared, or what is in a folder
    #[command(alias = "ls", after_help = help::here(finding::LIST))]
    List(ListArgs),
    /// Fetch files and folders, verified
    #[command(visible_alias = "download", aliases = ["fetch", "pull"], after_help = help::here(finding::DOWNLOAD))]
    Get(DownloadArgs),
    /// Check files of this machine against what is shared
    #[command(after_help = help::here(finding::VERIFY))]
    Verify(VerifyArgs),
    /// Print a line that lets another device join the space
    #[command(after_help = help::here(sharing::INVITE))]
    Invite(InviteArgs),
    /// Become a member of a space by an invite
    #[command(after_help = help::here(finding::JOIN))]
    Join(JoinArgs),
    /// Show who is in the space
    #[command(after_help = help::here(finding::MEMBERS))]
    Members,
    /// Show every path to a member who is online, how quick it is, and why others do not work
    #[command(after_help = help::here(finding::PING))]
    Ping(PingArgs),
    /// Show what this device shares, whose catalogues it knows, and which folder to back up
    #[command(after_help = help::STATUS)]
    Status,
    /// Share as a service of this user, with nothing to repeat tomorrow (systemd)
    #[command(
        subcommand, after_help = help::SERVICE,
        mut_subcommands(|command| { let here = help::here(&help::below(&command)); command.after_help(here) })
    )]
    Service(Service),
    /// What shell and `man` want to know.
    #[command(flatten)]
    Manual(Manual),
}

/// Arguments of `unshare`.
#[derive(Debug, Clone, Args)]
pub struct UnshareArgs {
    /// Name of the folder or file, as `status` and `list` show it
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// Arguments of `share`.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("watch", |watch| watch.hide(true)))]
pub struct ShareArgs {
    /// Share DIR and everything in it, or FILE alone, under its own name or as NAME
    #[arg(value_name = "[NAME=]DIR|FILE", value_hint = ValueHint::AnyPath)]
    folders: Vec<OsString>,
    #[command(flatten)]
    watch: WatchArgs,
}

impl ShareArgs {
    /// The same as flags of `seeder`.
    #[must_use]
    pub fn watch(self) -> WatchArgs {
        let mut watch = self.watch;
        watch.watch.extend(self.folders);
        watch
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn folders_are_shared_as_seeder_shares_them() {
        let Ok(Command::Share(args)) = parse("sealift share a N=b --lan --limit 1M") else {
            panic!("folders were named")
        };
        let watch = args.watch();
        assert_eq!(watch.watch, ["a", "N=b"]);
        assert!(watch.lan && watch.limit.is_some());
        assert!(matches!(parse("sealift share"), Ok(Command::Share(_))));
    }

    #[test]
    fn what_others_call_fetching_fetches() {
        for word in ["get", "download", "fetch", "pull"] {
            let fetched = parse(&format!("sealift {word} a -o b"));
            assert!(
                matches!(fetched, Ok(Command::Other(Verb::Get(args))) if args.names == ["a"]),
                "{word}"
            );
        }
    }

    #[test]
    fn no_help_names_a_program_that_need_not_be_here() {
        fn walk(command: &mut clap::Command) {
            let help = command.render_help().to_string();
            for word in ["leecher ", "seeder ", "`leecher", "`seeder"] {
                let inner = help.lines().find(|line| line.trim_start().starts_with(word));
                assert!(inner.is_none(), "{}: {inner:?}", command.get_name());
            }
            command.get_subcommands_mut().for_each(walk);
        }
        let mut command = Cli::command();
        command.build();
        walk(&mut command);
    }

    #[test]
    fn a_word_of_another_program_gets_a_hint() {
        let hint = sealift_command::usage::hinted(parse("sealift watch x").unwrap_err(), &MEANT)
            .to_string();
        assert!(hint.contains("perhaps: sealift share FOLDER"), "{hint}");
    }
}
