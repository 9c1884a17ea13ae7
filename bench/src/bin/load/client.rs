//! Devices with real certificates, and control connections on which they say whatever a row wants.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use sealift_proto::codec::{self, Extensions, List};
use sealift_proto::control::{
    Address, FromRelay, Hello, HelloBody, Purpose, Refusal, ToRelay, Welcome,
};
use sealift_proto::features::Features;
use sealift_proto::frame::{self, ALPN, EXPORTER_LABEL, LinkKind, Preamble, VERSION};
use sealift_proto::identity::{DeviceId, SecretKey, Signed};
use sealift_proto::space::{Certificate, Chain, Role, SpaceId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longest that anything may take that a row waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Why a device did not get what it asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The relay said no.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The stream ended or failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The relay said something else.
    #[error("an answer that does not fit: {0}")]
    Other(String),
    /// Nothing came for [`PATIENCE`].
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Slow,
}

/// A space and the key that signs for it.
pub(crate) struct Space {
    owner: SecretKey,
}

/// A member: its key, and how it belongs to the space.
#[derive(Clone)]
pub(crate) struct Device {
    key: Arc<SecretKey>,
    chain: Chain,
}

/// 32 bytes that differ for each pair of numbers.
fn seed(kind: u64, number: u64) -> [u8; 32] {
    let mut seed = [0x5e; 32];
    seed[..8].copy_from_slice(&kind.to_le_bytes());
    seed[8..16].copy_from_slice(&number.to_le_bytes());
    seed
}

impl Space {
    /// The space of this number.
    pub(crate) fn new(number: u64) -> Self {
        Self { owner: SecretKey::from_seed(seed(number, u64::MAX)) }
    }

    /// Its id.
    pub(crate) fn id(&self) -> SpaceId {
        SpaceId::derive(&self.owner.id(), &[0; 16])
    }

    /// The member of this number, with a certificate from the owner.
    pub(crate) fn device(&self, number: u64) -> Device {
        let owner = u64::from_le_bytes(self.owner.seed()[..8].try_into().unwrap_or_default());
        let key = SecretKey::from_seed(seed(owner, number));
        let mut serial = [0; 16];
        serial[..8].copy_from_slice(&number.to_le_bytes());
        let certificate = Certificate {
            version: VERSION,
            space: self.id(),
            subject: key.id(),
            role: Role::BOTH,
            depth_left: 0,
            uses: 0,
            not_after: u64::MAX,
            serial,
            extensions: Extensions::default(),
        };
        let signed = Signed::sign(certificate, &self.owner).expect("a certificate fits");
        let certificates = List::new(vec![signed]).expect("one fits");
        let chain = Chain { owner: self.owner.id(), salt: [0; 16], certificates };
        Device { key: Arc::new(key), chain }
    }
}

impl Device {
    /// Its id.
    pub(crate) fn id(&self) -> DeviceId {
        self.key.id()
    }

    /// Its key.
    pub(crate) fn key(&self) -> &SecretKey {
        &self.key
    }

    fn hello(&self, serving: bool, exporter: &[u8; 32]) -> ToRelay {
        let body = HelloBody {
            versions: List::new(vec![VERSION]).expect("one fits"),
            device: self.id(),
            purpose: Purpose::Member { chain: self.chain.clone(), serving },
            features: Features::OWN,
            extensions: Extensions::default(),
        };
        ToRelay::Hello(Hello::sign(&body, exporter, &self.key).expect("a Hello fits"))
    }
}

/// One of many loopback addresses: a device that no other shares an address with.
pub(crate) fn source(number: u64) -> Ipv4Addr {
    // 127.1.0.1 and up, so that 127.0.0.x stays for those who do not ask.
    Ipv4Addr::from(0x7f01_0001 + u32::try_from(number % 0x00f0_0000).unwrap_or(0))
}

