//! Every limit of the relay, in one table (PROTOCOL.md section 5.6). Each has a test.
//!
//! From the table come the struct [`Limits`], its defaults, their names in a configuration file, the list that
//! `relay --help` prints and the one in `docs/OPERATING.md`.

#[cfg(test)]
mod coverage;
mod listing;
mod value;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sealift_proto::limits as agreed;
pub use value::Unit;
use value::{DAY, GIB, KIB, MIB, MINUTE, SECOND, Value};

pub(crate) use listing::listing;

/// One limit, as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as in a configuration file.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// The value in force, as [`Limits::set`] reads it.
    pub value: String,
    /// The value when nothing is said.
    pub default: String,
    /// What it limits.
    pub words: &'static str,
    /// What it is about, as the others of its kind.
    pub group: &'static str,
}

impl Entry {
    /// Whether a running relay goes on with the value that it started with.
    #[must_use]
    pub fn is_read_at_start(&self) -> bool {
        self.group.ends_with("read at start")
    }
}

/// Why a limit is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// There is none of that name.
    #[error("there is no limit called {0:?}; `relay --help` lists them")]
    Unknown(String),
    /// It cannot have that value.
    #[error("{name} cannot be {text:?}: write {example}, at least {least}")]
    Value {
        /// Which limit.
        name: &'static str,
        /// What was to be its value.
        text: String,
        /// How values of it are written.
        example: &'static str,
        /// Its smallest value.
        least: String,
    },
}

/// A row of the table.
struct Row {
    name: &'static str,
    unit: Unit,
    least: u64,
    words: &'static str,
    group: &'static str,
    /// Whether it may be `unlimited`.
    optional: bool,
    get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64),
}

/// `/// words`, then `name: type, unit, smallest value = default;`, in groups. Values are bytes, milliseconds, counts.
macro_rules! limits {
    ($($group:literal {$(
        $(#[doc = $words:literal])+
        $name:ident: $type:ty, $unit:ident, $least:expr => $default:expr;
    )+})+) => {
        /// What the relay gives at most. The defaults suit a small public machine.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Limits {
            $($(
                $(#[doc = $words])+
                pub $name: $type,
            )+)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($($name: Value::of($default),)+)+ }
            }
        }

        const ROWS: &[Row] = &[$($(
            Row {
                name: stringify!($name),
                unit: Unit::$unit,
                least: $least,
                words: concat!($($words),+).trim_ascii(),
                group: $group,
                optional: <$type as Value>::OPTIONAL,
                get: |limits| limits.$name.number(),
                set: |limits, number| limits.$name = Value::of(number),
            },
        )+)+];
    };
}

limits! {
    "Connections that have not shown who they are" {
        /// From connecting until a Hello or a ticket has been checked, all in all
        handshake: Duration, Time, 1 => agreed::HELLO_TIME * SECOND;
        /// Such connections; the oldest is closed for one more
        unauthenticated: usize, Count, 1 => 1024;
        /// Of those, from one IPv4 address or IPv6 /64; its oldest is closed for one more
        unauthenticated_per_source: usize, Count, 1 => 512;
        /// IPv4 addresses and IPv6 /64 remembered for what they owe, of each kind; those that owe least are forgotten first
        sources: usize, Count, 1 => 32_768;
        /// Refused connections that are logged; the rest are counted
        log_lines_per_second: u64, PerSecond, 1 => 10;
    }
    "Handshakes, which cost processor time; those too many wait for their turn, or are refused" {
        /// Begun, in all
        handshakes_per_second: u64, PerSecond, 1 => 1000;
        /// How many of those at once
        handshake_burst: u64, Count, 1 => 4000;
        /// Begun from one IPv4 address or IPv6 /64
        handshakes_per_second_per_source: u64, PerSecond, 1 => 100;
        /// From it at once
        handshake_burst_per_source: u64, Count, 1 => 500;
        /// The longest wait for a turn
        handshake_wait: Duration, Time, 0 => 2 * SECOND;
    }
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

impl Limits {
    /// Sets a limit by its name. Text is as in [`Entry::value`]: `512`, `16 MiB`, `90 s`, `1000/s`, `16 MiB/s`, and
    /// `unlimited` where the default is that.
    ///
    /// # Errors
    /// [`LimitError`] if there is no such limit, or it cannot have that value; nothing is changed then.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), LimitError> {
        let row = ROWS.iter().find(|row| row.name == name);
        let row = row.ok_or_else(|| LimitError::Unknown(name.to_owned()))?;
        let wrong = || LimitError::Value {
            name: row.name,
            text: text.to_owned(),
            example: row.unit.example(),
            least: row.unit.show(row.least),
        };
        let fits = |number: &u64| {
            let unlimited = *number > row.unit.most();
            *number >= row.least && (row.optional || !unlimited)
        };
        let number = row.unit.read(text).filter(fits).ok_or_else(wrong)?;
        let before = (row.get)(self);
        (row.set)(self, number);
        if (row.get)(self) == number {
            return Ok(());
        }
        // More than its type holds.
        (row.set)(self, before);
        Err(wrong())
    }

    /// All limits, in the order of the table.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let default = Self::default();
        ROWS.iter().map(move |row| Entry {
            name: row.name,
            unit: row.unit,
            value: row.unit.show((row.get)(self)),
            default: row.unit.show((row.get)(&default)),
            words: row.words,
            group: row.group,
        })
    }
}

/// The limits that a running relay goes by. Clones share them; what is set holds for what happens from then on, except
/// for those that are read at start.
#[derive(Debug, Clone)]
pub struct InForce(Arc<RwLock<Arc<Limits>>>);

impl InForce {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(limits))))
    }

    /// Those of this moment.
    #[must_use]
    pub fn get(&self) -> Arc<Limits> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Others from now on.
    pub fn set(&self, limits: Limits) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for row in ROWS {
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
        assert!(matches!(limits.set("nonsense", "1"), Err(LimitError::Unknown(_))));
    }

    #[test]
    fn the_words_are_one_short_line_each() {
        for entry in Limits::default().entries() {
            assert!((10..160).contains(&entry.words.len()), "{}", entry.name);
            assert!(!entry.words.ends_with('.') && !entry.words.contains(['|', '\n']));
        }
    }
}
