//! Asking the process that shares for a profile.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::message::{Answer, LINE_MAX, Request};
use super::socket;

/// How long it may take with an answer. Folders that are to be shared are opened first, and a disk may have to wake up.
const ANSWER: Duration = Duration::from_secs(30);

/// Asks the process that shares for the profile in the folder `profile`; `None` if there is none that can be asked.
///
/// # Errors
/// When it took the request and did not answer in time, or not so that it can be understood.
pub fn ask(profile: &Path, request: &Request) -> Option<io::Result<Answer>> {
    let stream = UnixStream::connect(socket(profile)).ok()?;
    // The folder is this user's alone, but that is a matter of the file system.
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    (peer.uid == rustix::process::geteuid()).then(|| talk(&stream, request))
}

fn talk(mut stream: &UnixStream, request: &Request) -> io::Result<Answer> {
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(LINE_MAX as u64)).read_until(b'\n', &mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}
