//! Two real seeders serve one download. `many_sources.rs` measures it in virtual time, where a rate is exact.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use sealift_tests::process::{Running, User};
use sealift_tests::proxy::{Kind, Path, Proxy, Setup, Way};
use sealift_tests::stage::{Relay, fetched, join, offered, seed};

const FILE: &str = "big.bin";
const SIZE: u64 = (12 << 20) + 5;
/// Bytes in a second that each seeder can send; far less than a busy machine can carry.
const RATE: u64 = 4_000_000;

/// A way to the relay that is as narrow for what is sent as [`RATE`].
fn narrow(relay: &Relay) -> (Proxy, String) {
    let up = Path { rate: Some(RATE), ..Path::default() };
    let to = relay.address();
    let proxy = Proxy::with(to, Setup { up, ..Setup::default() });
    let place = format!("{}#{}", proxy.address(), relay.pin());
    (proxy, place)
}

fn second_seeder(user: &User, place: &str) -> Running {
    let mut seeder = user.start(
        "seeder",
        &["--watch", "share", "--relay", place, "--name", "cem", "--path", "relay"],
    );
    offered(&mut seeder);
    seeder
}

#[test]
fn two_seeders_share_a_download_and_one_is_enough() {
    let relay = Relay::start();
    let mut content = vec![0; usize::try_from(SIZE).unwrap()];
    blake3::Hasher::new_derive_key("content").finalize_xof().fill(&mut content);
    let owner = User::new();
    owner.write(&format!("share/{FILE}"), &content);
    let (first, first_place) = narrow(&relay);
    let ana = seed(&owner, &first_place, "ana");
    let other = join(&owner, "cem");
    other.write(&format!("share/{FILE}"), &content);
    let (second, second_place) = narrow(&relay);
    let _cem = second_seeder(&other, &second_place);
    let friend = join(&owner, "ben");
    let line = ["download", FILE, "--out", "out", "--relay", &relay.place];
    loop {
        // Until both catalogues have come.
        let found = friend.run("leecher", &["search", FILE, "--relay", &relay.place]);
        if found.says("ana") && found.says("cem") {
            break;
        }
    }
    let _ = friend.run("leecher", &line).expect(0);
    assert!(fetched(&friend, FILE) == content);
    let sent = [&first, &second].map(|proxy| proxy.passed(Kind::Link, Way::Up));
    assert!(sent.iter().all(|sent| *sent > SIZE / 5), "{sent:?}");
    assert!(sent.iter().sum::<u64>() < SIZE + (4 << 20), "{sent:?}");

    // One of them is killed in the middle: the other serves the rest.
    std::fs::remove_dir_all(friend.work().join("out")).unwrap();
    let before = first.passed(Kind::Link, Way::Up);
    let mut running = friend.start("leecher", &line);
    while first.passed(Kind::Link, Way::Up) < before + (2 << 20) {
        assert!(running.runs(), "it ended without the first seeder");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    ana.kill();
    let _ = running.wait().expect(0);
    assert!(fetched(&friend, FILE) == content);
}
