//! The relay as a process.
#![allow(clippy::unwrap_used, reason = "it is part of tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

pub(crate) fn relay(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
    command.args(args).env_remove("SEALIFT_LOG").env("SEALIFT_HOME", home);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running relay; killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) ready: String,
    log: Option<Receiver<String>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn start(home: &Path, args: &[&str]) -> Self {
        Self::of(relay(home, args))
    }

    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let running = Self { child, ready: ready.trim_end().to_owned(), log: None };
        assert!(!running.ready.is_empty(), "no ready line");
        running
    }

    pub(crate) fn place(&self) -> &str {
        let rest = self.ready.strip_prefix("relay ready: ").expect("the ready line");
        rest.split_once('#').expect("a pin").0
    }

    pub(crate) fn pin(&self) -> &str {
        self.ready.split_once('#').expect("a pin").1
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for a line of its log that contains `words`, and returns it.
    pub(crate) fn logs(&mut self, words: &str) -> String {
        let log = self.log.get_or_insert_with(|| lines(self.child.stderr.take().unwrap()));
        let mut before = String::new();
        loop {
            match log.recv_timeout(Duration::from_secs(20)) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => before.push_str(&format!("{line}\n")),
                Err(_) => panic!("{words:?} is not logged, but:\n{before}"),
            }
        }
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Runs a relay that cannot start: exit code and what it says.
pub(crate) fn fails(home: &Path, args: &[&str]) -> (i32, String) {
    let output = relay(home, args).output().unwrap();
    assert!(output.stdout.is_empty(), "nothing on standard output");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// The lines of `stream`, read on a thread of their own.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Asks `place` for a page by HTTP: the whole answer.
pub(crate) fn http(place: &str, request: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(place)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
