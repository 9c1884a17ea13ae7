//! TLS to the relay: version 1.3, the relay known by the hash of its key alone.

use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use sealift_platform::sync::lock;
use sealift_proto::frame::{ALPN, EXPORTER_LABEL};
use sha2::{Digest, Sha256};

/// Pin of a relay's key: the first 16 bytes of the SHA-256 of its SubjectPublicKeyInfo (DER).
pub type Pin = [u8; 16];

/// Checks that the relay has the key with the expected pin, and remembers the pin it showed. Dates and names in the
/// certificate mean nothing: the key is the relay.
#[derive(Debug)]
pub(super) struct PinVerifier {
    expected: Option<Pin>,
    seen: Mutex<Option<Pin>>,
    provider: Arc<CryptoProvider>,
}

impl PinVerifier {
    /// Pin of the key that the relay showed, whether or not it was the expected one.
    pub(super) fn seen(&self) -> Option<Pin> {
        *lock(&self.seen)
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pin = pin_of(end_entity)?;
        *lock(&self.seen) = Some(pin);
        match self.expected {
            Some(expected) if expected != pin => {
                Err(Error::General("another key than the pin names".into()))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// For TLS whose other side proves in some other way who it is: takes every key, but the other side must have it.
pub(crate) fn any_key() -> Arc<dyn ServerCertVerifier> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    Arc::new(PinVerifier { expected: None, seen: Mutex::new(None), provider })
}

fn pin_of(certificate: &CertificateDer<'_>) -> Result<Pin, Error> {
    let certificate = webpki::EndEntityCert::try_from(certificate)
        .map_err(|_| Error::General("the relay's certificate cannot be read".into()))?;
    let hash = Sha256::digest(certificate.subject_public_key_info());
    let mut pin = [0; 16];
    pin.copy_from_slice(&hash[..16]);
    Ok(pin)
}

/// Configuration for one connection to a relay whose key must have `expected`, or any key where none is known yet.
pub(super) fn config(
    expected: Option<Pin>,
) -> Result<(Arc<ClientConfig>, Arc<PinVerifier>), Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        Arc::new(PinVerifier { expected, seen: Mutex::new(None), provider: provider.clone() });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok((Arc::new(config), verifier))
}

/// The value of this TLS connection that a Hello signs.
pub(super) fn exporter(connection: &rustls::ClientConnection) -> Result<[u8; 32], Error> {
    connection.export_keying_material([0; 32], EXPORTER_LABEL, None)
}
