//! What the space is told of the offered files: a log of sealed segments and its signed head (PROTOCOL.md section 8).
//!
//! The log is kept on disk as it was sent, so that a restart publishes differences only. A head is saved before it is sent:
//! whatever happens, this device never signs two different logs of one length.

pub mod log;
pub mod plan;
pub mod publish;
