//! A relay in this process, on a port of its own, and a client that says whatever a test wants.
#![allow(clippy::unwrap_used, reason = "it is part of tests")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use sealift_platform::Platform;
use sealift_platform::net::{Net, SystemNet};
use sealift_proto::codec::{self, Bytes, Extensions, List};
use sealift_proto::control::{
    Address, FromRelay, Hello, HelloBody, Purpose, Refusal, ToRelay, Welcome,
};
use sealift_proto::features::Features;
use sealift_proto::frame::{self, ALPN, EXPORTER_LABEL, LinkKind, Preamble};
use sealift_proto::identity::{DeviceId, SecretKey, Signed, Statement};
use sealift_proto::log::{Head, chain_next, chain_start};
use sealift_proto::space::{Card, Certificate, Chain, Role, SerialNumber, SpaceId, SpaceRecord};
use sealift_relay::{Allowed, Config, InForce, Limits, Relay, RelayError};

/// A port to be chosen, at an address of this machine for one relay alone: once that has ended, none of another test answers there.
pub(crate) fn own_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    if !cfg!(target_os = "linux") {
        return ([127, 0, 0, 1], 0).into();
    }
    let [third, fourth] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    ([127, 1, third, fourth], 0).into()
}

pub(crate) struct TestRelay {
    pub(crate) address: SocketAddr,
    pub(crate) pin: [u8; 16],
    limits: Option<InForce>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), RelayError>>,
}

impl TestRelay {
    pub(crate) async fn start(home: &Path, limits: Limits) -> Self {
        Self::start_with(home, limits, Vec::new(), own_address()).await
    }

    pub(crate) async fn start_with(
        home: &Path,
        limits: Limits,
        allowed_spaces: Vec<String>,
        address: SocketAddr,
    ) -> Self {
        let allowed = Allowed { spaces: allowed_spaces, ..Allowed::default() };
        Self::start_config(Config { home: home.to_owned(), limits, allowed }, address).await
    }

    pub(crate) async fn start_config(config: Config, address: SocketAddr) -> Self {
        let listener = SystemNet.listen(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Relay::open(Platform::system(), config).await.unwrap();
        let (pin, limits) = (relay.pin(), Some(relay.limits()));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(relay.serve(vec![listener], async {
            let _ = stopped.await;
        }));
        Self { address, pin, limits, stop: Some(stop), task }
    }

    /// Stands for whatever listens at `address`.
    pub(crate) fn unserved(address: SocketAddr) -> Self {
        let task = tokio::spawn(async { Ok(()) });
        Self { address, pin: [0; 16], limits: None, stop: None, task }
    }

    /// Other limits while it runs.
    pub(crate) fn set_limits(&self, limits: Limits) {
        self.limits.as_ref().expect("a relay that is served").set(limits);
    }

    pub(crate) async fn stop(mut self) {
        self.stop.take();
        self.task.await.unwrap().unwrap();
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub(crate) async fn tls(&self) -> TlsStream<TcpStream> {
        self.tls_with(&[ALPN]).await.unwrap()
    }

    pub(crate) async fn tls_with(&self, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        Self::tls_on(self.tcp().await, alpn).await
    }

    /// A connection from 127.0.0.`last`.
    pub(crate) async fn tcp_from(&self, last: u8) -> TcpStream {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, last], 0).into()).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A Hello from 127.0.0.`last`, and the answer to it.
    pub(crate) async fn hello_from(
        &self,
        last: u8,
        who: &Member,
        serving: bool,
    ) -> (Client, FromRelay) {
        let tls = Self::tls_on(self.tcp_from(last).await, &[ALPN]).await.unwrap();
        Client { tls, welcome: None }.say_hello(who, who.body(serving)).await
    }

