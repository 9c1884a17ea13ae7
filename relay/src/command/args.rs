//! Flags of the command.

pub(super) mod help;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint};

use sealift_command::manual::Manual;
use sealift_server::admin::parse_address as parse_metrics;
use sealift_server::listen::parse_address as parse_listen;
use sealift_server::log::Format;
use sealift_server::reach::{PublicAddress, parse_public};

/// Carries sealed files between the members of Sealift spaces, without being able to read them.
#[derive(Debug, Clone, Parser)]
#[command(name = "relay", version, after_help = help::SERVE)]
pub(super) struct Args {
    /// Listen there instead of on port 7743 of every address; may be given several times
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
    pub(super) listen: Vec<SocketAddr>,
    /// Print this address, which people use from outside; without a port, the one listened on
    #[arg(long, value_name = "HOST[:PORT]", value_parser = parse_public)]
    pub(super) public: Option<PublicAddress>,
    /// Keep key and store in DIR/relay instead of ~/.local/share/sealift/relay
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, env = "SEALIFT_HOME", hide_env_values = true)]
    pub(super) home: Option<PathBuf>,
    /// Carry only the space with this short id (`seeder status` shows it); may be given several times
    #[arg(long, value_name = "ID")]
    pub(super) allow_space: Vec<String>,
    /// Carry only spaces that a seeder brings with a token of FILE, one on each line (`seeder --relay-token`), beside those allowed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) token_file: Option<PathBuf>,
    /// Read FILE instead of relay.toml in the folder of key and store, or /etc/sealift/relay.toml; flags come before it
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) config: Option<PathBuf>,
    /// Answer /metrics and /healthz there by HTTP; an address of this machine alone, as 127.0.0.1:9743
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_metrics)]
    pub(super) metrics: Option<SocketAddr>,
    /// How long links may go on after SIGTERM: 30s, 2min
    #[arg(long, value_name = "TIME")]
    pub(super) drain: Option<String>,
    /// How log lines look; otherwise as --json says
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<Format>,
    /// Print and log one JSON object per line
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Log errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Log more; twice for everything
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Something else to do.
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Commands beside serving.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Command {
    /// Tell what the relay that runs on this folder is doing
    #[command(after_help = help::STATUS)]
    Status,
    /// Print what it allows: every limit with its value
    #[command(after_help = help::LIMITS)]
    Limits,
    /// Copy the relay's key, or put a copy of it in place
    #[command(subcommand, after_help = help::KEY)]
    Key(KeyCommand),
    /// What shell and `man` want to know.
    #[command(flatten)]
    Manual(Manual),
}

/// What can be done with the key.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum KeyCommand {
    /// Print the PIN that clients know the key by
    #[command(after_help = help::KEY_PIN)]
    Pin,
    /// Write a copy of the key to FILE, which must not exist; readable for this user alone
    #[command(after_help = help::KEY_EXPORT)]
    Export {
        /// Where to
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Put the copy in FILE in place; refused where there is a key already
    #[command(after_help = help::KEY_IMPORT)]
    Import {
        /// Where from
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let args =
            Args::try_parse_from(["relay", "--listen", "[::1]:0", "--listen", "127.0.0.1:80"]);
        assert_eq!(args.unwrap().listen.len(), 2);
        for good in ["files.example.org", "192.0.2.7:80", "[2001:db8::7]", "[2001:db8::7]:1"] {
            assert!(Args::try_parse_from(["relay", "--public", good]).is_ok(), "{good}");
        }
        for bad in ["", "a b", "host:0", "host:99999", "2001:db8::7", "https://example.org"] {
            assert!(Args::try_parse_from(["relay", "--public", bad]).is_err(), "{bad}");
        }
        assert!(Args::try_parse_from(["relay", "--listen", "example.org:1"]).is_err());
        assert!(Args::try_parse_from(["relay", "-q", "-v"]).is_err());
    }
}
