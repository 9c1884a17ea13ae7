//! All three programs are killed again and again at moments of chance, while twenty files are wanted. A few kills every day;
//! with `SEALIFT_LONG=500` so many.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::time::Duration;

use sealift_tests::process::{PATIENCE, Running, User};
use sealift_tests::stage::{Relay, appears, join, seed};

/// Kills of every day.
const KILLS: u32 = 12;
const FILES: usize = 20;

/// Numbers that are the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The programs, each started again when it was killed.
struct Crowd {
    relay: Option<Relay>,
    owner: User,
    seeder: Option<Running>,
    friend: User,
    leecher: Option<Running>,
    completed: u32,
}

impl Crowd {
    fn fetch(&self) -> Running {
        let line =
            ["download", "share", "--out", "out", "--wait=5m", "--path", "relay", "--limit", "20M"];
        self.friend.start("leecher", &line)
    }

    fn share(&self) -> Running {
        let place = &self.relay.as_ref().unwrap().place;
        let line = ["--watch", "share", "--relay", place, "--name", "ana", "--path", "relay"];
        self.owner.start("seeder", &line)
    }

    fn kill_one(&mut self, which: u64) {
        match which {
            0 => self.relay = self.relay.take().map(Relay::restart),
            1 => {
                self.seeder.take().unwrap().kill();
                self.seeder = Some(self.share());
            }
            _ => {
                self.leecher.take().unwrap().kill();
                self.leecher = Some(self.fetch());
            }
        }
    }

    /// A download that has ended must have brought everything; another one begins.
    fn look(&mut self, contents: &[Vec<u8>]) {
        if self.leecher.as_mut().unwrap().runs() {
            return;
        }
        self.ended(contents);
        std::fs::remove_dir_all(self.friend.work().join("out")).unwrap();
        self.leecher = Some(self.fetch());
    }

    fn ended(&mut self, contents: &[Vec<u8>]) {
        let _ = self.leecher.take().unwrap().wait_within(3 * PATIENCE).expect(0);
        for (number, content) in contents.iter().enumerate() {
            let path = self.friend.work().join(format!("out/share/{number}.bin"));
            assert!(std::fs::read(path).unwrap() == *content, "file {number} is another one");
        }
        self.completed += 1;
    }
}

#[test]
fn whoever_is_killed_when_all_files_arrive_as_they_are() {
    let kills = match std::env::var("SEALIFT_LONG") {
        Ok(number) => number.parse().unwrap_or(500),
        Err(_) => KILLS,
    };
    let mut chance = Chance(114);
    let relay = Relay::start();
    let owner = User::new();
    let contents: Vec<Vec<u8>> = (0..FILES)
        .map(|number| {
            let mut content = vec![0; usize::try_from(chance.below(3 << 20)).unwrap()];
            blake3::Hasher::new_derive_key("mayhem")
                .update(&[number as u8])
                .finalize_xof()
                .fill(&mut content);
            owner.write(&format!("share/{number}.bin"), &content);
            content
        })
        .collect();
    let seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    appears(&friend, "19.bin");
    let mut crowd = Crowd {
        relay: Some(relay),
        owner,
        seeder: Some(seeder),
        friend,
        leecher: None,
        completed: 0,
    };
    crowd.leecher = Some(crowd.fetch());
    for _ in 0..kills {
        // Chance has the moment; nothing here waits for something to be done.
        std::thread::sleep(Duration::from_millis(50 + chance.below(700)));
        crowd.look(&contents);
        crowd.kill_one(chance.below(3));
    }
    crowd.ended(&contents);
    println!("{kills} kills, {} downloads", crowd.completed);
}
