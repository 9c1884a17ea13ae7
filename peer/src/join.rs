//! Joining a space by an invite (DESIGN section 4; PROTOCOL.md section 11).

use std::io::BufRead;

use sealift_proto::codec::{self, Extensions, List};
use sealift_proto::frame::VERSION;
use sealift_proto::identity::{DeviceId, SecretKey, Signed};
use sealift_proto::invite::{Invite, InvitePackage};
use sealift_proto::keys::{EpochSecret, InviteKeys};
use sealift_proto::object::{self, Place};
use sealift_proto::space::{Certificate, Chain, ChainError, Role};
use serde_json::json;
use zeroize::Zeroizing;

use crate::connect::{Connected, GIVE_UP, Patience, Speaker, clock_words, connect};
use crate::control::{CallError, Purpose, dial};
use sealift_command::exit::{Exit, Failure};
use sealift_proto::place::RelayPlace;
use sealift_space::invites;
use sealift_space::profile::space::SpaceState;

/// Joins the space that `invite` leads to, keeps it in the profile, and tells the others by publishing this device's
/// card. Joining a space twice is no error; it brings back a device that was removed or whose certificate has ended.
///
/// # Errors
/// With words and exit code for the person.
pub async fn join(speaker: &Speaker, invite: &Invite) -> Result<Connected, Failure> {
    let relay = RelayPlace {
        host: invite.relay.host.clone(),
        port: invite.relay.port,
        pin: Some(invite.relay.pin),
    };
    let keys = InviteKeys::derive(&invite.secret.0);
    let (package, clock) = take_package(speaker, &relay, &keys).await?;
    let joined = accept(speaker, &package, clock)?;
    // Its secrets have served.
    drop(package);
    let space = match speaker.profile.space(&joined.id())? {
        Some(mut known) => {
            known.rejoin(joined, speaker.now());
            known
        }
        None => joined,
    };
    speaker.profile.save_space(&space)?;
    let connected = connect(speaker, space, &relay, false, Patience::AtMost(GIVE_UP)).await?;
    // Only now do the others know of this device.
    speaker.bear(invites::remember(&speaker.profile, &connected.space, &keys.id))?;
    Ok(connected)
}

async fn take_package(
    speaker: &Speaker,
    relay: &RelayPlace,
    keys: &InviteKeys,
) -> Result<(InvitePackage, Option<String>), Failure> {
    let platform = speaker.profile.platform();
    let (control, _events) = dial(platform, relay, &speaker.device.key, Purpose::Join, Vec::new())
        .await
        .map_err(|error| other_key_words(error.failure(relay)))?;
    let sealed =
        control.take_invite(keys.id).await.map_err(|error| no_package(error, &control.place()))?;
    let broken = || {
        Failure::new(Exit::Tampered, "the invite's package does not open")
            .why("the relay altered it, or the invite was edited")
            .next("ask for a new invite")
    };
    let clock = clock_words(speaker, &control);
    if let Some(words) = &clock {
        speaker.console.warn(words, &json!({"type": "clock", "why": words}));
    }
    Ok((open_package(keys, &sealed).ok_or_else(broken)?, clock))
}

/// Opens the package, which must say itself where it belongs: to the space of its record, by the owner.
fn open_package(keys: &InviteKeys, sealed: &[u8]) -> Option<InvitePackage> {
    let (place, plain) = object::open_anywhere::<object::Package>(&keys.package, sealed).ok()?;
    let plain = Zeroizing::new(plain);
    let package: InvitePackage = codec::decode(&plain).ok()?;
    let record = package.record.unverified();
    let (space, device) = (record.space(), record.owner);
    (place == Place { space, device, log: 0, position: 0, ..place }).then_some(package)
}

/// An invite names the relay's key itself: here, another key cannot be accepted by hand.
fn other_key_words(failure: Failure) -> Failure {
    if failure.exit == Exit::Refused {
        return failure
            .next("check that the invite was copied whole; if it was, ask for a new one");
    }
    failure
}

fn no_package(error: CallError, place: &str) -> Failure {
    use sealift_proto::control::Refusal;
    match error {
        CallError::Refused(Refusal::Spent) => {
            Failure::new(Exit::Refused, "this invite has been used up")
                .why("another device joined by it already")
                .next(
                    "ask for a new invite; `seeder invite --uses N` makes one for several devices",
                )
        }
        CallError::Refused(Refusal::NotFound) => {
            Failure::new(Exit::Refused, "the relay does not know this invite")
                .why("it has run out, or the line was cut or mistyped")
                .next("copy the line whole, or ask for a new invite")
        }
        error => error.failure(place),
    }
}

/// Checks the package and signs this device's own certificate with the invite key. `clock` says how far this device's clock is
/// from the relay's, if that is far.
fn accept(
    speaker: &Speaker,
    package: &InvitePackage,
    clock: Option<String>,
) -> Result<SpaceState, Failure> {
    let refused = |why: String| {
        Failure::new(Exit::Refused, "the invite does not hold")
            .why(why)
            .next("ask for a new invite")
    };
    let chain = chain(speaker, package)
        .ok_or_else(|| refused("its parts do not belong together".into()))?;
    let space =
        SpaceState::joined(package.record.clone(), EpochSecret::new(package.epoch_secret), chain)
            .map_err(|error| refused(error.to_string()))?;
    let member =
        space.verify_member(space.chain(), speaker.now()).map_err(|error| match clock {
            // The relay has just handed it out: it is not the invite that is out of date.
            Some(clock) if matches!(error, ChainError::Expired { .. }) => {
                refused(clock).next("set the clock of this device, and run the same command again")
            }
            _ => refused(error.to_string()),
        })?;
    if member.device != speaker.device.key.id() {
        return Err(refused("it is for another device".into()));
    }
    Ok(space)
}

