//! What strangers, accidents and broken profiles do to whole programs: a clear message, the right exit code, everybody else
//! served as before.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sealift_tests::process::{PATIENCE, Running, User};
use sealift_tests::proxy::Proxy;
use sealift_tests::stage::{Relay, appears, download, fetched, invite, join, offered, seed};

/// Who does not show who he is gets this long, and then some for a busy machine.
const PATIENCE_WITH_STRANGERS: Duration = Duration::from_secs(20);

struct Scene {
    relay: Relay,
    owner: User,
    seeder: Running,
}

fn scene() -> Scene {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/report.txt", b"a report");
    let seeder = seed(&owner, &relay.place, "ana");
    Scene { relay, owner, seeder }
}

/// Sends bytes and reads until the other side closes; how long that took and what it said.
fn visit(relay: SocketAddr, bytes: &[u8], close: bool) -> (Duration, Vec<u8>) {
    let start = Instant::now();
    let mut stream = TcpStream::connect(relay).expect("the relay listens");
    stream.set_read_timeout(Some(PATIENCE_WITH_STRANGERS)).unwrap();
    // The relay may close before all is written.
    let _ = stream.write_all(bytes);
    if close {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    (start.elapsed(), answer)
}

#[test]
fn garbage_on_the_port_is_closed_and_harms_nobody() {
    let scene = scene();
    let relay = scene.relay.address();
    let mut noise = vec![0; 1 << 20];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 600]].concat();
    let ticket = [b"SL\x01\x01".to_vec(), vec![9; 32]].concat();
    let visits: Vec<Vec<u8>> = vec![
        vec![],
        vec![0x16],
        b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.7\r\n".to_vec(),
        noise,
        hello.clone(),
        ticket.clone(),
        b"SL\x02\x01 of another version, with bytes enough for all".to_vec(),
        b"SL\x01\x09 of another kind, with bytes enough for it all".to_vec(),
        vec![0xff; 64],
        vec![0; 64],
    ];
    for bytes in &visits {
        let (time, answer) = visit(relay, bytes, true);
        assert!(time < PATIENCE_WITH_STRANGERS, "{:02x?}…", &bytes[..bytes.len().min(8)]);
        assert!(answer.len() < 4096, "no amplification");
    }
    for end in (0..ticket.len()).chain([100, 500]) {
        let whole = if end < ticket.len() { &ticket } else { &hello };
        let _ = visit(relay, &whole[..end], true);
    }
    // Who says nothing is closed too, all at once.
    let silent: Vec<_> =
        (0..50).map(|_| std::thread::spawn(move || visit(relay, b"", false).0)).collect();
    for visit in silent {
        assert!(visit.join().unwrap() < PATIENCE_WITH_STRANGERS);
    }
    let friend = join(&scene.owner, "ben");
    let _ = download(&friend, "report.txt").expect(0);
    assert_eq!(fetched(&friend, "report.txt"), b"a report");
    scene.relay.program.signal(Signal::TERM);
    let log = scene.relay.program.wait().expect(0);
    assert!(!log.says("panicked") && !log.says("ERROR"), "plain scans are no errors: {log}");
}

#[test]
fn invites_that_are_edited_cut_or_spent_are_refused_in_words() {
    let scene = scene();
    let line = invite(&scene.owner);
    let flip = |text: &str, at: usize| {
        let mut letters: Vec<char> = text.chars().collect();
        letters[at] = if letters[at] == 'a' { 'b' } else { 'a' };
        letters.into_iter().collect::<String>()
    };
    let pin_at = line.find('/').unwrap() + 3;
    let somebody = User::new();
    let attempts = [
        (flip(&line, line.len() - 5), 5, "invite"),
        (flip(&line, pin_at), 5, "key"),
        (line[..line.len() - 1].to_owned(), 2, "cut off"),
        (line.replace("sealift:", "http://"), 2, "sealift:"),
        (String::from("sealift:"), 2, "sealift:"),
    ];
    for (attempt, code, words) in attempts {
        let refused = somebody.run("leecher", &["join", &attempt]).expect(code);
        assert!(refused.says(words), "{attempt}: {refused}");
    }
    // The right one works afterwards, read from standard input with white space around it.
    let mut joining = somebody.start("leecher", &["join", "-"]);
    joining.type_in(&format!("  {line} \n"));
    let _ = joining.wait().expect(0);
    let late = User::new().run("leecher", &["join", &line]).expect(5);
    assert!(late.says("used"), "{late}");
    let _ = download(&somebody, "report.txt").expect(0);
}