    pub(crate) async fn tls_on(
        stream: TcpStream,
        alpn: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    pub(crate) async fn hello(&self, who: &Member, serving: bool) -> (Client, FromRelay) {
        let client = Client { tls: self.tls().await, welcome: None };
        client.say_hello(who, who.body(serving)).await
    }

    pub(crate) async fn connect(&self, who: &Member, serving: bool) -> Client {
        let (client, answer) = self.hello(who, serving).await;
        assert!(matches!(answer, FromRelay::Welcome(_)), "{answer:?}");
        client
    }

    pub(crate) async fn join(&self, key: &SecretKey) -> Client {
        let mut client = Client { tls: self.tls().await, welcome: None };
        let hello = client.sign_hello(body(key, Purpose::Join), key);
        client.send(&hello).await;
        assert!(matches!(client.receive().await, Some(FromRelay::Welcome(_))));
        client
    }

    pub(crate) async fn link(&self, ticket: [u8; 32]) -> TcpStream {
        let mut stream = self.tcp().await;
        let preamble = Preamble { kind: LinkKind::Relay, value: ticket };
        stream.write_all(&preamble.to_bytes()).await.unwrap();
        stream
    }
}

/// Takes any certificate: what it proves is not what these tests are about.
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
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

pub(crate) fn body(key: &SecretKey, purpose: Purpose) -> HelloBody {
    HelloBody {
        versions: List::new(vec![1]).unwrap(),
        device: key.id(),
        purpose,
        features: Features::from_bits(u64::MAX),
        extensions: Extensions::default(),
    }
}

/// A device with a certificate from an owner.
pub(crate) struct Member {
    pub(crate) key: SecretKey,
    pub(crate) chain: Chain,
}

pub(crate) const OWNER: u8 = 1;

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

pub(crate) fn space_of(owner: u8) -> SpaceId {
    SpaceId::derive(&key(owner).id(), &[0; 16])
}

impl Member {
    pub(crate) fn new(owner: u8, seed: u8) -> Self {
        Self::with(owner, seed, |_| {})
    }

    pub(crate) fn with(owner: u8, seed: u8, change: impl FnOnce(&mut Certificate)) -> Self {
        let mut certificate = Certificate {
            version: 1,
            space: space_of(owner),
            subject: key(seed).id(),
            role: Role::BOTH,
            depth_left: 0,
            uses: 0,
            not_after: u64::MAX,
            serial: [seed; 16],
            extensions: Extensions::default(),
        };
        change(&mut certificate);
        let signed = Signed::sign(certificate, &key(owner)).unwrap();
        let certificates = List::new(vec![signed]).unwrap();
        Self {
            key: key(seed),
            chain: Chain { owner: key(owner).id(), salt: [0; 16], certificates },
        }
    }

    pub(crate) fn body(&self, serving: bool) -> HelloBody {
        body(&self.key, Purpose::Member { chain: self.chain.clone(), serving })
    }

    pub(crate) fn id(&self) -> DeviceId {
        self.key.id()
    }

    pub(crate) fn at(&self, connection: u32) -> Address {
        Address { device: self.id(), connection }
    }
}

pub(crate) struct Client {
    pub(crate) tls: TlsStream<TcpStream>,
    pub(crate) welcome: Option<Welcome>,
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

impl Client {
    pub(crate) fn exporter(&self) -> [u8; 32] {
        self.tls.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap()
    }

    pub(crate) fn sign_hello(&self, body: HelloBody, key: &SecretKey) -> ToRelay {
        ToRelay::Hello(Hello::sign(&body, &self.exporter(), key).unwrap())
    }

    pub(crate) async fn say_hello(mut self, who: &Member, body: HelloBody) -> (Self, FromRelay) {
        let hello = self.sign_hello(body, &who.key);
        self.send(&hello).await;
        let answer = self.receive().await.expect("an answer");
        if let FromRelay::Welcome(welcome) = &answer {
            self.welcome = Some(welcome.clone());
        }
        (self, answer)
    }

    pub(crate) fn number(&self) -> u32 {
        self.welcome.as_ref().unwrap().connection
    }

    pub(crate) async fn send(&mut self, message: &ToRelay) {
        self.send_body(&codec::encode(message)).await;
    }

    pub(crate) async fn send_body(&mut self, body: &[u8]) {
        self.tls.write_all(&frame::frame(body).unwrap()).await.unwrap();
        self.tls.flush().await.unwrap();
    }

    /// The next message, signs of life left out; `None` at the end of the connection.
    pub(crate) async fn receive(&mut self) -> Option<FromRelay> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("something within 10 s")
    }

