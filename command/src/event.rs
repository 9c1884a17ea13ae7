//! Everything that a program prints with `--json`, one type for each kind of line. `docs/JSON.md` says what each field is, and a test
//! holds the two together.
//!
//! Text is as it is, and escaped where it is printed; what is called a name here is safe to show already.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::escape::json_line;

mod parts;
#[cfg(test)]
mod tests;

pub use parts::{
    Content, Failed, Holder, Listing, OfferedFolder, PathBytes, PathInfo, Reading, SeederBytes,
    SeederInfo, Source, SpaceInfo, TamperingInfo,
};

/// One line of `--json`. Its `type` is the name of the variant in small letters.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    // Of every program.
    /// The command ends without having done what was asked, or goes on after it could not do a part.
    Error(Failed),
    /// What a person may do next.
    Hint { next: Option<String>, fetch: Option<Vec<String>> },
    /// Something else that is not as it should be.
    Warning { what: String },

    // On the way to a space.
    /// The relay was met for the first time.
    Pinned { relay: String, pin: String },
    /// The clocks of this device and of the relay are far apart.
    Clock { why: String },
    /// Something is waited for.
    Waiting { r#for: String, relay: Option<String>, why: Option<String> },
    /// Somebody showed what is not, or no longer, so.
    Tampering(TamperingInfo),
    /// A statement of a member is left alone.
    Ignored { what: String, of: String, why: Option<String> },
    /// A member is not let in, or gets no session.
    Refused { what: String, from: String, uses: Option<u32>, why: Option<String> },
    /// Something cannot be written for now.
    Unwritten { what: String, why: Option<String> },
    /// All that could not be written has been written.
    Written,
    /// The local network is announced to, or cannot be used.
    Lan { state: String, port: Option<u16>, why: Option<String> },
    /// The relay does not tell who is in the space.
    Offline { why: String },

    // Spaces and who is in them.
    /// This device.
    Device { name: String, device: Option<String>, profile: Option<String> },
    /// A space of this device.
    Space(SpaceInfo),
    /// A space was made.
    NewSpace { name: String, id: String },
    /// This device is a member of a space now.
    Joined { space: String, id: String, members: Option<Vec<String>>, already: Option<bool> },
    /// A member.
    Member {
        space: String,
        device: String,
        name: String,
        this_device: bool,
        provisional: bool,
        serving: Option<bool>,
    },
    /// A device that came by an invite is a member for good.
    Admitted { device: String, name: String },
    /// An invite was made.
    Invite { invite: String, uses: Option<u32>, expires: Option<u64> },
    /// The invite leads to another address than this device dials.
    InviteHost { host: String, dialled: String },
    /// The invite leads to this machine only.
    InviteLoopback { host: String },
    /// The folder without which nobody can be invited any more.
    Backup { folder: String },

    // What is known of catalogues.
    /// Catalogues are being fetched.
    Syncing { segments: u64, total: u64 },
    /// What is known may be old.
    Stale { space: String, why: String, age_seconds: Option<u64> },
    /// The local copy of a catalogue does not hold.
    Damaged { what: String, device: String },
    /// Files wait to be read where they are shared.
    Reading {
        seeder: Option<String>,
        serving: Option<bool>,
        waiting: u64,
        files: u64,
        scanning: bool,
        bytes_per_second: Option<u64>,
    },
    /// The catalogue of one member.
    Catalogue { of: String, files: u64, waiting: u64, scanning: bool, age_seconds: u64 },
    /// A file of a listing.
    File(Listing),
    /// A folder of a listing.
    Folder(Listing),
    /// Nothing is shared yet.
    Empty,
    /// What fits a search.
    Hit {
        space: String,
        r#match: String,
        path: Option<String>,
        folder: bool,
        size: Option<u64>,
        modified_ms: Option<i64>,
        hash: Option<String>,
        holders: Vec<Holder>,
    },
    /// So many more fit.
    More { count: u64 },

    // A download.
    /// One of several contents that a name may mean.
    Content { path: String, hash: Option<String>, size: u64, modified_ms: i64, owners: Vec<String> },
    /// One of several folders that a name may mean.
    Candidate { path: String },
    /// A file with several contents was left out.
    LeftOut { path: String, contents: Vec<Content>, fetch: Vec<String> },
    /// What an earlier run left.
    Resumed { bytes: u64 },
    /// How far it is.
    Progress {
        bytes: u64,
        total: u64,
        bytes_per_second: Option<u64>,
        seconds_left: Option<u64>,
        path: String,
        paths: Vec<PathBytes>,
        files: usize,
        files_total: usize,
        file: Option<String>,
        waiting_for: Option<String>,
        sources: Vec<Source>,
    },
    /// It goes on after waiting.
    GoingOn { bytes: u64 },
    /// So little comes that a file may never be complete.
    Slow { bytes_per_second: u64, path: String },
    /// The way to the seeders was lost.
    Interrupted { why: String, patience_seconds: Option<u64>, going_on: Option<String> },
    /// A link came up, went down or stands by.
    Path(PathInfo),
    /// A seeder sent other content than it states, and says why.
    Wrong { by: String, seeder: String, name: String, excuse: String },
    /// A file is no longer what was stated, and is looked for.
    LookingAgain { name: String },
    /// A file landed.
    Landed { path: String, bytes: u64, already_there: bool },
    /// Names cannot be given in one step there.
    Names { place: String, one_step: bool },
    /// Empty folders were made.
    Folders { made: u64, already_there: u64, place: String },
    /// Names of a folder could not be shared, or are left out on purpose.
    Unshared { folder: String, seeder: String, names: u64, left_out: u64 },
    /// A file or folder is missing at the end.
    Missing { name: String, error: Failed },
    /// What was fetched and verified.
    Verified {
        files: u64,
        bytes: u64,
        already_there: u64,
        path: String,
        paths: Vec<PathBytes>,
        fetched_bytes: u64,
        bytes_per_second: u64,
        seconds: f64,
        place: Option<String>,
        sources: Vec<SeederBytes>,
    },
    /// What came is given on after the end.
    Seeding { state: String, seconds: Option<u64>, bytes: Option<u64>, devices: Option<u64> },

    // `leecher verify` and `leecher ping`.
    /// A folder here is compared with one that is shared.
    Compared { path: String, with: String },
    /// Files are being read.
    Checking { bytes: u64, total: u64 },
    /// One file or empty folder.
    Checked {
        path: String,
        state: String,
        shared: Option<String>,
        bytes: u64,
        folder: bool,
        why: Option<String>,
    },
    /// All of them.
    Summary {
        same: usize,
        differs: usize,
        missing: usize,
        unreadable: usize,
        not_hashed_yet: usize,
        unknown: usize,
        verified_bytes: u64,
    },
    /// A path to a member.
    Ping {
        seeder: String,
        path: String,
        address: Option<String>,
        round_trip_ms: Option<f64>,
        why: Option<String>,
    },

    // A seeder at work.
    /// A folder is shared.
    Sharing { folder: String, name: String, space: String, device: String },
    /// The process that shares for this profile shares a folder too.
    Shared { name: String, folder: String, already: bool },
    /// A folder is shared no more.
    NotShared { name: String, folder: String },
    /// The process that shares for this profile is about to end.
    Stopping { pid: u32 },
    /// A shared folder is gone.
    FolderGone { folder: String, why: String },
    /// A shared folder is back.
    FolderBack { folder: String },
    /// A folder is walked again and again.
    Polling { folder: String, seconds: f32, why: Option<String> },
    /// Something is left out.
    Skipped { path: String, why: Option<String> },
    /// New files.
    Added { path: Option<String>, files: Option<usize>, bytes: u64 },
    /// Files with new content.
    Changed { path: Option<String>, files: Option<usize>, bytes: u64 },
    /// Files that are gone.
    Removed { files: u64 },
    /// The relay is connected.
    Connected { relay: String, again: bool },
    /// The relay is lost.
    Lost { relay: String, why: Option<String> },
    /// The relay has all that is shared.
    Offering { files: u64, bytes: u64 },
    /// A leecher opened a session.
    Session { session: u64, with: String, wrap: String, path: String },
    /// A leecher fetches another file.
    Sending { session: u64, to: String, path: String, via: String },
    /// A leecher has files complete.
    Completed {
        session: u64,
        with: String,
        files: u64,
        bytes: u64,
        bytes_per_second: Option<u64>,
        via: String,
        paths: Vec<PathBytes>,
    },
    /// A session ended.
    Ended {
        session: u64,
        with: String,
        bytes: u64,
        bytes_per_second: Option<u64>,
        wrap: String,
        why: Option<String>,
        via: String,
        paths: Vec<PathBytes>,
    },
    /// The seeder ended as it was told to.
    Stopped,
    /// What a running seeder does.
    Seeder(SeederInfo),
    /// The service of this user was installed or removed.
    Service { installed: bool, unit: Option<String> },

    // A relay.
    /// The relay takes connections.
    Ready { address: String, pin: String },
    /// The relay's key.
    Key { pin: String },
    /// What the configuration allows.
    Limits { limits: BTreeMap<String, String> },
}

impl Event {
    /// What a person may do next.
    #[must_use]
    pub fn hint(next: impl Into<String>) -> Self {
        Self::Hint { next: Some(next.into()), fetch: None }
    }

    /// As one line of JSON.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Every field is text, a number or a list or object of such: there is always a value.
        line(serde_json::to_value(self).unwrap_or_default())
    }
}

/// `value` as one line of JSON, without the fields that have no value.
#[must_use]
pub fn line(mut value: Value) -> String {
    leave_out_nothing(&mut value);
    json_line(&value)
}

fn leave_out_nothing(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(leave_out_nothing);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nothing),
        _ => {}
    }
}