fn chain(speaker: &Speaker, package: &InvitePackage) -> Option<Chain> {
    let invite_key = SecretKey::from_seed(package.invite_seed);
    let invite = package.certificate.unverified();
    if invite.subject != invite_key.id() {
        return None;
    }
    let record = package.record.unverified();
    let random = &*speaker.profile.platform().random;
    let own = own_certificate(invite, speaker.device.key.id(), random.bytes());
    let own = Signed::sign(own, &invite_key).ok()?;
    let certificates = List::new(vec![package.certificate.clone(), own]).ok()?;
    Some(Chain { owner: record.owner, salt: record.salt, certificates })
}

fn own_certificate(invite: &Certificate, device: DeviceId, serial: [u8; 16]) -> Certificate {
    Certificate {
        version: VERSION,
        space: invite.space,
        subject: device,
        role: Role::BOTH,
        depth_left: 0,
        uses: 0,
        not_after: invite.not_after,
        serial,
        extensions: Extensions::default(),
    }
}

/// The command `join` of both programs: takes the invite from the words of the command line, standard input (`-`) or a prompt,
/// each also as the whole line that was printed. `then` is the command that makes sense next.
///
/// # Errors
/// With words and exit code for the person.
pub async fn command(
    speaker: &Speaker,
    invite: &[String],
    name: Option<&str>,
    then: &str,
) -> Result<(), Failure> {
    let line = match invite {
        [] => ask().await?,
        [dash] if dash == "-" => read_line().await?,
        words => Zeroizing::new(words.join(" ")),
    };
    let invite = Invite::parse(invites::invite_in(&line)).map_err(|error| {
        Failure::new(Exit::Usage, "this is no invite")
            .why(error)
            .next("copy the whole line that `seeder invite` printed")
    })?;
    if let Some(name) = name {
        speaker.profile.choose_name(name)?;
    }
    if let Some(space) = invites::member_by(
        &speaker.profile,
        &InviteKeys::derive(&invite.secret.0).id,
        speaker.now(),
    )? {
        tell_member(speaker, &space, then);
        return Ok(());
    }
    let connected = join(speaker, &invite).await?;
    let space = connected.space.display_name();
    let known: Vec<_> = connected
        .members
        .iter()
        .filter(|member| member.device != speaker.device.key.id())
        .map(|member| connected.members.display_name(&member.device))
        .collect();
    let with = if known.is_empty() { String::new() } else { format!(" with {}", known.join(", ")) };
    speaker.console.result(
        format!("joined the space {space}{with}"),
        &json!({"type": "joined", "space": space, "id": connected.space.id().short(), "members": known}),
    );
    speaker.console.note(format!("next: {then}"), &json!({"type": "hint", "next": then}));
    Ok(())
}

/// The invite has served already, or comes from here.
fn tell_member(speaker: &Speaker, space: &SpaceState, then: &str) {
    let name = space.display_name();
    speaker.console.result(
        format!("this device is a member of the space {name} already"),
        &json!({"type": "joined", "space": name, "id": space.id().short(), "already": true}),
    );
    speaker.console.note(format!("next: {then}"), &json!({"type": "hint", "next": then}));
}

/// Reads one line of at most a kilobyte from standard input.
async fn read_line() -> Result<Zeroizing<String>, Failure> {
    line_of(std::io::BufReader::new(std::io::stdin())).await
}

/// Reads on a thread of its own: where the reading blocked this one, Ctrl-C would not be heard until the line is complete.
async fn line_of(input: impl BufRead + Send + 'static) -> Result<Zeroizing<String>, Failure> {
    let read = move || {
        let mut line = Zeroizing::new(String::new());
        std::io::Read::take(input, 1024).read_line(&mut line).map(|_| line)
    };
    let read = tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(error.into()));
    read.map_err(|error| Failure::new(Exit::Other, "cannot read standard input").why(error))
}

async fn ask() -> Result<Zeroizing<String>, Failure> {
    use std::io::{IsTerminal, Write};
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "no invite was given").next(
            "join sealift:HOST:PORT/PIN/SECRET, or `join -` to read it from standard input",
        ));
    }
    let mut stderr = std::io::stderr().lock();
    // A terminal that cannot be written to shows nothing; the answer can be typed all the same.
    let _ = write!(stderr, "Paste the invite (sealift:...): ").and_then(|()| stderr.flush());
    drop(stderr);
    read_line().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A terminal at which nobody types.
    struct Silent(std::sync::mpsc::Receiver<()>);

    impl std::io::Read for Silent {
        fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(0)
        }
    }

    #[tokio::test]
    async fn a_prompt_holds_up_nothing_else() {
        let (hang_up, silence) = std::sync::mpsc::channel();
        let asked = line_of(std::io::BufReader::new(Silent(silence)));
        // Whatever else runs, as the wait for Ctrl-C, goes on.
        tokio::time::timeout(Duration::from_millis(50), asked).await.unwrap_err();
        drop(hang_up);
    }

    #[tokio::test]
    async fn one_line_is_read_and_no_endless_one() {
        assert_eq!(*line_of(&b"sealift:x\nmore"[..]).await.unwrap(), "sealift:x\n");
        let endless = std::io::BufReader::new(std::io::repeat(b'x'));
        assert_eq!(line_of(endless).await.unwrap().len(), 1024);
    }
}
