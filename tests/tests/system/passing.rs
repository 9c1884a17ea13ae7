//! What passes by itself: something else stands for a while where the relay was.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sealift_tests::process::User;
use sealift_tests::stage::{Relay, download, fetched, invite, join, seed};

/// Answers everybody at `address` with the page of a hotel's network, until dropped.
struct Portal(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>, SocketAddr);

impl Portal {
    fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    break;
                }
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream
                    .write_all(b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n");
            }
        });
        Self(ended, Some(thread), address)
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        drop(std::net::TcpStream::connect(self.2));
        let _ = self.1.take().map(std::thread::JoinHandle::join);
    }
}

#[test]
fn another_server_in_the_relays_place_ends_nothing_that_was_begun() {
    let relay = Relay::start();
    let owner = User::new();
    let content = vec![7; 3 << 20];
    owner.write("share/film.bin", &content);
    let mut seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let line = ["download", "film.bin", "--out", "out", "--limit", "1M", "--path", "relay", "-v"];
    let mut begun = friend.start("leecher", &line);
    seeder.message("ben downloads");
    let (place, at) = (relay.place.clone(), relay.address());
    let Relay { user, program, .. } = relay;
    program.kill();
    // A server with another key: a relay like any other TLS server.
    let stranger = User::new();
    let mut other = stranger.start("relay", &["--listen", &at.to_string()]);
    other.line("relay ready: ");
    let told = seeder.message("is not the relay that was there before");
    assert!(told.contains("another key"), "{told}");
    seeder.message("if its operator confirms the new key");
    begun.message("another key");
    // Whoever has not begun is told at once, and ends.
    let refused = friend.run("leecher", &["download", "film.bin", "--out", "other"]).expect(5);
    assert!(refused.says("another key"), "{refused}");
    other.kill();
    // And a page of the network instead of any TLS.
    seeder.clear();
    let portal = Portal::at(at);
    seeder.message("is no Sealift relay");
    let _ = download(&friend, "other.bin").expect(3);
    drop(portal);
    let _relay = Relay::again(user, &place);
    seeder.message("connected again to the relay");
    let done = begun.wait().expect(0);
    let warned = |line: &&String| line.starts_with("warning:") && line.contains("another key");
    assert!(done.stderr.iter().filter(warned).count() == 1, "{done}");
    assert_eq!(fetched(&friend, "film.bin"), content);
    seeder.signal(Signal::TERM);
    let ended = seeder.wait().expect(0);
    assert!(!ended.says("error"), "{ended}");
}

/// Long for a program that waits for nothing, on a machine that has much else to do.
const AT_ONCE: Duration = Duration::from_secs(4);

#[test]
fn a_relay_that_is_down_is_told_at_once_and_holds_up_no_other_space() {
    let relay = Relay::start();
    let (owner, second_relay, second) = (User::new(), Relay::start(), User::new());
    owner.write("share/report.txt", b"a report");
    second.write("share/other.txt", b"another");
    let _seeder = seed(&owner, &relay.place, "ana");
    let _second_seeder = seed(&second, &second_relay.place, "eva");
    let friend = join(&owner, "ben");
    let _ = friend.run("leecher", &["join", &invite(&second)]).expect(0);
    let _ = friend.run("leecher", &["search", "report"]).expect(0);
    // The relay of the second space takes connections and says nothing.
    let at = second_relay.address();
    second_relay.program.kill();
    let silent = TcpListener::bind(at).unwrap();
    let start = Instant::now();
    let _ = download(&friend, "report.txt").expect(0);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    assert_eq!(fetched(&friend, "report.txt"), b"a report");
    // Both are gone, and the system says so.
    drop(silent);
    relay.program.kill();
    let at_once = |line: &[&str], code: i32| {
        let start = Instant::now();
        let ended = friend.run("leecher", line).expect(code);
        assert!(start.elapsed() < AT_ONCE, "{line:?} took {:?}\n{ended}", start.elapsed());
        ended
    };
    let _ = at_once(&["search", "report"], 0);
    let known = at_once(&["members"], 0);
    assert!(known.says("ana") && known.says("cannot be reached"), "{known}");
    let ended = at_once(&["download", "report.txt", "--out", "anew"], 7);
    assert!(ended.says("refused") && ended.says("--lan") && !ended.says("0 B of"), "{ended}");
}
