//! A network in memory: named hosts, delay with seeded jitter, partitions, and hosts that vanish.

mod pipe;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sealift_platform::net::{BoxFuture, BoxStream, Listener, Net};
use sealift_platform::sync::lock;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::random::SimRandom;
use pipe::{Lane, SimStream, Wire};

/// How long a connection attempt goes on without an answer.
const CONNECT_TIME: Duration = Duration::from_secs(20);
/// Connections that wait to be accepted.
const BACKLOG: usize = 128;

/// What bytes meet on their way between two hosts.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// Time from one host to the other.
    pub delay: Duration,
    /// Up to so much more, by the seed.
    pub jitter: Duration,
    /// Bytes in a second that all connections share; `None` for as many as come.
    pub rate: Option<u64>,
    /// False holds everything back, as a network that drops all packets does.
    pub open: bool,
}

/// What passed at a host since the network was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Pieces of any length that it sent and the other side has, or that it was sent: the moments at which something can go wrong.
    pub pieces: u64,
    /// Bytes that it was sent.
    pub received: u64,
    /// Bytes of its own that others have.
    pub sent: u64,
}

impl Default for Path {
    fn default() -> Self {
        let (delay, jitter) = (Duration::from_millis(10), Duration::from_millis(2));
        Self { delay, jitter, rate: None, open: true }
    }
}

/// The network; clones are the same one.
#[derive(Clone)]
pub struct SimNet {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    random: SimRandom,
}

#[derive(Default)]
struct State {
    hosts: BTreeMap<String, Ipv4Addr>,
    listeners: BTreeMap<(Ipv4Addr, u16), mpsc::Sender<(BoxStream, SocketAddr)>>,
    /// One for each pair of hosts that ever spoke; changes reach the bytes that are on their way.
    paths: BTreeMap<(Ipv4Addr, Ipv4Addr), Line>,
    traffic: BTreeMap<Ipv4Addr, Arc<watch::Sender<Traffic>>>,
    /// What ends each connection.
    wires: Vec<(Ipv4Addr, Ipv4Addr, Arc<Wire>)>,
    port: u16,
}

/// The way from one host to another.
struct Line {
    path: watch::Sender<Path>,
    free: Arc<Mutex<Instant>>,
}

impl State {
    fn line(&mut self, from: Ipv4Addr, to: Ipv4Addr) -> &Line {
        self.paths.entry((from, to)).or_insert_with(|| Line {
            path: watch::Sender::new(Path::default()),
            free: Arc::new(Mutex::new(Instant::now())),
        })
    }

    fn traffic(&mut self, ip: Ipv4Addr) -> Arc<watch::Sender<Traffic>> {
        Arc::clone(self.traffic.entry(ip).or_default())
    }

    fn lane(&mut self, from: Ipv4Addr, to: Ipv4Addr, random: &SimRandom) -> Lane {
        let line = self.line(from, to);
        let (path, free) = (line.path.subscribe(), Arc::clone(&line.free));
        let (from, to) = (self.traffic(from), self.traffic(to));
        Lane { path, free, random: random.clone(), from, to }
    }

    fn free_port(&mut self) -> u16 {
        // From the range that systems choose from; a simulation does not open 16,000 connections.
        self.port = self.port.checked_add(1).unwrap_or_default().max(49_152);
        self.port
    }
}

impl SimNet {
    /// A network without hosts whose jitter comes from `random`.
    #[must_use]
    pub fn new(random: SimRandom) -> Self {
        Self { inner: Arc::new(Inner { state: Mutex::default(), random }) }
    }

    /// The host called `name`, made when first asked for.
    #[must_use]
    pub fn host(&self, name: &str) -> SimHost {
        let mut state = self.state();
        let next = u8::try_from(state.hosts.len() + 1).unwrap_or(u8::MAX);
        let ip = *state.hosts.entry(name.to_owned()).or_insert(Ipv4Addr::new(10, 0, 0, next));
        SimHost { net: self.clone(), ip }
    }

    /// Sets what bytes from `from` to `to` meet, those on their way included; the way back has a path of its own.
    pub fn set_path(&self, from: &SimHost, to: &SimHost, path: Path) {
        self.state().line(from.ip, to.ip).path.send_replace(path);
    }

    /// Sets both ways between two hosts.
    pub fn set_both(&self, one: &SimHost, other: &SimHost, path: Path) {
        self.set_path(one, other, path);
        self.set_path(other, one, path);
    }

