//! A server's identity: its key, which a pin names, and TLS with it (PROTOCOL.md section 5.1).

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

use sealift_platform::disk::{Root, give_name, read_all};
use sealift_platform::random::Random;
use sealift_proto::frame::ALPN;
use sealift_proto::identity::SecretKey;
use sealift_proto::text::{base32, from_base32};

use crate::Program;

/// Name in the certificate. Nobody checks it: clients know the key.
const NAME: &str = "sealift.invalid";
/// An Ed25519 private key in PKCS#8 (RFC 8410 section 7), up to its 32 bytes.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// An Ed25519 public key as SubjectPublicKeyInfo (RFC 8410 section 4), up to its 32 bytes.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Why a server has no identity.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("{}: {error}", .program.key_file())]
    Disk {
        /// Whose key it is.
        program: Program,
        /// What the disk says.
        error: io::Error,
    },
    /// The file is not what was written.
    #[error(
        "{} is damaged: restore it from a backup. Without it every client refuses this {}; to start as another \
         one, move it and the store away", .0.key_file(), .0.name
    )]
    Damaged(Program),
    /// The file is gone, but the server has been used.
    #[error(
        "{} is missing, though this {} has been used: restore it from a backup. Without it every client refuses \
         this {}; to start as another one, move the store away too", .0.key_file(), .0.name, .0.name
    )]
    Missing(Program),
    /// TLS cannot be set up with it.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

impl KeyError {
    /// The kind of fault of the disk, if that is what is wrong.
    #[must_use]
    pub fn disk_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Disk { error, .. } => Some(error.kind()),
            _ => None,
        }
    }
}

/// What a server is known by.
pub struct Identity {
    /// Names its key.
    pub pin: [u8; 16],
    /// TLS with that key.
    pub tls: Arc<ServerConfig>,
}

impl Identity {
    /// Reads the key, or makes it if `new`: a server that was used before never gets another one by itself.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(
        program: Program,
        root: &dyn Root,
        random: &dyn Random,
        new: bool,
    ) -> Result<Self, KeyError> {
        let name = program.key_file();
        let path = Path::new(&name);
        let file = match KeyFile::read(program, root, path) {
            Err(error) if error.disk_kind() == Some(io::ErrorKind::NotFound) => {
                if !new {
                    return Err(KeyError::Missing(program));
                }
                let made = KeyFile { program, key: SecretKey::from_seed(random.bytes()) };
                made.write(root, path)?;
                made
            }
            read => read?,
        };
        let tls = Arc::new(server_config(&file.key).map_err(KeyError::Tls)?);
        Ok(Self { pin: file.pin(), tls })
    }
}

/// The first 16 bytes of the SHA-256 of the SubjectPublicKeyInfo.
fn pin(key: &SecretKey) -> [u8; 16] {
    let hash: [u8; 32] =
        Sha256::new().chain_update(SPKI).chain_update(key.id().as_bytes()).finalize().into();
    let mut pin = [0; 16];
    pin.copy_from_slice(&hash[..16]);
    pin
}

/// A key as it lies on disk.
pub struct KeyFile {
    program: Program,
    key: SecretKey,
}

