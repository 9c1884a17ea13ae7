//! The leecher: finds files of a space by name and fetches them, verified, into a folder.
//!
//! A [`Leecher`] brings catalogues up to date and looks into them, for any program: it returns [`error::Error`] and tells
//! [`event::Event`]; [`reach`] brings its spaces to the downloads of `sealift-content`. Only [`cli`] speaks.

pub mod check;
pub mod cli;
mod elsewhere;
pub mod error;
pub mod event;
pub mod freshen;
mod leecher;
pub mod listing;
pub mod online;
pub mod people;
pub mod probe;
pub mod reach;
pub mod replica;
pub mod search;
pub mod select;
mod shown;
pub mod sync;
mod text;

pub use leecher::Leecher;
