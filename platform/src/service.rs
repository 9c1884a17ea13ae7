//! What a service tells the manager that started it, in systemd's protocol (sd_notify): lines in a datagram to the socket that
//! `NOTIFY_SOCKET` names. Without such a manager nothing is said.

use std::ffi::OsStr;
use std::time::Duration;

#[cfg(unix)]
pub use system::Manager;

/// Something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State<'a> {
    /// It is up, or again up after [`State::Reloading`].
    Ready,
    /// It reads its configuration again.
    Reloading,
    /// It is about to end.
    Stopping,
    /// It is well.
    Watchdog,
    /// One line for whoever asks.
    Status(&'a str),
}

impl State<'_> {
    fn lines(self, monotonic: Duration) -> String {
        match self {
            Self::Ready => "READY=1\n".into(),
            // The time tells this reload from an earlier one.
            Self::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic.as_micros()),
            Self::Stopping => "STOPPING=1\n".into(),
            Self::Watchdog => "WATCHDOG=1\n".into(),
            Self::Status(text) => {
                format!("STATUS={}\n", text.replace(|c: char| c.is_control(), " "))
            }
        }
    }
}

/// How often the manager wants to hear [`State::Watchdog`] at the latest, by `WATCHDOG_USEC` and `WATCHDOG_PID`.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    let variable = |name| std::env::var_os(name);
    let process = std::process::id();
    watchdog_of(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref(), process)
}

fn watchdog_of(micros: Option<&OsStr>, process: Option<&OsStr>, own: u32) -> Option<Duration> {
    let for_another = process.is_some_and(|id| id.to_str() != Some(own.to_string().as_str()));
    let micros: u64 = micros?.to_str()?.parse().ok()?;
    (micros > 0 && !for_another).then(|| Duration::from_micros(micros))
}

#[cfg(unix)]
mod system {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    use super::State;

    /// The manager that started this process.
    #[derive(Debug)]
    pub struct Manager {
        socket: UnixDatagram,
        address: SocketAddr,
    }

    impl Manager {
        /// The one that `NOTIFY_SOCKET` names, if any.
        ///
        /// # Errors
        /// When the variable is there and names no usable socket.
        pub fn of_environment() -> io::Result<Option<Self>> {
            std::env::var_os("NOTIFY_SOCKET").map(|address| Self::at(&address)).transpose()
        }

        /// The one that listens at `address`: a path, or `@` and an abstract name.
        ///
        /// # Errors
        /// When that is no address of a local socket.
        pub fn at(address: &OsStr) -> io::Result<Self> {
            let address = match address.as_bytes() {
                [b'/', ..] => SocketAddr::from_pathname(address)?,
                [b'@', name @ ..] => abstract_address(name)?,
                _ => return Err(io::ErrorKind::Unsupported.into()),
            };
            let socket = UnixDatagram::unbound()?;
            // A manager that does not listen must not hold anything up.
            socket.set_nonblocking(true)?;
            Ok(Self { socket, address })
        }

        /// Tells all of `states`, in one message.
        ///
        /// # Errors
        /// When nobody takes it.
        pub fn tell(&self, states: &[State<'_>]) -> io::Result<()> {
            let now = monotonic();
            let text: String = states.iter().map(|state| state.lines(now)).collect();
            self.socket.send_to_addr(text.as_bytes(), &self.address).map(drop)
        }
    }

    #[cfg(target_os = "linux")]
    fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
        use std::os::linux::net::SocketAddrExt;
        SocketAddr::from_abstract_name(name)
    }

    #[cfg(not(target_os = "linux"))]
    fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn monotonic() -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::try_from(now).unwrap_or_default()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut buffer = [0; 500];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_hears_what_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(path.as_os_str()).unwrap();
        manager.tell(&[State::Ready, State::Status("two\nlines")]).unwrap();
        assert_eq!(heard(&socket), "READY=1\nSTATUS=two lines\n");
        manager.tell(&[State::Reloading]).unwrap();
        let told = heard(&socket);
        let micros = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
        assert!(micros.parse::<u64>().unwrap() > 0);
        manager.tell(&[State::Stopping]).unwrap();
        manager.tell(&[State::Watchdog]).unwrap();
        assert_eq!(
            (heard(&socket), heard(&socket)),
            ("STOPPING=1\n".into(), "WATCHDOG=1\n".into())
        );
        drop(socket);
        assert!(manager.tell(&[State::Ready]).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_socket_will_do_and_other_kinds_are_refused() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("sealift-notify-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let manager = Manager::at(format!("@{name}").as_ref()).unwrap();
        manager.tell(&[State::Ready]).unwrap();
        assert_eq!(heard(&socket), "READY=1\n");
        for other in ["", "relative", "vsock:2:1234"] {
            assert!(Manager::at(other.as_ref()).is_err(), "{other}");
        }
    }

    #[test]
    fn the_watchdog_is_for_the_process_it_names() {
        let of = |micros: &str, process: Option<&str>| {
            watchdog_of(Some(micros.as_ref()), process.map(AsRef::as_ref), 7)
        };
        assert_eq!(of("20000000", None), Some(Duration::from_secs(20)));
        assert_eq!(of("5000", Some("7")), Some(Duration::from_millis(5)));
        assert_eq!(of("5000", Some("8")), None);
        assert_eq!((of("0", None), of("x", None), watchdog_of(None, None, 7)), (None, None, None));
    }
}