impl KeyFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub fn read(program: Program, root: &dyn Root, path: &Path) -> Result<Self, KeyError> {
        let bytes = read_all(root, path, 1024).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => KeyError::Damaged(program),
            _ => KeyError::Disk { program, error },
        })?;
        let key = parse(&program.key_title(), &bytes).ok_or(KeyError::Damaged(program))?;
        Ok(Self { program, key })
    }

    /// Makes the file at `path` in one step, so that there is never a part of one, nor another one replaced.
    ///
    /// # Errors
    /// When the disk refuses, or something is there.
    pub fn write(&self, root: &dyn Root, path: &Path) -> Result<(), KeyError> {
        self.put(root, path).map_err(|error| KeyError::Disk { program: self.program, error })
    }

    fn put(&self, root: &dyn Root, path: &Path) -> io::Result<()> {
        let Self { program, key } = self;
        let title = program.key_title();
        let text = format!("{title}\nseed {}\npin {}\n", base32(key.seed()), base32(&pin(key)));
        let temporary = format!(".{}.new", program.key_file());
        let temporary = Path::new(&temporary);
        match root.remove(temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = root.create(temporary, true)?;
        file.write_all_at(text.as_bytes(), 0)?;
        file.sync()?;
        if let Err(error) = give_name(root, temporary, path) {
            // What could not be put in place is a secret in the wrong one.
            let _ = root.remove(temporary);
            return Err(error);
        }
        root.sync_folder(Path::new(""))
    }

    /// What clients know it by.
    #[must_use]
    pub fn pin(&self) -> [u8; 16] {
        pin(&self.key)
    }
}

/// The pin in the file shows that the seed is the one that was written.
fn parse(wanted: &str, bytes: &[u8]) -> Option<SecretKey> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    let title = lines.next()?;
    let seed = lines.next()?.strip_prefix("seed ")?;
    let told = lines.next()?.strip_prefix("pin ")?;
    let key = SecretKey::from_seed(from_base32(seed)?);
    let whole = title == wanted && lines.next().is_none();
    (whole && from_base32(told)? == pin(&key)).then_some(key)
}

fn server_config(key: &SecretKey) -> Result<ServerConfig, String> {
    let der = PrivatePkcs8KeyDer::from([&PKCS8[..], key.seed()].concat());
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519)
        .map_err(|error| error.to_string())?;
    let certificate = rcgen::CertificateParams::new(vec![NAME.to_owned()])
        .and_then(|params| params.self_signed(&pair))
        .map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(der))
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Every connection proves everything anew; nothing is kept for resuming it.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

#[cfg(test)]
mod tests {
    use sealift_platform::disk::{Disk, SystemDisk};
    use sealift_platform::random::SystemRandom;

    use super::*;

    const PROGRAM: Program = Program { name: "relay", detail: "" };
    const FILE: &str = "relay.key";

    #[test]
    fn the_key_is_made_once_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = SystemDisk.open(folder.path()).unwrap();
        let missing = Identity::open(PROGRAM, &*root, &SystemRandom, false).err().unwrap();
        assert!(matches!(missing, KeyError::Missing(_)));
        let first = Identity::open(PROGRAM, &*root, &SystemRandom, true).unwrap();
        let again = Identity::open(PROGRAM, &*root, &SystemRandom, false).unwrap();
        assert_eq!(first.pin, again.pin);
        assert_eq!(root.stat(Path::new(FILE)).unwrap().mode, 0o600);
    }

    #[test]
    fn the_pin_is_the_hash_of_what_the_certificate_shows() {
        let key = SecretKey::from_seed([3; 32]);
        let der = PrivatePkcs8KeyDer::from([&PKCS8[..], key.seed()].concat());
        let pair =
            rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).unwrap();
        let hash = Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&pair));
        assert_eq!(pin(&key), hash[..16]);
    }

    #[test]
    fn a_damaged_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = SystemDisk.open(folder.path()).unwrap();
        Identity::open(PROGRAM, &*root, &SystemRandom, true).unwrap();
        let path = folder.path().join(FILE);
        let good = std::fs::read(&path).unwrap();
        let mut damaged = vec![Vec::new(), good[..good.len() / 2].to_vec(), vec![b'x'; 5000]];
        for at in 0..good.len() - 1 {
            let mut one = good.clone();
            one[at] ^= 1;
            damaged.push(one);
        }
        for bytes in damaged {
            std::fs::write(&path, &bytes).unwrap();
            let error = Identity::open(PROGRAM, &*root, &SystemRandom, true).err().unwrap();
            assert!(matches!(error, KeyError::Damaged(_)), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }
}
