//! The translators do what their names say: otherwise the other tests here would show nothing.

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use sealift_tests::lab::{Lab, Line, Nat, RELAY};
use sealift_tests::process::Namespace;

/// A socket in `namespace`; `None` where this process may not enter it.
fn socket(namespace: &Namespace, address: &str) -> Option<UdpSocket> {
    let (pid, address) = (namespace.pid(), address.to_owned());
    let open = move || {
        let file = File::open(format!("/proc/{pid}/ns/net")).ok()?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).ok()?;
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        Some(socket)
    };
    // Only this thread moves, and it ends.
    std::thread::spawn(open).join().unwrap()
}

/// What came, and from where.
fn came(socket: &UdpSocket) -> Option<String> {
    let mut bytes = [0; 16];
    socket.recv_from(&mut bytes).ok().map(|(_, from)| from.to_string())
}

/// Whether a host behind `nat` has one address for two destinations, and whether it hears another port of the first one, and
/// a second one that it has never sent to.
fn behaves(lab: &Lab, nat: Nat) -> Option<(bool, bool, bool)> {
    let home = lab.home(1, Line::new(Some(nat)), 1).unwrap();
    let stranger = lab.home(2, Line::new(None), 1).unwrap();
    let friend_place = format!("{RELAY}:1000");
    let sockets = (
        socket(&home.hosts[0], "0.0.0.0:5000"),
        socket(lab.relay(), &friend_place),
        socket(lab.relay(), &format!("{RELAY}:1001")),
        socket(&stranger.hosts[0], "5.2.1.2:1000"),
    );
    let (Some(host), Some(friend), Some(other_port), Some(stranger)) = sockets else {
        return None;
    };
    host.send_to(b"one", &friend_place).unwrap();
    let seen = came(&friend).expect("it gets out");
    friend.send_to(b"back", &seen).unwrap();
    came(&host).expect("an answer gets in");
    other_port.send_to(b"other port", &seen).unwrap();
    let hears_port = came(&host).is_some();
    stranger.send_to(b"stranger", &seen).unwrap();
    let hears_stranger = came(&host).is_some();
    host.send_to(b"two", "5.2.1.2:1000").unwrap();
    let same = came(&stranger).expect("it gets out") == seen;
    Some((same, hears_port, hears_stranger))
}

#[test]
fn each_kind_is_what_it_is_called() {
    for (nat, expected) in Nat::ALL.into_iter().zip([
        (true, true, true),
        (true, true, false),
        (true, false, false),
        (false, false, false),
    ]) {
        let lab = match Lab::new(None) {
            Ok(lab) => lab,
            Err(why) => return println!("skipped: {why}"),
        };
        match behaves(&lab, nat) {
            Some(is) => assert_eq!(is, expected, "{}", nat.name()),
            None => println!("skipped: this process may not enter network namespaces"),
        }
    }
}
