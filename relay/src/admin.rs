//! What a running relay answers its operator: metrics and health on a loopback port, `relay status` on a private socket.

mod exposition;
mod http;
#[cfg(unix)]
mod socket;

pub(crate) use http::serve as serve_metrics;
#[cfg(unix)]
pub(crate) use socket::{ask, bind, serve as serve_status};
