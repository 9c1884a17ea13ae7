//! What an operator does with a running relay.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![cfg(target_os = "linux")]

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::process::{Running, fails, http, relay};

const ANYWHERE: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// Runs a command beside the relay: exit code, standard output and error.
fn ask(home: &Path, args: &[&str]) -> (i32, String, String) {
    let output = relay(home, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn status(home: &Path) -> serde_json::Value {
    let (code, out, err) = ask(home, &["status", "--json"]);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

/// Where a relay answers HTTP, by its log.
fn metrics_place(running: &mut Running) -> String {
    let line = running.logs("answering /metrics");
    let place = line.split("address=").nth(1).expect("an address");
    place.split(' ').next().unwrap().to_owned()
}

#[test]
fn metrics_and_health_are_answered_on_loopback() {
    let home = tempfile::tempdir().unwrap();
    let args = [&ANYWHERE[..], &["--metrics", "127.0.0.1:0"]].concat();
    let mut running = Running::start(home.path(), &args);
    let place = metrics_place(&mut running);
    let health = http(&place, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(
        health.starts_with("HTTP/1.1 200 OK\r\n") && health.ends_with("\r\n\r\nok\n"),
        "{health}"
    );
    let mut stranger = TcpStream::connect(running.place()).unwrap();
    stranger.write_all(b"?").unwrap();
    running.logs("reason=\"foreign\"");
    let metrics = http(&place, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let (head, body) = metrics.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    for line in [
        "sealift_store_up 1",
        "sealift_connections_accepted_total 1",
        "sealift_rejected_total{reason=\"foreign\"} 1",
        "sealift_connections{state=\"serving\"} 0",
    ] {
        assert!(body.lines().any(|found| found == line), "{line}\n{body}");
    }
    let memory = body.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    assert!(memory.unwrap().parse::<u64>().unwrap() > 1 << 20);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let answer = http(&place, request.as_bytes()).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    for outside in ["0.0.0.0:9743", "192.0.2.1:9743", "9743"] {
        let (code, told) = fails(home.path(), &["--metrics", outside]);
        assert!(code == 2 && told.contains("127.0.0.1:9743"), "{told}");
    }
}

#[test]
fn a_crowd_at_the_metrics_harms_nobody() {
    let home = tempfile::tempdir().unwrap();
    let args = [&ANYWHERE[..], &["--metrics", "127.0.0.1:0"]].concat();
    let mut running = Running::start(home.path(), &args);
    let place = metrics_place(&mut running);
    let mut held = Vec::new();
    for number in 0..10_000 {
        let stream = TcpStream::connect(&place).unwrap();
        if number % 20 == 0 {
            held.push(stream);
        }
    }
    for stream in &mut held {
        // Closed already, most of them.
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ");
    }
    let mut huge = TcpStream::connect(&place).unwrap();
    let _ = huge.write_all(&vec![b'x'; 4 << 20]);
    let answer = http(&place, b"GET /healthz HTTP/1.1\r\n\r\n").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let process = &status(home.path())["process"];
    assert!(process["descriptors"].as_u64().unwrap() < 100, "{process}");
    assert!(process["memory"].as_u64().unwrap() < 200 << 20, "{process}");
}

#[test]
fn status_tells_what_runs_and_what_does_not() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = ask(home.path(), &["status"]);
    assert!(code == 1 && out.is_empty() && err.contains("no relay runs on"), "{err}");
    let mut running = Running::start(home.path(), &ANYWHERE);
    let socket = home.path().join("relay/relay.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (code, text, err) = ask(home.path(), &["status"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(text.contains(running.pin()) && text.contains(running.place()), "{text}");
    let told = status(home.path());
    assert_eq!((&told["v"], &told["type"]), (&1.into(), &"status".into()));
    assert_eq!(told["pid"], running.child.id());
    assert!(told["limits"].as_array().unwrap().len() > 30);
    running.signal("TERM");
    running.wait();
    assert!(!socket.exists());
    let (code, _, err) = ask(home.path(), &["status", "--json"]);
    assert!(code == 1 && err.contains("\"type\":\"error\""), "{err}");
    // One that was killed leaves its socket behind, which is in nobody's way.
    let mut running = Running::start(home.path(), &ANYWHERE);
    running.signal("KILL");
    running.wait();
    assert_eq!(ask(home.path(), &["status"]).0, 1);
    let running = Running::start(home.path(), &ANYWHERE);
    assert_eq!(status(home.path())["pid"], running.child.id());
}

/// The next message to a service manager that contains `words`.
fn heard(socket: &UnixDatagram, words: &str) -> String {
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    loop {
        let mut buffer = [0; 1000];
        let count = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{words}: {error}"));
        let text = String::from_utf8(buffer[..count].to_vec()).unwrap();
        if text.contains(words) {
            return text;
        }
    }
}

#[test]
fn a_service_manager_hears_how_it_is() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut command = relay(home.path(), &ANYWHERE);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "500000");
    let mut running = Running::of(command);
    assert!(heard(&socket, "READY=1").starts_with("READY=1\n"));
    for _ in 0..3 {
        let told = heard(&socket, "WATCHDOG=1");
        assert!(told.contains("STATUS=0 devices connected, 0 links at work\n"), "{told}");
    }
    running.signal("HUP");
    assert!(heard(&socket, "RELOADING=1").contains("\nMONOTONIC_USEC="));
    heard(&socket, "READY=1");
    running.signal("TERM");
    heard(&socket, "STOPPING=1");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("slow.toml");
    std::fs::write(&config, "[limits]\nfarewell = \"5 min\"\nhandshake = \"5 min\"\n").unwrap();
    let args = [&ANYWHERE[..], &["--config", config.to_str().unwrap()]].concat();
    let mut running = Running::start(home.path(), &args);
    // Nobody knows yet who it is, so it has the time of the farewell.
    let mut guest = TcpStream::connect(running.place()).unwrap();
    guest.write_all(b"S").unwrap();
    while status(home.path())["connections"]["unauthenticated"] != 1 {}
    running.signal("TERM");
    running.logs("ending; links at work may finish");
    assert_eq!(status(home.path())["draining"], true, "it waits for the guest");
    running.signal("TERM");
    running.logs("ending at once");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_hangup_has_the_configuration_read_again() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("relay")).unwrap();
    let file = home.path().join("relay/relay.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("listen = [\"127.0.0.1:0\"]\n[limits]\nlinks = 5\n");
    let mut running = Running::start(home.path(), &[]);
    assert!(running.logs("configured").contains("relay.toml"));
    let links = || {
        let status = status(home.path());
        let limits = status["limits"].as_array().unwrap().clone();
        let found = limits.iter().find(|limit| limit["name"] == "links").unwrap().clone();
        found["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(links(), "5");
    write(
        "listen = [\"127.0.0.1:1\"]\n[log]\nlevel = \"debug\"\n[limits]\nlinks = 6\nstore_cache = \"64 MiB\"\n",
    );
    running.signal("HUP");
    running.logs("was read again");
    let later = running.logs("at the next start");
    assert!(later.contains("listen, store_cache"), "{later}");
    assert_eq!(links(), "6");
    write("listen = [\"127.0.0.1:1\"]\n\n[limits]\nlink = 7\n");
    running.signal("HUP");
    let refused = running.logs("the old one stays in force");
    assert!(
        refused.contains("relay.toml:4: there is no") && refused.contains("perhaps links"),
        "{refused}"
    );
    assert_eq!(links(), "6");
    drop(running);
    let (code, told) = fails(home.path(), &[]);
    assert!(code == 2 && told.contains("relay.toml:4: "), "{told}");
    let (code, told) = fails(home.path(), &["--config", "/nonexistent/relay.toml"]);
    assert!(code == 2 && told.contains("/nonexistent/relay.toml"), "{told}");
}

#[test]
fn logs_are_json_when_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let args = [&ANYWHERE[..], &["--log-format", "json"]].concat();
    let mut running = Running::start(home.path(), &args);
    assert!(running.ready.starts_with("relay ready: "), "only the log is JSON");
    for hostile in
        [&b"\x1b]0;owned\x07\n{\"level\":\"forged\"}\n"[..], b"SLnonsense", b"\x16\x03\x01\0\xff"]
    {
        let mut stream = TcpStream::connect(running.place()).unwrap();
        stream.write_all(hostile).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let line = running.logs("connection rejected");
        let told: serde_json::Value = serde_json::from_str(&line).expect(&line);
        assert_eq!(told["level"], "INFO");
        let reason = told["reason"].as_str().unwrap();
        assert!(["foreign", "io", "ticket"].contains(&reason), "{line}");
        assert!(!line.contains("owned") && !line.contains("forged") && !line.contains("nonsense"));
    }
}

#[test]
fn the_key_is_copied_and_put_in_place_but_nothing_is_replaced() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Only root can; the folder of a service has another owner.
    let _ = std::os::unix::fs::chown(other.path(), Some(12_345), None);
    let backup = home.path().join("key backup");
    let backup = backup.to_str().unwrap();
    assert_eq!(ask(home.path(), &["key", "export", backup]).0, 8, "there is none yet");
    let mut running = Running::start(home.path(), &ANYWHERE);
    let pin = format!("pin {}\n", running.pin());
    assert_eq!(ask(home.path(), &["key", "export", backup]), (0, pin.clone(), String::new()));
    running.signal("TERM");
    running.wait();
    assert_eq!(std::fs::metadata(backup).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, _, told) = ask(home.path(), &["key", "export", backup]);
    assert!(code == 8 && told.contains("is there already"), "{told}");
    assert_eq!(ask(other.path(), &["key", "import", backup]), (0, pin.clone(), String::new()));
    assert_eq!(ask(other.path(), &["key", "pin"]).1, pin);
    let owner = |path: &Path| std::os::unix::fs::MetadataExt::uid(&path.metadata().unwrap());
    assert_eq!(owner(&other.path().join("relay/relay.key")), owner(other.path()));
    let (code, _, told) = ask(other.path(), &["key", "import", backup]);
    assert!(code == 8 && told.contains("is there already"), "{told}");
    let running = Running::start(other.path(), &ANYWHERE);
    assert_eq!(format!("pin {}\n", running.pin()), pin);
    std::fs::write(backup, "not a key").unwrap();
    let empty = tempfile::tempdir().unwrap();
    let (code, _, told) = ask(empty.path(), &["key", "import", backup]);
    assert!(code == 8 && told.contains("damaged") && !told.contains("not a key"), "{told}");
    let left = std::fs::read_dir(empty.path().join("relay")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".sealift-private"]);
}
