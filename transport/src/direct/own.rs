//! The addresses of this side: those of its interfaces, the one that the relay sees, and those that the router grants.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sealift_platform::Platform;
use sealift_platform::sync::lock;
use sealift_proto::direct::{CANDIDATES_MAX, Candidate, Candidates, Origin, Transport};
use sealift_proto::probe::{Answer, Ask, ProbeKey};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::session::Sessions;
use super::udp::Udp;
use crate::control::{Control, Probe};

/// Most addresses of one family that are named: who has more, has them for something else.
const PER_FAMILY: usize = 4;
/// How long the relay may take to say where its UDP service is.
const GRANT: Duration = Duration::from_secs(5);
/// Pauses between asks of one round; a datagram or its answer may be lost.
const ASKS: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];
/// Most addresses of the relay that are asked.
const RELAY_ADDRESSES: usize = 4;
/// How often the interfaces are looked at while sessions live, and after how many of those looks the relay is asked again:
/// so often that the routers on the way keep the port open.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: u32 = 20;

/// The ports of this side's sockets.
pub(super) struct Ports {
    pub(super) tcp_v4: Option<u16>,
    pub(super) tcp_v6: Option<u16>,
    pub(super) udp: Option<Arc<Udp>>,
}

/// What is known of the addresses of this side.
pub(super) struct Own {
    platform: Platform,
    state: Mutex<State>,
    list: watch::Sender<Candidates>,
}

#[derive(Default)]
struct State {
    loopback: bool,
    interfaces: Vec<Candidate>,
    seen: [Option<Candidate>; 2],
    mapped: Vec<Candidate>,
    relay: Option<Relay>,
    /// Asks that wait for their answer.
    asked: HashMap<[u8; 16], (ProbeKey, SocketAddr)>,
}

/// Where the relay's UDP service is.
#[derive(Clone)]
struct Relay {
    host: String,
    probe: Probe,
}

impl Own {
    pub(super) fn new(platform: Platform) -> Self {
        Self { platform, state: Mutex::default(), list: watch::Sender::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The addresses now, and each change of them.
    pub(super) fn watch(&self) -> watch::Receiver<Candidates> {
        self.list.subscribe()
    }

    /// Looks at the interfaces, for a session that begins now; `loopback` says whether its other end may be on this machine.
    pub(super) fn begin(&self, ports: &Ports, loopback: bool) {
        self.state().loopback = loopback;
        self.look(ports);
    }

    fn look(&self, ports: &Ports) {
        let addresses = self.platform.net.addresses().unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot list the addresses of this machine");
            Vec::new()
        });
        self.change(|state| state.interfaces = of_interfaces(&addresses, ports, state.loopback));
    }

    /// Asks over `control` where the UDP service is, then there how this side is seen. The connection is not kept.
    pub(super) async fn see(&self, ports: &Ports, control: Control) {
        let Some(udp) = &ports.udp else { return };
        let granted = timeout(GRANT, control.probe()).await;
        let host = control.relay().host.as_str().to_owned();
        drop(control);
        match granted {
            Ok(Ok(probe)) => self.state().relay = Some(Relay { host, probe }),
            Ok(Err(error)) => return tracing::debug!(%error, "the relay tells no UDP address"),
            Err(_) => return,
        }
        self.ask(udp).await;
    }

    /// One round of asks; it ends early once each family has its answer.
    async fn ask(&self, udp: &Udp) {
        let Some(Relay { host, probe }) = self.state().relay.clone() else { return };
        let mut places = self.platform.net.resolve(&host, probe.port).await.unwrap_or_default();
        places.truncate(RELAY_ADDRESSES);
        self.state().asked.clear();
        for pause in ASKS {
            for place in &places {
                let nonce = self.platform.random.bytes();
                self.state().asked.insert(nonce, (probe.key.clone(), *place));
                udp.send(*place, &Ask { token: probe.token, nonce }.to_bytes(&probe.key));
            }
            sleep(pause).await;
            // What is asked again is what has not answered.
            let asked = &self.state().asked;
            places.retain(|place| asked.values().any(|(_, asked)| asked == place));
            if places.is_empty() {
                return;
            }
        }
    }

    /// A datagram that may be an answer of the relay.
    pub(super) fn answered(&self, datagram: &[u8]) {
        let Some(nonce) = Answer::nonce(datagram) else { return };
        let Some((key, place)) = self.state().asked.get(&nonce).cloned() else { return };
        let Some(answer) = Answer::from_bytes(datagram, &key) else { return };
        self.change(|state| {
            state.asked.retain(|_, (_, asked)| *asked != place);
            let seen = Candidate::new(Transport::Udp, Origin::Seen, answer.seen);
            let family = usize::from(answer.seen.is_ipv6());
            state.seen[family] = seen.place(state.loopback).is_ok().then_some(seen);
        });
    }

