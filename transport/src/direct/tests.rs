//! Two processes' worth of direct links on loopback, with real sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sealift_proto::direct::{Call, Knock, KnockKind};
use sealift_proto::handshake::SessionId;
use sealift_proto::keys::ExporterKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
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

/// One address of a side: with more there may be more links, in any order.
fn only(transport: Transport, paths: &Paths) -> Candidates {
    let all = paths.candidates().borrow().clone();
    let local = |own: &&Candidate| {
        let v4 = own.place(true).is_ok_and(|place| place.ip() == Ipv4Addr::LOCALHOST);
        own.transport == transport && v4
    };
    Candidates::new(all.iter().filter(local).copied().collect()).unwrap()
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
    leecher.set_peer(&only(Transport::Tcp, &seeder));
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

#[tokio::test(flavor = "multi_thread")]
async fn knocks_and_quic_make_a_link() {
    let (_l, leecher) = side(End::Leecher, 5).await;
    let (_s, seeder) = side(End::Seeder, 5).await;
    leecher.set_peer(&only(Transport::Udp, &seeder));
    seeder.set_peer(&only(Transport::Udp, &leecher));
    let (mut one, mut other) = (next(&leecher).await, next(&seeder).await);
    assert_eq!((one.transport, other.transport), (Transport::Udp, Transport::Udp));
    assert_eq!(one.number, other.number);
    assert!(one.remote.ip().is_loopback(), "{} shows no IPv4 within IPv6", one.remote);
    exchange(&mut one, &mut other).await;
    reported(&leecher, |tried| matches!(tried.outcome, Outcome::Up(_))).await;
    // What was written last arrives, as with TCP.
    let last = vec![7; 3_000_000];
    other.stream.write_all(&last).await.unwrap();
    other.stream.flush().await.unwrap();
    drop(other);
    let mut got = Vec::new();
    timeout(LONG, one.stream.read_to_end(&mut got)).await.expect("in time").unwrap();
    assert!(got == last);
}

/// The leecher's addresses have changed on the way, or were never known: the seeder learns them from its knocks.
#[tokio::test(flavor = "multi_thread")]
async fn one_side_that_knows_the_other_is_enough() {
    let (_l, leecher) = side(End::Leecher, 5).await;
    let (_s, seeder) = side(End::Seeder, 5).await;
    leecher.set_peer(&only(Transport::Udp, &seeder));
    assert_eq!(next(&leecher).await.transport, next(&seeder).await.transport);
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_that_is_lost_is_made_again() {
    let (_l, leecher) = side(End::Leecher, 5).await;
    let (_s, seeder) = side(End::Seeder, 5).await;
    leecher.set_peer(&only(Transport::Udp, &seeder));
    seeder.set_peer(&only(Transport::Udp, &leecher));
    let (one, mut other) = (next(&leecher).await, next(&seeder).await);
    drop(one);
    let mut rest = Vec::new();
    timeout(LONG, other.stream.read_to_end(&mut rest)).await.expect("an end").unwrap();
    drop(other);
    let (mut one, mut other) = (next(&leecher).await, next(&seeder).await);
    exchange(&mut one, &mut other).await;
}

/// Everything that a stranger can send to the UDP port, and the first packet of QUIC: none of it has anything sent.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_because_of_foreign_and_forged_datagrams() {
    let (_l, leecher) = side(End::Leecher, 5).await;
    let (_s, seeder) = side(End::Seeder, 5).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = only(Transport::Udp, &seeder).first().unwrap().port;
    stranger.connect(("127.0.0.1", port)).await.unwrap();
    let knock = Knock { kind: KnockKind::Ask, nonce: [3; 16] };
    let of_leecher = knock.to_bytes(&ends(End::Leecher, 5));
    let mut datagrams = vec![
        knock.to_bytes(&ends(End::Leecher, 6)).to_vec(),
        knock.to_bytes(&ends(End::Seeder, 5)).to_vec(),
        Knock { kind: KnockKind::Answer, ..knock }.to_bytes(&ends(End::Leecher, 5)).to_vec(),
        knock.to_bytes(&Ends { session: SessionId([2; 16]), ..ends(End::Leecher, 5) }).to_vec(),
    ];
    for at in [0, 1, 5, 20, 21, 30, 40, 63] {
        let mut altered = of_leecher.to_vec();
        altered[at] ^= 1;
        datagrams.push(altered);
    }
    // QUIC: an Initial of version 1, of an unknown version, a short header, and noise.
    for start in [&[0xc3, 0, 0, 0, 1, 8][..], &[0xc3, 0x1a, 0x2a, 0x3a, 0x4a, 8], &[0x43], &[0x80]]
    {
        let mut packet = start.to_vec();
        packet.resize(1200, 9);
        datagrams.push(packet);
    }
    for datagram in &datagrams {
        stranger.send(datagram).await.unwrap();
    }
    // What comes later has gone the same way: it tells that the noise was looked at.
    leecher.set_peer(&only(Transport::Udp, &seeder));
    next(&seeder).await;
    let mut heard = [0; 2048];
    assert!(stranger.try_recv(&mut heard).is_err(), "something was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_knock_sent_again_from_elsewhere_is_not_heard() {
    let (_s, seeder) = side(End::Seeder, 5).await;
    let port = only(Transport::Udp, &seeder).first().unwrap().port;
    let (first, again) = (
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    );
    for socket in [&first, &again] {
        socket.connect(("127.0.0.1", port)).await.unwrap();
    }
    let other_end = ends(End::Leecher, 5);
    let knock = |nonce| Knock { kind: KnockKind::Ask, nonce: [nonce; 16] }.to_bytes(&other_end);
    /// Receives until an answer to `nonce` comes.
    async fn answered(socket: &UdpSocket, ends: &Ends, nonce: u8) {
        let mut bytes = [0; 64];
        loop {
            timeout(LONG, socket.recv(&mut bytes)).await.expect("an answer").unwrap();
            let heard = Knock::from_bytes(&bytes, ends).expect("authentic");
            if heard == (Knock { kind: KnockKind::Answer, nonce: [nonce; 16] }) {
                return;
            }
        }
    }
    first.send(&knock(1)).await.unwrap();
    answered(&first, &other_end, 1).await;
    again.send(&knock(1)).await.unwrap();
    first.send(&knock(2)).await.unwrap();
    answered(&first, &other_end, 2).await;
    assert!(again.try_recv(&mut [0; 64]).is_err(), "answered to whoever repeats");
}
