//! Strict encoding (PROTOCOL.md section 2): postcard with one valid form for each value.
//!
//! postcard alone accepts trailing bytes and integers with superfluous bytes. Everything received is decoded here: nothing
//! may be left over, and encoding the value again must give the very bytes that came in. No wire type is recursive and
//! no list has elements of zero size, so that a short input cannot cost much time or memory.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use crate::limits::{EXTENSION_MAX, EXTENSIONS_MAX};

/// Why bytes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Not an encoding of this type.
    #[error("malformed")]
    Malformed,
    /// Bytes left over behind the value.
    #[error("trailing bytes")]
    Trailing,
    /// A second encoding of a value that has a shorter one.
    #[error("not canonical")]
    NotCanonical,
    /// Over the limit for this kind of bytes.
    #[error("too long")]
    TooLong,
}

/// Encodes `value`.
///
/// # Panics
/// Never for wire types: they hold no map of unknown length and no unsupported type.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("wire types have known lengths")
}

/// Decodes exactly one value from `bytes`.
///
/// # Errors
/// When the bytes are anything but the one encoding of a value of this type.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    #[allow(clippy::disallowed_methods, reason = "this is the strict wrapper")]
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|_| CodecError::Malformed)?;
    if !rest.is_empty() {
        return Err(CodecError::Trailing);
    }
    if encode(&value) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Bytes of at most `MAX`, encoded as length and content.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Bytes<MAX> {
    /// Takes `bytes`.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] over `MAX`.
    pub fn new(bytes: Vec<u8>) -> Result<Self, CodecError> {
        if bytes.len() > MAX { Err(CodecError::TooLong) } else { Ok(Self(bytes)) }
    }

    /// Gives the bytes away.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> std::ops::Deref for Bytes<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> std::fmt::Debug for Bytes<MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<const MAX: usize> Serialize for Bytes<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Bytes<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<const MAX: usize>;
        impl<const MAX: usize> serde::de::Visitor<'_> for Visitor<MAX> {
            type Value = Bytes<MAX>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "at most {MAX} bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Bytes::new(bytes.to_vec()).map_err(E::custom)
            }
        }
        deserializer.deserialize_bytes(Visitor::<MAX>)
    }
}

/// A list of at most `MAX` values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    /// Takes `values`.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] over `MAX`.
    pub fn new(values: Vec<T>) -> Result<Self, CodecError> {
        if values.len() > MAX { Err(CodecError::TooLong) } else { Ok(Self(values)) }
    }

    /// Gives the values away.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> std::ops::Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T, const MAX: usize>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> serde::de::Visitor<'de> for Visitor<T, MAX> {
            type Value = List<T, MAX>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "at most {MAX} values")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Self::Value, A::Error> {
                // The claimed count is refused before a single element is read.
                if seq.size_hint().is_some_and(|count| count > MAX) {
                    return Err(serde::de::Error::custom(CodecError::TooLong));
                }
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    if values.len() == MAX {
                        return Err(serde::de::Error::custom(CodecError::TooLong));
                    }
                    values.push(value);
                }
                Ok(List(values))
            }
        }
        deserializer.deserialize_seq(Visitor::<T, MAX>(std::marker::PhantomData))
    }
}

/// An array of `N` bytes, encoded as just those bytes.
pub mod array {
    use serde::{Deserializer, Serializer, de::SeqAccess, ser::SerializeTuple};

    /// Writes the bytes.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in bytes {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }

    /// Reads `N` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        struct Visitor<const N: usize>;
        impl<'de, const N: usize> serde::de::Visitor<'de> for Visitor<N> {
            type Value = [u8; N];
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{N} bytes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<[u8; N], A::Error> {
                let mut bytes = [0; N];
                for (index, byte) in bytes.iter_mut().enumerate() {
                    *byte = seq
                        .next_element()?
                        .ok_or_else(|| serde::de::Error::invalid_length(index, &self))?;
                }
                Ok(bytes)
            }
        }
        deserializer.deserialize_tuple(N, Visitor::<N>)
    }
}

/// Numbered additions at the end of a message (PROTOCOL.md section 2.2): numbers strictly rising. A reader that does not
/// know an odd number ignores it; one that does not know an even number refuses the message. No even one is defined yet, so
/// a list decodes only if all its numbers are odd.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Extensions(List<(u32, Bytes<EXTENSION_MAX>), EXTENSIONS_MAX>);

impl Extensions {
    /// Makes a list.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] when it is not sorted or has an even number.
    pub fn new(
        list: List<(u32, Bytes<EXTENSION_MAX>), EXTENSIONS_MAX>,
    ) -> Result<Self, CodecError> {
        let rising = list.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let known = list.iter().all(|(number, _)| number % 2 == 1);
        if rising && known { Ok(Self(list)) } else { Err(CodecError::Malformed) }
    }

    /// The addition of this number, if there is one.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&[u8]> {
        self.0.iter().find(|(found, _)| *found == number).map(|(_, bytes)| &**bytes)
    }
}

impl<'de> Deserialize<'de> for Extensions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(List::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_trailing_bytes_and_long_integers() {
        assert_eq!(decode::<u32>(&[5]), Ok(5));
        assert_eq!(decode::<u32>(&[5, 0]), Err(CodecError::Trailing));
        assert_eq!(decode::<u32>(&[0x85, 0]), Err(CodecError::NotCanonical));
        assert_eq!(decode::<bool>(&[2]), Err(CodecError::Malformed));
        assert_eq!(decode::<String>(&[2, 0xc3, 0x28]), Err(CodecError::Malformed));
        assert_eq!(decode::<String>(&[3, 0xed, 0xa0, 0x80]), Err(CodecError::Malformed));
    }

    #[test]
    fn refuses_huge_counts_at_once() {
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(decode::<List<u64, 16>>(&huge), Err(CodecError::Malformed));
        assert_eq!(decode::<Bytes<16>>(&huge), Err(CodecError::Malformed));
        assert_eq!(decode::<String>(&huge), Err(CodecError::Malformed));
    }

    #[test]
    fn bounds_hold_on_both_sides() {
        assert!(Bytes::<2>::new(vec![0; 3]).is_err());
        assert!(decode::<Bytes<2>>(&encode(&Bytes::<3>(vec![0; 3]))).is_err());
        assert!(decode::<List<u8, 2>>(&encode(&List::<u8, 3>(vec![0; 3]))).is_err());
        assert_eq!(encode(&Bytes::<4>(vec![7, 8])), [2, 7, 8]);
    }

    #[test]
    fn extensions_rise_and_even_ones_are_refused() {
        let list = |numbers: &[u32]| {
            encode(&List::<(u32, Bytes<1024>), 16>(
                numbers.iter().map(|n| (*n, Bytes(vec![1]))).collect(),
            ))
        };
        assert!(decode::<Extensions>(&list(&[])).is_ok());
        assert!(decode::<Extensions>(&list(&[1, 3])).is_ok());
        assert!(decode::<Extensions>(&list(&[3, 1])).is_err());
        assert!(decode::<Extensions>(&list(&[1, 1])).is_err());
        assert!(decode::<Extensions>(&list(&[2])).is_err());
    }
}