#[test]
fn a_relay_with_another_key_is_refused_until_it_is_accepted() {
    let scene = scene();
    let friend = join(&scene.owner, "ben");
    let _ = friend.run("leecher", &["list", "share"]).expect(0);
    let Relay { user, program, place } = scene.relay;
    let (address, pin) = place.split_once('#').unwrap();
    program.signal(Signal::TERM);
    let _ = program.wait().expect(0);
    // Somebody else takes the port.
    let mut thief = user_with_relay(address);
    let other = thief.1.line("relay ready: ");
    assert!(!other.contains(pin));
    let refused = download(&friend, "report.txt").expect(5);
    assert!(refused.says("key"), "{refused}");
    let other_pin = other.rsplit_once('#').unwrap().1.to_owned();
    assert!(refused.says(&other_pin), "the line that would accept it: {refused}");
    // What is known is no less true.
    for line in [["search", "report"], ["list", "share"]] {
        let known = friend.run("leecher", &line).expect(0);
        let warned = known.stderr.iter().filter(|line| line.contains(&other_pin)).count();
        assert!(warned == 1 && known.says("report.txt"), "{known}");
    }
    let _ = friend.run("leecher", &["search", "report", "--relay", &place]).expect(5);
    let accepted = friend.run("leecher", &["list", "--relay", &format!("{address}#{other_pin}")]);
    assert_ne!(accepted.code, 5, "{accepted}");
    thief.1.signal(Signal::TERM);
    let _ = thief.1.wait().expect(0);
    let _relay = Relay::again(user, &place);
    let _ = friend.run("leecher", &["search", "report", "--relay", &place]).expect(0);
}

fn user_with_relay(address: &str) -> (User, Running) {
    let user = User::new();
    let relay = user.start("relay", &["--listen", address]);
    (user, relay)
}

#[test]
fn the_relay_restarts_under_running_clients() {
    let Scene { relay, owner, mut seeder } = scene();
    let friend = join(&owner, "ben");
    let relay = relay.restart();
    seeder.message("connected again");
    let _ = download(&friend, "report.txt").expect(0);
    // What is shared after the restart is found, too.
    owner.write("share/later.txt", b"later");
    appears(&friend, "later.txt");
    let _ = download(&friend, "later.txt").expect(0);
    assert_eq!(fetched(&friend, "later.txt"), b"later");
    drop(relay);
}

#[test]
fn a_seeder_that_vanishes_is_noticed_and_its_return_too() {
    let Scene { relay, owner, seeder } = scene();
    let friend = join(&owner, "ben");
    let content = vec![9; 40 << 20];
    owner.write("share/big.bin", &content);
    appears(&friend, "big.bin");
    seeder.kill();
    let gone = download(&friend, "report.txt").expect(4);
    assert!(gone.says("ana"), "{gone}");
    let _seeder = seed(&owner, &relay.place, "ana");
    let _ = download(&friend, "big.bin").expect(0);
    assert!(fetched(&friend, "big.bin") == content);
}

#[test]
fn a_seeder_that_vanishes_in_the_middle_leaves_a_part_that_counts() {
    let Scene { relay, owner, seeder } = scene();
    let friend = join(&owner, "ben");
    let content: Vec<u8> = (0..10_u32 << 20).map(|i| i.wrapping_mul(i).to_le_bytes()[1]).collect();
    owner.write("share/big.bin", &content);
    appears(&friend, "big.bin");
    let proxy = Proxy::new(relay.address());
    let place = format!("{}#{}", proxy.address(), relay.pin());
    // Five of ten MiB arrive, then nothing more does.
    proxy.hold(Some(5 << 20));
    let arguments =
        ["download", "big.bin", "--out", "out", "--relay", &place, "--patience", "3s", "-v"];
    let mut stuck = friend.start("leecher", &arguments);
    until(|| proxy.bytes().iter().map(Vec::len).sum::<usize>() > 5 << 20);
    assert!(stuck.runs());
    seeder.kill();
    proxy.cut();
    let gone = stuck.wait().expect(4);
    assert!(gone.says("ana") || gone.says("seeder"), "{gone}");
    assert!(!friend.work().join("out/big.bin").exists());
    proxy.hold(None);
    let _seeder = seed(&owner, &relay.place, "ana");
    let before = proxy.bytes().iter().map(Vec::len).sum::<usize>();
    let _ = friend.run("leecher", &arguments).expect(0);
    assert!(fetched(&friend, "big.bin") == content);
    let again = proxy.bytes().iter().map(Vec::len).sum::<usize>() - before;
    assert!(again < 8 << 20, "{again} bytes for the second half");
    let left: Vec<_> = files(&friend.work().join("out"));
    assert_eq!(left.len(), 1, "nothing but the file: {left:?}");
}

