//! The command as a process.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::io::Read;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{Running, fails, relay};

#[test]
fn it_says_where_it_is_and_ends_with_0_on_a_signal() {
    let home = tempfile::tempdir().unwrap();
    let mut pin = String::new();
    for signal in ["TERM", "INT"] {
        let mut running = Running::start(home.path(), &["--listen", "127.0.0.1:0"]);
        assert_ne!(running.place(), "127.0.0.1:0");
        assert_eq!(running.pin().len(), 26);
        assert!(pin.is_empty() || pin == running.pin(), "the key stays");
        running.pin().clone_into(&mut pin);
        TcpStream::connect(running.place()).unwrap();
        running.signal(signal);
        assert_eq!(running.wait().code(), Some(0));
    }
    assert!(home.path().join("relay/relay.key").exists());
}

#[test]
fn it_is_back_after_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let args = ["--listen", "127.0.0.1:0"];
    let mut running = Running::start(home.path(), &args);
    let pin = running.pin().to_owned();
    running.signal("KILL");
    running.wait();
    assert_eq!(Running::start(home.path(), &args).pin(), pin);
}

#[test]
fn wildcards_print_every_address_and_public_prints_one() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path(), &["--listen", "0.0.0.0:0"]);
    assert!(!running.place().starts_with("0.0.0.0"), "{}", running.ready);
    drop(running);
    let args = ["--listen", "127.0.0.1:0", "--public", "files.example.org:7000"];
    assert_eq!(Running::start(home.path(), &args).place(), "files.example.org:7000");
    let running = Running::start(home.path(), &["--listen", "127.0.0.1:0", "--json"]);
    let ready: serde_json::Value = serde_json::from_str(&running.ready).unwrap();
    assert_eq!((&ready["v"], &ready["type"]), (&1.into(), &"ready".into()));
    assert_eq!(ready["pin"].as_str().unwrap().len(), 26);
}

#[test]
fn a_port_in_use_is_said_so() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = Running::start(home.path(), &["--listen", "127.0.0.1:0"]);
    let (code, told) = fails(other.path(), &["--listen", running.place()]);
    assert_eq!(code, 1);
    assert!(told.contains("in use") && told.contains("relay --listen"), "{told}");
}

#[test]
fn a_home_in_use_is_said_so_and_by_whom() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path(), &["--listen", "127.0.0.1:0"]);
    let (code, told) = fails(home.path(), &["--listen", "127.0.0.1:0"]);
    assert_eq!(code, 1);
    assert!(told.contains(&format!("process {}", running.child.id())), "{told}");
}

#[test]
fn a_damaged_key_is_named_and_never_replaced() {
    let home = tempfile::tempdir().unwrap();
    let args = ["--listen", "127.0.0.1:0"];
    let mut running = Running::start(home.path(), &args);
    running.signal("TERM");
    running.wait();
    let key = home.path().join("relay/relay.key");
    let good = std::fs::read(&key).unwrap();
    for damaged in [&b""[..], &good[..good.len() / 2], &[0x55; 4096]] {
        std::fs::write(&key, damaged).unwrap();
        let (code, told) = fails(home.path(), &args);
        assert_eq!(code, 8, "{told}");
        assert!(told.contains("relay.key") && told.contains("damaged"), "{told}");
        assert_eq!(std::fs::read(&key).unwrap(), damaged);
    }
    std::fs::write(&key, good).unwrap();
    let away = home.path().join("away");
    std::fs::rename(&key, &away).unwrap();
    let (code, told) = fails(home.path(), &args);
    assert!(code == 8 && told.contains("missing") && !key.exists(), "{told}");
    std::fs::rename(&away, &key).unwrap();
    Running::start(home.path(), &args);
}

