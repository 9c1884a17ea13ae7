//! What a relay holds after a publish, a search and a download: on its disk, in its memory, on its sockets. Nothing of what
//! people call things or have in them may be there, in any common form.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use sealift_tests::process::{Running, User};
use sealift_tests::proxy::Proxy;
use sealift_tests::stage::{Relay, invite, seed};
use sealift_tests::sweep::Sweep;

const FOLDER: &str = "velvetharbour";
const FILE: &str = "quartzlantern-Ünder.pdf";
const PERSON: &str = "zephyrinemarch";
const FRIEND: &str = "oswinkettleby";
const SEARCHED: &str = "zlantern";
const SENTENCE: &str = "The heron waits where the tide forgets its name.";
const SPACE_WORDS: [&str; 2] = ["brindlecoast", "mossycathedral"];

/// Everything secret about the scene.
fn secrets(content: &[u8]) -> Sweep {
    let mut sweep = Sweep::new();
    for word in [FOLDER, FILE, PERSON, FRIEND, SEARCHED, SENTENCE, SPACE_WORDS[0], SPACE_WORDS[1]] {
        sweep.text(word);
    }
    for start in [0, 4096, content.len() / 2, content.len() - 48] {
        sweep.bytes(&format!("content at {start}"), &content[start..start + 48]);
    }
    let root = blake3::hash(content);
    sweep.bytes("the root of the content", root.as_bytes());
    sweep
}

fn content() -> Vec<u8> {
    let mut content = SENTENCE.as_bytes().repeat(40);
    let mut noise = blake3::Hasher::new_derive_key("content of a test").finalize_xof();
    let mut bytes = vec![0; 3 << 20];
    noise.fill(&mut bytes);
    content.extend(bytes);
    content
}

/// The scene's programs, still running.
struct Scene {
    relay: Relay,
    seeder: Running,
    owner: User,
    proxy: Proxy,
}

fn play(content: &[u8]) -> Scene {
    let relay = Relay::start();
    let proxy = Proxy::new(relay.address());
    let place = format!("{}#{}", proxy.address(), relay.pin());
    let owner = User::new();
    owner.write(&format!("share/{FOLDER}/{FILE}"), content);
    owner.write(&format!("share/{}/{}.txt", SPACE_WORDS[0], SPACE_WORDS[1]), b"short");
    let seeder = seed(&owner, &place, PERSON);

    let friend = User::new();
    let line = invite(&owner);
    assert!(
        line.contains(&proxy.address().to_string()),
        "the host that the seeder dialled: {line}"
    );
    let _ = friend.run("leecher", &["join", &line, "--name", FRIEND]).expect(0);
    let found = friend.run("leecher", &["search", SEARCHED]).expect(0);
    assert!(found.stdout.iter().any(|line| line.contains(FILE)), "{found}");
    let _ = friend.run("leecher", &["download", FILE, "--out", "out"]).expect(0);
    assert!(std::fs::read(friend.work().join("out").join(FILE)).unwrap() == content);
    let folder = friend.run("leecher", &["download", SPACE_WORDS[0], "--out", "out"]);
    let _ = folder.expect(0);
    Scene { relay, seeder, owner, proxy }
}

#[test]
fn the_relay_holds_nothing_readable() {
    let content = content();
    let sweep = secrets(&content);
    let scene = play(&content);

    // The sweep can find: the seeder's memory and home are full of it.
    let home = sweep.search_folder(&scene.owner.home()).unwrap();
    assert!(!home.is_empty(), "the owner's profile names the owner");
    match sweep.search_memory(scene.seeder.pid()) {
        Ok((found, searched)) => {
            assert!(searched > 1 << 20);
            assert!(found.iter().any(|what| what.starts_with(FILE)), "{found:?}");
        }
        Err(error) => println!("skipped: the memory of other processes cannot be read ({error})"),
    }

    let disk = sweep.search_folder(&scene.relay.user.home()).unwrap();
    assert!(disk.is_empty(), "on the relay's disk: {disk:?}");
    if let Ok((found, searched)) = sweep.search_memory(scene.relay.program.pid()) {
        assert!(searched > 1 << 20, "only {searched} bytes of memory");
        assert!(found.is_empty(), "in the relay's memory: {found:?}");
    }
    let bytes = scene.proxy.bytes();
    let total: usize = bytes.iter().map(Vec::len).sum();
    assert!(total > content.len(), "the download went through the proxy");
    for connection in &bytes {
        let found = sweep.search(connection);
        assert!(found.is_empty(), "on the relay's sockets: {found:?}");
    }

    // What it wrote to its logs is on its standard error.
    let log = {
        let program = scene.relay.program;
        program.signal(rustix::process::Signal::TERM);
        program.wait()
    };
    let log = log.expect(0);
    let said = [log.stdout, log.stderr].concat().join("\n");
    assert!(sweep.search(said.as_bytes()).is_empty(), "in the relay's log: {said}");
    let disk = sweep.search_folder(&scene.relay.user.home()).unwrap();
    assert!(disk.is_empty(), "on the relay's disk after its end: {disk:?}");
}

/// Two shares that differ in names and content of equal length leave relays that differ in random bytes only: as many files,
/// as long, and as many bytes on the wire within what handshakes vary.
#[test]
fn equal_sizes_look_equal() {
    let sizes = |name: &str, fill: u8| {
        let relay = Relay::start();
        let proxy = Proxy::new(relay.address());
        let place = format!("{}#{}", proxy.address(), relay.pin());
        let owner = User::new();
        owner.write(&format!("share/{name}.txt"), &vec![fill; 100_000]);
        let seeder = seed(&owner, &place, "somebody");
        seeder.signal(rustix::process::Signal::TERM);
        let _ = seeder.wait().expect(0);
        let mut files: Vec<_> = walk(&relay.user.home());
        // The lock holds the number of the process, which has as many digits as it happens to have.
        files.retain(|(name, _)| name != "relay.lock");
        assert!(!files.is_empty());
        files.sort();
        (files, proxy.bytes().iter().map(Vec::len).sum::<usize>())
    };
    let (one, one_bytes) = sizes("first", 1);
    let (other, other_bytes) = sizes("other", 2);
    assert_eq!(one, other);
    assert!(one_bytes.abs_diff(other_bytes) < 600, "{one_bytes} and {other_bytes} bytes");
}

/// Names and sizes of all files beneath a folder.
fn walk(folder: &std::path::Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.metadata().unwrap();
        if kind.is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            found.push((entry.file_name().to_string_lossy().into_owned(), kind.len()));
        }
    }
    found
}
