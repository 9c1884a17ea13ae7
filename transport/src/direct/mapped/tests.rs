//! Routers on loopback, honest and lying, each at an address of its own so that nothing else on this machine has its ports.

use std::sync::Mutex;

use sealift_platform::Platform;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::*;

/// What a router sends for a request.
enum Reply {
    /// Status and body.
    Text(u16, String),
    /// A body without end.
    Endless,
    /// A body, byte by byte with a second between them.
    Drip,
}

/// A router that knows UPnP alone.
struct Upnp {
    heard: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Upnp {
    /// At `at`, with what it says of where its description is, and its answers. `None` where that cannot be listened on.
    async fn start(
        at: Ipv4Addr,
        location: impl Fn(SocketAddr) -> String + Send + 'static,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Option<Self> {
        let search = UdpSocket::bind((at, 1900)).await.ok()?;
        let listener = TcpListener::bind((at, 0)).await.ok()?;
        let place = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (mut tasks, told, reply) = (JoinSet::new(), Arc::clone(&heard), Arc::new(reply));
        tasks.spawn(async move {
            let mut bytes = [0; 1024];
            while let Ok((_, from)) = search.recv_from(&mut bytes).await {
                let answer =
                    format!("HTTP/1.1 200 OK\r\nST: x\r\nLOCATION: {}\r\n\r\n", location(place));
                let _ = search.send_to(answer.as_bytes(), from).await;
            }
        });
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (told, reply) = (Arc::clone(&told), Arc::clone(&reply));
                tokio::spawn(async move { converse(stream, &told, &*reply).await });
            }
        });
        Some(Self { heard, _tasks: tasks })
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().join("\n")
    }
}

