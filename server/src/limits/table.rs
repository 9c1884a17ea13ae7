//! The macro that makes a program's table.

/// Makes the limits of a program: a struct, its defaults, and what [`limits`](mod@crate::limits) needs of them.
///
/// A row is `/// words`, then `name: type, unit, smallest value => default;`, in groups. Values are bytes, milliseconds, counts. With
/// `strangers;` the table begins with what the gate and the log go by.
///
/// ```
/// use sealift_server::limits::KIB;
///
/// sealift_server::limits! {
///     /// What the program gives at most.
///     pub struct Limits of "echo";
///     strangers;
///     "Messages" {
///         /// Bytes of one message
///         message_bytes: usize, Bytes, 1 => 16 * KIB;
///     }
/// }
///
/// let mut limits = Limits::default();
/// limits.set("message_bytes", "2 KiB").unwrap();
/// assert_eq!(limits.message_bytes, 2048);
/// assert!(limits.set("unauthenticated", "0").is_err());
/// ```
#[macro_export]
macro_rules! limits {
    ($(#[$about:meta])* pub struct $Limits:ident of $program:literal; strangers; $($rest:tt)*) => {
        $crate::limits! {
            $(#[$about])* pub struct $Limits of $program;
            "Connections that have not shown who they are" {
                /// From connecting until a Hello or a ticket has been checked, all in all
                handshake: ::std::time::Duration, Time, 1 => $crate::limits::HANDSHAKE;
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
                handshake_wait: ::std::time::Duration, Time, 0 => 2 * $crate::limits::SECOND;
            }
            $($rest)*
        }

        impl From<&$Limits> for $crate::gate::Bounds {
            fn from(limits: &$Limits) -> Self {
                Self {
                    handshake: limits.handshake,
                    unauthenticated: limits.unauthenticated,
                    unauthenticated_per_source: limits.unauthenticated_per_source,
                    sources: limits.sources,
                    handshakes_per_second: limits.handshakes_per_second,
                    handshake_burst: limits.handshake_burst,
                    handshakes_per_second_per_source: limits.handshakes_per_second_per_source,
                    handshake_burst_per_source: limits.handshake_burst_per_source,
                    handshake_wait: limits.handshake_wait,
                }
            }
        }
    };
    ($(#[$about:meta])* pub struct $Limits:ident of $program:literal; $($group:literal {$(
        $(#[doc = $words:literal])+
        $name:ident: $type:ty, $unit:ident, $least:expr => $default:expr;
    )+})+) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $Limits {
            $($(
                $(#[doc = $words])+
                pub $name: $type,
            )+)+
        }

        impl Default for $Limits {
            fn default() -> Self {
                Self { $($($name: $crate::limits::Value::of($default),)+)+ }
            }
        }

        impl $crate::limits::Table for $Limits {
            const PROGRAM: &'static str = $program;
            const ROWS: &'static [$crate::limits::Row<Self>] = &[$($(
                $crate::limits::Row {
                    name: stringify!($name),
                    unit: $crate::limits::Unit::$unit,
                    least: $least,
                    words: concat!($($words),+).trim_ascii(),
                    group: $group,
                    optional: <$type as $crate::limits::Value>::OPTIONAL,
                    get: |limits| $crate::limits::Value::number(limits.$name),
                    set: |limits, number| limits.$name = $crate::limits::Value::of(number),
                },
            )+)+];
        }

        impl $Limits {
            /// Sets a limit by its name. Text is as a configuration file has it: `512`, `16 MiB`, `90 s`, `1000/s`, `16 MiB/s`,
            /// and `unlimited` where the default is that.
            ///
            /// # Errors
            /// If there is no such limit, or it cannot have that value; nothing is changed then.
            pub fn set(&mut self, name: &str, text: &str) -> Result<(), $crate::limits::LimitError> {
                $crate::limits::set(self, name, text)
            }

            /// All limits, in the order of the table.
            pub fn entries(&self) -> impl Iterator<Item = $crate::limits::Entry> {
                $crate::limits::entries(self)
            }
        }
    };
}
