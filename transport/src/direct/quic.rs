//! QUIC, with every number set on purpose (PROTOCOL.md section 10.4).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::version::TLS13;
use sealift_platform::net::BoxStream;
use sealift_platform::random::Random;
use sealift_proto::direct::{ALPN, BINDING_LABEL, Call, DirectError, Transport};
use sealift_proto::frame::PREAMBLE;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::links::canonical;
use super::opening::{self, OpenError, Stands, Way};
use super::session::{Session, Sessions};
use super::socket::Socket;
use super::stream::QuicStream;
use crate::control::any_key;

/// A connection over which nothing comes is given up after this long; the schedule turns to other links long before.
const IDLE: Duration = Duration::from_secs(15);
/// How often a silent connection shows that it lives, which also keeps the routers on the way open.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Bytes on their way at most: a gigabit per second over 130 ms. It is memory that the other side can make this one use, for
/// each of the few links of a session.
const WINDOW: u32 = 16 << 20;
/// Connections that may wait to be looked at.
const INCOMING: usize = 16;
/// Name in the certificate and the hello. Nobody checks it.
const NAME: &str = "sealift.invalid";

/// An endpoint: client and server on one socket.
pub(super) struct Quic {
    endpoint: Endpoint,
    client: ClientConfig,
}

impl Quic {
    /// On a socket that was opened for it.
    pub(super) fn new(socket: Arc<Socket>) -> io::Result<Self> {
        let (client, server) = configs().map_err(io::Error::other)?;
        let mut config = EndpointConfig::default();
        // The datagrams of this protocol are told from QUIC by that bit.
        config.grease_quic_bit(false);
        let endpoint = Endpoint::new_with_abstract_socket(
            config,
            Some(server),
            socket,
            Arc::new(TokioRuntime),
        )?;
        Ok(Self { endpoint, client })
    }

    /// What waits for those who connect.
    pub(super) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// The leecher makes a link over a way that stands.
    pub(super) async fn connect(
        &self,
        session: &Arc<Session>,
        at: SocketAddr,
        random: &dyn Random,
    ) -> Result<Duration, OpenError> {
        let connecting =
            self.endpoint.connect_with(self.client.clone(), at, NAME).map_err(io::Error::other)?;
        let connection = timeout(opening::TIME, connecting)
            .await
            .map_err(|_| OpenError::Timeout)?
            .map_err(io::Error::from)?;
        let (sender, receiver) = connection.open_bi().await.map_err(io::Error::from)?;
        let way = way(&connection)?;
        let mut stream = QuicStream::new(connection.clone(), sender, receiver);
        let stands = opening::connect(&mut stream, session, way, random).await?;
        let round_trip = stands.round_trip;
        hand_over(session, connection, Box::new(stream), stands).await;
        Ok(round_trip)
    }
}

/// Takes the connections that leechers make; the socket lets those through alone to whom a way stands.
pub(super) async fn accept(endpoint: Endpoint, sessions: Arc<Sessions>, random: Arc<dyn Random>) {
    let mut open = tokio::task::JoinSet::new();
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            Some(_) = open.join_next() => continue,
        };
        let Some(incoming) = incoming else { return };
        if open.len() >= INCOMING {
            incoming.ignore();
            continue;
        }
        let (sessions, random) = (Arc::clone(&sessions), Arc::clone(&random));
        open.spawn(async move {
            let from = incoming.remote_address();
            if let Err(why) = welcome(incoming, &sessions, &*random).await {
                tracing::debug!(%from, %why, "no direct link by QUIC");
            }
        });
    }
}

async fn welcome(
    incoming: Incoming,
    sessions: &Sessions,
    random: &dyn Random,
) -> Result<(), OpenError> {
    let beginning = async {
        let connection = incoming.await.map_err(io::Error::from)?;
        let (sender, receiver) = connection.accept_bi().await.map_err(io::Error::from)?;
        let mut stream = QuicStream::new(connection.clone(), sender, receiver);
        let mut bytes = [0; PREAMBLE];
        stream.read_exact(&mut bytes).await?;
        Ok::<_, OpenError>((connection, stream, Call::from_bytes(&bytes)?))
    };
    let (connection, mut stream, call) =
        timeout(opening::TIME, beginning).await.map_err(|_| OpenError::Timeout)??;
    let session = sessions.find(&call.session).ok_or(DirectError::Foreign)?;
    let way = way(&connection)?;
    let stands = opening::accept(&mut stream, &call, &session, way, random).await?;
    hand_over(&session, connection, Box::new(stream), stands).await;
    Ok(())
}

async fn hand_over(session: &Session, connection: Connection, stream: BoxStream, stands: Stands) {
    let remote = canonical(connection.remote_address());
    let closer = Box::new(move || connection.close(VarInt::from_u32(0), b""));
    session.hand_over(stream, stands, (Transport::Udp, remote), Some(closer)).await;
}

/// What the proofs bind to.
fn way(connection: &Connection) -> Result<Way, OpenError> {
    let mut binding = [0; 32];
    connection
        .export_keying_material(&mut binding, BINDING_LABEL, &[])
        .map_err(|_| OpenError::Direct(DirectError::Foreign))?;
    let remote = canonical(connection.remote_address());
    Ok(Way { transport: Transport::Udp, remote, binding })
}

fn transport() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(u64::from(WINDOW))
        .max_idle_timeout(Some(
            VarInt::from_u32(u32::try_from(IDLE.as_millis()).unwrap_or(0)).into(),
        ))
        .keep_alive_interval(Some(KEEP_ALIVE));
    config
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

fn configs() -> Result<(ClientConfig, ServerConfig), Broken> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    server.alpn_protocols = vec![ALPN.to_vec()];
    // Each connection proves itself anew.
    server.send_tls13_tickets = 0;
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(any_key())
        .with_no_client_auth();
    client.alpn_protocols = vec![ALPN.to_vec()];
    client.resumption = rustls::client::Resumption::disabled();
    let transport = Arc::new(transport());
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server)?));
    server.transport_config(Arc::clone(&transport)).max_incoming(INCOMING).migration(false);
    let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(client)?));
    client.transport_config(transport);
    Ok((client, server))
}
