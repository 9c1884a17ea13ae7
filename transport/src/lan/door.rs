//! Where members on the local network knock.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sealift_platform::Platform;
use sealift_platform::net::{BoxStream, Listener};
use sealift_proto::frame::{LinkKind, PREAMBLE, Preamble};
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Strangers at once; further ones are turned away.
const STRANGERS: usize = 32;
/// How long one may take to say what it wants.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long to wait after the system could not accept.
const RETRY: Duration = Duration::from_millis(200);

/// Somebody who wants a session.
pub struct Caller {
    /// Its offer comes from here.
    pub stream: BoxStream,
    /// The device that it says it is.
    pub device: [u8; 32],
}

/// A TCP port of all addresses of this machine; closed when dropped.
pub struct Door {
    port: u16,
    callers: mpsc::Receiver<Caller>,
    _tasks: JoinSet<()>,
}

impl Door {
    /// Opens a port that the system chooses.
    ///
    /// # Errors
    /// When the machine has none.
    pub async fn open(platform: &Platform) -> io::Result<Self> {
        let first = platform.net.listen((Ipv4Addr::UNSPECIFIED, 0).into()).await?;
        let port = first.local_addr()?.port();
        // The record names one port for all addresses. Without it there, IPv4 has to do.
        let second = platform.net.listen((Ipv6Addr::UNSPECIFIED, port).into()).await.ok();
        let (sender, callers) = mpsc::channel(1);
        let places = Arc::new(Semaphore::new(STRANGERS));
        let mut tasks = JoinSet::new();
        for listener in [Some(first), second].into_iter().flatten() {
            tasks.spawn(answer(listener, sender.clone(), places.clone()));
        }
        Ok(Self { port, callers, _tasks: tasks })
    }

    /// Its number.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next caller. May be given up without losing any.
    pub async fn next(&mut self) -> Option<Caller> {
        self.callers.recv().await
    }
}

async fn answer(
    listener: Box<dyn Listener>,
    callers: mpsc::Sender<Caller>,
    places: Arc<Semaphore>,
) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
        };
        let Ok((stream, from)) = accepted else {
            sleep(RETRY).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let callers = callers.clone();
        open.spawn(async move {
            match timeout(DEADLINE, greet(stream)).await {
                Ok(Ok(caller)) => drop(callers.send(caller).await),
                _ => say_stranger(from),
            }
            drop(place);
        });
    }
}

fn say_stranger(from: SocketAddr) {
    tracing::debug!(%from, "not a member's greeting on the local network");
}

async fn greet(mut stream: BoxStream) -> io::Result<Caller> {
    let mut bytes = [0; PREAMBLE];
    stream.read_exact(&mut bytes).await?;
    match Preamble::from_bytes(&bytes) {
        Ok(Preamble { kind: LinkKind::Lan, value }) => Ok(Caller { stream, device: value }),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn only_a_greeting_gets_in() {
        let mut door = Door::open(&Platform::system()).await.unwrap();
        let place = (Ipv4Addr::LOCALHOST, door.port());
        let greeting = |kind| Preamble { kind, value: [7; 32] }.to_bytes();
        let mut others = Vec::new();
        for bytes in
            [&b"GET / HTTP/1.1\r\n\r\n............................"[..], &greeting(LinkKind::Relay)]
        {
            let mut stream = TcpStream::connect(place).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            // Closed, with or without what was not read.
            assert!(matches!(stream.read(&mut [0; 8]).await, Ok(0) | Err(_)));
        }
        for _ in 0..4 {
            others.push(TcpStream::connect(place).await.unwrap());
        }
        let mut stream = TcpStream::connect(place).await.unwrap();
        stream.write_all(&greeting(LinkKind::Lan)).await.unwrap();
        assert_eq!(door.next().await.unwrap().device, [7; 32]);
    }
}
