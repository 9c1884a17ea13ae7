//! Which pairs of homes find a direct path: every pair of kinds of translators with `SEALIFT_LONG=1`, telling ones always.

use sealift_tests::lab::{Lab, Line, Nat};

use super::scene::{Scene, Told};

/// The rates of the lines, bits per second: the relay's is the narrow one.
const HOME: u64 = 400_000_000;
const RELAY: u64 = 80_000_000;

/// A home: behind a translator or with public addresses.
type Place = Option<Nat>;

fn name(place: Place) -> &'static str {
    place.map_or("public", Nat::name)
}

/// Whether a direct path must be found.
fn expected(one: Place, other: Place) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.pierces(other),
        // A public address is as open as can be.
        _ => true,
    }
}

fn fetch(seeder: Place, leecher: Place, bytes: usize) -> Result<Told, String> {
    let lab = Lab::new(Some(RELAY))?;
    let line = |nat| Line { rate: Some(HOME), ..Line::new(nat) };
    let homes = [(1, seeder), (2, leecher)].map(|(n, nat)| lab.home(n, line(nat), 1).unwrap());
    let scene = Scene::set(&lab, &homes[0].hosts[0], &homes[1].hosts[0], bytes);
    Ok(scene.download(&[]))
}

fn row(seeder: Place, leecher: Place, told: &Told, bytes: usize) -> String {
    let after =
        told.direct_after.map_or("–".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()));
    format!(
        "| {} | {} | {} | {after} | {:.0} % | {:.0} Mbit/s |",
        name(seeder),
        name(leecher),
        told.carried_by(),
        told.direct() * 100.0,
        bytes as f64 * 8e-6 / told.took.as_secs_f64(),
    )
}

fn check(seeder: Place, leecher: Place, bytes: usize) -> bool {
    let told = match fetch(seeder, leecher, bytes) {
        Ok(told) => told,
        Err(why) => {
            println!("skipped: {why}");
            return false;
        }
    };
    println!("{}", row(seeder, leecher, &told, bytes));
    let found = told.direct() > 0.0;
    assert_eq!(found, expected(seeder, leecher), "{} to {}: {told:?}", name(seeder), name(leecher));
    true
}

/// Bytes of a telling pair's file.
const FEW: usize = 24 << 20;

#[test]
fn ports_of_both_are_pierced() {
    check(Some(Nat::PortRestricted), Some(Nat::PortRestricted), FEW);
}

#[test]
fn ports_of_one_may_change_where_the_other_looks_at_addresses_alone() {
    check(Some(Nat::AddressRestricted), Some(Nat::Symmetric), FEW);
}

#[test]
fn ports_that_change_are_not_found_where_the_other_looks_at_them() {
    check(Some(Nat::Symmetric), Some(Nat::PortRestricted), FEW);
}

/// The table of `bench/RESULTS.md`.
#[test]
fn every_pair() {
    if std::env::var_os("SEALIFT_LONG").is_none() {
        println!("note: every pair of translators with SEALIFT_LONG=1");
        return;
    }
    println!("| seeder | leecher | carried by | direct after | direct | whole download |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let places = || std::iter::once(None).chain(Nat::ALL.map(Some));
    for seeder in places() {
        for leecher in places() {
            if !check(seeder, leecher, 64 << 20) {
                return;
            }
        }
    }
}
