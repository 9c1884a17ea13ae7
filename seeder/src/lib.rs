//! The seeder: watches folders, hashes what is in them, tells the space what it offers, and serves it.
//!
//! ```text
//! scan, rules, watch ─▶ engine ─▶ index ─▶ catalogue ─▶ relay
//!                          │ hashes  └───▶ serve ◀──── leechers
//! ```
//!
//! [`Seeder`] is all of that, for any program: it returns [`error::Error`] and tells [`activity::Activity`]. Only [`cli`] speaks.

pub mod activity;
pub mod agent;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod folder;
pub mod holdings;
pub mod index;
pub mod invite;
pub mod lan;
mod manager;
pub mod names;
pub mod online;
pub mod own;
mod owner;
pub mod rules;
mod run;
pub mod scan;
pub mod sent;
mod session;
pub mod settle;
pub mod status;
pub mod watch;

pub use config::Config;
pub use run::Seeder;
