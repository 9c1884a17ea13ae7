//! What a connection has its time for: streams that do nothing, virtual time, and all of the relay behind them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use sealift_platform::net::Stream;
use sealift_proto::control::FromRelay;
use sealift_proto::identity::SecretKey;
use sealift_server::entrance::welcome;
use sealift_server::frames::FrameReader;

use super::hello::Greeting;
use super::*;
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::testing;

const SECOND: Duration = Duration::from_secs(1);

/// A stream on which nothing ever comes, and which never ends. It may take what is written.
struct Stuck {
    takes: bool,
}

impl Stream for Stuck {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(from())
    }
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(from())
    }
}

impl AsyncRead for Stuck {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Stuck {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.takes { Poll::Ready(Ok(bytes.len())) } else { Poll::Pending }
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

fn from() -> SocketAddr {
    ([192, 0, 2, 7], 5000).into()
}

#[tokio::test(start_paused = true)]
async fn a_stranger_that_says_nothing_has_its_time() {
    let limits = Limits { handshake: 7 * SECOND, ..Limits::default() };
    let (_home, relay) = testing::relay(limits).await;
    let tls = TlsAcceptor::from(Arc::clone(&relay.identity.tls));
    let service = Arc::new(RelayService { hub: Arc::clone(&relay.hub), tls });
    let start = Instant::now();
    welcome(service, Box::new(Stuck { takes: true }), from()).await;
    let entrance = &relay.hub.entrance;
    assert_eq!(entrance.counts.rejected.get().get("slow"), Some(&1));
    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!(entrance.gate.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_read_has_its_time_and_then_that_of_the_farewell() {
    let limits = Limits { write_stall: 5 * SECOND, farewell: 2 * SECOND, ..Limits::default() };
    let (_home, relay) = testing::relay(limits.clone()).await;
    for (takes, seconds) in [(false, 5 + 2), (true, 2)] {
        let outbox = Outbox::new(&limits, &relay.hub.waiting);
        outbox.push(&FromRelay::Pong { nonce: 1 });
        outbox.close(None);
        let start = Instant::now();
        writer::run(&relay.hub, &outbox, None, Stuck { takes }).await;
        assert_eq!(start.elapsed().as_secs(), seconds, "{takes}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_wants_an_invite_and_does_not_take_it_has_its_time() {
    let limits = Limits { join_time: 7 * SECOND, farewell: 2 * SECOND, ..Limits::default() };
    let (_home, relay) = testing::relay(limits).await;
    let hub = &relay.hub;
    let (partial, ended) = hub.entrance.partials.connection();
    let reader = FrameReader::new(Stuck { takes: true }, partial, ended);
    let greeting = Greeting { reader, writer: Stuck { takes: true } };
    let (device, place) = (SecretKey::from_seed([1; 32]).id(), hub.join_place().unwrap());
    let start = Instant::now();
    control::serve_joining(hub, greeting, device, place, from()).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 7 + 2);
    assert_eq!((hub.metrics.closed.get().get("idle"), hub.count().joining), (Some(&1), 0));
}
