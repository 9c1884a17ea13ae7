//! `seeder invite`, and what is said of an invite that a seeder makes at its start.

use std::net::IpAddr;
use std::time::Duration;

use sealift_command::console::Console;
use sealift_command::event::Event;
use sealift_command::exit::Failure;
use sealift_command::people::speaker::Speaker;
use sealift_command::program;
use sealift_proto::invite::{Invite, parse_host_port};
use sealift_proto::place::RelayPlace;
use sealift_proto::space::HostName;

use crate::invite::place::is_loopback;
use crate::invite::{Invited, Terms, create};

/// Prints one invite, alone on standard output, once the relay keeps its package. The line.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(
    speaker: &Speaker,
    relay: Option<&RelayPlace>,
    space: Option<&str>,
    terms: &Terms,
) -> Result<String, Failure> {
    let Invited { invite, dialled, expires } = create(speaker, relay, space, terms).await?;
    tell_host(&speaker.console, &invite.relay.host, &dialled.host);
    let line = invite.to_line();
    let (uses, expires) = (Some(terms.uses), Some(expires));
    speaker.console.result(&line, &Event::Invite { invite: line.clone(), uses, expires });
    Ok(line)
}

/// Says how a second device comes in.
pub(super) fn tell_first(console: &Console, invite: &Invite, dialled: &RelayPlace) {
    let line = invite.to_line();
    console.note(
        format!(
            "to let a second device in (once, within 24 h), type there:\n\n    {} join {line}\n",
            program::finder()
        ),
        &Event::Invite { invite: line, uses: None, expires: None },
    );
    tell_host(console, &invite.relay.host, &dialled.host);
}

/// Says so if the invite leads to this machine only, or where it leads if the relay was dialled as on this machine.
fn tell_host(console: &Console, host: &HostName, dialled: &HostName) {
    let (shown, here) = (host.as_str(), dialled.as_str());
    if is_loopback(host) {
        console.warn(
            format!(
                "this invite works on this machine only, because its relay is {shown}; for others: {} invite --public HOST, with the name or address that they reach",
                program::sharer()
            ),
            &Event::InviteLoopback { host: shown.into() },
        );
    } else if is_loopback(dialled) && host.as_str().parse::<IpAddr>().is_ok() {
        console.note(
            format!(
                "the relay on this machine is {shown} in the invite, which others in its network reach; for those elsewhere: {} invite --public HOST",
                program::sharer()
            ),
            &Event::InviteHost { host: shown.into(), dialled: here.into() },
        );
    }
}

/// Reads `HOST[:PORT]`.
///
/// # Errors
/// Words for the person who typed it.
pub fn parse_public(text: &str) -> Result<(HostName, Option<u16>), String> {
    parse_host_port(text).ok_or_else(|| "write it as HOST or HOST:PORT".into())
}

/// Reads the length of time for which an invite is good.
///
/// # Errors
/// Words for the person who typed it.
pub fn parse_expires(text: &str) -> Result<Duration, String> {
    let expires = sealift_command::human::parse_duration(text)?;
    let longest = Duration::from_secs(366 * 24 * 3600);
    match expires {
        _ if expires < Duration::from_secs(60) => Err("give it a minute at least".into()),
        _ if expires > longest => Err("a year is the longest".into()),
        _ => Ok(expires),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_bounded() {
        assert_eq!(parse_expires("2h"), Ok(Duration::from_secs(7200)));
        assert!(parse_expires("1s").is_err() && parse_expires("800d").is_err());
        assert!(parse_expires("x").is_err());
    }
}
