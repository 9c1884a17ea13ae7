//! The vectors, file by file. Each part checks with its own few lines of HKDF, HMAC and SHA-256 that the values it writes
//! lead to what the product sent, so that the files are no mere echo.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "checked by running it")]

mod catalogue;
mod control;
mod derive;
mod direct;
mod handshake;
mod objects;
mod sealing;
mod session;
mod statements;
mod world;

use serde_json::{Value, json};

/// Name and content of each file.
pub fn files() -> Vec<(&'static str, String)> {
    let files: [(&str, Value); 11] = [
        ("catalogue.json", catalogue::vectors()),
        ("control.json", control::vectors()),
        ("direct.json", direct::vectors()),
        ("handshake-hybrid.json", handshake::vectors(handshake::HYBRID)),
        ("handshake-rsa.json", handshake::vectors(handshake::RSA)),
        ("handshake-x25519.json", handshake::vectors(handshake::X25519)),
        ("keys.json", derive::vectors()),
        ("objects.json", objects::vectors()),
        ("sealing.json", sealing::vectors()),
        ("session.json", session::vectors()),
        ("statements.json", statements::vectors()),
    ];
    files.map(|(name, value)| (name, serde_json::to_string_pretty(&value).unwrap() + "\n")).to_vec()
}

fn hex(bytes: impl AsRef<[u8]>) -> Value {
    json!(sealift_proto::text::hex(bytes.as_ref()))
}