fn until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "it does not come");
        std::thread::yield_now();
    }
}

#[test]
fn one_profile_takes_one_seeder_and_any_number_of_others() {
    let scene = scene();
    let second = scene.owner.run("seeder", &["--watch", "share"]);
    assert_ne!(second.code, 0);
    assert!(second.says(&scene.seeder.pid().to_string()), "names the process: {second}");
    for line in [&["status"][..], &["members"], &["invite"]] {
        let _ = scene.owner.run("seeder", line).expect(0);
    }
    let _ = scene.owner.run("leecher", &["search", "report"]).expect(0);
    // A killed one leaves nothing that blocks the next.
    scene.seeder.kill();
    let _seeder = seed(&scene.owner, &scene.relay.place, "ana");
}

#[test]
fn a_copied_profile_in_use_twice_stops() {
    let Scene { relay, owner, mut seeder } = scene();
    let copy = User::new();
    copy_folder(&owner.home(), &copy.home());
    copy.write("share/other.txt", b"other");
    let mut twin = copy.start("seeder", &["--watch", "share", "--relay", &relay.place]);
    // One of the two notices heads that it did not make, or that another took its place; both stay polite.
    owner.write("share/more.txt", b"more");
    let deadline = Instant::now() + Duration::from_secs(60);
    while seeder.runs() && twin.runs() {
        assert!(Instant::now() < deadline, "neither noticed the other");
        std::thread::yield_now();
    }
    let stopped = if seeder.runs() { twin } else { seeder };
    let stopped = stopped.wait();
    assert_ne!(stopped.code, 0);
    assert!(stopped.says("profile"), "{stopped}");
}

#[test]
fn a_restored_profile_goes_on_with_a_fresh_base() {
    let Scene { relay, owner, seeder } = scene();
    let backup = User::new();
    seeder.signal(Signal::TERM);
    let _ = seeder.wait().expect(0);
    copy_folder(&owner.home(), &backup.home());
    owner.write("share/second.txt", b"second");
    let seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let _ = download(&friend, "second.txt").expect(0);
    seeder.signal(Signal::TERM);
    let _ = seeder.wait().expect(0);
    // Back to the state before the second file was offered; the folder has a third by now.
    fs::remove_dir_all(owner.home()).unwrap();
    fs::create_dir(owner.home()).unwrap();
    copy_folder(&backup.home(), &owner.home());
    owner.write("share/third.txt", b"third");
    let _seeder = seed(&owner, &relay.place, "ana");
    for name in ["third.txt", "second.txt", "report.txt"] {
        let _ = download(&friend, name).expect(0);
    }
}

fn copy_folder(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(status.success());
}

#[test]
fn damaged_profiles_are_named_and_never_replaced_by_new_keys() {
    let Scene { relay, owner, seeder } = scene();
    seeder.signal(Signal::TERM);
    let _ = seeder.wait().expect(0);
    let profile = owner.home().join(".local/share/sealift");
    let keys: Vec<_> = files(&profile).into_iter().filter(|path| is_small(path)).collect();
    assert!(!keys.is_empty(), "the profile is at {}", profile.display());
    for path in keys {
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..0], &whole[..whole.len() / 2]] {
            fs::write(&path, damaged).unwrap();
            let told = owner.run("seeder", &["status"]);
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(
                told.code == 0 || told.says(&name),
                "{name} cut to {} bytes: {told}",
                damaged.len()
            );
            assert!(!told.says("panicked"), "{told}");
            // A file that can be made again may be; one that cannot must be left as it is.
            if told.code != 0 {
                assert_eq!(fs::read(&path).unwrap(), damaged, "{name} was touched");
            }
            fs::write(&path, &whole).unwrap();
        }
    }
    let _seeder = seed(&owner, &relay.place, "ana");
}

