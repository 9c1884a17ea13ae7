//! Every limit of the relay, in one table (PROTOCOL.md section 5.6). Each has a test.
//!
//! From the table come the struct [`Limits`], its defaults, their names in a configuration file, the list that
//! `relay limits` prints and the one in `docs/OPERATING.md`.

#[cfg(test)]
mod coverage;
mod parts;

use std::time::Duration;

use sealift_proto::limits as agreed;
use sealift_server::limits::{self, DAY, GIB, KIB, MIB, MINUTE, SECOND};

/// The limits that a running relay goes by.
pub type InForce = limits::InForce<Limits>;

sealift_server::limits! {
    /// What the relay gives at most. The defaults suit a small public machine.
    pub struct Limits of "relay";
    strangers;
    "Control connections" {
        /// Of members, in all
        connections: usize, Count, 1 => 20_000;
        /// Of those, in one space
        connections_per_space: usize, Count, 1 => 12_000;
        /// Of those, of one device in one space
        connections_per_device: usize, Count, 1 => agreed::CONNECTIONS_MIN;
        /// Of devices that take an invite
        joining: usize, Count, 1 => 256;
        /// How long one of those may stay
        join_time: Duration, Time, 1 => 60 * SECOND;
        /// Silence after which a connection is asked for a sign of life
        ping_after: Duration, Time, 1 => agreed::PING_TIME * SECOND;
        /// Silence after which it is closed
        idle: Duration, Time, 1 => agreed::IDLE_TIME * SECOND;
        /// From the first byte of a message until its last; who takes longer is closed
        message_time: Duration, Time, 1 => agreed::MESSAGE_TIME * SECOND;
        /// Bytes of messages that have come in part, on all connections; beyond, those that take longest are closed
        partial_bytes_in_all: usize, Bytes, 128 * KIB => 64 * MIB;
        /// How long one frame may take to leave for a device that does not read
        write_stall: Duration, Time, 1 => 30 * SECOND;
        /// Tokens from one IPv4 address or IPv6 /64 that a private relay does not know, in an hour
        wrong_tokens_per_hour: u64, Count, 1 => 20;
        /// How long connections have to take their farewell when the relay stops
        farewell: Duration, Time, 0 => 3 * SECOND;
        /// Messages from one member over all its connections, in the long run; beyond, they are read more slowly
        messages_per_second: u64, PerSecond, 1 => 1000;
        /// Messages from it at once
        message_burst: u64, Count, 1 => 4000;
        /// Bytes of one member's messages, and of heads and segments sent to it, in the long run; beyond, it is read more slowly
        member_bytes_per_second: u64, BytesPerSecond, 1 => 32 * MIB;
        /// Bytes of it at once
        member_byte_burst: u64, Bytes, 64 * KIB => 128 * MIB;
        /// Bytes waiting for one connection; beyond, it counts as dead
        queue_bytes: usize, Bytes, 128 * KIB => MIB;
        /// Bytes waiting for one connection; beyond, others are told that it is busy
        forward_bytes: usize, Bytes, 64 * KIB => 512 * KIB;
        /// Bytes waiting for all connections together; beyond, those with more than a little waiting get no more
        queue_bytes_in_all: usize, Bytes, MIB => 128 * MIB;
        /// Requests for heads and segments under way on one connection; beyond, it is not read
        jobs: usize, Count, 1 => 64;
    }
    "Links" {
        /// Life of a link's tickets
        ticket: Duration, Time, 1 => agreed::TICKET_TIME * SECOND;
        /// Links that are asked for and not open yet, in all; the oldest of who has most goes for one more
        tickets: usize, Count, 1 => 4096;
        /// Of those, asked for by one device in one space
        tickets_per_device: usize, Count, 1 => 64;
        /// Links, in all
        links: usize, Count, 1 => 8192;
        /// Of those, asked for by one device in one space
        links_per_device: usize, Count, 1 => 512;
        /// Of those, asked of one device in one space
        links_to_device: usize, Count, 1 => 4096;
        /// Silence on a link, both ways, after which it is closed
        link_idle: Duration, Time, 4 => 10 * MINUTE;
        /// Bytes on all links together
        bytes_per_second: Option<u64>, BytesPerSecond, 64 * KIB => u64::MAX;
        /// Bytes on the links of one space
        space_bytes_per_second: Option<u64>, BytesPerSecond, 64 * KIB => u64::MAX;
        /// How long links at work may go on when the relay stops
        drain: Duration, Time, 0 => 30 * SECOND;
    }
    "All that the relay sends: links, catalogues, messages and answers over UDP" {
        /// Bytes in a calendar month (UTC), also before a restart; then neither links nor catalogues are carried until the next
        bytes_per_month: Option<u64>, Bytes, 0 => u64::MAX;
    }
    "The UDP service" {
        /// Datagrams answered to one control connection, in the long run
        probes_per_second: u64, PerSecond, 1 => agreed::PROBES_PER_SECOND;
        /// Of those, at once
        probe_burst: u64, Count, 1 => 32;
        /// Datagrams answered in all, read at start
        probes_total_per_second: u64, PerSecond, 1 => 20_000;
    }
    "The store; when it is full, the space that had no device connected for longest is dropped, for devices publish again" {
        /// Spaces, in all
        spaces: u64, Count, 1 => 100_000;
        /// Spaces that the relay did not know, from one IPv4 address or IPv6 /64 in a day; a restart begins it anew
        new_spaces_per_day: u64, Count, 0 => 100;
        /// Stored, in all
        total_bytes: u64, Bytes, 0 => 16 * GIB;
        /// Of one space; a million catalogue entries take about 100 MB, twice that while written anew
        space_bytes: u64, Bytes, 0 => GIB;
        /// Of one device in one space
        device_bytes: u64, Bytes, 0 => 512 * MIB;
        /// Records, cards and heads of one space
        space_statements: u64, Count, 1 => 10_000;
        /// Logs of one device; two are its record and card
        logs: u16, Count, 3 => agreed::LOGS_MAX;
        /// Segments of one log
        log_segments: u64, Count, 1 => agreed::SEGMENTS_MAX;
        /// Invites, in all
        invites: u64, Count, 0 => 20_000;
        /// Invites of one space
        space_invites: u64, Count, 0 => 256;
        /// Uses of one invite
        invite_uses: u32, Count, 1 => 1000;
        /// How far ahead the deadline of an invite may lie
        invite_life: Duration, Time, SECOND => 366 * DAY;
        /// Bytes that stay free on the disk; below, nothing new is stored
        disk_reserve: u64, Bytes, 0 => 64 * MIB;
    }
    "Memory, read at start" {
        /// Memory beyond 70 % of which nobody new comes in; less where the machine, or the relay's control group, has less
        memory: u64, Bytes, MIB => 64 * GIB;
        /// For pages of the store
        store_cache: usize, Bytes, MIB => 32 * MIB;
        /// For the pipes that links are moved through in the kernel, less where the system gives a user less; links
        /// without a pipe are copied
        pipe_bytes: u64, Bytes, 0 => 256 * MIB;
        /// Bytes of each direction of a link that are copied before it gets a pipe
        copy_first: u64, Bytes, 0 => 64 * KIB;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_server::limits::{LimitError, Table};

    #[test]
    fn every_limit_can_be_set_to_what_it_shows() {
        let mut limits = Limits::default();
        for entry in Limits::default().entries() {
            assert_eq!(entry.value, entry.default);
            limits.set(entry.name, &entry.value).unwrap();
        }
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn every_limit_refuses_what_it_cannot_be() {
        let mut limits = Limits::default();
        for row in Limits::ROWS {
            for text in ["", "many", "-1", "1 parsec"] {
                assert!(limits.set(row.name, text).is_err(), "{} = {text}", row.name);
            }
            if row.least > 0 {
                let error = limits.set(row.name, "0").unwrap_err().to_string();
                assert!(error.contains(row.name) && error.contains("at least"), "{error}");
            }
            let optional = limits.set(row.name, "unlimited").is_ok();
            assert_eq!(optional, row.optional, "{}", row.name);
            limits.set(row.name, &row.unit.show(row.least)).unwrap();
            assert_eq!((row.get)(&limits), row.least);
        }
        assert!(limits.set("logs", "65536").is_err(), "more than its type holds");
        assert_eq!(limits.logs, 3);
        assert!(matches!(limits.set("nonsense", "1"), Err(LimitError::Unknown { .. })));
    }

    #[test]
    fn the_words_are_one_short_line_each() {
        for entry in Limits::default().entries() {
            assert!((10..160).contains(&entry.words.len()), "{}", entry.name);
            assert!(!entry.words.ends_with('.') && !entry.words.contains(['|', '\n']));
        }
    }

    /// To bring `docs/OPERATING.md` up to date: `SEALIFT_WRITE_LIMITS=1 cargo test -p sealift-relay operating`.
    #[test]
    fn operating_has_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATING.md");
        let page = std::fs::read_to_string(path).unwrap();
        let start = page.find("| limit | default |").expect("the table of limits");
        let end = page[start..].find("\n\n").map_or(page.len(), |end| start + end + 1);
        let fresh = limits::markdown::<Limits>();
        if std::env::var_os("SEALIFT_WRITE_LIMITS").is_some() && page[start..end] != fresh {
            let page = [&page[..start], &fresh, &page[end..]].concat();
            std::fs::write(path, page).unwrap();
            return;
        }
        assert_eq!(&page[start..end], fresh);
    }

    #[test]
    fn the_listing_has_the_values_in_force() {
        let mut limits = Limits::default();
        limits.set("links", "77").unwrap();
        let text = limits::listing(&limits);
        assert!(text.contains("  links = 77\n"), "{text}");
        assert_eq!(
            text.lines().filter(|line| line.contains(" = ")).count(),
            limits.entries().count()
        );
    }
}
