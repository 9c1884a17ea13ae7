//! A small internet of network namespaces: a core that routes, a relay at it, and homes behind translators of each kind.
//!
//! ```text
//! relay 5.0.0.2 ── core ── 5.N.0.2 gateway of home N ── 192.168.N.0/24: hosts .2, .3
//!                   │
//!                   └──── 5.N.0.2 carrier ── 100.64.N.0/24 ── gateway ── hosts       (translated twice)
//! ```
//!
//! Nothing of it reaches the machine's own network. What builds it says why where the system does not permit it.

mod nat;

use crate::process::Namespace;

pub use nat::Nat;

/// Address of the relay.
pub const RELAY: &str = "5.0.0.2";
/// Address of the relay in the IPv6 part.
pub const RELAY_V6: &str = "2a00::2";

/// The routers and the relay's place. Everything ends when it is dropped.
pub struct Lab {
    core: Namespace,
    relay: Namespace,
}

/// How a home is connected.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// The translator; without one, hosts have public addresses.
    pub nat: Option<Nat>,
    /// A second translator, of the carrier.
    pub carrier: Option<Nat>,
    /// Whether UDP gets through.
    pub udp: bool,
    /// Bits per second, each way; unlimited if absent.
    pub rate: Option<u64>,
}

impl Line {
    /// A line with this translator and nothing special.
    #[must_use]
    pub const fn new(nat: Option<Nat>) -> Self {
        Self { nat, carrier: None, udp: true, rate: None }
    }
}

/// A home with its hosts.
pub struct Home {
    /// The router that its hosts know.
    pub gateway: Namespace,
    /// The hosts; `.2`, `.3` and so on.
    pub hosts: Vec<Namespace>,
    _carrier: Option<Namespace>,
}

impl Lab {
    /// The core and the relay's place, whose line takes so many bits per second each way.
    ///
    /// # Errors
    /// What the system lacks or does not permit, in words. What is built upon it then works.
    pub fn new(relay_rate: Option<u64>) -> Result<Self, String> {
        let core = Namespace::new()?;
        core.shell("nft add table ip can; nft delete table ip can")?;
        let relay = core.beside()?;
        forwards(&core)?;
        wire(&core, ("relay", "5.0.0.1/24"), &relay, ("eth", "5.0.0.2/24"))?;
        both(&core, "relay", "2a00::1/64", &relay, "2a00::2/64")?;
        relay.shell("ip route add default via 5.0.0.1; ip -6 route add default via 2a00::1")?;
        let lab = Self { core, relay };
        lab.relay_rate(relay_rate)?;
        Ok(lab)
    }

    /// Where the relay is to run.
    #[must_use]
    pub const fn relay(&self) -> &Namespace {
        &self.relay
    }

    /// Changes the rate of the relay's line.
    ///
    /// # Errors
    /// In words.
    pub fn relay_rate(&self, rate: Option<u64>) -> Result<(), String> {
        limit(&self.core, "relay", rate)?;
        limit(&self.relay, "eth", rate)
    }

    /// Nothing gets to the relay or from it any more, as if its line were cut.
    ///
    /// # Errors
    /// In words.
    pub fn cut_relay(&self) -> Result<(), String> {
        self.core.shell("ip link set dev relay down").map(drop)
    }

    /// A home with so many hosts; `number` from 1 to 250, each once.
    ///
    /// # Errors
    /// In words.
    pub fn home(&self, number: u8, line: Line, hosts: u8) -> Result<Home, String> {
        let gateway = self.core.beside()?;
        forwards(&gateway)?;
        let name = format!("home{number}");
        let outside = (format!("5.{number}.0.1/24"), format!("5.{number}.0.2/24"));
        let carrier = match line.carrier {
            None => {
                wire(&self.core, (&name, &outside.0), &gateway, ("wan", &outside.1))?;
                gateway.shell(&format!("ip route add default via 5.{number}.0.1"))?;
                None
            }
            Some(nat) => {
                let carrier = self.core.beside()?;
                forwards(&carrier)?;
                wire(&self.core, (&name, &outside.0), &carrier, ("wan", &outside.1))?;
                carrier.shell(&format!("ip route add default via 5.{number}.0.1"))?;
                let inside = (format!("100.64.{number}.1/24"), format!("100.64.{number}.2/24"));
                wire(&carrier, ("lan", &inside.0), &gateway, ("wan", &inside.1))?;
                gateway.shell(&format!("ip route add default via 100.64.{number}.1"))?;
                nat.install(&carrier)?;
                Some(carrier)
            }
        };
        limit(&self.core, &name, line.rate)?;
        limit(carrier.as_ref().unwrap_or(&gateway), "wan", line.rate)?;
        let prefix = if line.nat.is_some() {
            format!("192.168.{number}")
        } else {
            self.core.shell(&format!("ip route add 5.{number}.1.0/24 via 5.{number}.0.2"))?;
            format!("5.{number}.1")
        };
        gateway.shell(&format!(
            "ip link add lan type bridge; ip addr add {prefix}.1/24 dev lan; ip link set dev lan up"
        ))?;
        if let Some(nat) = line.nat {
            nat.install(&gateway)?;
        }
        if !line.udp {
            gateway.shell(
                "nft 'add table inet closed; add chain inet closed forward { type filter hook forward priority 10; }; \
                 add rule inet closed forward meta l4proto udp drop'",
            )?;
        }
        let mut home = Home { gateway, hosts: Vec::new(), _carrier: carrier };
        for host in 2..2 + hosts {
            let namespace = self.core.beside()?;
            let port = format!("port{host}");
            wire(&home.gateway, (&port, ""), &namespace, ("eth", &format!("{prefix}.{host}/24")))?;
            home.gateway.shell(&format!("ip link set dev {port} master lan"))?;
            namespace.shell(&format!("ip route add default via {prefix}.1"))?;
            home.hosts.push(namespace);
        }
        Ok(home)
    }

