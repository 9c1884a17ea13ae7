//! The opening of a direct link on a connected stream: each end proves that it has the keys of the session.

use std::io;
use std::time::Duration;

use sealift_platform::random::Random;
use sealift_proto::direct::{
    AtLeecher, AtSeeder, Call, DirectError, End, Ends, NONCE_LEN, PROOF_LEN, TAKE_LEN, Terms,
    Transport,
};
use sealift_proto::limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::links::Place;
use super::session::Session;

/// How long an opening may take, from the connection on.
pub(super) const TIME: Duration = Duration::from_secs(limits::DIRECT_TIME);

/// Why no link came of a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// It broke, or the other side closed it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not the other end of this session.
    #[error(transparent)]
    Direct(#[from] DirectError),
    /// The other end is there, so long away; but other links do already.
    #[error("not needed beside the links that stand")]
    NotWanted(Duration),
    /// Too slow.
    #[error("no answer within 5 s")]
    Timeout,
}

/// A link that stands: its place among the links of its session, and how long an answer took.
pub(super) struct Stands {
    pub(super) place: Place,
    pub(super) round_trip: Duration,
}

/// What an opening is about, beside the stream.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) transport: Transport,
    pub(super) remote: std::net::SocketAddr,
    /// What TLS exports over QUIC; zeros over TCP.
    pub(super) binding: [u8; 32],
}

/// Opens a link on a stream that this side has connected.
pub(super) async fn connect<S>(
    stream: &mut S,
    session: &std::sync::Arc<Session>,
    way: Way,
    random: &dyn Random,
) -> Result<Stands, OpenError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opening = async {
        let call = Call { session: session.ends.session, nonce: random.bytes() };
        let start = Instant::now();
        send(stream, &call.to_bytes()).await?;
        let mut acceptor_nonce = [0; NONCE_LEN];
        stream.read_exact(&mut acceptor_nonce).await?;
        let asked = (call.nonce, acceptor_nonce);
        let place = prove(stream, session, way, session.ends.end, asked, &[], start).await?;
        Ok(Stands { place, round_trip: start.elapsed() })
    };
    timeout(TIME, opening).await.unwrap_or(Err(OpenError::Timeout))
}

/// Opens a link on a stream that the other side has connected, once its call has been read and leads to `session`.
pub(super) async fn accept<S>(
    stream: &mut S,
    call: &Call,
    session: &std::sync::Arc<Session>,
    way: Way,
    random: &dyn Random,
) -> Result<Stands, OpenError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opening = async {
        let nonce: [u8; NONCE_LEN] = random.bytes();
        let connector = session.ends.end.other();
        let start = Instant::now();
        if session.ends.end == End::Leecher {
            send(stream, &nonce).await?;
        }
        let place =
            prove(stream, session, way, connector, (call.nonce, nonce), &nonce, start).await?;
        Ok(Stands { place, round_trip: start.elapsed() })
    };
    timeout(TIME, opening).await.unwrap_or(Err(OpenError::Timeout))
}

/// The two proofs; `before` goes out in one packet with the seeder's.
async fn prove<S>(
    stream: &mut S,
    session: &std::sync::Arc<Session>,
    way: Way,
    connector: End,
    (connector_nonce, acceptor_nonce): ([u8; NONCE_LEN], [u8; NONCE_LEN]),
    before: &[u8],
    start: Instant,
) -> Result<Place, OpenError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let ends: &Ends = &session.ends;
    let Way { transport, binding, remote } = way;
    let terms = Terms { connector, transport, connector_nonce, acceptor_nonce, binding };
    match ends.end {
        End::Seeder => {
            let (awaiting, proof) = AtSeeder::new(ends, &terms).prove();
            send(stream, &[before, &proof].concat()).await?;
            let mut take = [0; TAKE_LEN];
            stream.read_exact(&mut take).await?;
            let number = awaiting.check(&take)?;
            session.took(number, remote, transport).ok_or(OpenError::Direct(DirectError::Foreign))
        }
        End::Leecher => {
            let mut proof = [0; PROOF_LEN];
            stream.read_exact(&mut proof).await?;
            let verified = AtLeecher::new(ends, &terms).verify(&proof)?;
            let place = session
                .take(remote, transport)
                .ok_or_else(|| OpenError::NotWanted(start.elapsed()))?;
            send(stream, &verified.take(place.number())).await?;
            Ok(place)
        }
    }
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
