//! Randomness for keys, nonces and salts.

use rand::TryRng;
use rand::rngs::SysRng;

/// Fills buffers with unpredictable bytes.
pub trait Random: Send + Sync {
    /// Fills `out`. Ends the process if the system has no randomness to give: going on without would mean known keys.
    fn fill(&self, out: &mut [u8]);
}

impl dyn Random + '_ {
    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }
}

/// The generator of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) {
        if let Err(error) = SysRng.try_fill_bytes(out) {
            eprintln!(
                "the operating system gave no random bytes ({error}); stopping, because keys would be guessable"
            );
            std::process::abort();
        }
    }
}

/// Lends a [`Random`] to code that takes a `rand_core` generator.
pub struct RandomRng<'a>(pub &'a dyn Random);

impl TryRng for RandomRng<'_> {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(u32::from_le_bytes(self.0.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(u64::from_le_bytes(self.0.bytes()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(out);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for RandomRng<'_> {}
