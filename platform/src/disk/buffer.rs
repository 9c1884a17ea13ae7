//! Memory from which content may go to a disk as it lies.

use std::ops::{Deref, DerefMut};

/// Content whose place in memory and in the file, and whose length, are multiples of this may pass by the system's cache.
pub const BLOCK: usize = 4096;

/// Bytes in memory, at an address that is a multiple of [`BLOCK`] unless they were a plain vector before.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// Room for `len` bytes, zeros.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let bytes = vec![0; len + BLOCK];
        let start = bytes.as_ptr().align_offset(BLOCK).min(BLOCK);
        Self { bytes, start, len }
    }

    /// Makes it `len` bytes long, whatever they are.
    pub fn reuse(&mut self, len: usize) {
        if self.start + len <= self.bytes.len() {
            self.len = len;
        } else {
            *self = Self::new(len);
        }
    }

    /// How long it can be made without new memory.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.bytes.len() - self.start
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { start: 0, len: bytes.len(), bytes }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_and_used_again() {
        let mut buffer = Buffer::new(3 * BLOCK);
        let place = buffer.as_ptr();
        assert_eq!((place.align_offset(BLOCK), buffer.len()), (0, 3 * BLOCK));
        buffer[7] = 9;
        for len in [0, 5, 3 * BLOCK] {
            buffer.reuse(len);
            assert_eq!((buffer.as_ptr(), buffer.len()), (place, len));
        }
        assert_eq!(buffer[7], 9);
        buffer.reuse(9 * BLOCK);
        assert_eq!((buffer.as_ptr().align_offset(BLOCK), buffer.len()), (0, 9 * BLOCK));
        assert_eq!(&*Buffer::from(vec![1, 2, 3]), [1, 2, 3]);
    }
}
