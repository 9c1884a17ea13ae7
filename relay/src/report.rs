//! What a running relay says of itself: `relay status` and the metrics are made of it.

use serde::{Deserialize, Serialize};

use sealift_server::limits::Entry;
use sealift_server::machine;

use crate::hub::Hub;

pub use sealift_server::machine::Process;
pub use sealift_server::metrics::ByReason;

/// A running relay at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Its version.
    pub version: String,
    /// What clients know it by.
    pub pin: String,
    /// Where it listens.
    pub listen: Vec<String>,
    /// Its process.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime: u64,
    /// Whether it is about to end.
    pub draining: bool,
    /// Connections.
    pub connections: Connections,
    /// Links and what passed on them.
    pub links: Links,
    /// All that it sends, against the budget of a month.
    pub month: Month,
    /// The UDP service.
    pub udp: Udp,
    /// What it keeps; nothing while the store cannot be read.
    pub store: Option<Stored>,
    /// What it has refused.
    pub refusals: Refusals,
    /// What it takes of its machine.
    pub process: Process,
    /// The limits in force.
    pub limits: Vec<Setting>,
}

/// One limit in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value, as in a configuration file.
    pub value: String,
    /// Whether it is the default.
    pub default: bool,
}

/// Connections now, and since the start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connections {
    /// That have not shown who they are.
    pub unauthenticated: u64,
    /// That take an invite.
    pub joining: u64,
    /// Of members.
    pub members: u64,
    /// Of those, the ones that serve.
    pub serving: u64,
    /// Spaces with a member connected.
    pub spaces: u64,
    /// Accepted since the start.
    pub accepted: u64,
    /// Times that the system could not accept one.
    pub not_accepted: u64,
    /// Of the accepted, those that showed who they are.
    pub welcomed: u64,
    /// Bytes sent to them, TLS included.
    pub sent: u64,
}

/// Links now, and since the start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Links {
    /// At work.
    pub open: u64,
    /// Asked for: at work, or with tickets that are still good.
    pub asked: u64,
    /// Pairs of tickets given out.
    pub tickets: u64,
    /// Opened.
    pub opened: u64,
    /// Ended, by how.
    pub ended: ByReason,
    /// Bytes moved.
    pub bytes: u64,
}

/// All bytes sent in this calendar month, before a restart too: on links, to members and strangers, and over UDP.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Month {
    /// Bytes.
    pub sent: u64,
    /// How many there may be; nothing means without limit.
    pub most: Option<u64>,
    /// How many of those are left.
    pub left: Option<u64>,
    /// The day, by UTC, from which the next month's are counted.
    pub renewed_on: String,
}

/// The UDP service, since the start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Udp {
    /// Its port; nothing without such a service.
    pub port: Option<u16>,
    /// Datagrams answered.
    pub answered: u64,
    /// Datagrams that were not, by reason.
    pub dropped: ByReason,
}

/// What the store holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stored {
    /// Bytes, as they are charged.
    pub bytes: u64,
    /// Records, cards and heads.
    pub statements: u64,
    /// Sealed segments.
    pub segments: u64,
    /// Invites.
    pub invites: u64,
    /// Spaces with anything stored.
    pub spaces: u64,
    /// Bytes free on its disk.
    pub disk_free: u64,
    /// Writes that the disk failed, since the start.
    pub failures: u64,
}

/// What was refused since the start, by reason.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refusals {
    /// Connections that did not show who they are.
    pub rejected: ByReason,
    /// Members' connections that the relay ended.
    pub closed: ByReason,
    /// Members' requests.
    pub requests: ByReason,
}

pub(crate) async fn report(hub: &Hub) -> Report {
    let store = hub.store.usage().await.inspect_err(|error| {
        tracing::error!(%error, "the store cannot be read");
    });
    let (count, metrics, strangers) = (hub.count(), &hub.metrics, &hub.entrance.counts);
    let (month, limits) = (hub.this_month(), hub.limits.get());
    Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pin: hub.pin.clone(),
        listen: hub.listening(),
        pid: std::process::id(),
        uptime: hub.now().as_secs(),
        draining: hub.is_draining(),
        connections: Connections {
            unauthenticated: count.unauthenticated as u64,
            joining: count.joining as u64,
            members: count.members as u64,
            serving: count.serving as u64,
            spaces: count.spaces as u64,
            accepted: strangers.accepted.get(),
            not_accepted: strangers.not_accepted.get(),
            welcomed: metrics.welcomed.get(),
            sent: strangers.sent.get(),
        },
        links: Links {
            open: count.links as u64,
            asked: count.tickets as u64,
            tickets: metrics.tickets.get(),
            opened: metrics.links.get(),
            ended: metrics.links_ended.get(),
            bytes: count.bytes,
        },
        month: Month {
            sent: month.used,
            most: limits.bytes_per_month,
            left: limits.bytes_per_month.map(|most| most.saturating_sub(month.used)),
            renewed_on: month.renewed_on(),
        },
        udp: Udp {
            port: hub.probes.port(),
            answered: metrics.probes.get(),
            dropped: metrics.probes_dropped.get(),
        },
        store: store.ok().map(|usage| Stored {
            bytes: usage.bytes,
            statements: usage.statements,
            segments: usage.segments,
            invites: usage.invites,
            spaces: usage.spaces,
            disk_free: usage.disk_free,
            failures: hub.store.failures(),
        }),
        refusals: Refusals {
            rejected: strangers.rejected.get(),
            closed: metrics.closed.get(),
            requests: metrics.refused.get(),
        },
        process: machine::process(),
        limits: limits.entries().map(Setting::from).collect(),
    }
}

impl From<Entry> for Setting {
    fn from(entry: Entry) -> Self {
        let default = entry.value == entry.default;
        Self { name: entry.name.to_owned(), value: entry.value, default }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> Report {
        let by = |reason: &str, count| ByReason::from([(reason.to_owned(), count)]);
        Report {
            version: "1.2.3".into(),
            pin: "aaaaaaaaaaaaaaaaaaaaaaaaaa".into(),
            listen: vec!["0.0.0.0:7743".into()],
            pid: 7,
            uptime: 93_784,
            draining: false,
            connections: Connections {
                unauthenticated: 1,
                joining: 0,
                members: 5,
                serving: 3,
                spaces: 2,
                accepted: 20,
                not_accepted: 0,
                welcomed: 6,
                sent: 3 << 20,
            },
            links: Links {
                open: 1,
                asked: 2,
                tickets: 4,
                opened: 3,
                ended: by("finished", 2),
                bytes: 5 << 30,
            },
            month: Month {
                sent: 6 << 30,
                most: Some(10 << 30),
                left: Some(4 << 30),
                renewed_on: "2027-01-01".into(),
            },
            udp: Udp { port: Some(7743), answered: 8, dropped: by("forged", 2) },
            store: Some(Stored {
                bytes: 1 << 20,
                statements: 9,
                segments: 11,
                invites: 1,
                spaces: 2,
                disk_free: 50 << 30,
                failures: 0,
            }),
            refusals: Refusals {
                rejected: by("slow", 3),
                closed: by("idle", 1),
                requests: ByReason::new(),
            },
            process: Process { memory: 12 << 20, descriptors: 30, most_descriptors: 1024 },
            limits: vec![Setting { name: "links".into(), value: "10".into(), default: false }],
        }
    }
}
