//! A relay on this machine, beside another: which one is used, and what others are told of it. In a network of its own, where
//! the real port is free.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::net::Ipv4Addr;

use rustix::process::Signal;
use sealift_tests::process::{Namespace, User, local_relay};
use sealift_tests::stage::offered;

/// A network with an address that others could reach.
fn network() -> Option<Namespace> {
    let made = Namespace::new().and_then(|namespace| {
        let script =
            "ip link add d0 type dummy && ip addr add 10.77.0.1/24 dev d0 && ip link set d0 up";
        namespace.shell(script).map(|_| namespace)
    });
    made.map_err(|why| println!("skipped: {why}")).ok()
}

fn invited(user: &User, more: &str) -> (String, sealift_tests::process::Finished) {
    let made = user.type_line(&format!("seeder invite {more}")).wait().expect(0);
    assert_eq!(made.stdout.len(), 1, "{made}");
    (made.stdout[0].clone(), made)
}

#[test]
fn an_invite_names_an_address_that_others_reach_and_is_taken_as_it_was_printed() {
    let Some(network) = network() else { return };
    let first = User::within(&network);
    first.write("share/a.txt", b"a");
    let mut relay = first.type_line("relay");
    relay.line("relay ready: ");
    let mut seeder = first.type_line("seeder --watch ./share --limit 50M");
    offered(&mut seeder);
    let (line, told) = invited(&first, "");
    assert!(line.starts_with("sealift:10.77.0.1:7743/"), "{line}");
    assert!(told.stderr.len() == 1 && told.says("10.77.0.1 in the invite"), "{told}");
    let (public, told) = invited(&first, "--public relay.example.org");
    assert!(
        public.starts_with("sealift:relay.example.org:7743/") && told.stderr.is_empty(),
        "{told}"
    );
    // The whole line, as somebody pastes it behind the command, at the prompt, and quoted.
    let second = User::within(&network);
    let joined =
        second.type_line(&format!("leecher join leecher join {line} --name ben")).wait().expect(0);
    assert!(joined.says("joined the space"), "{joined}");
    seeder.message("ben joined and is a member for good now");
    let again = second.type_line(&format!("leecher join '{line}'")).wait().expect(0);
    assert!(again.says("is a member of the space") && again.says("already"), "{again}");
    let third = User::within(&network);
    let (line, _) = invited(&first, "");
    let joined = third.type_line(&format!("echo 'leecher join {line}' | seeder join - --name eva"));
    let _ = joined.wait().expect(0);
    // Everybody knows at once that ben, who has not been connected since, is a member for good.
    seeder.message("eva joined and is a member for good now");
    let members = third.type_line("leecher members").wait().expect(0);
    assert!(members.says("ben") && !members.says("provisional"), "{members}");
    // The owner's own invite is not spent by the owner.
    let (line, _) = invited(&first, "");
    let own = first.type_line(&format!("leecher join {line}")).wait().expect(0);
    assert!(own.says("already"), "{own}");
    let _ = User::within(&network).type_line(&format!("leecher join {line}")).wait().expect(0);
    // Bare, it goes on with what it shared.
    seeder.signal_alone(Signal::TERM);
    let _ = seeder.wait().expect(0);
    let mut bare = first.type_line("cd / && exec seeder");
    bare.message("sharing");
    offered(&mut bare);
    let kept =
        first.type_line("cd .. && cat home/.local/share/sealift/sharing.json").wait().expect(0);
    let limit: String = "--limit=50000000".bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(kept.says(&limit), "{kept}");
}

#[test]
fn an_invite_made_while_the_seeder_starts_is_for_the_relay_it_was_told() {
    let Some(network) = network() else { return };
    let (decoy, first) = (User::within(&network), User::within(&network));
    let mut other = decoy.type_line("relay");
    other.line("relay ready: ");
    first.write("share/a.txt", b"a");
    // Its relay does not run yet: nothing can be known but what was asked for.
    let mut seeder = first.type_line("seeder --watch ./share --relay 127.0.0.1:7800");
    seeder.message("sharing");
    let refused = first.type_line("seeder invite").wait().expect(7);
    assert!(refused.says("127.0.0.1:7800 cannot be reached"), "{refused}");
    let operator = User::within(&network);
    let mut relay = operator.type_line("relay --listen 127.0.0.1:7800");
    let place = local_relay(&relay.line("relay ready: "), Ipv4Addr::LOCALHOST);
    let (line, _) = invited(&first, "");
    assert!(line.starts_with("sealift:127.0.0.1:7800/"), "{line}");
    offered(&mut seeder);
    let status = first.type_line("seeder status").wait().expect(0);
    assert!(status.says(&place), "{status}");
}

#[test]
fn flags_of_sharing_are_refused_where_they_do_nothing() {
    let user = User::new();
    for line in [
        "invite --name x",
        "--name x status",
        "--watch . members",
        "--limit 1M invite",
        "--path any status",
    ] {
        let refused = user.type_line(&format!("seeder {line}")).wait().expect(2);
        let flag = line.split(' ').find(|word| word.starts_with("--")).unwrap();
        assert!(refused.says(flag), "{refused}");
    }
    let _ = user.type_line("seeder").wait().expect(2);
}

/// What stands for systemd notes what it is asked.
#[test]
fn a_service_of_the_user_goes_on_with_what_was_shared() {
    let user = User::new();
    user.write("share/a.txt", b"a");
    user.write("bin/systemctl", b"#!/bin/sh\necho \"$@\" >> ../home/asked\n");
    let service = |what: &str| {
        let line = format!("chmod +x bin/systemctl; PATH=$PWD/bin:$PATH seeder service {what}");
        user.type_line(&line).wait()
    };
    let early = service("install").expect(2);
    assert!(early.says("seeder --watch DIR"), "{early}");
    let mut seeder = user.type_line("seeder --watch share --relay 127.0.0.1:1");
    seeder.message("sharing");
    let busy = service("install").expect(1);
    assert!(busy.says("end it first"), "{busy}");
    seeder.signal_alone(Signal::TERM);
    let _ = seeder.wait().expect(0);
    let _ = service("install").expect(0);
    let unit = user.home().join(".config/systemd/user/sealift-seeder.service");
    let text = std::fs::read_to_string(&unit).unwrap();
    let start = text.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    // What the unit starts is what it says: the same words, without systemd.
    let command = start.trim_start_matches("ExecStart=").to_owned();
    let mut started = user.type_line(&format!("cd / && exec {command}"));
    started.message("sharing");
    started.signal_alone(Signal::TERM);
    let _ = started.wait().expect(0);
    let _ = service("remove").expect(0);
    let _ = service("remove").expect(3);
    assert!(!unit.exists());
    let asked = std::fs::read_to_string(user.home().join("asked")).unwrap();
    let asked: Vec<_> = asked.lines().map(|line| line.trim_start_matches("--user ")).collect();
    let name = "sealift-seeder.service";
    let (enable, disable) = (format!("enable --now {name}"), format!("disable --now {name}"));
    assert_eq!(asked, ["daemon-reload", &enable, &disable, "daemon-reload"]);
}