/// One request, and its answer.
async fn converse(
    mut stream: TcpStream,
    heard: &Mutex<Vec<String>>,
    reply: &(impl Fn(&str) -> Reply + Sync),
) {
    let (mut request, mut part) = (String::new(), [0; 4096]);
    let whole = |request: &str| {
        let end = if request.starts_with("GET") { "\r\n\r\n" } else { "</s:Envelope>\r\n" };
        request.ends_with(end)
    };
    while !whole(&request) {
        let Ok(len @ 1..) = stream.read(&mut part).await else { return };
        request.push_str(&String::from_utf8_lossy(&part[..len]));
    }
    heard.lock().unwrap().push(request.clone());
    match reply(&request) {
        Reply::Text(status, body) => {
            let len = body.len();
            let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {len}\r\n\r\n{body}");
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n<root>").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
        Reply::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(b"<").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// What an ordinary router answers; a port that ends in `0` is somebody else's.
fn ordinary(request: &str) -> Reply {
    let body = if request.starts_with("GET") {
        let service = |kind: &str| {
            format!(
                "<service><serviceType>urn:schemas-upnp-org:service:{kind}</serviceType><controlURL>/ctl</controlURL></service>"
            )
        };
        format!("<root>{}{}</root>", service("Other:1"), service("WANIPConnection:1"))
    } else if request.contains("#GetExternalIPAddress\"") {
        envelope("<NewExternalIPAddress>198.51.100.7</NewExternalIPAddress>")
    } else if request.contains("0</NewExternalPort>") {
        return Reply::Text(500, envelope("<errorCode>718</errorCode>"));
    } else {
        envelope("")
    };
    Reply::Text(200, body)
}

fn envelope(inner: &str) -> String {
    format!("<s:Envelope xmlns:s=\"x\"><s:Body>{inner}</s:Body></s:Envelope>")
}

fn described(place: SocketAddr) -> String {
    format!("http://{place}/root.xml")
}

/// A router on loopback that knows NAT-PMP alone.
async fn nat_pmp(at: Ipv4Addr) -> Option<JoinSet<()>> {
    let socket = UdpSocket::bind((at, pcp::PORT)).await.ok()?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut bytes = [0; 128];
        loop {
            let Ok((len, from)) = socket.recv_from(&mut bytes).await else { return };
            let answer = match &bytes[..len] {
                // What is public here.
                [0, 0] => vec![0, 128, 0, 0, 0, 0, 0, 9, 198, 51, 100, 7],
                // UDP or TCP: another port than was asked for, as long as there is.
                [0, kind @ (1 | 2), _, _, inner @ ..] if inner.len() == 8 => {
                    let port = [inner[0], inner[1]];
                    let granted = [
                        [0, 128 + kind, 0, 0, 0, 0, 0, 9],
                        [port[0], port[1], 200, kind * 10, 255, 255, 255, 255],
                    ];
                    granted.concat()
                }
                // PCP: a version that is not known, answered in the form of NAT-PMP (RFC 6886 section 3.5).
                _ => vec![0, 128, 0, 1, 0, 0, 0, 9],
            };
            let _ = socket.send_to(&answer, from).await;
        }
    });
    Some(tasks)
}

const PORTS: Ports = Ports { tcp_v4: Some(4000), tcp_v6: None, udp: None };

/// What the router at `at` grants.
async fn granted(at: Ipv4Addr) -> Vec<Grant> {
    let net = Platform::system().net;
    let mut grants = Vec::new();
    Site::new(&*net, at, &PORTS).unwrap().ask(&mut grants).await;
    grants
}

fn places(grants: &[Grant]) -> Vec<String> {
    grants.iter().map(|grant| grant.place.to_string()).collect()
}

#[tokio::test]
async fn a_router_that_grants_ports_makes_them_addresses() {
    let at = Ipv4Addr::new(127, 77, 13, 1);
    let Some(_router) = nat_pmp(at).await else {
        return eprintln!("skipped: {at} cannot be listened on");
    };
    let grants = granted(at).await;
    assert_eq!(places(&grants), ["198.51.100.7:51220"]);
    assert_eq!(grants[0].candidate().origin, Origin::Mapped);
    assert_eq!(pause(&grants), RENEW.1, "a router is asked again whatever it promises");
}

#[tokio::test]
async fn a_router_that_says_nothing_grants_nothing() {
    assert!(granted(Ipv4Addr::new(127, 77, 13, 2)).await.is_empty());
}

#[tokio::test]
async fn upnp_grants_a_port_keeps_it_and_takes_it_back() {
    let at = Ipv4Addr::new(127, 77, 13, 3);
    let Some(router) = Upnp::start(at, described, ordinary).await else {
        return eprintln!("skipped: {at} cannot be listened on");
    };
    let mut grants = granted(at).await;
    assert_eq!(places(&grants), ["198.51.100.7:4001"], "4000 is somebody else's");
    let asked = router.heard();
    for part in [
        "<NewInternalPort>4000</NewInternalPort>",
        "<NewInternalClient>127.0.0.1</NewInternalClient>",
        "<NewProtocol>TCP</NewProtocol>",
        "<NewLeaseDuration>1200</NewLeaseDuration>",
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    let added = |text: &str| text.matches("#AddPortMapping").count();
    let net = Platform::system().net;
    Site::new(&*net, at, &PORTS).unwrap().ask(&mut grants).await;
    assert_eq!((places(&grants), added(&router.heard())), (vec!["198.51.100.7:4001".into()], 3));
    assert!(!router.heard().contains("#DeletePortMapping"));
    give_back(&*net, &mut grants).await;
    let removed = router.heard();
    let last = removed.rsplit("#DeletePortMapping").next().unwrap();
    assert!(last.contains("<NewExternalPort>4001</NewExternalPort>"), "{removed}");
    assert!(grants.is_empty());
}

#[tokio::test]
async fn nothing_is_fetched_from_anybody_else() {
    let at = Ipv4Addr::new(127, 77, 13, 4);
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = trap.local_addr().unwrap();
    let Some(_router) = Upnp::start(at, move |_| described(place), ordinary).await else {
        return eprintln!("skipped: {at} cannot be listened on");
    };
    let trapped = timeout(Duration::from_millis(100), trap.accept());
    assert!(granted(at).await.is_empty());
    assert!(trapped.await.is_err(), "somebody connected");
}

#[tokio::test]
async fn a_control_address_elsewhere_is_not_called() {
    let at = Ipv4Addr::new(127, 77, 13, 5);
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = trap.local_addr().unwrap();
    let reply = move |request: &str| match ordinary(request) {
        Reply::Text(status, body) => Reply::Text(status, body.replace("/ctl", &described(place))),
        other => other,
    };
    let Some(router) = Upnp::start(at, described, reply).await else {
        return eprintln!("skipped: {at} cannot be listened on");
    };
    assert!(granted(at).await.is_empty());
    assert!(router.heard().starts_with("GET"), "it was asked");
    let trapped = timeout(Duration::from_millis(100), trap.accept());
    assert!(trapped.await.is_err(), "somebody connected");
}

#[tokio::test]
async fn a_router_that_never_ends_is_left() {
    let all = [6_u8, 7].map(|last| async move {
        let at = Ipv4Addr::new(127, 77, 13, last);
        let reply = move |_: &str| if last == 6 { Reply::Endless } else { Reply::Drip };
        let Some(router) = Upnp::start(at, described, reply).await else {
            return eprintln!("skipped: {at} cannot be listened on");
        };
        let grants = timeout(Duration::from_secs(60), granted(at)).await;
        assert!(grants.expect("an end").is_empty());
        assert!(router.heard().starts_with("GET"), "it was asked");
    });
    let [endless, drip] = all;
    tokio::join!(endless, drip);
}

#[tokio::test]
async fn a_router_behind_another_one_is_not_asked_for_ports() {
    let at = Ipv4Addr::new(127, 77, 13, 8);
    let reply = |request: &str| match ordinary(request) {
        Reply::Text(status, body) => {
            Reply::Text(status, body.replace("198.51.100.7", "192.168.7.7"))
        }
        other => other,
    };
    let Some(router) = Upnp::start(at, described, reply).await else {
        return eprintln!("skipped: {at} cannot be listened on");
    };
    assert!(granted(at).await.is_empty());
    let heard = router.heard();
    assert!(heard.contains("#GetExternalIPAddress") && !heard.contains("#AddPortMapping"));
}
