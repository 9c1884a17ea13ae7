//! What tests within the relay share.

use sealift_platform::Platform;
use sealift_server::admission::Allowed;

use crate::limits::Limits;
use crate::relay::{Config, Relay};

/// A relay with a home of its own, which does not serve yet.
pub(crate) async fn relay(limits: Limits) -> (tempfile::TempDir, Relay) {
    let home = tempfile::tempdir().unwrap();
    let config = Config { home: home.path().to_owned(), limits, allowed: Allowed::default() };
    let relay = Relay::open(Platform::system(), config).await.unwrap();
    (home, relay)
}
