//! The real programs as processes: built when needed, in homes of their own, read line by line with deadlines, and ended by
//! their process ids with everything they left behind.

mod build;
mod namespace;

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

pub use build::folder as binaries;
pub use namespace::Namespace;

/// Longest that anything a test waits for may take; far above what it takes, since machines may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where the system's programs are.
const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a finished program left.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Exit code, or 128 and the signal.
    pub code: i32,
    /// All lines of standard output.
    pub stdout: Vec<String>,
    /// All lines of standard error.
    pub stderr: Vec<String>,
}

impl Finished {
    /// Itself, if the exit code is `code`.
    ///
    /// # Panics
    /// With all it printed, if it is another.
    #[must_use]
    pub fn expect(self, code: i32) -> Self {
        assert!(self.code == code, "exit code {} instead of {code}\n{self}", self.code);
        self
    }

    /// Whether any line of either kind contains `text`.
    #[must_use]
    pub fn says(&self, text: &str) -> bool {
        self.stdout.iter().chain(&self.stderr).any(|line| line.contains(text))
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.stdout {
            writeln!(f, "  out: {line}")?;
        }
        for line in &self.stderr {
            writeln!(f, "  err: {line}")?;
        }
        write!(f, "  exit code {}", self.code)
    }
}

/// A user of the programs: an empty home, and a folder to work in.
pub struct User {
    folder: TempDir,
    namespace: Option<Namespace>,
}

impl User {
    /// Somebody new.
    ///
    /// # Panics
    /// Without a place for temporary files.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("sealift-test-").expect("a temporary folder");
        std::fs::create_dir(folder.path().join("home")).expect("a home");
        std::fs::create_dir(folder.path().join("work")).expect("a working folder");
        Self { folder, namespace: None }
    }

    /// Somebody new, all of whose programs run in `namespace`.
    #[must_use]
    pub fn within(namespace: &Namespace) -> Self {
        Self { namespace: Some(namespace.clone()), ..Self::new() }
    }

    /// The home folder, the programs' HOME.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The folder in which the programs are started.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Writes a file beneath [`User::work`], making its folders.
    ///
    /// # Panics
    /// When it cannot.
    pub fn write(&self, path: &str, content: &[u8]) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }

    /// Starts a program with these arguments.
    #[must_use]
    pub fn start<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> Running {
        let mut line = vec![binaries().join(program).into_os_string()];
        line.extend(arguments.iter().map(|argument| argument.as_ref().to_owned()));
        self.spawn(program, line)
    }

    /// Runs a program to its end.
    #[must_use]
    pub fn run<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> Finished {
        self.start(program, arguments).wait()
    }

    /// Starts a line as it is typed into a shell.
    #[must_use]
    pub fn type_line(&self, line: &str) -> Running {
        self.spawn(line, ["sh", "-c", line].map(OsString::from).to_vec())
    }

    fn spawn(&self, name: &str, line: Vec<OsString>) -> Running {
        let line = self.namespace.iter().flat_map(Namespace::prefix).chain(line);
        Running::start(name, &line.collect::<Vec<_>>(), &self.home(), &self.work())
    }
}

impl Default for User {
    fn default() -> Self {
        Self::new()
    }
}

/// A program that runs; dropping this ends it and all it started.
pub struct Running {
    name: String,
    child: Child,
    lines: Receiver<(Origin, String)>,
    stdout: Vec<String>,
    stderr: Vec<String>,
    finished: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Out,
    Err,
}

