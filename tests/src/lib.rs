//! What the whole-system tests stand on: a simulated machine, and real programs kept on a leash.

#[cfg(test)]
mod architecture;
pub mod lab;
pub mod process;
pub mod proxy;
pub mod sim;
pub mod stage;
pub mod sweep;