    async fn read(&mut self) -> Option<FromRelay> {
        loop {
            let mut header = [0; 4];
            self.tls.read_exact(&mut header).await.ok()?;
            let mut body = vec![0; frame::body_len(header).unwrap()];
            self.tls.read_exact(&mut body).await.ok()?;
            match codec::decode(&body).unwrap() {
                FromRelay::Ping { nonce } => self.send(&ToRelay::Pong { nonce }).await,
                other => return Some(other),
            }
        }
    }

    pub(crate) async fn ask(&mut self, message: &ToRelay) -> FromRelay {
        self.send(message).await;
        self.receive().await.expect("an answer")
    }

    /// That the relay ends, and says so first.
    pub(crate) async fn is_left(&mut self) {
        let leaving = self.receive().await;
        assert!(matches!(leaving, Some(FromRelay::Leaving { .. })), "{leaving:?}");
        self.ends_with(Refusal::Shutdown).await;
    }

    /// That nothing else comes: an answer to a Ping is the next thing.
    pub(crate) async fn nothing_more(&mut self) {
        assert_eq!(self.ask(&ToRelay::Ping { nonce: 7 }).await, FromRelay::Pong { nonce: 7 });
    }

    pub(crate) async fn ends_with(&mut self, why: Refusal) {
        assert_eq!(self.receive().await, Some(FromRelay::Refused(why)));
        assert_eq!(self.receive().await, None);
    }
}

pub(crate) fn forward(to: Address, body: &[u8]) -> ToRelay {
    ToRelay::Forward { to, body: Bytes::new(body.to_vec()).unwrap() }
}

pub(crate) fn deliver(from: Address, body: &[u8]) -> FromRelay {
    FromRelay::Deliver { from, body: Bytes::new(body.to_vec()).unwrap() }
}

pub(crate) fn publish(request: u32, log: u16, follows: Option<&[u8]>, statement: &[u8]) -> ToRelay {
    let follows = follows.map(sealift_proto::log::statement_hash);
    ToRelay::Publish { request, log, follows, statement: Bytes::new(statement.to_vec()).unwrap() }
}

pub(crate) fn signed<T: Statement>(value: T, key: &SecretKey) -> Vec<u8> {
    Signed::sign(value, key).unwrap().to_bytes()
}

pub(crate) fn record(number: u64, removed: &[u8]) -> Vec<u8> {
    let removed = removed.iter().map(|serial| SerialNumber([*serial; 16])).collect();
    let record = SpaceRecord {
        version: 1,
        owner: key(OWNER).id(),
        salt: [0; 16],
        number,
        epoch: 0,
        time: 1,
        removed: List::new(removed).unwrap(),
        sealed: Bytes::new(vec![5; 300]).unwrap(),
        extensions: Extensions::default(),
    };
    signed(record, &key(OWNER))
}

pub(crate) fn card(seed: u8, number: u64) -> Vec<u8> {
    let card = Card {
        version: 1,
        space: space_of(OWNER),
        device: key(seed).id(),
        number,
        sealed: Bytes::new(vec![6; 200]).unwrap(),
        extensions: Extensions::default(),
    };
    signed(card, &key(seed))
}

pub(crate) fn head(seed: u8, segments: &[Vec<u8>]) -> Vec<u8> {
    head_in(OWNER, seed, segments)
}

/// In the space of another owner.
pub(crate) fn head_in(owner: u8, seed: u8, segments: &[Vec<u8>]) -> Vec<u8> {
    let chain = segments.iter().fold(chain_start(&[7; 16], 0), |c, s| chain_next(&c, s));
    let head = Head {
        version: 1,
        space: space_of(owner),
        device: key(seed).id(),
        log: 2,
        log_id: [7; 16],
        base: 0,
        position: segments.len() as u64,
        chain,
        epoch: 0,
        time: 1,
        status: Bytes::default(),
        extensions: Extensions::default(),
    };
    signed(head, &key(seed))
}

pub(crate) fn put(position: u64, segment: &[u8]) -> ToRelay {
    let segment = Bytes::new(segment.to_vec()).unwrap();
    ToRelay::PutSegment { log: 2, log_id: [7; 16], position, segment }
}

pub(crate) fn fetch(request: u32, seed: u8, from: u64, to: u64) -> ToRelay {
    ToRelay::Fetch { request, device: key(seed).id(), log: 2, log_id: [7; 16], from, to }
}
