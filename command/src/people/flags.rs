//! What some flags of seeder and leecher take.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use sealift_proto::wrap::Suite;
use sealift_transport::pace::Rate;
use sealift_transport::path::Allowed;
use sealift_transport::session::WrapChoice;

/// Reads a number of bytes per second with k, M or G (thousands), or with Ki, Mi or Gi (by 1024), of either case; `10M` are 10^7.
///
/// # Errors
/// Words for the person who typed it.
pub fn parse_rate(text: &str) -> Result<Rate, String> {
    let wrong = || "write it as bytes per second, for example 500k, 10M or 20Mi".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "ki" => 1 << 10,
        "mi" => 1 << 20,
        "gi" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let rate = number.checked_mul(factor).ok_or_else(wrong)?;
    Rate::new(rate).ok_or_else(|| "the least is 10k; leave it out for no limit".into())
}

/// Reads which ways content may take.
pub fn paths() -> impl TypedValueParser<Value = Allowed> {
    PossibleValuesParser::new(["any", "relay", "direct"]).map(|text| match text.as_str() {
        "relay" => Allowed::Relay,
        "direct" => Allowed::Direct,
        _ => Allowed::Any,
    })
}

/// Reads how the key of a session is to be wrapped.
pub fn suites() -> impl TypedValueParser<Value = WrapChoice> {
    PossibleValuesParser::new(["auto", "hybrid", "x25519", "rsa"]).map(|text| match text.as_str() {
        "hybrid" => WrapChoice::Only(Suite::Hybrid),
        "x25519" => WrapChoice::Only(Suite::X25519),
        "rsa" => WrapChoice::Only(Suite::Rsa),
        _ => WrapChoice::Auto,
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn what_is_allowed_is_read_as_it_is_typed() {
        let command = clap::Command::new("x");
        let read = |text: &str| paths().parse_ref(&command, None, OsStr::new(text));
        let all = ["any", "relay", "direct"].map(|text| read(text).unwrap());
        assert_eq!(all, [Allowed::Any, Allowed::Relay, Allowed::Direct]);
        assert!(read("lan").is_err());
        let suite = |text: &str| suites().parse_ref(&command, None, OsStr::new(text)).unwrap();
        assert_eq!(suite("auto"), WrapChoice::Auto);
        assert_eq!(suite("x25519"), WrapChoice::Only(Suite::X25519));
    }

    #[test]
    fn rates_are_read_as_people_write_them() {
        let read = |text: &str| parse_rate(text).map(Rate::bytes_per_second);
        assert_eq!(read("10M"), Ok(10_000_000));
        assert_eq!(read("500k"), Ok(500_000));
        assert_eq!(read("2g"), Ok(2_000_000_000));
        assert_eq!(read("20Mi"), Ok(20 << 20));
        assert_eq!(read("64KI"), Ok(64 << 10));
        assert_eq!(read("1Gi"), Ok(1 << 30));
        assert_eq!(read("10000"), Ok(10_000));
        for wrong in
            ["", "M", "10 M", "10MB", "1.5M", "-3M", "fast", "99999999999999999999", "99999999999G"]
        {
            assert!(read(wrong).is_err_and(|why| why.contains("10M")), "{wrong}");
        }
        for little in ["0", "0M", "9999", "9k"] {
            assert!(read(little).is_err_and(|why| why.contains("10k")), "{little}");
        }
    }
}
