use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;

const STILL: Path =
    Path { delay: Duration::from_millis(50), jitter: Duration::ZERO, rate: None, open: true };

fn world() -> (SimNet, SimHost, SimHost) {
    let net = SimNet::new(SimRandom::new(1));
    let (one, two) = (net.host("one"), net.host("two"));
    net.set_both(&one, &two, STILL);
    (net, one, two)
}

async fn connected(one: &SimHost, two: &SimHost) -> (BoxStream, BoxStream) {
    let listener = two.listen("0.0.0.0:7743".parse().unwrap()).await.unwrap();
    let (near, far) = tokio::join!(one.connect("two", 7743), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

#[tokio::test(start_paused = true)]
async fn bytes_take_as_long_as_the_path() {
    let (_net, one, two) = world();
    let start = Instant::now();
    let (mut near, mut far) = connected(&one, &two).await;
    assert_eq!(start.elapsed().as_millis(), 100, "a connection costs one exchange");
    near.write_all(b"hello").await.unwrap();
    let mut buffer = [0; 5];
    far.read_exact(&mut buffer).await.unwrap();
    assert_eq!(start.elapsed().as_millis(), 150);
    assert_eq!(&buffer, b"hello");
    assert_eq!(far.peer_addr().unwrap(), near.local_addr().unwrap());
    near.shutdown().await.unwrap();
    assert_eq!(far.read(&mut buffer).await.unwrap(), 0);
    far.write_all(b"still").await.unwrap();
    near.read_exact(&mut buffer).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn much_arrives_whole_and_in_order() {
    let (net, one, two) = world();
    net.set_both(&one, &two, Path { jitter: Duration::from_millis(40), ..STILL });
    let (mut near, mut far) = connected(&one, &two).await;
    let sent: Vec<u8> =
        (0..3_000_000_u32).map(|i| i.to_le_bytes()[0] ^ i.to_le_bytes()[1]).collect();
    let expected = sent.clone();
    let writer = tokio::spawn(async move {
        near.write_all(&sent).await.unwrap();
        near.shutdown().await.unwrap();
        near
    });
    let mut received = Vec::new();
    far.read_to_end(&mut received).await.unwrap();
    assert!(received == expected);
    writer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_partition_holds_bytes_back_and_lets_them_go() {
    let (net, one, two) = world();
    let (mut near, mut far) = connected(&one, &two).await;
    net.set_path(&one, &two, Path { open: false, ..STILL });
    near.write_all(b"later").await.unwrap();
    let mut buffer = [0; 5];
    let wait = Duration::from_secs(60);
    assert!(tokio::time::timeout(wait, far.read_exact(&mut buffer)).await.is_err());
    far.write_all(b"other").await.unwrap();
    near.read_exact(&mut buffer).await.unwrap();
    assert_eq!(one.connect("two", 7743).await.err().unwrap().kind(), io::ErrorKind::TimedOut);
    net.set_path(&one, &two, STILL);
    far.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"later");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_vanishes_resets_its_connections() {
    let (net, one, two) = world();
    let (mut near, _far) = connected(&one, &two).await;
    net.drop_host(&two);
    let error = near.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(near.write(b"x").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let error = one.connect("two", 7743).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn ports_are_taken_once_and_names_must_be_known() {
    let (_net, one, _two) = world();
    let first = one.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = first.local_addr().unwrap();
    let error = one.listen(address).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    drop(first);
    one.listen(address).await.unwrap();
    assert_eq!(one.connect("nobody", 1).await.err().unwrap().kind(), io::ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_program_reaches_its_own_host() {
    let (_net, one, _two) = world();
    let listener = one.listen("127.0.0.1:7743".parse().unwrap()).await.unwrap();
    let (near, far) = tokio::join!(one.connect("localhost", 7743), listener.accept());
    near.unwrap();
    far.unwrap();
}

#[tokio::test(start_paused = true)]
async fn connections_share_a_bottleneck_and_hosts_count() {
    let (net, one, two) = world();
    net.set_path(&one, &two, Path { rate: Some(1_000_000), ..STILL });
    let listener = two.listen("0.0.0.0:7743".parse().unwrap()).await.unwrap();
    let mut ends = Vec::new();
    for _ in 0..2 {
        let (near, far) = tokio::join!(one.connect("two", 7743), listener.accept());
        ends.push((near.unwrap(), far.unwrap().0));
    }
    let start = Instant::now();
    let mut both = Vec::new();
    for (mut near, mut far) in ends {
        both.push(tokio::spawn(async move {
            let bytes = vec![1; 500_000];
            let (_, read) = tokio::join!(near.write_all(&bytes), async {
                far.read_exact(&mut vec![0; 500_000]).await
            });
            read.unwrap();
        }));
    }
    for transfer in both {
        transfer.await.unwrap();
    }
    assert_eq!(start.elapsed().as_millis(), 1050);
    let traffic = *two.traffic().borrow();
    assert_eq!(traffic.received, 1_000_000);
    assert_eq!(traffic.pieces, one.traffic().borrow().pieces);
}
