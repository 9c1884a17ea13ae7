//! The fault proxy as a program: `fault-proxy --to HOST:PORT --delay 25ms --rate 200Mbit`. Prints where it listens, runs until
//! it is ended.
//!
//! Times are one way, rates are for all connections together, and both hold for each direction unless it has its own.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use clap::Parser;
use sealift_tests::proxy::{Faults, Kind, Path, Proxy, Setup, Way};

/// Stands between TCP clients and a relay, and does to their bytes what networks do.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen; port 0 chooses one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to connect each connection on to.
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    to: SocketAddr,
    /// Time from one side to the other, such as 50ms.
    #[arg(long, default_value = "0ms", value_parser = duration)]
    delay: Duration,
    /// The same, from clients to the relay only.
    #[arg(long, value_parser = duration)]
    delay_up: Option<Duration>,
    /// The same, from the relay to clients only.
    #[arg(long, value_parser = duration)]
    delay_down: Option<Duration>,
    /// Up to so much more, at random.
    #[arg(long, default_value = "0ms", value_parser = duration)]
    jitter: Duration,
    /// What passes in a second, such as 200Mbit or 25M (bytes).
    #[arg(long, value_parser = rate)]
    rate: Option<u64>,
    /// The same, from clients to the relay only.
    #[arg(long, value_parser = rate)]
    rate_up: Option<u64>,
    /// The same, from the relay to clients only.
    #[arg(long, value_parser = rate)]
    rate_down: Option<u64>,
    /// Ends links at random, after so many bytes in the mean.
    #[arg(long, value_name = "BYTES", value_parser = size)]
    cut_links: Option<u64>,
    /// Ends control connections at random, after so many bytes in the mean.
    #[arg(long, value_name = "BYTES", value_parser = size)]
    cut_controls: Option<u64>,
    /// Flips bits of links at random, one in so many bytes in the mean.
    #[arg(long, value_name = "BYTES", value_parser = size)]
    flip_links: Option<u64>,
    /// What everything random follows from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() {
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(arguments.listen).unwrap_or_else(|error| {
        eprintln!("error: cannot listen on {}: {error}", arguments.listen);
        std::process::exit(1);
    });
    let proxy = Proxy::on(listener, arguments.to, arguments.setup());
    arguments.set_faults(&proxy);
    println!("fault-proxy ready: {}", proxy.address());
    loop {
        std::thread::park();
    }
}

impl Arguments {
    fn setup(&self) -> Setup {
        let path = |delay: Option<Duration>, rate: Option<u64>| Path {
            delay: delay.unwrap_or(self.delay),
            jitter: self.jitter,
            rate: rate.or(self.rate),
        };
        Setup {
            up: path(self.delay_up, self.rate_up),
            down: path(self.delay_down, self.rate_down),
            seed: self.seed,
            keep: false,
        }
    }

    fn set_faults(&self, proxy: &Proxy) {
        for way in [Way::Up, Way::Down] {
            let control = Faults { cut_mean: self.cut_controls, ..Faults::default() };
            proxy.set(Kind::Control, way, control);
            let (cut_mean, alter_mean) = (self.cut_links, self.flip_links);
            proxy.set(Kind::Link, way, Faults { cut_mean, alter_mean, ..Faults::default() });
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| error.to_string())?;
    found.next().ok_or_else(|| "no such host".to_owned())
}

/// A number and the unit behind it.
fn split(text: &str) -> Result<(f64, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number.parse().map_err(|_| format!("{text:?} does not begin with a number"))?;
    Ok((number, unit))
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        _ => return Err("a time ends in us, ms or s".to_owned()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Bytes in a second.
fn rate(text: &str) -> Result<u64, String> {
    let text = text.strip_suffix("/s").unwrap_or(text);
    let bytes = match text.strip_suffix("bit") {
        Some(bits) => multiple(bits)? / 8.0,
        None => multiple(text)?,
    };
    whole(bytes)
}

fn size(text: &str) -> Result<u64, String> {
    whole(multiple(text)?)
}

fn multiple(text: &str) -> Result<f64, String> {
    let (number, unit) = split(text)?;
    let times = match unit {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        _ => return Err("units are k, M and G; bit behind them for bits".to_owned()),
    };
    Ok(number * times)
}

fn whole(number: f64) -> Result<u64, String> {
    let nanos = Duration::try_from_secs_f64(number).map_err(|error| error.to_string())?;
    Some(nanos.as_secs()).filter(|number| *number > 0).ok_or_else(|| "at least 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood() {
        assert_eq!(rate("200Mbit"), Ok(25_000_000));
        assert_eq!(rate("25M"), Ok(25_000_000));
        assert_eq!(rate("1.5M/s"), Ok(1_500_000));
        assert_eq!(size("64k"), Ok(64_000));
        assert_eq!(duration("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(duration("0.5s"), Ok(Duration::from_millis(500)));
        for wrong in ["", "x", "5", "5m", "-1s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "0", "5T", "bit", "-5"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
