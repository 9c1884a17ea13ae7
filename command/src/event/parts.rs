//! What several lines have in common, and what lines hold lists of.

use serde::{Deserialize, Serialize};

/// Why something was not done.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    pub code: u8,
    pub what: String,
    pub why: Option<String>,
    pub next: Option<String>,
    pub kept: Option<String>,
}

/// A line of a listing.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    pub space: String,
    pub name: String,
    pub files: u64,
    pub bytes: u64,
    pub modified_ms: i64,
    pub not_hashed: u64,
    pub unshared: u64,
    pub left_out: u64,
    pub hash: Option<String>,
    pub owners: Vec<String>,
}

/// Who has what fits a search.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    pub name: String,
    pub device: String,
    pub path: String,
    pub serving: Option<bool>,
}

/// A content that a file has somewhere.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    pub hash: Option<String>,
    pub size: u64,
    pub modified_ms: i64,
    pub owners: Vec<String>,
}

/// How much went one way.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathBytes {
    pub path: String,
    pub bytes: u64,
}

/// How much came of one seeder.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeederBytes {
    pub seeder: String,
    pub bytes: u64,
}

/// A link of a download.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub seeder: String,
    pub path: String,
    pub standby: bool,
    pub bytes: u64,
    pub bytes_per_second: Option<u64>,
    pub reading: Option<Reading>,
}

/// How far a seeder is with reading a file.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    pub bytes: u64,
    pub total: u64,
}

/// A folder of a running seeder.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferedFolder {
    pub name: String,
    pub place: String,
    pub here: bool,
    pub unshared: u64,
    pub unshared_names: Vec<String>,
    pub left_out: u64,
}

/// What somebody did that no honest program does.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TamperingInfo {
    pub by: String,
    pub what: String,
    pub relay: Option<String>,
    pub of: Option<String>,
    pub seeder: Option<String>,
    pub device: Option<String>,
}

/// A space of this device, as one command or another knows it.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpaceInfo {
    pub name: String,
    pub id: String,
    pub members: Option<usize>,
    pub relay: Option<String>,
    pub synced: Option<u64>,
    pub owner: Option<bool>,
    pub back_up: Option<String>,
    pub owner_key: Option<String>,
}

/// A link, as one side or the other sees it.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathInfo {
    pub path: String,
    pub state: String,
    pub seeder: Option<String>,
    pub session: Option<u64>,
    pub with: Option<String>,
    pub address: Option<String>,
    pub why: Option<String>,
    pub after_ms: Option<u64>,
}

/// A running seeder, or that there is none.
#[expect(missing_docs, reason = "docs/JSON.md says of each field what it is")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeederInfo {
    pub running: bool,
    pub pid: Option<u32>,
    pub space: Option<String>,
    pub relay: Option<String>,
    pub folders: Option<Vec<OfferedFolder>>,
    pub files: Option<u64>,
    pub bytes: Option<u64>,
    pub waiting: Option<u64>,
    pub scanning: Option<bool>,
    pub members: Option<usize>,
    pub sessions: Option<usize>,
    pub sent: Option<Vec<PathBytes>>,
}
