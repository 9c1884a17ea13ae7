//! What the targets share: the readers and the played session of proto's everyday tests.

#[path = "../proto/tests/hostile/decoders.rs"]
mod decoders;
#[path = "../proto/tests/hostile/session.rs"]
mod session;

/// Lets the reader called `name` read `bytes`.
pub fn decode(name: &str, bytes: &[u8]) {
    decoders::decoder(name)(bytes);
}

/// Plays a session over a relay that does what `bytes` say.
pub fn play(bytes: &[u8]) {
    session::play(bytes);
}
