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

    /// `user` takes a user namespace as well, for those who are not root.
    fn open(user: bool) -> Result<Self, String> {
        let mut command = Command::new("unshare");
        command.args(if user { &["--user", "--map-root-user", "--net"][..] } else { &["--net"] });
        let script = "ip link set lo up && echo up && exec cat";
        let mut child = command
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
