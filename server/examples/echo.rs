//! A whole program on this crate: it accepts TLS behind the gate, echoes the frames of whoever speaks first, keeps within limits of
//! its own, and answers its operator.
//!
//! ```text
//! cargo run -p sealift-server --example echo -- /tmp/echo 127.0.0.1:7750 127.0.0.1:7751
//! curl http://127.0.0.1:7751/metrics
//! ```

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use sealift_platform::Platform;
use sealift_platform::net::Listener;
use sealift_proto::frame::frame;
use sealift_server::admin::Value::One;
use sealift_server::admin::{self, Metric, Observed, Value, pairs};
use sealift_server::entrance::{Entrance, Guest, Service};
use sealift_server::gate::Gate;
use sealift_server::identity::Identity;
use sealift_server::limits::{InForce, KIB, MIB, SECOND};
use sealift_server::listen::{listen, parse_address};
use sealift_server::log::{Format, Level, Log};
use sealift_server::metrics::{ByReason, Counter};
use sealift_server::partial::Partials;
use sealift_server::rejected::Rejected;
use sealift_server::room::Room;
use sealift_server::signals::Signals;
use sealift_server::{Program, accept, home, pace, partial};

/// What the program is called.
pub(crate) const PROGRAM: Program = Program { name: "echo", detail: "echo=debug" };

sealift_server::limits! {
    /// What the program gives at most.
    pub struct Limits of "echo";
    strangers;
    "Messages" {
        /// From the first byte of a message until its last; who takes longer is closed
        message_time: Duration, Time, 1 => 30 * SECOND;
        /// Bytes of messages that have come in part, on all connections; beyond, those that take longest are closed
        partial_bytes_in_all: usize, Bytes, 128 * KIB => 4 * MIB;
        /// Messages of one connection, in the long run; beyond, they are read more slowly
        messages_per_second: u64, PerSecond, 1 => 100;
        /// How long connections have when the program stops
        farewell: Duration, Time, 0 => SECOND;
    }
    "Memory, read at start" {
        /// Memory beyond 70 % of which nobody new comes in
        memory: u64, Bytes, MIB => 64 * MIB;
    }
}

impl From<&Limits> for partial::Bounds {
    fn from(limits: &Limits) -> Self {
        let Limits { message_time, partial_bytes_in_all, .. } = *limits;
        Self { message_time, partial_bytes_in_all }
    }
}

impl From<&Limits> for pace::Bounds {
    fn from(limits: &Limits) -> Self {
        Self {
            messages_per_second: limits.messages_per_second,
            message_burst: limits.messages_per_second,
            member_bytes_per_second: MIB,
            member_byte_burst: MIB,
        }
    }
}

/// What the program says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Connections accepted.
    pub(crate) accepted: u64,
    /// Frames echoed.
    pub(crate) echoed: u64,
    /// Connections that did not get in, by reason.
    pub(crate) rejected: ByReason,
}

sealift_server::metrics! {
    const METRICS of Report;
    "echo_accepted_total" counter "Connections accepted" |report| One(report.accepted);
    "echo_echoed_total" counter "Frames echoed" |report| One(report.echoed);
    "echo_rejected_total" counter "Connections that did not get in, by reason"
        |report| Value::Each("reason", pairs(&report.rejected));
}

/// The running program.
struct Echo {
    limits: InForce<Limits>,
    entrance: Entrance,
    tls: TlsAcceptor,
    echoed: Counter,
}

impl Service for Echo {
    const NAME: &'static str = PROGRAM.name;

    fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    fn tls(&self) -> &TlsAcceptor {
        &self.tls
    }

