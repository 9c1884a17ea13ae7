//! Errors and news of `space` and `transport` in words: what happened, why, and what to do next. Those of `content` have theirs in the
//! programs that use it.
//!
//! A [`Failure`](crate::exit::Failure) is made `From<&Error>`, and from the error itself, so that `?` in a command finds it.

mod notice;
mod space;
mod transport;

pub use notice::{reporter, unwritten};
pub use transport::{call, clock, dial, session};

/// Makes a failure from an error by value where there is one from a reference.
macro_rules! by_value {
    ($($error:ty),+) => {$(
        impl From<$error> for crate::exit::Failure {
            fn from(error: $error) -> Self {
                (&error).into()
            }
        }
    )+};
}
use by_value;
