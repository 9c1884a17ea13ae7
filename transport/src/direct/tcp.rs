//! Tries over TCP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sealift_platform::Platform;
use sealift_platform::net::BoxStream;
use sealift_proto::direct::{Call, Transport};
use sealift_proto::frame::PREAMBLE;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::opening::{self, OpenError, Way};
use super::report::Outcome;
use super::session::{Session, Sessions};

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(4);

/// Tries to make a link to one address, and tells what became of it.
pub(super) async fn attempt(platform: Platform, session: Arc<Session>, at: SocketAddr) {
    let tried = connect(&platform, &session, at).await;
    let outcome = match tried {
        Ok(round_trip) => Outcome::Up(round_trip),
        Err(OpenError::NotWanted(round_trip)) => Outcome::Up(round_trip),
        Err(why) => Outcome::Failed(words(&why)),
    };
    session.report().tell(Transport::Tcp, at, outcome);
}

async fn connect(
    platform: &Platform,
    session: &Arc<Session>,
    at: SocketAddr,
) -> Result<Duration, OpenError> {
    let host = at.ip().to_string();
    let connecting = platform.net.connect(&host, at.port());
    let mut stream = timeout(CONNECT, connecting).await.map_err(|_| silent())??;
    let way = Way { transport: Transport::Tcp, remote: at, binding: [0; 32] };
    let stands = opening::connect(&mut stream, session, way, &*platform.random).await?;
    let round_trip = stands.round_trip;
    session.hand_over(stream, stands, (Transport::Tcp, at), None).await;
    Ok(round_trip)
}

/// Takes a connection that somebody made to this side.
pub(super) async fn welcome(
    platform: Platform,
    sessions: Arc<Sessions>,
    mut stream: BoxStream,
    from: SocketAddr,
) -> Result<(), OpenError> {
    let mut bytes = [0; PREAMBLE];
    timeout(opening::TIME, stream.read_exact(&mut bytes))
        .await
        .map_err(|_| OpenError::Timeout)??;
    let call = Call::from_bytes(&bytes)?;
    let foreign = sealift_proto::direct::DirectError::Foreign;
    let session = sessions.find(&call.session).ok_or(foreign)?;
    let way = Way { transport: Transport::Tcp, remote: from, binding: [0; 32] };
    let stands = opening::accept(&mut stream, &call, &session, way, &*platform.random).await?;
    session.report().tell(Transport::Tcp, from, Outcome::Up(stands.round_trip));
    session.hand_over(stream, stands, (Transport::Tcp, from), None).await;
    Ok(())
}

fn silent() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer within 4 s")
}

/// A failure as a person is told it.
pub(super) fn words(error: &OpenError) -> String {
    use std::io::ErrorKind as Kind;
    let OpenError::Io(error) = error else { return error.to_string() };
    match error.kind() {
        Kind::ConnectionRefused => "refused".into(),
        Kind::NetworkUnreachable | Kind::HostUnreachable => "no way there".into(),
        Kind::UnexpectedEof | Kind::ConnectionReset | Kind::BrokenPipe => {
            "closed by the other side".into()
        }
        _ => error.to_string(),
    }
}
