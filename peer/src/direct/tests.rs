//! Two processes' worth of direct links on loopback, with real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use sealift_proto::direct::Call;
use sealift_proto::handshake::SessionId;
use sealift_proto::keys::ExporterKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;

/// Far above what anything here takes.
const LONG: Duration = Duration::from_secs(30);

fn ends(end: End, key: u8) -> Ends {
    Ends { session: SessionId([1; 16]), end, exporter: ExporterKey::new([key; 32]) }
}

/// A process with one session.
async fn side(end: End, key: u8) -> (Direct, Paths) {
    let direct = Direct::new(Platform::system());
    let paths = direct.enter(ends(end, key), true).await;
    (direct, paths)
}

fn only(transport: Transport, paths: &Paths) -> Candidates {
    let all = paths.candidates().borrow().clone();
    let some = all.iter().filter(|candidate| candidate.transport == transport).copied().collect();
    Candidates::new(some).unwrap()
}

fn at(address: SocketAddr) -> Candidates {
    Candidates::new(vec![Candidate::new(Transport::Tcp, Origin::Interface, address)]).unwrap()
}

async fn next(paths: &Paths) -> DirectLink {
    timeout(LONG, paths.next_link()).await.expect("a link in time")
}

/// Waits until the report says of an address what `is` looks for.
async fn reported(paths: &Paths, is: impl Fn(&Tried) -> bool) {
    let look = async {
        while !paths.report().iter().any(&is) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, look).await.unwrap_or_else(|_| panic!("{:?}", paths.report()));
}

async fn exchange(one: &mut DirectLink, other: &mut DirectLink) {
    for (from, to) in [(&mut *one, &mut *other)] {
        from.stream.write_all(b"across").await.unwrap();
        from.stream.flush().await.unwrap();
        let mut got = [0; 6];
        to.stream.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"across");
        to.stream.write_all(b"return").await.unwrap();
        to.stream.flush().await.unwrap();
        from.stream.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"return");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn either_end_makes_a_link_by_tcp() {
    for connector in [End::Leecher, End::Seeder] {
        let (_l, leecher) = side(End::Leecher, 5).await;
        let (_s, seeder) = side(End::Seeder, 5).await;
        match connector {
            End::Leecher => leecher.set_peer(&only(Transport::Tcp, &seeder)),
            End::Seeder => seeder.set_peer(&only(Transport::Tcp, &leecher)),
        }
        let (mut one, mut other) = (next(&leecher).await, next(&seeder).await);
        assert_eq!(one.number, other.number);
        assert_eq!(one.transport, Transport::Tcp);
        assert!(one.stream.tcp().is_some(), "the kernel's socket shows through");
        exchange(&mut one, &mut other).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_lost_is_made_again_with_another_number() {
    let (_l, leecher) = side(End::Leecher, 5).await;
    let (_s, seeder) = side(End::Seeder, 5).await;
    let one_address = only(Transport::Tcp, &seeder).first().copied().unwrap();
    leecher.set_peer(&Candidates::new(vec![one_address]).unwrap());
    let (one, mut other) = (next(&leecher).await, next(&seeder).await);
    let number = one.number;
    drop(one);
    assert_eq!(other.stream.read(&mut [0; 1]).await.unwrap(), 0);
    drop(other);
    let (mut one, mut other) = (next(&leecher).await, next(&seeder).await);
    assert!(one.number > number && one.number == other.number);
    exchange(&mut one, &mut other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_the_keys_gets_no_link_and_no_byte() {
    let (_l, leecher) = side(End::Leecher, 5).await;
    let (_s, seeder) = side(End::Seeder, 6).await;
    leecher.set_peer(&only(Transport::Tcp, &seeder));
    seeder.set_peer(&only(Transport::Tcp, &leecher));
    let failed = |word: &'static str| move |tried: &Tried| matches!(&tried.outcome, Outcome::Failed(why) if why.contains(word));
    reported(&leecher, failed("somebody else answers there")).await;
    reported(&seeder, failed("closed by the other side")).await;
    for paths in [&leecher, &seeder] {
        assert!(timeout(Duration::from_millis(50), paths.next_link()).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_hears_nothing() {
    let (_l, leecher) = side(End::Leecher, 5).await;
    let port = only(Transport::Tcp, &leecher).iter().map(|own| own.port).next().unwrap();
    let calls = [
        // No session of that id; nobody's protocol.
        Call { session: SessionId([9; 16]), nonce: [0; 16] }.to_bytes(),
        *b"GET / HTTP/1.1\r\nHost: example.org\r\n\r",
    ];
    for call in calls {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&call).await.unwrap();
        let mut heard = Vec::new();
        // Closed, perhaps with a reset.
        let _ = timeout(LONG, stream.read_to_end(&mut heard)).await.expect("closed in time");
        assert!(heard.is_empty());
    }
    // Of a session that is here: a nonce, and nothing that proves anything, until the seeder has proved itself.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let call = Call { session: SessionId([1; 16]), nonce: [0; 16] };
    stream.write_all(&call.to_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 16]).await.unwrap();
    stream.write_all(&[7; 32]).await.unwrap();
    let mut heard = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut heard)).await.expect("closed in time");
    assert!(heard.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_tried_that_a_peer_may_not_name() {
    let (_l, leecher) = side(End::Leecher, 5).await;
    let services = ["127.0.0.1:80", "169.254.169.254:8080", "224.0.0.1:5000"];
    let list = services.map(|text| at(text.parse().unwrap()).to_vec()).concat();
    leecher.set_peer(&Candidates::new(list).unwrap());
    for tried in leecher.report() {
        assert!(matches!(&tried.outcome, Outcome::Failed(why) if why.starts_with("not tried")));
    }
    assert_eq!(leecher.report().len(), services.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_over_is_unknown_and_tries_nothing_more() {
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (direct, leecher) = side(End::Leecher, 5).await;
    let port = only(Transport::Tcp, &leecher).iter().map(|own| own.port).next().unwrap();
    drop(leecher);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let call = Call { session: SessionId([1; 16]), nonce: [0; 16] };
    stream.write_all(&call.to_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut heard)).await.expect("closed in time");
    assert!(heard.is_empty());
    let paths = direct.enter(ends(End::Leecher, 5), true).await;
    paths.set_peer(&at(trap.local_addr().unwrap()));
    drop(timeout(LONG, trap.accept()).await.expect("tried").unwrap());
    drop(paths);
    // The first pause between rounds is one second.
    assert!(timeout(Duration::from_millis(1500), trap.accept()).await.is_err());
    drop(direct);
    let gone = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, gone).await.expect("the listener is closed");
}
