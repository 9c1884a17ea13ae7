//! The command line of `leecher`.

pub mod help;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};
use sealift_command::args::CommonArgs;
use sealift_command::human::parse_duration;
use sealift_command::manual::Manual;
use sealift_command::people::flags;
use sealift_transport::pace::Rate;
use sealift_transport::path::Allowed;
use sealift_transport::session::WrapChoice;

/// Find and fetch files that members of your space share, end-to-end encrypted through a relay that can read nothing
#[derive(Debug, Parser)]
#[command(name = "leecher", version, after_help = help::ALL, arg_required_else_help = true)]
pub struct Arguments {
    /// Flags of every command.
    #[command(flatten)]
    pub common: CommonArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Words of others that mean something here.
const MEANT: [(&[&str], &str); 2] = [
    (&["share", "seed", "send", "upload", "watch", "offer", "add", "put"], "seeder ./FOLDER"),
    (&["invite"], "seeder invite, where the space was made"),
];

impl Arguments {
    /// What was typed; ends the process with words where that cannot be understood.
    #[must_use]
    pub fn read() -> Self {
        sealift_command::usage::read_hinted(&MEANT)
    }
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Become a member of a space by an invite
    #[command(after_help = help::JOIN)]
    Join(JoinArgs),
    /// Find files by name: exact, part of a name, glob, or a close misspelling; best first
    #[command(alias = "find", after_help = help::SEARCH)]
    Search(SearchArgs),
    /// List what is shared, or what is in a folder
    #[command(alias = "ls", after_help = help::LIST)]
    List(ListArgs),
    /// Fetch files and folders, verified
    #[command(visible_alias = "get", aliases = ["fetch", "pull"], after_help = help::DOWNLOAD)]
    Download(DownloadArgs),
    /// Show every path to a member who is online, how quick it is, and why others do not work
    #[command(after_help = help::PING)]
    Ping(PingArgs),
    /// Check files of this machine against what is shared
    #[command(after_help = help::VERIFY)]
    Verify(VerifyArgs),
    /// Show who is in the space
    #[command(after_help = help::MEMBERS)]
    Members,
    /// Show this device, its spaces, and how far their catalogues are known
    #[command(after_help = help::STATUS)]
    Status,
    /// What shell and `man` want to know.
    #[command(flatten)]
    Manual(Manual),
}

/// Arguments of `join`.
#[derive(Debug, Clone, Args)]
pub struct JoinArgs {
    /// The line that `invite` printed there
    pub invite: Vec<String>,
    /// What others see this device as, instead of user@host
    #[arg(long, value_name = "ME")]
    pub name: Option<String>,
}

/// Arguments of `search`.
#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// What to look for: of several words all, in any order
    #[arg(required = true, value_name = "PATTERN")]
    pub patterns: Vec<String>,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Look only at what is known already
    #[arg(long)]
    pub offline: bool,
    /// Show dates, and which space each is in
    #[arg(short, long)]
    pub long: bool,
}

/// Arguments of `list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Folder, as `list` or `search` shows it
    pub path: Option<String>,
    /// Look only at what is known already
    #[arg(long)]
    pub offline: bool,
    /// Show sizes, dates and who has it
    #[arg(short, long)]
    pub long: bool,
}

/// Arguments of `ping`.
#[derive(Debug, Clone, Args)]
pub struct PingArgs {
    /// Name of the member, or the start of the device's id
    pub person: String,
    /// How long to look for paths
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub wait: Duration,
}

/// Arguments of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// A file or folder of this machine
    pub path: PathBuf,
    /// Shared folder (for a file: shared file) that PATH is a copy of, as `list` or `search` shows it
    #[arg(long, value_name = "FOLDER")]
    pub with: Option<String>,
    /// Look only at what is known already
    #[arg(long)]
    pub offline: bool,
}

/// Arguments of `download`.
#[derive(Debug, Clone, Args)]
pub struct DownloadArgs {
    /// What to fetch
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Where to put it, made if missing; `-` writes one file to standard output
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub out: PathBuf,
    /// Take it from this member
    #[arg(long, value_name = "PERSON")]
    pub from: Option<String>,
    /// Take the content whose hash begins so
    #[arg(long, value_name = "H")]
    pub hash: Option<String>,
    /// Fetch no faster than RATE bytes per second, all files together: 500k, 10M, 20Mi
    #[arg(long, value_name = "RATE", value_parser = flags::parse_rate)]
    pub limit: Option<Rate>,
    /// How the key is wrapped: auto, hybrid, x25519 or rsa
    #[arg(long, value_name = "SUITE", default_value = "auto", value_parser = flags::suites())]
    pub wrap: WrapChoice,
    /// Wait until a seeder that has it is online, for ever or for TIME
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "365d", value_parser = parse_duration)]
    pub wait: Option<Duration>,
    /// Which path content may take: any, relay or direct. Only with relay does this device name its addresses to nobody
    #[arg(long, value_name = "PATH", default_value = "any", value_parser = flags::paths())]
    pub path: Allowed,
    /// Look for seeders on the local network too; with a relay or without. They must run with --lan
    #[arg(long)]
    pub lan: bool,
    /// Take from at most N seeders at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = parse_jobs)]
    pub jobs: usize,
    /// Neither give what has come to others who fetch the same, nor take from them
    #[arg(long, conflicts_with = "seed_for")]
    pub no_swarm: bool,
    /// Go on giving what has come to others who fetch it, for this long after the end
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub seed_for: Option<Duration>,
    /// Make programs executable, as they are at their owner's
    #[arg(long)]
    pub preserve: bool,
    /// How long to go on trying when the way to every seeder is lost
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    pub patience: Duration,
}

/// Most seeders at once.
const JOBS_MAX: usize = 64;

fn parse_jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs) if (1..=JOBS_MAX).contains(&jobs) => Ok(jobs),
        _ => Err(format!("write a number from 1 to {JOBS_MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn waiting_takes_a_time_or_none() {
        let parse = |line: &str| {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            match arguments.command {
                Command::Download(args) => (args.wait, args.names),
                _ => unreachable!("a download was typed"),
            }
        };
        assert_eq!(parse("leecher download a").0, None);
        assert_eq!(parse("leecher download --wait=2m a").0, Some(Duration::from_secs(120)));
        let (wait, names) = parse("leecher download --wait a b");
        assert!(wait.is_some());
        assert_eq!(names, ["a", "b"]);
    }
}
