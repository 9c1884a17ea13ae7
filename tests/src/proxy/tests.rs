use std::io::{Read, Write};
use std::time::Duration;

use super::*;

/// A proxy, and both ends of a connection through it that said `first` and had it heard.
fn connected(setup: Setup, first: &[u8]) -> (Proxy, TcpStream, TcpStream) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::with(server.local_addr().unwrap(), setup);
    let (near, far) = again(&proxy, &server, first);
    (proxy, near, far)
}

fn again(proxy: &Proxy, server: &TcpListener, first: &[u8]) -> (TcpStream, TcpStream) {
    let mut near = TcpStream::connect(proxy.address()).unwrap();
    near.write_all(first).unwrap();
    let (mut far, _) = server.accept().unwrap();
    let mut heard = vec![0; first.len()];
    far.read_exact(&mut heard).unwrap();
    assert_eq!(heard, first);
    for stream in [&near, &far] {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    }
    (near, far)
}

/// Whether nothing comes for a moment.
fn silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let silent = stream.read(&mut [0; 1]).is_err_and(|error| {
        matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
    });
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    silent
}

#[test]
fn it_carries_keeps_counts_and_cuts() {
    let setup = Setup { keep: true, ..Setup::default() };
    let (proxy, mut near, mut far) = connected(setup, b"question");
    far.write_all(b"answer").unwrap();
    let mut buffer = [0; 8];
    near.read_exact(&mut buffer[..6]).unwrap();
    let mut bytes = proxy.bytes();
    bytes.sort();
    assert_eq!(bytes, [b"answer".to_vec(), b"question".to_vec()]);
    proxy.alter(Some(6));
    far.write_all(b"more").unwrap();
    near.read_exact(&mut buffer[..4]).unwrap();
    assert_eq!(&buffer[..4], b"more", "no link");
    assert_eq!(proxy.passed(Kind::Link, Way::Down), 0);
    proxy.cut();
    assert!(matches!(near.read(&mut buffer), Ok(0) | Err(_)));
    assert!(matches!(far.read(&mut buffer), Ok(0) | Err(_)));
}

#[test]
fn it_alters_one_byte_of_a_link() {
    let (proxy, mut near, mut far) = connected(Setup::default(), b"SL");
    proxy.alter(Some(2));
    far.write_all(b"answer").unwrap();
    let mut buffer = [0; 6];
    near.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"anrwer");
    assert!(proxy.bytes().is_empty(), "nothing is kept unless asked for");
}

#[test]
fn ends_are_handed_on_after_all_that_came_before() {
    let slow = Path { delay: Duration::from_millis(30), ..Path::default() };
    let (_proxy, mut near, mut far) = connected(Setup { down: slow, ..Setup::default() }, b"x");
    far.write_all(b"last words").unwrap();
    drop(far);
    let mut heard = String::new();
    near.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "last words");
}

#[test]
fn it_cuts_and_holds_at_the_byte() {
    let (proxy, mut near, mut far) = connected(Setup::default(), b"SL");
    proxy.hold(Some(5));
    far.write_all(b"0123456789").unwrap();
    let mut buffer = [0; 10];
    near.read_exact(&mut buffer[..5]).unwrap();
    assert!(silent(&mut near));
    proxy.set(Kind::Link, Way::Down, Faults { cut: Some(8), ..Faults::default() });
    let mut rest = Vec::new();
    let _ = near.read_to_end(&mut rest);
    assert_eq!(rest, b"567");
    assert!(matches!(far.read(&mut buffer), Ok(0) | Err(_)), "both sides hear of it");
}

