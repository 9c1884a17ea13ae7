//! A network of its own, where the system permits: nothing else listens there, and nothing gets in or out.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// A network namespace with nothing but a loopback interface; it ends with the last clone.
#[derive(Clone)]
pub struct Namespace {
    holder: Arc<Holder>,
}

/// A process that keeps the namespace alive until its standard input closes.
struct Holder {
    child: Child,
    user: bool,
}

impl Namespace {
    /// A new one; `Err` says why the system does not permit it.
    ///
    /// # Errors
    /// In words.
    pub fn new() -> Result<Self, String> {
        Self::open(false).or_else(|_| Self::open(true))
    }

    /// Another one, which may be wired to this one.
    ///
    /// # Errors
    /// In words.
    pub fn beside(&self) -> Result<Self, String> {
        let line = self.prefix().into_iter().chain(["unshare", "--net"].map(OsString::from));
        Self::hold(&line.collect::<Vec<_>>(), self.holder.user)
    }

    /// `user` takes a user namespace as well, for those who are not root.
    fn open(user: bool) -> Result<Self, String> {
        let more: &[&str] = if user { &["--user", "--map-root-user"] } else { &[] };
        let line = [&["unshare", "--net"], more].concat();
        Self::hold(&line.into_iter().map(OsString::from).collect::<Vec<_>>(), user)
    }

    /// Starts the process that keeps alive what `line` makes.
    fn hold(line: &[OsString], user: bool) -> Result<Self, String> {
        let (program, arguments) = line.split_first().ok_or("no line")?;
        let script = "ip link set lo up && echo up && exec cat";
        let mut child = Command::new(program)
            .args(arguments)
            .args(["sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("no unshare: {error}"))?;
        let mut line = String::new();
        let answer = child.stdout.take().map(BufReader::new);
        let read = answer.map_or(Ok(0), |mut answer| answer.read_line(&mut line));
        let namespace = Self { holder: Arc::new(Holder { child, user }) };
        match read {
            Ok(_) if line.trim() == "up" => Ok(namespace),
            _ => Err("the system permits no network namespace".to_owned()),
        }
    }

    /// The process that keeps it: names it to `ip link`.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.holder.child.id()
    }

    /// Runs a script of the shell within, to its end; what it printed.
    ///
    /// # Errors
    /// What it complained of, when it failed.
    pub fn shell(&self, script: &str) -> Result<String, String> {
        let mut line = self.prefix();
        line.extend(["sh", "-ec", script].map(OsString::from));
        let output = Command::new(&line[0])
            .args(&line[1..])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("no nsenter: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("{script}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// What stands before a command line that is to run within.
    #[must_use]
    pub fn prefix(&self) -> Vec<OsString> {
        let pid = self.holder.child.id().to_string();
        let mut line = vec!["nsenter", "--target", &pid, "--net"];
        if self.holder.user {
            line.extend(["--user", "--preserve-credentials"]);
        }
        line.push("--");
        line.into_iter().map(OsString::from).collect()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
