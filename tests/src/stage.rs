//! The usual beginning of a whole-system test: a relay, a seeder with a folder, members.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

use crate::process::{Finished, PATIENCE, Running, User, local_relay};

/// A relay on a port of its own.
pub struct Relay {
    /// Whose home it has.
    pub user: User,
    /// The program.
    pub program: Running,
    /// `ADDRESS:PORT#PIN`.
    pub place: String,
}

/// An address of this machine for a relay of one test alone: while it is down for a moment, no other test gets its port.
#[must_use]
pub fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    if !cfg!(target_os = "linux") {
        return Ipv4Addr::LOCALHOST;
    }
    let [third, fourth] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // Tests of another process have others, mostly.
    Ipv4Addr::new(127, 1 + (std::process::id() % 250) as u8, third, fourth)
}

impl Relay {
    /// Starts one with a new home.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(User::new(), &[])
    }

    /// Starts one with these arguments more.
    #[must_use]
    pub fn start_with(user: User, more: &[&str]) -> Self {
        let address = own_address();
        let listen = format!("{address}:0");
        let mut program = user.start("relay", &[&["--listen", &listen], more].concat());
        let place = local_relay(&program.line("relay ready: "), address);
        Self { user, program, place }
    }

    /// Where it listens.
    ///
    /// # Panics
    /// Never: the place has it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let (address, _) = self.place.split_once('#').expect("a pin");
        address.parse().expect("an address and a port")
    }

    /// Its pin.
    ///
    /// # Panics
    /// Never: the ready line has one.
    #[must_use]
    pub fn pin(&self) -> &str {
        self.place.split_once('#').expect("a pin").1
    }

    /// Kills it as a power cut would and starts it again with the same home and port.
    #[must_use]
    pub fn restart(self) -> Self {
        let Self { user, program, place } = self;
        program.kill();
        Self::again(user, &place)
    }

    /// Starts one with the home and port of one that ended.
    #[must_use]
    pub fn again(user: User, place: &str) -> Self {
        Self::again_with(user, place, &[])
    }

    /// As [`Relay::again`], with these arguments more.
    #[must_use]
    pub fn again_with(user: User, place: &str, more: &[&str]) -> Self {
        let (listen, _) = place.split_once('#').expect("a pin");
        let address: SocketAddr = listen.parse().expect("an address and a port");
        let mut program = user.start("relay", &[&["--listen", listen], more].concat());
        let SocketAddr::V4(v4) = address else { panic!("{address} is of IPv6") };
        let again = local_relay(&program.line("relay ready: "), *v4.ip());
        assert_eq!(again, place, "the key is kept");
        Self { user, program, place: again }
    }
}

/// Starts a seeder for the folder `share` in the user's working folder and waits until all of it is offered. Content goes
/// through the relay, where tests can count, slow and break it.
#[must_use]
pub fn seed(user: &User, relay: &str, name: &str) -> Running {
    seed_by("relay", user, relay, name)
}

/// As [`seed`], but content takes the path `path`: any, relay or direct.
#[must_use]
pub fn seed_by(path: &str, user: &User, relay: &str, name: &str) -> Running {
    let arguments = ["--watch", "share", "--relay", relay, "--name", name, "--path", path];
    let mut seeder = user.start("seeder", &arguments);
    offered(&mut seeder);
    seeder
}

/// Waits until a seeder has offered all that it found at its start.
pub fn offered(seeder: &mut Running) {
    seeder.message("offering");
}

/// Waits until `user` finds `name`, of which nothing is known before.
///
/// # Panics
/// When it does not turn up in time.
pub fn appears(user: &User, name: &str) {
    let deadline = Instant::now() + PATIENCE;
    while user.run("leecher", &["search", name]).code != 0 {
        assert!(Instant::now() < deadline, "{name} does not turn up");
    }
}

/// One invite of the user's space.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn invite(user: &User) -> String {
    let finished = user.run("seeder", &["invite"]).expect(0);
    let [line] = &finished.stdout[..] else { panic!("an invite alone\n{finished}") };
    line.clone()
}

/// Makes a new user a member of `owner`'s space.
#[must_use]
pub fn join(owner: &User, name: &str) -> User {
    let user = User::new();
    let line = invite(owner);
    let _ = user.run("leecher", &["join", &line, "--name", name]).expect(0);
    user
}

/// Downloads `what` into the folder `out`.
#[must_use]
pub fn download(user: &User, what: &str) -> Finished {
    user.run("leecher", &["download", what, "--out", "out"])
}

/// Content of a file that was downloaded into `out`.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn fetched(user: &User, name: &str) -> Vec<u8> {
    std::fs::read(user.work().join("out").join(name)).expect("a downloaded file")
}

/// The names in `folder`, in order.
///
/// # Panics
/// When it cannot be listed, or a name is no text.
#[must_use]
pub fn names(folder: &Path) -> Vec<String> {
    let listed = std::fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> =
        listed.map(|entry| name(entry).into_string().expect("a name of text")).collect();
    names.sort();
    names
}
