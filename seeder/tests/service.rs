//! The seeder under a service manager.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![cfg(target_os = "linux")]

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The next message to the service manager.
fn heard(socket: &UnixDatagram) -> String {
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut buffer = [0; 500];
    let count = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..count].to_vec()).unwrap()
}

#[test]
fn a_service_manager_hears_that_it_is_up_and_that_it_ends() {
    let home = tempfile::tempdir().unwrap();
    let share = tempfile::tempdir().unwrap();
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_seeder"));
    // Nobody answers on that port: it is up all the same, and looks for its relay.
    command.args(["--relay", "127.0.0.1:1", "--home"]).arg(home.path());
    command.arg("--watch").arg(share.path()).env("NOTIFY_SOCKET", &path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut seeder = command.spawn().unwrap();
    assert_eq!(heard(&socket), "READY=1\n");
    let id = seeder.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert_eq!(heard(&socket), "STOPPING=1\n");
    assert!(seeder.wait().unwrap().success());
}
