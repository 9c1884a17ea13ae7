//! Making invites (PROTOCOL.md section 11).

pub(crate) mod place;

use std::time::Duration;

use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_command::program;
use sealift_command::words;
use sealift_proto::codec::{self, Bytes, Extensions, List};
use sealift_proto::control::ToRelay;
use sealift_proto::frame::VERSION;
use sealift_proto::identity::{SecretKey, Signed};
use sealift_proto::invite::{Invite, InvitePackage, InviteSecret, PROVISIONAL, parse_host_port};
use sealift_proto::keys::InviteKeys;
use sealift_proto::object::{self, Place};
use sealift_proto::place::RelayPlace;
use sealift_proto::space::{Certificate, HostName, RelayAddress, Role};
use sealift_space::invites;
use sealift_space::profile::space::SpaceState;
use sealift_transport::connect::{GIVE_UP, Patience, clock_apart, connect, relay_of};
use sealift_transport::control::{CallError, Control};

/// How long an invite is good unless told otherwise.
pub const EXPIRES: Duration = Duration::from_secs(24 * 3600);

/// What an invite is to allow.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How many devices may join by it.
    pub uses: u32,
    /// For how long.
    pub expires: Duration,
    /// Where the others find the relay, if not where this device dials it.
    pub public: Option<(HostName, Option<u16>)>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { uses: 1, expires: EXPIRES, public: None }
    }
}

/// The command `seeder invite`: prints one invite, alone on standard output, once the relay keeps its package. The line.
///
/// # Errors
/// With words and exit code for the person.
pub async fn command(
    speaker: &Speaker,
    relay: Option<&RelayPlace>,
    space: Option<&str>,
    terms: &Terms,
) -> Result<String, Failure> {
    let space = speaker.profile.one_space(space)?;
    if space.owner().is_none() {
        return Err(not_owner());
    }
    let relay = relay_of(&speaker.profile, &space, relay)?;
    let connected = connect(speaker, space, &relay, false, Patience::AtMost(GIVE_UP)).await?;
    let invite = make(speaker, &connected.space, &connected.control, terms).await?;
    place::tell(&speaker.console, &invite.relay.host, &connected.control.relay().host);
    let line = invite.to_line();
    let expires = speaker.now() + terms.expires.as_secs();
    speaker.console.result(
        &line,
        &Event::Invite { invite: line.clone(), uses: Some(terms.uses), expires: Some(expires) },
    );
    Ok(line)
}

fn not_owner() -> Failure {
    Failure::new(Exit::Refused, "only the space's owner can invite")
        .why("this device joined by an invite, which lets it offer and fetch, but not invite")
        .next(format!("ask the owner to run `{} invite`", program::sharer()))
}

/// Makes an invite and has the relay keep its package.
///
/// # Errors
/// When this device does not own the space, or the relay refuses.
pub async fn make(
    speaker: &Speaker,
    space: &SpaceState,
    control: &Control,
    terms: &Terms,
) -> Result<Invite, Failure> {
    let random = &*speaker.profile.platform().random;
    let secret = InviteSecret(random.bytes());
    let keys = InviteKeys::derive(&secret.0);
    let deadline = speaker.now() + terms.expires.as_secs();
    let (owner, package) = package(speaker, space, terms.uses, deadline)?;
    let place =
        Place { space: space.id(), epoch: space.epoch(), device: owner.id(), log: 0, position: 0 };
    let sealed = object::seal::<object::Package>(
        &keys.package,
        &place,
        random.bytes(),
        &codec::encode(&package),
    );
    let sealed = Bytes::new(sealed).map_err(too_large)?;
    let uses = terms.uses;
    let put =
        |request| ToRelay::PutInvite { request, id: keys.id, deadline, uses, package: sealed };
    control.call(put).await.map_err(|error| not_taken(error, speaker, control))?;
    speaker.bear(invites::remember(&speaker.profile, space, &keys.id))?;
    let dialled = control.relay();
    let (host, port) = match &terms.public {
        Some(public) => public.clone(),
        None if place::is_loopback(&dialled.host) => {
            let elsewhere = place::elsewhere(speaker, control).await;
            (elsewhere.unwrap_or_else(|| dialled.host.clone()), None)
        }
        None => (dialled.host.clone(), None),
    };
    let relay = RelayAddress { host, port: port.unwrap_or(dialled.port), pin: control.pin() };
    Ok(Invite { relay, secret })
}

/// Why the relay does not keep the package. It ends by this device's clock, and the relay judges by its own.
fn not_taken(error: CallError, speaker: &Speaker, control: &Control) -> Failure {
    let failure = words::call(&error, &control.place());
    match clock_apart(speaker, control) {
        Some(clock) if failure.exit == Exit::Refused => failure
            .why(words::clock(&clock))
            .next("set the clock of this device, and run the same command again"),
        _ => failure,
    }
}

fn package(
    speaker: &Speaker,
    space: &SpaceState,
    uses: u32,
    deadline: u64,
) -> Result<(SecretKey, InvitePackage), Failure> {
    let random = &*speaker.profile.platform().random;
    let owner = space.owner().ok_or_else(not_owner)?.clone();
    let epoch = space.epoch_secret().ok_or_else(not_owner)?;
    let invite_seed: [u8; 32] = random.bytes();
    let certificate = Certificate {
        version: VERSION,
        space: space.id(),
        subject: SecretKey::from_seed(invite_seed).id(),
        role: Role::BOTH,
        depth_left: 1,
        uses,
        not_after: deadline.saturating_add(PROVISIONAL),
        serial: random.bytes(),
        extensions: Extensions::default(),
    };
    let package = InvitePackage {
        record: space.record().clone(),
        epoch_secret: *epoch.as_bytes(),
        invite_seed,
        certificate: Signed::sign(certificate, &owner).map_err(too_large)?,
        relays: List::new(space.secret().relays.to_vec()).map_err(too_large)?,
        extensions: Extensions::default(),
    };
    Ok((owner, package))
}

fn too_large(error: codec::CodecError) -> Failure {
    Failure::new(Exit::Other, "the invite outgrew its limits").why(error)
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
