//! Sealed messages and runs over a connected stream (PROTOCOL.md section 7.2).

mod read;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
mod write;

use std::io;
use std::time::Duration;

use sealift_platform::Platform;
use sealift_platform::net::BoxStream;
use sealift_proto::frame::{LinkKind, Preamble};
use sealift_proto::space::HostName;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

pub use read::{Incoming, LinkReader, RunReader};
pub use write::{LinkWriter, RunWriter};

/// How long connecting a link may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Pieces sealed or opened between two system calls: 256 KiB, which stay in the processor's cache meanwhile.
const BATCH: usize = 16;

/// Connects this side's half of a link through the relay; `first` follows the ticket in the same packet.
///
/// # Errors
/// When the relay cannot be reached there.
pub(super) async fn connect(
    platform: &Platform,
    (host, port): (&HostName, u16),
    ticket: [u8; 32],
    first: &[u8],
) -> io::Result<BoxStream> {
    let connecting = async {
        let mut stream = platform.net.connect(host.as_str(), port).await?;
        let preamble = Preamble { kind: LinkKind::Relay, value: ticket }.to_bytes();
        stream.write_all(&[&preamble[..], first].concat()).await?;
        stream.flush().await?;
        Ok(stream)
    };
    timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
