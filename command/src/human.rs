//! Sizes, speeds and times in words.

/// `bytes` with three digits and a binary unit: `1.21 GiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    scaled(bytes, 1024, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// `bytes` per second with a decimal unit: `812 MB/s`.
#[must_use]
pub fn speed(bytes_per_second: u64) -> String {
    format!("{}/s", scaled(bytes_per_second, 1000, &["B", "kB", "MB", "GB", "TB", "PB"]))
}

fn scaled(value: u64, step: u64, units: &[&str]) -> String {
    let mut unit = 0;
    let mut whole = value;
    let mut hundredths = 0;
    while whole >= step && unit + 1 < units.len() {
        hundredths = (whole % step) * 100 / step;
        whole /= step;
        unit += 1;
    }
    let name = units[unit];
    match (unit, whole) {
        (0, _) | (_, 100..) => format!("{whole} {name}"),
        (_, 10..) => format!("{whole}.{} {name}", hundredths / 10),
        _ => format!("{whole}.{hundredths:02} {name}"),
    }
}

/// `1 file`, `2 files`.
#[must_use]
pub fn count(number: impl TryInto<u64>, one: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        many => format!("{many} {one}s"),
    }
}

/// A length of time in its two largest units: `3 min 20 s`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// A length of time that is still to come, told roughly; `None` where that would be a guess at days.
#[must_use]
pub fn left(seconds: u64) -> Option<String> {
    match seconds {
        0..60 => Some(format!("{seconds} s")),
        60..3600 => Some(format!("{} min", seconds / 60)),
        3600..172_800 => Some(duration(seconds)),
        _ => None,
    }
}

/// How long ago something was, in its largest unit: `3 min ago`.
#[must_use]
pub fn age(seconds: u64) -> String {
    match seconds {
        0..10 => "just now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86400),
    }
}

/// Reads a length of time: a number with `s`, `m`, `h` or `d`, or plain seconds.
///
/// # Errors
/// Words for the person who typed it.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("`{text}` is no length of time; write 90s, 5m, 24h or 7d");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).map(std::time::Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1300 << 20), "1.26 GiB");
        assert_eq!(size(u64::MAX), "16383 PiB");
        assert_eq!(speed(812_000_000), "812 MB/s");
        assert_eq!(speed(12_340), "12.3 kB/s");
        assert_eq!(duration(200), "3 min 20 s");
        assert_eq!(
            (count(1_u64, "file"), count(0_u32, "file")),
            ("1 file".into(), "0 files".into())
        );
        assert_eq!(left(59).as_deref(), Some("59 s"));
        assert_eq!(left(245).as_deref(), Some("4 min"));
        assert_eq!(left(86_399).as_deref(), Some("23 h 59 min"));
        assert_eq!(left(99_420 * 86_400), None);
        assert_eq!(age(7200), "2 h ago");
    }

    #[test]
    fn durations_parse() {
        assert_eq!(parse_duration("24h"), Ok(std::time::Duration::from_secs(86400)));
        assert_eq!(parse_duration("90"), Ok(std::time::Duration::from_secs(90)));
        assert!(parse_duration("soon").is_err() && parse_duration("").is_err());
        assert!(parse_duration("99999999999999999999d").is_err());
    }
}
