//! Homes that cannot be written: what is known answers all the same.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::fs;
use std::path::Path;
use std::process::Command;

use sealift_tests::process::{Finished, User};
use sealift_tests::stage::{Relay, appears, fetched, invite, join, seed};

/// A user whose home is a file system of its own, as long as this lives; `None` where that is not permitted.
struct Tight(User);

impl Tight {
    fn new() -> Option<Self> {
        let user = User::new();
        let made = mount(&user.home(), &["-t", "tmpfs", "-o", "size=4m", "sealift-test"]);
        made.then_some(Self(user))
    }

    fn fill(&self) {
        let mut size = 1 << 20;
        for number in 0.. {
            let filler = self.0.home().join(format!("filler-{number}"));
            while fs::write(&filler, vec![1; size]).is_err() && size > 0 {
                size /= 2;
            }
            if size == 0 {
                return;
            }
        }
    }

    fn empty(&self) {
        for entry in fs::read_dir(self.0.home()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("filler-") {
                fs::remove_file(path).unwrap();
            }
        }
    }

    fn leecher(&self, line: &str) -> Finished {
        self.0.run("leecher", &line.split(' ').collect::<Vec<_>>())
    }

    /// What is known is found, listed, checked and fetched.
    fn answers(&self) {
        for line in ["search report", "list", "verify report.txt", "status", "members"] {
            let done = self.leecher(line).expect(0);
            let warnings = done.stderr.iter().filter(|line| line.contains("warning")).count();
            assert!(warnings <= 1, "told once: {done}");
        }
        let _ = self.leecher("download report.txt --out out").expect(0);
        assert_eq!(fetched(&self.0, "report.txt"), b"a report");
        fs::remove_file(self.0.work().join("out/report.txt")).unwrap();
    }
}

impl Drop for Tight {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.home()).status();
    }
}

fn mount(place: &Path, arguments: &[&str]) -> bool {
    let done = Command::new("mount").args(arguments).arg(place).output();
    done.is_ok_and(|done| done.status.success())
}

#[test]
fn a_full_or_read_only_home_answers_with_what_it_knows() {
    let Some(tight) = Tight::new() else {
        println!("skipped: mounting is not permitted here");
        return;
    };
    let (relay, owner) = (Relay::start(), User::new());
    owner.write("share/report.txt", b"a report");
    let _seeder = seed(&owner, &relay.place, "ana");
    let _ = tight.leecher(&format!("join {} --name ben", invite(&owner))).expect(0);
    appears(&tight.0, "report.txt");
    tight.0.write("report.txt", b"a report");
    // News that have to be written come while there is no room.
    let other = join(&owner, "cem");
    owner.write("share/later.txt", b"later");
    appears(&other, "later.txt");
    tight.fill();
    tight.answers();
    let unknown = tight.leecher("search later").expect(8);
    assert!(unknown.says("nothing is called `later`"), "{unknown}");
    assert!(unknown.says("the local copy of the catalogues"), "why it cannot be known: {unknown}");
    assert!(mount(&tight.0.home(), &["-o", "remount,ro"]));
    tight.answers();
    assert!(mount(&tight.0.home(), &["-o", "remount,rw"]));
    tight.empty();
    let _ = tight.leecher("search later").expect(0);
}
