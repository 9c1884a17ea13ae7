//! The ways that content took, in words.

use sealift_transport::path::{Allowed, Way};

use crate::event::PathBytes;
use crate::exit::{Exit, Failure};

/// Checks that a device that is to be found by others on the local network may be.
///
/// # Errors
/// When it may not.
pub fn check_lan(lan: bool, allowed: Allowed) -> Result<(), Failure> {
    if lan && allowed == Allowed::Relay {
        return Err(Failure::new(Exit::Usage, "--lan and --path relay exclude each other")
            .why("on the local network devices see each other's addresses")
            .next("leave one of them out"));
    }
    Ok(())
}

/// How `parts`, bytes by way, were carried, the most first: `direct QUIC 97 %, relay 3 %`; `None` where nothing was.
#[must_use]
pub fn shares(parts: &[(Way, u64)]) -> Option<String> {
    let mut parts: Vec<_> = parts.iter().filter(|(_, bytes)| *bytes > 0).collect();
    parts.sort_by_key(|(way, bytes)| (std::cmp::Reverse(*bytes), *way));
    let all = parts.iter().map(|(_, bytes)| *bytes).fold(0u64, u64::saturating_add);
    let share = |(way, bytes): &&(Way, u64)| {
        let tenths = u128::from(*bytes) * 1000 / u128::from(all.max(1));
        // Little is not nothing, and nearly all not all.
        match tenths {
            0 => format!("{} < 0.1 %", way.name()),
            1..10 => format!("{} 0.{tenths} %", way.name()),
            991..1000 => format!("{} 99.{} %", way.name(), tenths % 10),
            _ => format!("{} {} %", way.name(), (tenths + 5) / 10),
        }
    };
    (all > 0).then(|| parts.iter().map(share).collect::<Vec<_>>().join(", "))
}

/// `parts`, bytes by way, behind a speed: ` through the relay` where nothing else carried any, otherwise as [`shares`].
#[must_use]
pub fn behind_speed(parts: &[(Way, u64)]) -> String {
    let direct = parts.iter().any(|(way, bytes)| way.is_direct() && *bytes > 0);
    match shares(parts).filter(|_| direct) {
        Some(shares) => format!(", {shares}"),
        None => " through the relay".to_owned(),
    }
}

/// `parts`, bytes by way, as `--json` has them.
#[must_use]
pub fn path_bytes(parts: &[(Way, u64)]) -> Vec<PathBytes> {
    parts.iter().map(|(way, bytes)| PathBytes { path: way.name().into(), bytes: *bytes }).collect()
}

#[cfg(test)]
mod tests {
    use sealift_transport::path::chief;

    use super::*;

    #[test]
    fn shares_name_the_most_first_and_add_up() {
        assert_eq!(shares(&[(Way::Relay, 0)]), None);
        assert_eq!(shares(&[(Way::Relay, 7)]).unwrap(), "relay 100 %");
        let two = [(Way::Relay, 3), (Way::Quic, 97)];
        assert_eq!(shares(&two).unwrap(), "direct QUIC 97 %, relay 3 %");
        let little = [(Way::Relay, 1), (Way::Tcp, 99_999), (Way::Quic, 0)];
        assert_eq!(shares(&little).unwrap(), "direct TCP 99.9 %, relay < 0.1 %");
        let some = [(Way::Relay, 4), (Way::Tcp, 996)];
        assert_eq!(shares(&some).unwrap(), "direct TCP 99.6 %, relay 0.4 %");
        assert_eq!((chief(&some), chief(&two), chief(&[])), (Way::Tcp, Way::Quic, Way::Relay));
        assert_eq!(behind_speed(&two), ", direct QUIC 97 %, relay 3 %");
        assert_eq!(behind_speed(&[(Way::Relay, 9)]), " through the relay");
    }
}