    /// Takes what the router passes on. It may name public addresses alone: with others it could lead those who believe it to
    /// their own neighbours.
    pub(super) fn mapped(&self, granted: Vec<Candidate>) {
        let fit = |own: &Candidate| {
            own.place(false).is_ok_and(|place| match place.ip() {
                IpAddr::V4(address) => is_public(address),
                IpAddr::V6(_) => true,
            })
        };
        let granted = granted.into_iter().filter(fit).collect();
        self.change(|state| state.mapped = granted);
    }

    /// Keeps the addresses fresh as long as there are sessions.
    pub(super) async fn keep(self: Arc<Self>, ports: Arc<Ports>, sessions: Arc<Sessions>) {
        let mut looks = 0_u32;
        loop {
            sleep(LOOK).await;
            if sessions.is_empty() {
                continue;
            }
            self.look(&ports);
            looks += 1;
            if looks.is_multiple_of(LOOKS)
                && let Some(udp) = &ports.udp
            {
                self.ask(udp).await;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let list = {
            let mut state = self.state();
            change(&mut state);
            state.list()
        };
        self.list.send_if_modified(|known| {
            let differs = *known != list;
            if differs {
                *known = list;
            }
            differs
        });
    }
}

impl State {
    /// All addresses, each once.
    fn list(&self) -> Candidates {
        let mut all: Vec<Candidate> = Vec::new();
        let found = self.interfaces.iter().chain(self.seen.iter().flatten()).chain(&self.mapped);
        for candidate in found {
            let key = |of: &Candidate| (of.transport, of.address, of.port);
            if all.iter().all(|other| key(other) != key(candidate)) {
                all.push(*candidate);
            }
        }
        all.truncate(CANDIDATES_MAX);
        Candidates::new(all).unwrap_or_default()
    }
}

/// Whether an address is one that the whole internet knows by it, as far as its ranges tell (RFC 6890).
pub(super) const fn is_public(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && second & 0xc0 == 64;
    let nowhere = first == 0 || first >= 224;
    !(nowhere || shared || address.is_private() || address.is_loopback() || address.is_link_local())
}

/// The addresses of interfaces at which others can reach the sockets of this side.
fn of_interfaces(addresses: &[IpAddr], ports: &Ports, loopback: bool) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut counts = [0; 2];
    for address in addresses {
        let count = &mut counts[usize::from(address.is_ipv6())];
        let tcp = if address.is_ipv4() { ports.tcp_v4 } else { ports.tcp_v6 };
        let udp = ports.udp.as_ref().and_then(|udp| udp.port(address));
        let places = [(Transport::Tcp, tcp), (Transport::Udp, udp)];
        let candidates = places.into_iter().filter_map(|(transport, port)| {
            let place = SocketAddr::new(*address, port?);
            let candidate = Candidate::new(transport, Origin::Interface, place);
            // What the other side would not try need not be named.
            candidate.place(loopback).is_ok().then_some(candidate)
        });
        let before = found.len();
        if *count < PER_FAMILY {
            found.extend(candidates);
        }
        *count += usize::from(found.len() > before);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_nobody_could_use_are_not_named() {
        let ports = Ports { tcp_v4: Some(4000), tcp_v6: Some(6000), udp: None };
        let some = ["127.0.0.1", "10.0.0.5", "::1", "fe80::1", "2001:db8::5", "169.254.1.1"];
        let addresses = some.map(|text| text.parse().unwrap());
        let named = |loopback| {
            let found = of_interfaces(&addresses, &ports, loopback);
            found.iter().map(|own| own.place(true).unwrap().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(named(false), ["10.0.0.5:4000", "[2001:db8::5]:6000"]);
        assert_eq!(named(true).len(), 4);
    }

    #[test]
    fn a_router_names_public_addresses_or_none() {
        let own = Own::new(Platform::system());
        let some = ["198.51.100.7:5000", "192.168.1.9:5000", "100.64.0.9:5000", "127.0.0.1:5000"];
        let more = ["169.254.9.9:5000", "0.0.0.0:5000", "255.255.255.255:5000", "198.51.100.7:80"];
        let granted = some
            .iter()
            .chain(&more)
            .map(|text| Candidate::new(Transport::Tcp, Origin::Mapped, text.parse().unwrap()));
        own.mapped(granted.collect());
        let named: Vec<_> =
            own.watch().borrow().iter().map(|one| one.place(true).unwrap()).collect();
        assert_eq!(named, [some[0].parse::<SocketAddr>().unwrap()]);
    }

    #[test]
    fn a_machine_with_many_addresses_names_some() {
        let ports = Ports { tcp_v4: Some(4000), tcp_v6: None, udp: None };
        let addresses: Vec<IpAddr> = (1..200).map(|last| IpAddr::from([10, 0, 0, last])).collect();
        assert_eq!(of_interfaces(&addresses, &ports, false).len(), PER_FAMILY);
    }
}