#[test]
fn a_blackout_passes_nothing_and_ends() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::new(server.local_addr().unwrap());
    let (mut near, mut far) = again(&proxy, &server, b"hello");
    proxy.blackout(true);
    near.write_all(b"up").unwrap();
    far.write_all(b"down").unwrap();
    let mut late = TcpStream::connect(proxy.address()).unwrap();
    late.write_all(b"late").unwrap();
    assert!(silent(&mut near) && silent(&mut far));
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err(), "no connection comes about");
    proxy.blackout(false);
    let mut buffer = [0; 4];
    far.read_exact(&mut buffer[..2]).unwrap();
    near.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"down");
    server.set_nonblocking(false).unwrap();
    let (mut far, _) = server.accept().unwrap();
    far.set_nonblocking(false).unwrap();
    far.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"late");
    proxy.stall(Way::Up, true);
    late.write_all(b"again").unwrap();
    assert!(silent(&mut far));
    proxy.stall(Way::Up, false);
    far.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"agai");
}

#[test]
fn bytes_take_the_time_of_their_path() {
    let path = Path { delay: Duration::from_millis(40), ..Path::default() };
    let start = Instant::now();
    let (_proxy, mut near, mut far) =
        connected(Setup { up: path, down: path, ..Setup::default() }, b"x");
    assert!(start.elapsed() >= Duration::from_millis(120), "an exchange, and one way");
    // Much is on its way at once.
    let start = Instant::now();
    let writer = std::thread::spawn(move || {
        far.write_all(&vec![7; 16 << 20]).unwrap();
        far
    });
    let mut received = vec![0; 16 << 20];
    near.read_exact(&mut received).unwrap();
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(40));
    // One exchange for each 256 KiB would take 2.5 s and more.
    assert!(took < Duration::from_millis(1500), "{took:?}");
    writer.join().unwrap();
}

#[test]
fn a_bottleneck_is_shared_and_precise() {
    let narrow =
        Path { delay: Duration::from_millis(20), rate: Some(25_000_000), ..Path::default() };
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy =
        Proxy::with(server.local_addr().unwrap(), Setup { down: narrow, ..Setup::default() });
    let ends = [again(&proxy, &server, b"SL"), again(&proxy, &server, b"SL")];
    let start = Instant::now();
    let took = ends.map(|(mut near, mut far)| {
        let write = std::thread::spawn(move || far.write_all(&vec![0; 5_000_000]));
        let read = std::thread::spawn(move || {
            near.read_exact(&mut vec![0; 5_000_000]).unwrap();
            start.elapsed()
        });
        (write, read)
    });
    let took = took.map(|(write, read)| {
        write.join().unwrap().unwrap();
        read.join().unwrap()
    });
    let both = took[0].max(took[1]).as_secs_f64();
    // 10 MB at 25 MB/s and the way; never faster than the path, slower only as far as this machine is.
    assert!(both > 0.4, "{took:?}");
    assert!(both < 1.2, "{took:?}");
    assert!(took[0].min(took[1]).as_secs_f64() > 0.25, "they take turns: {took:?}");
    assert_eq!(proxy.passed(Kind::Link, Way::Down), 10_000_000);
}

#[test]
fn chance_follows_from_the_seed() {
    let faults = Faults { cut_mean: Some(1000), alter_mean: Some(100), ..Faults::default() };
    let flipped = |seed: u64, pieces: &[usize]| {
        let mut chance = faults::Chance::new(seed, 3, 1);
        let mut bytes = vec![0; 100_000];
        let mut at = 0;
        for len in pieces.iter().cycle() {
            let end = (at + len).min(bytes.len());
            chance.flip(&faults, at as u64, &mut bytes[at..end]);
            at = end;
            if at == bytes.len() {
                break;
            }
        }
        (bytes, chance.cut(&faults))
    };
    let one = flipped(1, &[100_000]);
    assert_eq!(one, flipped(1, &[1, 777, 64]), "however the bytes come");
    assert_ne!(one.0, flipped(2, &[100_000]).0);
    let count = one.0.iter().filter(|byte| **byte != 0).count();
    assert!((800..1200).contains(&count), "{count} of 1000");
    let cuts: u64 = (0..1000).map(|number| faults::Chance::new(1, number, 0).cut(&faults)).sum();
    assert!((900_000..1_100_000).contains(&cuts), "{cuts}");
}
