//! Every limit of the relay, in one table (PROTOCOL.md section 5.6). Each has a test.

use std::time::Duration;

/// What the relay gives at most. The defaults suit a small public machine.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From accepting a connection until its Hello or ticket has been checked, all in all.
    pub handshake: Duration,
    /// Connections that have not shown who they are; beyond, the oldest is closed.
    pub unauthenticated: usize,
    /// Of those, from one IPv4 address or IPv6 /64; beyond, its oldest is closed.
    pub unauthenticated_per_source: usize,
    /// Control connections of members.
    pub connections: usize,
    /// Of those, in one space.
    pub connections_per_space: usize,
    /// Of those, of one device in one space.
    pub connections_per_device: usize,
    /// Connections that take an invite.
    pub joining: usize,
    /// How long one of those may stay.
    pub join_time: Duration,
    /// Silence after which a control connection is asked for a sign of life.
    pub ping_after: Duration,
    /// Silence after which it is closed: a device that vanished is gone for others within a minute.
    pub idle: Duration,
    /// How long one frame may take to leave for a device that does not read.
    pub write_stall: Duration,
    /// How long to wait for connections to take their farewell at shutdown.
    pub farewell: Duration,
    /// Messages per second that a connection may send in the long run; beyond, it is read more slowly.
    pub messages_per_second: f64,
    /// Messages that it may send at once.
    pub message_burst: f64,
    /// Bytes waiting for one connection beyond which it counts as dead.
    pub queue_bytes: usize,
    /// Bytes waiting for one connection beyond which nobody may forward more to it.
    pub forward_bytes: usize,
    /// Requests for heads and segments that one connection may have open; beyond, it is not read.
    pub jobs: usize,
    /// Life of a link's tickets.
    pub ticket: Duration,
    /// Links that one connection may have asked for and not opened yet.
    pub tickets_per_connection: usize,
    /// Links at work.
    pub links: usize,
    /// Of those, of one device in one space.
    pub links_per_device: usize,
    /// Silence on a link, both ways, after which it is closed.
    pub link_idle: Duration,
    /// Bytes of each direction that are copied before the kernel moves them: short links are not worth a pipe.
    pub copy_first: u64,
    /// Memory for the pipes that links are moved through in the kernel, less where the system gives a user less: 64 KiB for a
    /// direction, 1 MiB for a busy one. Links without a pipe are copied.
    pub pipe_bytes: u64,
    /// Stored bytes in all.
    pub total_bytes: u64,
    /// Stored bytes of one space. A million catalogue entries take about 100 MB, twice that while written anew.
    pub space_bytes: u64,
    /// Stored bytes of one device in one space.
    pub device_bytes: u64,
    /// Statements (record, cards, heads) of one space.
    pub space_statements: u64,
    /// Logs of one device: numbers below this.
    pub logs: u16,
    /// Segments of one log.
    pub log_segments: u64,
    /// Invites kept in all.
    pub invites: u64,
    /// Invites kept for one space.
    pub space_invites: u64,
    /// Uses of one invite.
    pub invite_uses: u32,
    /// How far ahead the deadline of an invite may lie.
    pub invite_life: Duration,
    /// Bytes that stay free on the disk: below, nothing new is stored.
    pub disk_reserve: u64,
    /// Memory for the store's pages, bytes.
    pub store_cache: usize,
    /// Refused connections that are logged per second; the rest are counted.
    pub log_lines_per_second: f64,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            handshake: seconds(10),
            unauthenticated: 1024,
            unauthenticated_per_source: 512,
            connections: 20_000,
            connections_per_space: 12_000,
            connections_per_device: 64,
            joining: 256,
            join_time: seconds(60),
            ping_after: seconds(15),
            idle: seconds(45),
            write_stall: seconds(30),
            farewell: seconds(3),
            messages_per_second: 1000.0,
            message_burst: 4000.0,
            queue_bytes: 1 << 20,
            forward_bytes: 1 << 19,
            jobs: 64,
            ticket: seconds(15),
            tickets_per_connection: 64,
            links: 8192,
            links_per_device: 512,
            link_idle: seconds(600),
            copy_first: 64 << 10,
            pipe_bytes: 256 << 20,
            total_bytes: 16 << 30,
            space_bytes: 1 << 30,
            device_bytes: 512 << 20,
            space_statements: 10_000,
            logs: 16,
            log_segments: 1 << 16,
            invites: 20_000,
            space_invites: 256,
            invite_uses: 1000,
            invite_life: seconds(366 * 86_400),
            disk_reserve: 64 << 20,
            store_cache: 32 << 20,
            log_lines_per_second: 10.0,
        }
    }
}
