//! A relay whose disk is really full: it refuses what is new with words, serves what is there, and goes on when there is room.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use crate::common::{Client, Member, TestRelay, fetch, head, publish, put, record};
use sealift_proto::control::{FromRelay, Refusal};
use sealift_relay::Limits;

/// A small disk; taken away when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.with(&["-t", "tmpfs", "-o", "size=8m", "sealift-test"]).then_some(disk)
    }

    fn with(&self, args: &[&str]) -> bool {
        let output = Command::new("mount").args(args).arg(self.path()).output();
        output.is_ok_and(|output| output.status.success())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

/// Publishes a catalogue of `count` segments as the first of its log.
async fn offer(seeder: &mut Client, seed: u8, count: usize) -> FromRelay {
    let segments = vec![vec![seed; 60 * 1024]; count];
    for (position, segment) in (0..).zip(&segments) {
        seeder.send(&put(position, segment)).await;
    }
    seeder.ask(&publish(9, 2, None, &head(seed, &segments))).await
}

#[tokio::test]
async fn a_full_disk_refuses_publishes_and_serves_on() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: mounting is not permitted here");
        return;
    };
    // Nothing is kept free: the writes themselves fail.
    let limits = Limits { disk_reserve: 0, ..Limits::default() };
    let relay = TestRelay::start(disk.path(), limits).await;
    let mut first = relay.connect(&Member::new(1, 2), true).await;
    let done = |request| FromRelay::Done { request };
    assert_eq!(first.ask(&publish(1, 0, None, &record(1, &[]))).await, done(1));
    assert_eq!(offer(&mut first, 2, 10).await, done(9));
    let mut second = relay.connect(&Member::new(1, 3), true).await;
    let full = FromRelay::Failed { request: 9, why: Refusal::Full };
    assert_eq!(offer(&mut second, 3, 200).await, full);
    // What is there is served, to those who come now too.
    let mut reader = relay.connect(&Member::new(1, 4), false).await;
    reader.send(&fetch(1, 2, 0, 10)).await;
    for at in 0..10 {
        let segment = reader.receive().await;
        assert!(matches!(&segment, Some(FromRelay::Segment { position, .. }) if *position == at));
    }
    assert_eq!(reader.receive().await, Some(done(1)));
    // There is room again.
    assert!(disk.with(&["-o", "remount,size=64m"]));
    let again = offer(&mut second, 3, 200).await;
    assert_eq!(again, done(9));
    relay.stop().await;
}
