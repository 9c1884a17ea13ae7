//! A relay whose power is cut while it makes its home: it always comes up again, with the key that it has shown.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use sealift_relay::{Config, Relay};
use sealift_tests::sim::disk::Fault;
use sealift_tests::sim::{Loss, SimMachine, SimRandom, SimWorld};

async fn open(machine: &SimMachine) -> Result<[u8; 16], String> {
    let config = Config { home: "/home/relay".into(), ..Config::default() };
    let relay = Relay::open(machine.platform.clone(), config).await;
    let relay = relay.map_err(|error| error.to_string())?;
    let pin = relay.pin();
    // Ends as a relay does that is told to.
    let address = "127.0.0.1:7743".parse().expect("an address");
    let listener = machine.platform.net.listen(address).await.map_err(|error| error.to_string())?;
    relay.serve(vec![listener], async {}).await.map_err(|error| error.to_string())?;
    Ok(pin)
}

#[tokio::test(start_paused = true)]
async fn a_home_half_made_is_made_again() {
    for (seed, whole) in [(1, true), (2, false), (3, false), (4, false)] {
        let mut at = 0;
        loop {
            let world = SimWorld::new(seed);
            let machine = world.machine("relay");
            machine.disk.fail_at(at, Fault::PowerCut);
            let shown = open(&machine).await;
            let cut = machine.disk.operations() > at;
            let loss = if whole { Loss::All } else { Loss::Some(SimRandom::new(seed * 1000 + at)) };
            machine.disk.restart(&loss);
            let again = open(&machine).await.unwrap_or_else(|error| {
                panic!("seed {seed}, power cut at {at}: {error}; before: {shown:?}")
            });
            if let Ok(shown) = shown {
                assert_eq!(again, shown, "seed {seed}, power cut at {at}");
            }
            assert_eq!(open(&machine).await.as_ref(), Ok(&again));
            if !cut {
                break;
            }
            at += 1;
        }
        println!("{at} points with seed {seed}");
        assert!(at > 5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_disk_is_told_and_nothing_is_replaced() {
    for fault in [Fault::Full, Fault::Broken] {
        for at in 0..60 {
            let world = SimWorld::new(7);
            let machine = world.machine("relay");
            let first = open(&machine).await.expect("a new home");
            machine.disk.fail_at(at, fault);
            let second = open(&machine).await;
            assert!(second.is_err() || second.as_ref() == Ok(&first), "{fault:?} at {at}");
            machine.disk.restart(&Loss::All);
            assert_eq!(open(&machine).await, Ok(first), "{fault:?} at {at}");
        }
    }
}
