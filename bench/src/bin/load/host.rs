//! The relay as a process of its own, and what the system says of it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long the relay may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the relay is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    /// What stands before the relay's own command line.
    pub(crate) prefix: Vec<String>,
    /// What follows `--listen` and `--home`.
    pub(crate) arguments: Vec<String>,
    /// Where it listens, if not on a free port of 127.0.0.1.
    pub(crate) listen: Option<String>,
    /// Whether other users may use its folder: for a prefix that gives up rights.
    pub(crate) everybody: bool,
}

/// A relay that runs; dropping this kills it and removes its home.
pub(crate) struct Relay {
    child: Child,
    folder: TempDir,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// `HOST:PORT#PIN`.
    pub(crate) place: String,
}

impl Relay {
    /// Starts the relay with a new home and waits until it is ready.
    pub(crate) fn start(start: &Start) -> Result<Self> {
        let folder = TempDir::with_prefix("sealift-load-")?;
        if start.everybody {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777))?;
        }
        let program = programs()?.join("relay");
        let mut line: Vec<String> = start.prefix.clone();
        line.push(program.display().to_string());
        let listen = start.listen.clone().unwrap_or_else(|| "127.0.0.1:0".to_owned());
        let home = folder.path().join("home").display().to_string();
        line.extend(["--listen".to_owned(), listen, "--home".to_owned(), home]);
        line.extend(start.arguments.iter().cloned());
        let log = std::fs::File::create(folder.path().join("relay.log"))?;
        let mut child = Command::new(&line[0])
            .args(&line[1..])
            // As the packaged unit and the container have it.
            .env("MIMALLOC_PURGE_DELAY", "0")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", line.join(" ")))?;
        let place = match ready(&mut child) {
            Ok(place) => place,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let said = std::fs::read_to_string(folder.path().join("relay.log"));
                return Err(error.context(said.unwrap_or_default()));
            }
        };
        let (address, _) = place.split_once('#').context("a pin")?;
        Ok(Self { child, folder, address: address.parse()?, place: place.clone() })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of its store on disk.
    pub(crate) fn stored(&self) -> Result<u64> {
        Ok(std::fs::metadata(self.folder.path().join("home/relay/relay.redb"))?.len())
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops it as its operator would; the exit code.
    pub(crate) fn stop(mut self) -> Result<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code().unwrap_or(-1));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        anyhow::bail!("the relay does not stop")
    }

    /// Its memory in RAM, KiB.
    pub(crate) fn resident(&self) -> Result<u64> {
        resident(self.pid())
    }

    /// The most it ever had in RAM, KiB.
    pub(crate) fn peak(&self) -> Result<u64> {
        status_field(self.pid(), "VmHWM")
    }

    /// Processor time it has used, seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu(self.pid())
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        descriptors(self.pid())
    }

    /// Bytes in the pipes it has open, and how many pipes those are. As root, or as the relay's user.
    pub(crate) fn in_pipes(&self) -> Result<(u64, usize)> {
        let (mut bytes, mut pipes) = (0, 0);
        for entry in std::fs::read_dir(format!("/proc/{}/fd", self.pid()))?.flatten() {
            let target = std::fs::read_link(entry.path()).unwrap_or_default();
            let info = format!("/proc/{}/fdinfo/{}", self.pid(), entry.file_name().display());
            let reads = std::fs::read_to_string(info).is_ok_and(|info| {
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:\t"));
                flags.is_some_and(|flags| flags.ends_with('0'))
            });
            if !target.display().to_string().starts_with("pipe:") || !reads {
                continue;
            }
            // Opening the end that is read from does not wait, and reads nothing.
            if let Ok(pipe) = std::fs::File::open(entry.path()) {
                bytes += rustix::io::ioctl_fionread(pipe.as_fd())?;
                pipes += 1;
            }
        }
        Ok((bytes, pipes))
    }

    /// Memory of the kernel for the relay's sockets: what `ss` tells of those on the relay's port.
    pub(crate) fn in_sockets(&self) -> Result<Sockets> {
        let filter = format!("sport = :{}", self.address.port());
        let output = Command::new("ss").args(["-tmnH", &filter]).output().context("no ss")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut sockets = Sockets::default();
        text.split("skmem:(").skip(1).for_each(|one| sockets.add(one));
        Ok(sockets)
    }
}

/// What the kernel keeps for some sockets, bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sockets {
    /// How many there are.
    pub(crate) count: u64,
    /// Received and not yet read.
    pub(crate) received: u64,
    /// To be sent.
    pub(crate) unsent: u64,
    /// Kept for more, and the rest.
    pub(crate) other: u64,
}

impl Sockets {
    /// All of it.
    pub(crate) const fn all(&self) -> u64 {
        self.received + self.unsent + self.other
    }

    /// Adds one as `ss` tells it: `r48384,rb131072,t0,tb2626560,f768,w0,o0,bl0,d0)`.
    fn add(&mut self, text: &str) {
        self.count += 1;
        let fields = text.split(')').next().unwrap_or_default();
        for (field, number) in fields.split(',').filter_map(|field| field.split_at_checked(1)) {
            let number = number.parse().unwrap_or(0);
            match field {
                "r" => self.received += number,
                "w" => self.unsent += number,
                "f" | "o" => self.other += number,
                _ => {}
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ready(child: &mut Child) -> Result<String> {
    let out = child.stdout.take().context("standard output")?;
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = lines.recv_timeout(left).context("the relay does not say that it is ready")?;
        if let Some(place) = line.strip_prefix("relay ready: ") {
            return Ok(place.to_owned());
        }
    }
}

/// The folder of the programs: they are built beside this one.
pub(crate) fn programs() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a folder")?.to_owned();
    for program in ["relay", "seeder", "leecher"] {
        let hint = "build it first: bench/load.sh does";
        ensure!(folder.join(program).exists(), "no {program} beside {}; {hint}", own.display());
    }
    Ok(folder)
}

/// Memory of a process in RAM, KiB.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    status_field(pid, "VmRSS")
}

/// How many descriptors a process has open.
pub(crate) fn descriptors(pid: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Processor time a process has used, seconds.
pub(crate) fn cpu(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit(") ").next().context("a name")?;
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = (ticks(11).context("user time")?, ticks(12).context("system time")?);
    #[expect(clippy::cast_precision_loss, reason = "it is 100")]
    Ok((user + system) / rustix::param::clock_ticks_per_second() as f64)
}

fn status_field(pid: u32, name: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(name)).context("no such field")?;
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).context("no number")
}

/// Raises this process's own limit of descriptors, which a crowd needs.
pub(crate) fn allow_descriptors(wanted: u64) -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(wanted).max(wanted);
    let raised = Rlimit { current: Some(most), maximum: Some(most) };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let have = limit.maximum.unwrap_or(u64::MAX);
    ensure!(have >= wanted, "{wanted} descriptors are needed and {have} allowed: raise ulimit -n");
    Ok(())
}
