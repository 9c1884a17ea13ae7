//! Padding that hides most of a length (PROTOCOL.md section 7): `u32 true length ‖ content ‖ zeros`, up to a Padmé size.
//!
//! Padmé sizes (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PoPETs 2019, section 4) are those whose
//! binary form has its ones in the first few places: a length of any magnitude shows only O(log log) bits of itself and
//! costs at most 12 % more.

/// Bytes of the true length.
const LENGTH_LEN: usize = 4;

/// Content that cannot be padded, or padding that is not what this content gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed padding")]
pub struct PaddingError;

/// The smallest Padmé size of at least `len`.
#[must_use]
pub const fn padded_len(len: usize) -> usize {
    let Some(exponent) = len.checked_ilog2() else { return 0 };
    let Some(log) = exponent.checked_ilog2() else { return len };
    let mask = (1 << (exponent - log - 1)) - 1;
    len.saturating_add(mask) & !mask
}

/// Pads `content`.
///
/// # Errors
/// [`PaddingError`] from 4 GiB on.
pub fn pad(content: &[u8]) -> Result<Vec<u8>, PaddingError> {
    let len = u32::try_from(content.len()).map_err(|_| PaddingError)?;
    let mut padded = Vec::with_capacity(padded_len(LENGTH_LEN + content.len()));
    padded.extend_from_slice(&len.to_be_bytes());
    padded.extend_from_slice(content);
    padded.resize(padded_len(LENGTH_LEN + content.len()), 0);
    Ok(padded)
}

/// The content within `padded`.
///
/// # Errors
/// [`PaddingError`] unless [`pad`] of this content gives these very bytes.
pub fn unpad(padded: &[u8]) -> Result<&[u8], PaddingError> {
    let (len, rest) = padded.split_first_chunk::<LENGTH_LEN>().ok_or(PaddingError)?;
    let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| PaddingError)?;
    let (content, zeros) = rest.split_at_checked(len).ok_or(PaddingError)?;
    let right_size = padded_len(LENGTH_LEN + len) == padded.len();
    if right_size && zeros.iter().all(|byte| *byte == 0) { Ok(content) } else { Err(PaddingError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_paper() {
        for (len, padded) in
            [(0, 0), (1, 1), (2, 2), (3, 3), (8, 8), (9, 10), (15, 16), (100, 104), (1000, 1024)]
        {
            assert_eq!(padded_len(len), padded, "{len}");
        }
        assert_eq!(padded_len(1 << 20), 1 << 20);
        assert_eq!(padded_len((1 << 20) + 1), (1 << 20) + (1 << 15));
    }

    #[test]
    fn sizes_are_fixed_points_and_cost_little() {
        for len in 1..100_000 {
            let padded = padded_len(len);
            assert!(padded >= len && padded * 100 <= len * 112, "{len}");
            assert_eq!(padded_len(padded), padded, "{len}");
        }
    }

    #[test]
    fn content_comes_back() {
        for len in 0..3000 {
            let content = vec![0xaa; len];
            assert_eq!(unpad(&pad(&content).unwrap()), Ok(&content[..]));
        }
    }

    #[test]
    fn only_the_one_padding_is_accepted() {
        let padded = pad(&[1; 101]).unwrap();
        assert_eq!(padded.len(), 112);
        assert!(unpad(&padded[..111]).is_err());
        assert!(unpad(&[&padded[..], &[0]].concat()).is_err());
        for at in 105..112 {
            let mut altered = padded.clone();
            altered[at] = 1;
            assert!(unpad(&altered).is_err());
        }
        for len in [0, 92, 100, 109, 1 << 20, u32::MAX] {
            let mut altered = padded.clone();
            altered[..4].copy_from_slice(&len.to_be_bytes());
            assert!(unpad(&altered).is_err(), "{len}");
        }
        assert!(unpad(&[0, 0, 0]).is_err());
    }
}
