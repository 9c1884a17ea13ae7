//! The command `join` of both programs.

use std::io::BufRead;

use sealift_proto::invite::Invite;
use sealift_proto::keys::InviteKeys;
use sealift_space::invites;
use sealift_space::profile::space::SpaceState;
use sealift_transport::join::join;
use zeroize::Zeroizing;

use super::speaker::Speaker;
use crate::event::Event;
use crate::exit::{Exit, Failure};
use crate::program;

/// Joins a space: takes the invite from the words of the command line, standard input (`-`) or a prompt,
/// each also as the whole line that was printed. `then` is the command that makes sense next.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(
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
            .next(format!("copy the whole line that `{} invite` printed", program::sharer()))
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
    let known: Vec<_> = {
        let members = connected.members();
        let others = members.iter().filter(|member| member.device != speaker.device.key.id());
        others.map(|member| members.display_name(&member.device)).collect()
    };
    let with = if known.is_empty() { String::new() } else { format!(" with {}", known.join(", ")) };
    speaker.console.result(
        format!("joined the space {space}{with}"),
        &Event::Joined {
            space: space.clone(),
            id: connected.space.id().short(),
            members: Some(known),
            already: None,
        },
    );
    speaker.console.note(format!("next: {then}"), &Event::hint(then));
    Ok(())
}

/// The invite has served already, or comes from here.
fn tell_member(speaker: &Speaker, space: &SpaceState, then: &str) {
    let name = space.display_name();
    speaker.console.result(
        format!("this device is a member of the space {name} already"),
        &Event::Joined {
            space: name.clone(),
            id: space.id().short(),
            members: None,
            already: Some(true),
        },
    );
    speaker.console.note(format!("next: {then}"), &Event::hint(then));
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
