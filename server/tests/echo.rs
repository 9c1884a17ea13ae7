//! A second program stands on this crate: its gate, its own limits, its metrics and its state, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod client;
#[path = "../examples/echo.rs"]
mod echo;

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use sealift_platform::Platform;
use sealift_proto::frame::frame;
use sealift_server::admin;

use echo::{Limits, PROGRAM, Report};

/// Longer than any of it takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    home: tempfile::TempDir,
    address: std::net::SocketAddr,
    page: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        let home = tempfile::tempdir().unwrap();
        let platform = Platform::system();
        let listen = || platform.net.listen("127.0.0.1:0".parse().unwrap());
        let (listener, page) = (listen().await.unwrap(), listen().await.unwrap());
        let (address, at) = (listener.local_addr().unwrap(), page.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let folder = home.path().to_owned();
        let ended = tokio::spawn(async move {
            let shutdown = async { stopped.await.unwrap_or_default() };
            echo::run(platform, &folder, limits, vec![listener], page, shutdown).await.unwrap();
        });
        Self { home, address, page: at, stop, ended }
    }

    async fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.page).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// Asks until its metrics have that line: whoever was served may see its end before it is counted.
    async fn tells(&self, line: &str) {
        let start = Instant::now();
        loop {
            let metrics = within(self.metrics()).await;
            if metrics.contains(&format!("\n{line}\n")) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no {line}: {metrics}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_speaks_is_echoed_and_the_operator_sees_it() {
    let running = within(Running::start(Limits::default())).await;
    let mut stream = within(client::connect(running.address)).await.unwrap();
    for body in [&b"one"[..], &[7; 60_000], b"three"] {
        let said = frame(body).unwrap();
        within(stream.write_all(&said)).await.unwrap();
        let mut heard = vec![0; said.len()];
        within(stream.read_exact(&mut heard)).await.unwrap();
        assert_eq!(heard, said);
    }
    running.tells("echo_echoed_total 3").await;
    let home = running.home.path().to_owned();
    let asking = tokio::task::spawn_blocking(move || admin::ask::<Report>(PROGRAM, &home));
    let report = within(asking).await.unwrap().unwrap();
    assert_eq!((report.accepted, report.echoed, report.rejected.len()), (1, 3, 0));
    drop(stream);
    within(running.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_limits_hold_for_strangers() {
    let limits = Limits { unauthenticated: 1, ..Limits::default() };
    let running = within(Running::start(limits)).await;
    let mut one = TcpStream::connect(running.address).await.unwrap();
    let mut other = TcpStream::connect(running.address).await.unwrap();
    // Whichever is looked at later takes the place of the first, which is closed.
    let (mut some, mut more) = ([0; 10], [0; 10]);
    let closed = async {
        tokio::select! {
            _ = one.read(&mut some) => 0,
            _ = other.read(&mut more) => 1,
        }
    };
    let mut left = if within(closed).await == 0 { other } else { one };
    // That is no TLS.
    within(left.write_all(b"GET / HTTP/1.1\r\n\r\n")).await.unwrap();
    // Closed, which is told by an end or by an error.
    assert_eq!(within(left.read(&mut [0; 10])).await.unwrap_or(0), 0);
    for reason in ["crowded", "foreign"] {
        running.tells(&format!("echo_rejected_total{{reason=\"{reason}\"}} 1")).await;
    }
    within(running.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_does_not_end_is_given_up() {
    let limits = Limits { message_time: Duration::from_millis(100), ..Limits::default() };
    let running = within(Running::start(limits)).await;
    let mut stream = within(client::connect(running.address)).await.unwrap();
    let said = frame(b"all of it").unwrap();
    within(stream.write_all(&said[..said.len() - 1])).await.unwrap();
    assert_eq!(within(stream.read(&mut [0; 10])).await.unwrap_or(0), 0);
    running.tells("echo_rejected_total{reason=\"slow\"} 1").await;
    within(running.stop()).await;
}
