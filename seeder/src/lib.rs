//! The seeder: watches folders, hashes what is in them, tells the space what it offers, and serves it.
//!
//! ```text
//! scan, rules, watch ─▶ engine ─▶ index ─▶ catalogue ─▶ relay
//!                          │ hashes  └───▶ serve ◀──── leechers
//! ```

pub mod activity;
pub mod args;
pub mod catalogue;
pub mod commands;
pub mod config;
pub mod engine;
pub mod folder;
pub mod foreground;
pub mod holdings;
pub mod index;
pub mod invite;
mod lan;
mod manager;
pub mod names;
pub mod online;
pub mod own;
mod owner;
pub mod progress;
pub mod qr;
pub mod rules;
mod run;
pub mod scan;
pub mod sent;
pub mod service;
mod session;
pub mod settle;
mod sharing;
pub mod status;
pub mod watch;

pub use config::Config;
pub use run::run;
