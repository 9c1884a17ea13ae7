//! The command line of `seeder`.

mod guess;
pub mod help;
pub(crate) mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueHint};
use sealift_command::args::CommonArgs;
use sealift_command::manual::Manual;
use sealift_command::people::flags;
use sealift_proto::space::HostName;
use sealift_transport::pace::Rate;
use sealift_transport::path::Allowed;

use super::invite::{parse_expires, parse_public};
use super::service::Service;

/// Share folders, end to end encrypted, through a relay that can read nothing.
#[derive(Debug, Parser)]
#[command(name = "seeder", version, after_help = help::SHARE, args_conflicts_with_subcommands = false)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub common: CommonArgs,
    /// What to share.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// Share DIR; the same as --watch DIR
    #[arg(value_name = "[NAME=]DIR", value_hint = ValueHint::DirPath)]
    folders: Vec<OsString>,
    /// Something else to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// What was typed; ends the process with words where that cannot be understood.
    #[must_use]
    pub fn read() -> Self {
        let mut cli: Self = sealift_command::usage::read();
        for folder in std::mem::take(&mut cli.folders) {
            if let Some(hint) = guess::no_folder(&folder) {
                Self::command().error(ErrorKind::InvalidSubcommand, hint).exit();
            }
            cli.watch.watch.push(folder);
        }
        cli
    }
}

/// Flags of sharing.
#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// Share DIR and everything in it, under its own name or as NAME, or one file; may be given several times
    #[arg(long, value_name = "[NAME=]DIR", value_hint = ValueHint::DirPath)]
    pub watch: Vec<OsString>,
    /// Send no faster than RATE bytes per second, to all leechers together: 500k, 10M, 20Mi
    #[arg(long, value_name = "RATE", value_parser = flags::parse_rate)]
    pub limit: Option<Rate>,
    /// Which path content may take: any (unless told otherwise), relay or direct. Only with relay does this device name its addresses to nobody
    #[arg(long, value_name = "PATH", value_parser = flags::paths())]
    pub path: Option<Allowed>,
    /// Let members on the local network find this seeder there by multicast, and fetch without the relay
    #[arg(long)]
    pub lan: bool,
    /// Show a private relay the token in FILE, which its operator gave; it is remembered for that relay
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub relay_token: Option<PathBuf>,
    /// Call this device NAME from now on (otherwise user@host)
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Look through the folders every SECS seconds instead of letting the system report changes
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "2",
          value_parser = parse_poll)]
    pub poll: Option<Duration>,
}

impl WatchArgs {
    /// A flag that was given, if any was.
    #[must_use]
    pub fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--watch", !self.watch.is_empty()),
            ("--limit", self.limit.is_some()),
            ("--path", self.path.is_some()),
            ("--lan", self.lan),
            ("--relay-token", self.relay_token.is_some()),
            ("--name", self.name.is_some()),
            ("--poll", self.poll.is_some()),
        ];
        flags.into_iter().find_map(|(flag, given)| given.then_some(flag))
    }

    /// The same, with what was remembered where nothing else is asked for.
    #[must_use]
    pub fn or(self, remembered: Self) -> Self {
        Self {
            watch: if self.watch.is_empty() { remembered.watch } else { self.watch },
            limit: self.limit.or(remembered.limit),
            path: self.path.or(remembered.path),
            lan: self.lan || remembered.lan,
            relay_token: self.relay_token,
            name: self.name,
            poll: self.poll.or(remembered.poll),
        }
    }
}

/// Commands beside sharing.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a line that lets another device join the space
    #[command(after_help = help::INVITE)]
    Invite(InviteArgs),
    /// Join somebody else's space
    #[command(after_help = help::JOIN)]
    Join {
        /// The line that `seeder invite` printed there, or all of what was printed; `-` reads it from standard input
        invite: Vec<String>,
        /// Call this device NAME from now on (otherwise user@host)
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Tell what is shared, by whom, and which folder to back up
    #[command(after_help = help::STATUS)]
    Status,
    /// List the members of the space
    #[command(after_help = help::MEMBERS)]
    Members,
    /// Share as a service of this user, with nothing to repeat tomorrow (systemd)
    #[command(subcommand, after_help = help::SERVICE)]
    Service(Service),
    /// What shell and `man` want to know.
    #[command(flatten)]
    Manual(Manual),
}

/// Flags of `seeder invite`.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// How many devices may join by it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub uses: u32,
    /// For how long it is good: 90m, 24h, 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_expires)]
    pub expires: Duration,
    /// Where the other device finds the relay, if not where this one does
    #[arg(long, value_name = "HOST[:PORT]", value_parser = parse_public)]
    pub public: Option<(HostName, Option<u16>)>,
    /// Show it as a QR code too, for a camera; on standard error, so that standard output has the line alone
    #[arg(long)]
    pub qr: bool,
}

fn parse_poll(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is a number of seconds")?;
    if (0.1..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("between 0.1 and 86400 seconds".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let cli = parse("seeder --watch a --watch N=b --relay h:1 --poll=5 --json").unwrap();
        assert_eq!(cli.watch.watch.len(), 2);
        assert_eq!(cli.watch.poll, Some(Duration::from_secs(5)));
        assert_eq!(
            parse("seeder --poll --watch a").unwrap().watch.poll,
            Some(Duration::from_secs(2))
        );
        let cli = parse("seeder invite --uses 3 --expires 2h --public h:9 --home x").unwrap();
        let Some(Command::Invite(invite)) = cli.command else { panic!("an invite") };
        assert_eq!((invite.uses, invite.expires), (3, Duration::from_secs(7200)));
        assert!(
            matches!(parse("seeder join -").unwrap().command, Some(Command::Join { invite, .. }) if invite == ["-"])
        );
        assert!(parse("seeder join --name ben").is_ok());
        assert_eq!(parse("seeder ./x N=y").unwrap().folders, ["./x", "N=y"]);
        assert!(
            matches!(parse("seeder invite --qr").unwrap().command, Some(Command::Invite(invite)) if invite.qr)
        );
        for bad in ["seeder invite --uses 0", "seeder --poll=x --watch a"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