#[test]
fn a_damaged_store_is_set_aside_under_the_same_key() {
    let home = tempfile::tempdir().unwrap();
    let args = ["--listen", "127.0.0.1:0"];
    let mut running = Running::start(home.path(), &args);
    let pin = running.pin().to_owned();
    running.signal("TERM");
    running.wait();
    let file = |name: &str| home.path().join("relay").join(name);
    let good = std::fs::read(file("relay.redb")).unwrap();
    let cut = good[..good.len() / 2].to_vec();
    for (number, damaged) in (1..).zip([Vec::new(), cut, vec![0x55; 4096], vec![0; good.len()]]) {
        std::fs::write(file("relay.redb"), &damaged).unwrap();
        let mut running = Running::start(home.path(), &args);
        let aside = format!("relay.redb.damaged-{number}");
        assert!(running.logs("the store was damaged").contains(&aside));
        assert_eq!(std::fs::read(file(&aside)).unwrap(), damaged);
        assert_eq!(running.pin(), pin);
        running.signal("TERM");
        assert_eq!(running.wait().code(), Some(0));
    }
    // The store's remains say that there was a key.
    std::fs::remove_file(file("relay.redb")).unwrap();
    let key = std::fs::read(file("relay.key")).unwrap();
    std::fs::remove_file(file("relay.key")).unwrap();
    assert_eq!(fails(home.path(), &args).0, 8);
    std::fs::write(file("relay.key"), key).unwrap();
    // A disk that does this again and again is no place for another one.
    for last in [false, true] {
        std::fs::write(file("relay.redb"), b"broken").unwrap();
        if last {
            let (code, told) = fails(home.path(), &args);
            assert!(code == 8 && told.contains("relay.redb"), "{told}");
        } else {
            Running::start(home.path(), &args);
        }
    }
}

#[test]
fn an_unusable_home_is_said_so() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("relay"), "a file").unwrap();
    let (code, told) = fails(home.path(), &["--listen", "127.0.0.1:0"]);
    assert!(code == 8 && told.contains("cannot use the folder"), "{told}");
}

#[test]
fn help_teaches_and_mistakes_are_usage() {
    let home = tempfile::tempdir().unwrap();
    let output = relay(home.path(), &["--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for part in ["Examples:", "--listen", "--public", "--home", "seeder ./share --relay"] {
        assert!(help.contains(part), "{part}");
    }
    let output = relay(home.path(), &["limits"]).output().unwrap();
    let limits = String::from_utf8(output.stdout).unwrap();
    for limit in sealift_relay::Limits::default().entries() {
        assert!(
            limits.contains(&format!("  {} = {}\n", limit.name, limit.default)),
            "{}",
            limit.name
        );
    }
    for wrong in [&["--listen", "nowhere"][..], &["--public", "a b"], &["--nonsense"], &["word"]] {
        assert_eq!(fails(home.path(), wrong).0, 2);
    }
}

#[test]
fn logs_have_no_control_characters_and_few_lines() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("few.toml");
    let limit = "log_lines_per_second = \"3/s\"";
    std::fs::write(&config, format!("[limits]\n{limit}\n")).unwrap();
    let args = ["--listen", "127.0.0.1:0", "-v", "--config", config.to_str().unwrap()];
    let start = Instant::now();
    let mut running = Running::start(home.path(), &args);
    for _ in 0..300 {
        use std::io::Write;
        let mut stream = TcpStream::connect(running.place()).unwrap();
        let _ = stream.write_all(b"\x1b]0;owned\x07\nERROR forged\n");
    }
    running.signal("TERM");
    running.wait();
    let mut log = String::new();
    running.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(!log.contains('\x1b') && !log.contains("forged"), "{log}");
    let lines = log.lines().filter(|line| line.contains("connection rejected")).count();
    // Twice a second's at once.
    let most = 3 * (start.elapsed().as_secs() + 3);
    assert!((1..=most).contains(&(lines as u64)), "{lines} lines of at most {most}");
    assert!(log.contains("log lines left out"), "{log}");
}

#[test]
fn out_of_file_descriptors_it_waits_and_recovers() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64 && exec \"$0\" --listen 127.0.0.1:0"]);
    command.arg(env!("CARGO_BIN_EXE_relay")).env("SEALIFT_HOME", home.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::of(command);
    let place = running.place().to_owned();
    let crowd: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(&place).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(1500));
    let spent = cpu_ticks(running.child.id());
    assert!(spent < 50, "{spent} hundredths of a second of processor time");
    drop(crowd);
    let start = Instant::now();
    loop {
        use std::io::Write;
        let mut stream = TcpStream::connect(&place).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let _ = stream.write_all(b"?");
        // Closed at once: it was accepted and looked at.
        if matches!(stream.read(&mut [0]), Ok(0)) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "does not recover");
    }
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
    let mut log = String::new();
    running.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("cannot accept") && log.lines().count() < 100, "{log}");
}

/// Processor time of a process, in ticks of usually 10 ms; 0 where the system does not tell.
fn cpu_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}
