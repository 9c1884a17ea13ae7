//! Flags that `seeder` and `leecher` share.

use std::path::PathBuf;

use clap::Args;
use sealift_proto::frame::DEFAULT_PORT;
use sealift_proto::space::HostName;
use sealift_proto::text::{self, host_port, parse_host_port};

use crate::console::{Console, Verbosity};
use crate::paint::When;

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct CommonArgs {
    /// Keep everything Sealift stores for this user in DIR
    #[arg(long, value_name = "DIR", env = "SEALIFT_HOME", global = true, hide_env_values = true)]
    pub home: Option<PathBuf>,
    /// Relay to use from now on; it is remembered. PIN makes sure that it is the right one
    #[arg(long, value_name = "HOST:PORT[#PIN]", global = true, value_parser = parse_relay)]
    pub relay: Option<RelayArg>,
    /// Use only the space of this name
    #[arg(long, value_name = "SPACE", global = true)]
    pub space: Option<String>,
    /// Print one JSON object per line
    #[arg(long, global = true)]
    pub json: bool,
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print details too
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Colour what is listed: auto, always or never
    #[arg(
        long,
        value_name = "WHEN",
        global = true,
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub color: When,
}

impl CommonArgs {
    /// The console these flags ask for.
    #[must_use]
    pub fn console(&self) -> Console {
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        };
        Console::process(self.json, verbosity).coloured(self.color)
    }
}

/// A relay as a person names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayArg {
    /// Host name or address.
    pub host: HostName,
    /// TCP port.
    pub port: u16,
    /// Pin of its key, if it was given.
    pub pin: Option<[u8; 16]>,
}

impl std::fmt::Display for RelayArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&host_port(&self.host, self.port))?;
        match &self.pin {
            Some(pin) => write!(f, "#{}", text::base32(pin)),
            None => Ok(()),
        }
    }
}

/// Reads `HOST[:PORT][#PIN]`.
///
/// # Errors
/// Words for the person who typed it.
pub fn parse_relay(text: &str) -> Result<RelayArg, String> {
    let (place, pin) = match text.split_once('#') {
        Some((place, pin)) => (place, Some(pin)),
        None => (text, None),
    };
    let (host, port) = parse_host_port(place)
        .ok_or("write it as HOST:PORT or HOST:PORT#PIN, as the relay prints it")?;
    let pin = match pin {
        Some(pin) => {
            Some(text::from_base32(pin).ok_or("the PIN has 26 letters and digits; copy it whole")?)
        }
        None => None,
    };
    Ok(RelayArg { host, port: port.unwrap_or(DEFAULT_PORT), pin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_are_read_as_they_are_printed() {
        let pin = text::base32(&[9; 16]);
        let relay = parse_relay(&format!("relay.example.org:443#{pin}")).unwrap();
        assert_eq!(
            (relay.host.as_str(), relay.port, relay.pin),
            ("relay.example.org", 443, Some([9; 16]))
        );
        assert_eq!(parse_relay("[::1]").unwrap().port, DEFAULT_PORT);
        assert!(
            parse_relay("a b").is_err()
                && parse_relay("h#short").is_err()
                && parse_relay("h:x").is_err()
        );
    }
}
