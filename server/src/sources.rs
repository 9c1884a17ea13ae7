//! How fast something may happen from each address, for a bounded number of addresses. Pure state; times are arguments.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use sealift_platform::rate::Rate;

/// One part of so many is given up at once when there are too many addresses: looking through all of them is rare then.
const PART: usize = 8;

/// Rates by source. An address that is not here owes nothing.
#[derive(Debug, Default)]
pub struct Sources(HashMap<IpAddr, Rate>);

impl Sources {
    /// The rate of a source, `new` unless one is remembered. At most `most` are remembered: beyond, those that owe nothing
    /// are forgotten, then those that owe least. So whoever has many addresses only makes the relay forget the harmless.
    pub fn of(
        &mut self,
        source: IpAddr,
        most: usize,
        now: Duration,
        new: impl FnOnce() -> Rate,
    ) -> &mut Rate {
        if self.0.len() >= most && !self.0.contains_key(&source) {
            self.make_room(most, now);
        }
        self.0.entry(source).or_insert_with(new)
    }

    fn make_room(&mut self, most: usize, now: Duration) {
        self.forget(now);
        let kept = most.saturating_sub((most / PART).max(1));
        let excess = self.0.len().saturating_sub(kept);
        if excess == 0 {
            return;
        }
        let mut owed: Vec<(f64, IpAddr)> =
            self.0.iter_mut().map(|(source, rate)| (rate.missing(now), *source)).collect();
        owed.select_nth_unstable_by(excess - 1, |one, other| one.0.total_cmp(&other.0));
        for (_, source) in &owed[..excess] {
            self.0.remove(source);
        }
    }

    /// Forgets those that owe nothing.
    pub fn forget(&mut self, now: Duration) {
        self.0.retain(|_, rate| rate.missing(now) > 0.0);
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// One IPv4 address, or the IPv6 network that one customer usually has.
pub(crate) fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// The first address of the IPv6 /64 of that number.
    fn at(number: u64) -> IpAddr {
        IpAddr::V6((u128::from(number) << 64).into())
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(source_of(at("2001:db8::1")), source_of(at("2001:db8::ffff:1")));
        assert_ne!(source_of(at("2001:db8::1")), source_of(at("2001:db8:0:1::1")));
        assert_eq!(source_of(at("::ffff:10.0.0.1")), at("10.0.0.1"));
    }

    #[test]
    fn many_addresses_neither_take_memory_nor_make_it_forget_who_owes_most() {
        let mut sources = Sources::default();
        let mut take = |source, now| {
            let allowed = sources.of(source, 100, now, || Rate::over(HOUR, 3, now)).try_take(now);
            assert!(sources.len() <= 100);
            allowed
        };
        let guilty = at(u64::MAX);
        let allowed: Vec<bool> = (0..4).map(|_| take(guilty, HOUR)).collect();
        assert_eq!(allowed, [true, true, true, false]);
        for number in 0..100_000 {
            assert!(take(at(number), HOUR), "a newcomer owes nothing");
        }
        assert!(!take(guilty, HOUR));
        assert!(take(guilty, HOUR * 2));
    }

    #[test]
    fn whoever_owes_nothing_is_forgotten_first() {
        let mut sources = Sources::default();
        let mut take = |number, now| {
            sources.of(at(number), 4, now, || Rate::over(HOUR, 60, now)).try_take(now);
            sources.len()
        };
        let minute = HOUR / 60;
        let lens = [take(1, HOUR), take(2, HOUR), take(3, HOUR + minute), take(4, HOUR + minute)];
        assert_eq!(lens, [1, 2, 3, 4]);
        // One and two have their tokens back.
        assert_eq!(take(5, HOUR + minute), 3);
        sources.forget(HOUR * 3);
        assert_eq!(sources.len(), 0);
    }
}