impl Running {
    fn start(name: &str, line: &[OsString], home: &Path, work: &Path) -> Self {
        let (program, arguments) = line.split_first().expect("a program");
        let mut path = binaries().into_os_string();
        path.push(format!(":{SYSTEM}"));
        let mut child = Command::new(located(program))
            .args(arguments)
            .current_dir(work)
            .env_clear()
            .env("HOME", home)
            .env("PATH", path)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: a shell and what it starts end together.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (sender, lines) = channel();
        let out = child.stdout.take().map(BufReader::new);
        let err = child.stderr.take().map(BufReader::new);
        std::thread::spawn({
            let sender = sender.clone();
            move || {
                out.into_iter()
                    .flat_map(texts)
                    .try_for_each(|line| sender.send((Origin::Out, line)))
            }
        });
        std::thread::spawn(move || {
            err.into_iter().flat_map(texts).try_for_each(|line| sender.send((Origin::Err, line)))
        });
        let (stdout, stderr) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), child, lines, stdout, stderr, finished: false }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The first line of standard output, from now or before, that contains `text`.
    ///
    /// # Panics
    /// With all it printed, if there is none within [`PATIENCE`].
    pub fn line(&mut self, text: &str) -> String {
        self.search(Origin::Out, text, PATIENCE)
    }

    /// The first line of standard error that contains `text`.
    ///
    /// # Panics
    /// As [`Running::line`].
    pub fn message(&mut self, text: &str) -> String {
        self.search(Origin::Err, text, PATIENCE)
    }

    /// As [`Running::message`], within `time`.
    ///
    /// # Panics
    /// As [`Running::line`].
    pub fn message_within(&mut self, text: &str, time: Duration) -> String {
        self.search(Origin::Err, text, time)
    }

    /// Forgets what it printed so far, for a line that is to come anew.
    pub fn clear(&mut self) {
        while let Ok((origin, line)) = self.lines.try_recv() {
            self.keep(origin, line);
        }
        self.stdout.clear();
        self.stderr.clear();
    }

    /// Writes to its standard input.
    ///
    /// # Panics
    /// When it has closed it.
    pub fn type_in(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("standard input is open");
        stdin.write_all(text.as_bytes()).expect("it reads its input");
    }

    /// Sends a signal to it and to what it started.
    ///
    /// # Panics
    /// When it has been waited for.
    pub fn signal(&self, signal: Signal) {
        assert!(!self.finished);
        kill_process_group(self.group(), signal).expect("it runs");
    }

    /// Sends a signal to the program alone, or to what the shell has started, if this is a typed line.
    ///
    /// # Panics
    /// When it has been waited for.
    pub fn signal_alone(&self, signal: Signal) {
        assert!(!self.finished);
        let pid = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let child = children.ok().and_then(|list| list.split(' ').next()?.parse().ok());
        let program = child.and_then(Pid::from_raw).unwrap_or_else(|| self.group());
        kill_process(program, signal).expect("it runs");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// With all it printed, if it does not end within [`PATIENCE`].
    #[must_use]
    pub fn wait(self) -> Finished {
        self.wait_within(PATIENCE)
    }

    /// Waits for its end at most `time`.
    ///
    /// # Panics
    /// With all it printed, if it does not end in time.
    #[must_use]
    pub fn wait_within(mut self, time: Duration) -> Finished {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + time;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((origin, line)) => self.keep(origin, line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no end within {time:?}\n{}", self.told()),
            }
        }
        let status = self.child.wait().expect("a child");
        self.finished = true;
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        let code = status.code().or_else(|| signal.map(|signal| 128 + signal)).unwrap_or(-1);
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        Finished { code, stdout, stderr }
    }

    /// Ends it as a power cut would, without a chance to tidy up.
    pub fn kill(self) {
        drop(self);
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When the system does not know it.
    #[must_use]
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    fn group(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn search(&mut self, origin: Origin, text: &str, time: Duration) -> String {
        let known = if origin == Origin::Out { &self.stdout } else { &self.stderr };
        if let Some(line) = known.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        let deadline = Instant::now() + time;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((from, line)) => {
                    self.keep(from, line.clone());
                    if from == origin && line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("no line with {text:?} ({error})\n{}", self.told()),
            }
        }
    }

    fn keep(&mut self, origin: Origin, line: String) {
        if origin == Origin::Out { self.stdout.push(line) } else { self.stderr.push(line) }
    }

    fn told(&self) -> String {
        let show = |kind: &str, lines: &[String]| {
            lines.iter().map(|line| format!("  {kind}: {line}\n")).collect::<String>()
        };
        format!("{} said\n{}{}", self.name, show("out", &self.stdout), show("err", &self.stderr))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.finished {
            // The group lives until it has been waited for, so this id is still ours.
            let _ = kill_process_group(self.group(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// The path of a program of the system. Of a mere name the standard library would make a copy of this process first, which takes
/// long when much is in its memory.
fn located(program: &OsStr) -> PathBuf {
    let folders = SYSTEM.split(':').map(|folder| Path::new(folder).join(program));
    folders.into_iter().find(|path| path.is_file()).unwrap_or_else(|| program.into())
}

/// Lines as text, whatever their bytes.
fn texts(mut reader: impl BufRead) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line) {
            Ok(1..) => Some(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned()),
            _ => None,
        }
    })
}

/// The address and pin in a relay's line `relay ready: HOST:PORT#PIN`, as `ADDRESS:PORT#PIN`.
///
/// # Panics
/// When the line is another.
#[must_use]
pub fn local_relay(line: &str, address: Ipv4Addr) -> String {
    let place = line.strip_prefix("relay ready: ").expect("the ready line");
    let (_, port_and_pin) = place.rsplit_once(':').expect("a port");
    format!("{address}:{port_and_pin}")
}
