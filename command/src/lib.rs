//! How every program of Sealift speaks with whoever started it: flags they share, results and notes as text or JSON, failures
//! in words with their exit codes, what is drawn in place, and what a shell and `man` want to know.

pub mod args;
pub mod completion;
pub mod console;
pub mod escape;
pub mod event;
pub mod exit;
pub mod human;
pub mod layout;
pub mod line;
pub mod manual;
pub mod meter;
pub mod paint;
#[cfg(feature = "people")]
pub mod people;
pub mod pick;
pub mod process;
pub mod program;
pub mod screen;
pub mod shell;
pub mod terminal;
pub mod trace;
pub mod usage;
#[cfg(feature = "people")]
pub mod words;
mod wrap;