    /// A second line to `host`, of `rate` bits per second each way, with the IPv6 address `2a00:NN::2` alone on it.
    ///
    /// # Errors
    /// In words.
    pub fn second_line(&self, number: u8, host: &Namespace, rate: u64) -> Result<(), String> {
        let name = format!("more{number}");
        wire(&self.core, (&name, ""), host, ("more", ""))?;
        let (near, far) = (format!("2a00:{number}::1/64"), format!("2a00:{number}::2/64"));
        self.core.shell(&format!("ip -6 addr add {near} dev {name} nodad"))?;
        host.shell(&format!(
            "ip -6 addr add {far} dev more nodad; ip -6 route add default via 2a00:{number}::1"
        ))?;
        limit(&self.core, &name, Some(rate))?;
        limit(host, "more", Some(rate))
    }

    /// A host that has nothing but an IPv6 address, `2a00:N::2`.
    ///
    /// # Errors
    /// In words.
    pub fn host_v6(&self, number: u8) -> Result<Namespace, String> {
        let host = self.core.beside()?;
        let name = format!("six{number}");
        wire(&self.core, (&name, ""), &host, ("eth", ""))?;
        let (near, far) = (format!("2a00:{number}::1/64"), format!("2a00:{number}::2/64"));
        both(&self.core, &name, &near, &host, &far)?;
        host.shell(&format!("ip -6 route add default via 2a00:{number}::1"))?;
        Ok(host)
    }
}

impl Home {
    /// Host `index` gets another address, as a laptop does that changes networks; the old one is gone.
    ///
    /// # Errors
    /// In words.
    pub fn renumber(&self, index: usize) -> Result<(), String> {
        let host = &self.hosts[index];
        let shown = host.shell("ip -4 -o addr show dev eth")?;
        let old = shown.split_whitespace().find(|word| word.contains('/')).ok_or("no address")?;
        let prefix = old.rsplit_once('.').ok_or("no address")?.0;
        host.shell(&format!(
            // What is deleted takes with it what came after it in the same network.
            "ip addr del {old} dev eth; ip addr add {prefix}.{}/24 dev eth; ip route replace default via {prefix}.1",
            index + 100
        ))
        .map(drop)
    }
}

/// Lets `router` route.
fn forwards(router: &Namespace) -> Result<(), String> {
    router
        .shell(
            "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding",
        )
        .map(drop)
}

/// A cable between two namespaces, each end with its name and address.
fn wire(
    one: &Namespace,
    (name, address): (&str, &str),
    other: &Namespace,
    (far, far_address): (&str, &str),
) -> Result<(), String> {
    one.shell(&format!(
        "ip link add {name} type veth peer name {far} netns /proc/{}/ns/net",
        other.pid()
    ))?;
    for (end, name, address) in [(one, name, address), (other, far, far_address)] {
        // Addresses without the pause in which IPv6 looks for duplicates.
        end.shell(&format!("echo 0 >/proc/sys/net/ipv6/conf/{name}/accept_dad || true"))?;
        if !address.is_empty() {
            end.shell(&format!("ip addr add {address} dev {name}"))?;
        }
        end.shell(&format!("ip link set dev {name} up"))?;
    }
    Ok(())
}

/// IPv6 addresses at both ends of a cable; the far end is called `eth`.
fn both(
    one: &Namespace,
    name: &str,
    near: &str,
    other: &Namespace,
    far: &str,
) -> Result<(), String> {
    one.shell(&format!("ip -6 addr add {near} dev {name} nodad"))?;
    other.shell(&format!("ip -6 addr add {far} dev eth nodad")).map(drop)
}

/// Limits what leaves by `device`.
fn limit(namespace: &Namespace, device: &str, rate: Option<u64>) -> Result<(), String> {
    let script = match rate {
        Some(rate) => format!(
            "tc qdisc replace dev {device} root tbf rate {rate}bit burst 128kb latency 100ms"
        ),
        None => format!("tc qdisc del dev {device} root 2>/dev/null || true"),
    };
    namespace.shell(&script).map(drop)
}