/// Connects to the relay from a loopback address.
pub(crate) async fn tcp(relay: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(relay).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A TLS connection to the relay; whatever key it shows is taken, as long as it holds that key.
pub(crate) async fn tls(relay: SocketAddr, from: Ipv4Addr) -> io::Result<TlsStream<TcpStream>> {
    let stream = tcp(relay, from).await?;
    let name = ServerName::from(relay.ip());
    TlsConnector::from(client_config()).connect(name, stream).await
}

/// TLS as devices speak it.
pub(crate) fn client_config() -> Arc<ClientConfig> {
    static CONFIG: std::sync::OnceLock<Arc<ClientConfig>> = std::sync::OnceLock::new();
    let make = || {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3 is there")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    };
    Arc::clone(CONFIG.get_or_init(make))
}

/// A control connection of a member.
pub(crate) struct Client {
    stream: TlsStream<TcpStream>,
    /// What the relay said first.
    pub(crate) welcome: Welcome,
    device: DeviceId,
}

impl Client {
    /// Connects `device` and says Hello.
    pub(crate) async fn connect(
        relay: SocketAddr,
        from: Ipv4Addr,
        device: &Device,
        serving: bool,
    ) -> Result<Self, Failed> {
        let all = Self::greet(relay, from, device, serving);
        tokio::time::timeout(PATIENCE, all).await.unwrap_or(Err(Failed::Slow))
    }

    async fn greet(
        relay: SocketAddr,
        from: Ipv4Addr,
        device: &Device,
        serving: bool,
    ) -> Result<Self, Failed> {
        let mut stream = tls(relay, from).await?;
        let session = stream.get_ref().1;
        let exporter = session
            .export_keying_material([0; 32], EXPORTER_LABEL, None)
            .map_err(io::Error::other)?;
        write(&mut stream, &device.hello(serving, &exporter)).await?;
        match read(&mut stream).await? {
            FromRelay::Welcome(welcome) => Ok(Self { stream, welcome, device: device.id() }),
            FromRelay::Refused(why) => Err(Failed::Refused(why)),
            other => Err(Failed::Other(format!("{other:?}"))),
        }
    }

    /// How others reach this connection.
    pub(crate) const fn address(&self) -> Address {
        Address { device: self.device, connection: self.welcome.connection }
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, message: &ToRelay) -> io::Result<()> {
        write(&mut self.stream, message).await
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The next message; signs of life are given meanwhile.
    pub(crate) async fn receive(&mut self) -> Result<FromRelay, Failed> {
        let next = async {
            loop {
                match read(&mut self.stream).await? {
                    FromRelay::Ping { nonce } => self.send(&ToRelay::Pong { nonce }).await?,
                    FromRelay::Refused(why) => return Err(Failed::Refused(why)),
                    other => return Ok(other),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.unwrap_or(Err(Failed::Slow))
    }

    /// Asks for a link to `to` and says what the relay answers.
    pub(crate) async fn ask_link(&mut self, to: Address, tag: u64) -> Result<(), Failed> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&tag.to_le_bytes());
        Ok(self.send(&ToRelay::OpenLink { to, tag: bytes }).await?)
    }

    /// The next ticket for a link and the number behind it; news that come before are left out.
    pub(crate) async fn ticket(&mut self) -> Result<([u8; 32], u64), Failed> {
        loop {
            match self.receive().await? {
                FromRelay::LinkTicket { ticket, tag, .. } => {
                    let number = u64::from_le_bytes(tag[..8].try_into().unwrap_or_default());
                    return Ok((ticket, number));
                }
                FromRelay::Undeliverable { why, .. } => return Err(Failed::Refused(why)),
                _ => {}
            }
        }
    }

    /// Does nothing but give signs of life, until the connection ends.
    pub(crate) async fn idle(mut self) -> Failed {
        loop {
            let step = match read(&mut self.stream).await {
                Ok(FromRelay::Ping { nonce }) => self.send(&ToRelay::Pong { nonce }).await,
                Ok(FromRelay::Refused(why)) => return Failed::Refused(why),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = step {
                return error.into();
            }
        }
    }

    /// Stops reading and writing, and leaves the connection open.
    pub(crate) fn into_silence(self) -> TlsStream<TcpStream> {
        self.stream
    }
}

/// This side's half of a link.
pub(crate) async fn half(
    relay: SocketAddr,
    from: Ipv4Addr,
    ticket: [u8; 32],
) -> io::Result<TcpStream> {
    let mut stream = tcp(relay, from).await?;
    let preamble = Preamble { kind: LinkKind::Relay, value: ticket };
    stream.write_all(&preamble.to_bytes()).await?;
    Ok(stream)
}

async fn write(stream: &mut TlsStream<TcpStream>, message: &ToRelay) -> io::Result<()> {
    let bytes = frame::frame(&codec::encode(message)).map_err(io::Error::other)?;
    stream.write_all(&bytes).await?;
    stream.flush().await
}

async fn read(stream: &mut TlsStream<TcpStream>) -> io::Result<FromRelay> {
    let mut header = [0; frame::FRAME_HEADER];
    stream.read_exact(&mut header).await?;
    let mut body = vec![0; frame::body_len(header).map_err(io::Error::other)?];
    stream.read_exact(&mut body).await?;
    codec::decode(&body).map_err(io::Error::other)
}

/// Takes any certificate whose key is proven: the pin is not what is measured here.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("not TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
