//! Frames and the opening bytes of connections (PROTOCOL.md section 5.1).
//!
//! ```text
//! control connection, inside TLS     u32 length (big-endian) ‖ body       1 ≤ length ≤ 64 KiB
//! any other connection               "SL" ‖ version ‖ kind ‖ 32 bytes     then what the kind says
//! ```

use crate::kind::connection;
use crate::label;

pub use crate::limits::{DEFAULT_PORT, FRAME_MAX};

/// Protocol version spoken here, in every place that names one.
pub const VERSION: u8 = 1;
/// Application protocol name in the TLS handshake of a control connection.
pub const ALPN: &[u8] = label::ALPN.as_bytes();
/// Label under which TLS exports the value that a Hello signs (RFC 8446 section 7.5); the context is empty.
pub const EXPORTER_LABEL: &[u8] = label::TLS_EXPORTER.as_bytes();
/// Length of a frame's header, bytes.
pub const FRAME_HEADER: usize = 4;
/// Length of what opens a connection that is not TLS, bytes.
pub const PREAMBLE: usize = 36;

/// Why a frame or preamble was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length of zero or over [`FRAME_MAX`].
    #[error("a frame of {0} bytes")]
    Length(u32),
    /// Not the opening of a Sealift connection.
    #[error("not a Sealift connection")]
    Foreign,
    /// Another version of the protocol.
    #[error("protocol version {0}")]
    Version(u8),
    /// A kind of connection that is not known here.
    #[error("connection kind {0}")]
    Kind(u8),
}

/// Length of the body that follows `header`; to be called before memory is reserved for it.
///
/// # Errors
/// [`FrameError::Length`] when it is 0 or over [`FRAME_MAX`].
pub fn body_len(header: [u8; FRAME_HEADER]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(header);
    match usize::try_from(length) {
        Ok(len) if (1..=FRAME_MAX).contains(&len) => Ok(len),
        _ => Err(FrameError::Length(length)),
    }
}

/// `body` as a frame.
///
/// # Errors
/// [`FrameError::Length`] when it is empty or over [`FRAME_MAX`].
pub fn frame(body: &[u8]) -> Result<Vec<u8>, FrameError> {
    let length = u32::try_from(body.len()).map_err(|_| FrameError::Length(u32::MAX))?;
    body_len(length.to_be_bytes())?;
    Ok([&length.to_be_bytes()[..], body].concat())
}

/// What a connection that is not TLS is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// Half of a link through the relay; the 32 bytes are the ticket.
    Relay,
    /// A direct link; the 32 bytes are the session and a nonce.
    Direct,
    /// An OFFER on the local network; the 32 bytes are the leecher's device.
    Lan,
}

/// The opening of a connection that is not TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Preamble {
    /// What it is for.
    pub kind: LinkKind,
    /// What the kind says.
    pub value: [u8; 32],
}

impl Preamble {
    /// The bytes to send.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; PREAMBLE] {
        let kind = match self.kind {
            LinkKind::Relay => connection::RELAY,
            LinkKind::Direct => connection::DIRECT,
            LinkKind::Lan => connection::LAN,
        };
        let mut bytes = [0; PREAMBLE];
        bytes[..4].copy_from_slice(&[b'S', b'L', VERSION, kind]);
        bytes[4..].copy_from_slice(&self.value);
        bytes
    }

    /// Reads the bytes received.
    ///
    /// # Errors
    /// When they are no preamble, or of another version or kind.
    pub fn from_bytes(bytes: &[u8; PREAMBLE]) -> Result<Self, FrameError> {
        let [b'S', b'L', version, kind, value @ ..] = bytes else {
            return Err(FrameError::Foreign);
        };
        if *version != VERSION {
            return Err(FrameError::Version(*version));
        }
        let kind = match *kind {
            connection::RELAY => LinkKind::Relay,
            connection::DIRECT => LinkKind::Direct,
            connection::LAN => LinkKind::Lan,
            other => return Err(FrameError::Kind(other)),
        };
        Ok(Self { kind, value: *value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_from_the_header_alone() {
        assert!(body_len([0; 4]).is_err());
        assert_eq!(body_len([0, 0, 0, 1]), Ok(1));
        assert_eq!(body_len([0, 1, 0, 0]), Ok(FRAME_MAX));
        for header in [[0, 1, 0, 1], [0x7f, 255, 255, 255], [0x80, 0, 0, 0], [255; 4]] {
            assert!(body_len(header).is_err());
        }
        assert_eq!(frame(&[9]), Ok(vec![0, 0, 0, 1, 9]));
        assert!(frame(&vec![0; FRAME_MAX + 1]).is_err());
    }

    #[test]
    fn preambles_round_trip_and_others_are_refused() {
        for kind in [LinkKind::Relay, LinkKind::Direct, LinkKind::Lan] {
            let bytes = Preamble { kind, value: [9; 32] }.to_bytes();
            assert!(
                Preamble::from_bytes(&bytes).is_ok_and(|p| p.kind == kind && p.value == [9; 32])
            );
        }
        let mut bytes = Preamble { kind: LinkKind::Relay, value: [0; 32] }.to_bytes();
        bytes[2] = 2;
        assert_eq!(Preamble::from_bytes(&bytes).err(), Some(FrameError::Version(2)));
        bytes[2] = VERSION;
        bytes[3] = 0;
        assert_eq!(Preamble::from_bytes(&bytes).err(), Some(FrameError::Kind(0)));
        assert_eq!(
            Preamble::from_bytes(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r").err(),
            Some(FrameError::Foreign)
        );
    }
}