fn is_small(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "json" || ending == "key")
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

#[test]
fn odd_things_in_a_folder_stop_nobody() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/good.txt", b"good");
    owner.write("share/private.txt", b"private");
    owner.write("outside.txt", b"outside");
    let share = owner.work().join("share");
    std::os::unix::fs::symlink(owner.work().join("outside.txt"), share.join("link.txt")).unwrap();
    std::os::unix::fs::symlink("/etc", share.join("linked")).unwrap();
    let pipe = Command::new("mkfifo").arg(share.join("pipe.txt")).status().unwrap();
    assert!(pipe.success());
    let _socket = std::os::unix::net::UnixListener::bind(share.join("socket.txt")).unwrap();
    let odd = std::os::unix::ffi::OsStrExt::from_bytes(b"bad\xff\xfename.txt");
    fs::write(share.join::<&std::ffi::OsStr>(odd), b"odd").unwrap();
    owner.write("share/line\nbreak \u{1b}[31m.txt", b"coloured");
    let _seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let list = friend.run("leecher", &["list", "share"]).expect(0);
    assert!(list.says("good.txt") && list.says("private.txt"), "{list}");
    for absent in ["link.txt", "linked", "pipe.txt", "socket.txt", "outside"] {
        assert!(!list.says(absent), "{absent}: {list}");
    }
    assert!(list.stdout.iter().all(|line| !line.contains('\u{1b}')), "names are escaped");
    let _ = download(&friend, "good.txt").expect(0);
    let all = download(&friend, "share");
    assert!(all.code == 0 || all.code == 1, "{all}");
    assert_eq!(fetched(&friend, "share/good.txt"), b"good");
}

#[test]
fn unreadable_files_are_told_and_the_rest_is_served() {
    if rustix::process::geteuid().is_root()
        && Command::new("setpriv").arg("--version").output().is_err()
    {
        println!("skipped: root reads everything, and there is no setpriv to be somebody else");
        return;
    }
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/good.txt", b"good");
    owner.write("share/closed.txt", b"closed");
    owner.write("share/locked/inside.txt", b"inside");
    let share = owner.work().join("share");
    let close = |path: &str| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(share.join(path), fs::Permissions::from_mode(0o000)).unwrap();
    };
    close("closed.txt");
    close("locked");
    // Root without the capability to pass by permissions is as anybody.
    let drop_rights =
        "--bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search";
    let line = format!("exec seeder --watch share --relay '{}' --name ana", relay.place);
    let line = match rustix::process::geteuid().is_root() {
        true => format!("exec setpriv {drop_rights} sh -c \"{}\"", line),
        false => line,
    };
    let mut seeder = owner.type_line(&line);
    offered(&mut seeder);
    seeder.message("closed.txt");
    let friend = join(&owner, "ben");
    let _ = download(&friend, "good.txt").expect(0);
    let list = friend.run("leecher", &["list", "share"]).expect(0);
    assert!(list.says("good.txt"), "{list}");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(share.join("locked"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_full_disk_is_8_and_the_rest_follows_when_there_is_room() {
    let Scene { relay: _relay, owner, seeder: _seeder } = scene();
    let small = User::new();
    let out = small.work().join("out");
    fs::create_dir(&out).unwrap();
    let mount = |arguments: &[&str]| {
        Command::new("mount")
            .args(arguments)
            .arg(&out)
            .output()
            .is_ok_and(|done| done.status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=8m", "sealift-test"]) {
        println!("skipped: mounting is not permitted here");
        return;
    }
    let _unmount = Unmount(out.clone());
    let content = vec![5; 16 << 20];
    owner.write("share/big.bin", &content);
    let line = invite(&owner);
    let _ = small.run("leecher", &["join", &line]).expect(0);
    appears(&small, "big.bin");
    let full = download(&small, "big.bin").expect(8);
    assert!(full.says("space"), "{full}");
    assert!(!out.join("big.bin").exists());
    assert!(mount(&["-o", "remount,size=64m"]));
    let _ = download(&small, "big.bin").expect(0);
    assert!(fetched(&small, "big.bin") == content);
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