    async fn guest(&self, guest: Guest) -> Result<(), Rejected> {
        let Guest { mut reader, mut writer, mut probation, .. } = guest;
        let mut next = probation.run(async { Ok(reader.next().await?) }).await?;
        // It has spoken in time, which is all that is asked of it here: its place is free for the next stranger.
        drop(probation);
        let pace = pace::Pace::new(&(&*self.limits.get()).into(), self.entrance.now());
        while let Some(body) = next {
            let answer = frame(&body).map_err(|error| Rejected::Wire(error.into()))?;
            writer.write_all(&answer).await?;
            writer.flush().await?;
            self.echoed.add(1);
            tokio::time::sleep(pace.take(1, body.len(), self.entrance.now())).await;
            reader.awaited();
            next = reader.next().await?;
        }
        writer.shutdown().await?;
        Ok(())
    }
}

/// The running program, seen from outside.
#[derive(Clone)]
struct Handle(Weak<Echo>);

impl Observed for Handle {
    const PROGRAM: Program = PROGRAM;
    const METRICS: &'static [Metric<Report>] = METRICS;
    type Report = Report;

    async fn report(&self) -> Option<Report> {
        let echo = self.0.upgrade()?;
        let counts = &echo.entrance.counts;
        Some(Report {
            accepted: counts.accepted.get(),
            echoed: echo.echoed.get(),
            rejected: counts.rejected.get(),
        })
    }

    fn is_draining(&self) -> bool {
        self.0.strong_count() == 0
    }

    async fn answers_within(&self, _: Duration) -> bool {
        !self.is_draining()
    }

    fn line(report: &Report) -> String {
        format!("{} frames echoed", report.echoed)
    }
}

/// Serves on `listeners`, with the operator's page on `page`, until `shutdown`.
pub(crate) async fn run(
    platform: Platform,
    folder: &Path,
    limits: Limits,
    listeners: Vec<Box<dyn Listener>>,
    page: Box<dyn Listener>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error>> {
    let home = home::open(PROGRAM, &*platform.disk, folder)?;
    let identity = Identity::open(PROGRAM, &*home.root, &*platform.random, true)?;
    let (room, farewell) = (Room::measure(limits.memory), limits.farewell);
    let limits = InForce::new(limits);
    let (gate, partials) = (Gate::new(limits.view()), Partials::new(limits.view()));
    let echo = Arc::new(Echo {
        limits,
        entrance: Entrance::new(gate, partials, room),
        tls: TlsAcceptor::from(identity.tls),
        echoed: Counter::default(),
    });
    let handle = Handle(Arc::downgrade(&echo));
    let (closing, closed) = watch::channel(false);
    let mut serving = JoinSet::new();
    for listener in listeners {
        serving.spawn(accept::accept_all(listener, Arc::clone(&echo), closed.clone()));
    }
    let mut beside = JoinSet::new();
    beside.spawn(admin::serve_metrics(page, handle.clone()));
    #[cfg(unix)]
    beside.spawn(admin::serve_status(admin::bind(PROGRAM, folder)?, handle));
    beside.spawn(async move {
        loop {
            echo.entrance.tick();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    shutdown.await;
    closing.send_replace(true);
    let leaving = async { while serving.join_next().await.is_some() {} };
    // Who has not left by then is cut off.
    let _ = tokio::time::timeout(farewell, leaving).await;
    Ok(())
}

#[allow(dead_code, reason = "a test takes the parts above")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, address, page] = &arguments[..] else {
        return Err("echo FOLDER ADDRESS:PORT ADDRESS:PORT-OF-THE-PAGE".into());
    };
    let limits = Limits::default();
    let log = Log::start(PROGRAM, Format::Text, Level::Info);
    log.set_rate(limits.log_lines_per_second);
    let platform = Platform::system();
    let named: [SocketAddr; 1] = [parse_address(address)?];
    let listeners = listen(PROGRAM, &*platform.net, &named).await?;
    let page = platform.net.listen(admin::parse_address(page)?).await?;
    let mut signals = Signals::new()?;
    let shutdown = signals.end(|| {});
    run(platform.clone(), Path::new(folder), limits, listeners, page, shutdown).await
}
