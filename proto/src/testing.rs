//! What tests of several modules share.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

use std::convert::Infallible;
use std::io::Write;

use rand_core::{TryCryptoRng, TryRng};

/// An RSA key of 3072 bits in PKCS#8, made once: tests would spend most of their time making such keys.
pub(crate) const RSA_KEY: &[u8] = include_bytes!("../testdata/rsa-3072.pk8");

/// Randomness that can be had twice: SHA-256 over a seed and a count.
#[derive(Clone)]
pub(crate) struct Seeded {
    seed: u64,
    count: u64,
}

impl Seeded {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    fn block(&mut self) -> [u8; 32] {
        self.count += 1;
        crate::keys::hash(&[&self.seed.to_be_bytes(), &self.count.to_be_bytes()])
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(*self.block().first_chunk().unwrap()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(*self.block().first_chunk().unwrap()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for part in bytes.chunks_mut(32) {
            part.copy_from_slice(&self.block()[..part.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}

/// A file of published vectors beside the project. Where it is absent the test says so and goes on.
pub(crate) fn shared_vectors(name: &str) -> Option<serde_json::Value> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors").join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            // Not by a macro, whose output a passing test does not show.
            let words = format!("skipped: {name} is not there\n");
            std::io::stderr().write_all(words.as_bytes()).unwrap();
            None
        }
    }
}

/// The bytes that a hexadecimal member of a JSON object stands for.
pub(crate) fn hex(value: &serde_json::Value, name: &str) -> Vec<u8> {
    crate::text::from_hex(value[name].as_str().unwrap()).unwrap()
}