    /// Ends all connections and listeners of a host at once, as when its process is killed.
    pub fn drop_host(&self, host: &SimHost) {
        let mut state = self.state();
        state.listeners.retain(|(ip, _), _| *ip != host.ip);
        state.wires.retain(|(one, other, wire)| {
            let hit = *one == host.ip || *other == host.ip;
            if hit {
                wire.cut();
            }
            !hit && !wire.is_cut()
        });
    }

    /// Ends all connections of a host at once, as a router does that forgets them; it goes on listening.
    pub fn drop_connections(&self, host: &SimHost) {
        for (one, other, wire) in &self.state().wires {
            if *one == host.ip || *other == host.ip {
                wire.cut();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }
}

/// A host: what a program that runs there uses as its network.
#[derive(Clone)]
pub struct SimHost {
    net: SimNet,
    ip: Ipv4Addr,
}

impl SimHost {
    /// Its address.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        IpAddr::V4(self.ip)
    }

    /// What passed here so far, and what follows.
    #[must_use]
    pub fn traffic(&self) -> watch::Receiver<Traffic> {
        self.net.state().traffic(self.ip).subscribe()
    }

    fn resolve(&self, host: &str) -> io::Result<Ipv4Addr> {
        if host == "localhost" {
            return Ok(self.ip);
        }
        if let Ok(ip) = host.parse::<Ipv4Addr>() {
            return Ok(if ip.is_loopback() { self.ip } else { ip });
        }
        let told = || io::Error::new(io::ErrorKind::NotFound, format!("no host {host}"));
        self.net.state().hosts.get(host).copied().ok_or_else(told)
    }

    async fn connect_to(&self, to: Ipv4Addr, port: u16) -> io::Result<BoxStream> {
        let (mut there, mut back, local) = {
            let mut state = self.net.state();
            let local = SocketAddr::from((self.ip, state.free_port()));
            let random = &self.net.inner.random;
            (state.lane(self.ip, to, random), state.lane(to, self.ip, random), local)
        };
        // One exchange before the connection stands.
        there.travel().await;
        let listener = self.net.state().listeners.get(&(to, port)).cloned();
        let answer = match listener {
            None => Err(io::ErrorKind::ConnectionRefused.into()),
            Some(listener) => {
                let remote = SocketAddr::from((to, port));
                let (near, far, wire) = pipe::join(local, remote, &there, &back);
                self.net.state().wires.push((self.ip, to, wire));
                listener
                    .send((Box::new(far) as BoxStream, local))
                    .await
                    .map(|()| near)
                    .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))
            }
        };
        back.travel().await;
        answer.map(|near: SimStream| Box::new(near) as BoxStream)
    }
}

impl Net for SimHost {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<BoxStream>> {
        Box::pin(async move {
            let to = Self::resolve(self, host)?;
            tokio::time::timeout(CONNECT_TIME, self.connect_to(to, port))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        })
    }

    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(vec![SocketAddr::from((Self::resolve(self, host)?, port))]) })
    }

    fn addresses(&self) -> io::Result<Vec<IpAddr>> {
        Ok(vec![self.ip()])
    }

    fn gateway(&self) -> Option<Ipv4Addr> {
        None
    }

    fn udp(&self, _address: SocketAddr, _both: bool) -> io::Result<UdpSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let mut state = self.net.state();
            let port = if address.port() == 0 { state.free_port() } else { address.port() };
            let taken: BTreeSet<_> = state
                .listeners
                .iter()
                .filter(|(_, sender)| !sender.is_closed())
                .map(|(key, _)| *key)
                .collect();
            // The hosts have one IPv4 address each; an IPv6 socket beside an IPv4 one of the same port never hears anything.
            let (sender, waiting) = mpsc::channel(BACKLOG);
            if address.is_ipv4() {
                if taken.contains(&(self.ip, port)) {
                    return Err(io::ErrorKind::AddrInUse.into());
                }
                state.listeners.insert((self.ip, port), sender.clone());
            }
            let shown = SocketAddr::new(address.ip(), port);
            Ok(Box::new(SimListener {
                waiting: tokio::sync::Mutex::new(waiting),
                address: shown,
                _open: address.is_ipv6().then_some(sender),
            }) as Box<dyn Listener>)
        })
    }
}

struct SimListener {
    waiting: tokio::sync::Mutex<mpsc::Receiver<(BoxStream, SocketAddr)>>,
    address: SocketAddr,
    /// Keeps a socket that never hears anything from looking closed.
    _open: Option<mpsc::Sender<(BoxStream, SocketAddr)>>,
}

impl Listener for SimListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        Box::pin(async move {
            let next = self.waiting.lock().await.recv().await;
            next.ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
