//! The sealed format by itself, and padding.

use sealift_proto::{
    padme,
    seal::{self, SealKey},
};
use serde_json::{Value, json};

use super::{derive::sha256, hex, world};

const KEY: [u8; 32] = [9; 32];
const CONTEXT: &[u8] = b"context";

pub fn vectors() -> Value {
    let lengths = [0, 1, 100, 16_383, 16_384, 40_000];
    let sizes = [0, 1, 8, 9, 15, 100, 105, 1000, 65_537, 1_048_577];
    let contents = ["", "a", "some content of forty-one bytes in length"];
    json!({
        "cobblestone": lengths.map(message),
        "padme": sizes.map(|len| json!({ "length": len, "padded": padme::padded_len(len) })),
        "padding": contents.map(padded),
    })
}

fn padded(content: &str) -> Value {
    json!({ "content": hex(content), "padded": hex(padme::pad(content.as_bytes()).unwrap()) })
}

/// The plaintext's byte number `i` is `i mod 251`; a long message is given by its hash.
fn message(len: u32) -> Value {
    let plaintext: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let message = seal::seal(&SealKey::new(KEY), CONTEXT, world::SEAL_SALT, &plaintext);
    let mut value = json!({
        "key": hex(KEY),
        "context": hex(CONTEXT),
        "salt": hex(world::SEAL_SALT),
        "plaintext_length": len,
        "plaintext_bytes": "i mod 251",
        "message_length": message.len(),
        "message_sha256": hex(sha256(&[&message])),
    });
    if len <= 100 {
        value["plaintext"] = hex(&plaintext);
        value["message"] = hex(&message);
    }
    value
}
