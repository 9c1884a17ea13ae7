//! Relays that lie, fall silent, never end, or end too early.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sealift_command::console::{Console, Lines};
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_platform::Platform;
use sealift_proto::codec::{self, Bytes, Extensions};
use sealift_proto::control::{Address, FromRelay, LogHead, Refusal, ToRelay, Welcome};
use sealift_proto::features::Features;
use sealift_proto::frame::{self, ALPN, FRAME_HEADER};
use sealift_proto::identity::{DeviceId, SecretKey, Signed};
use sealift_proto::log::Head;
use sealift_proto::place::RelayPlace;
use sealift_proto::space::{Card, HostName, Label, SpaceId};
use sealift_space::home::Home;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;
use sealift_transport::connect::{Connected, Patience, connect};
use sealift_transport::control::{CallError, Control, Events, Purpose, dial};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// One connection as the relay has it.
struct Wire(TlsStream<TcpStream>);

impl Wire {
    async fn send(&mut self, message: &FromRelay) -> bool {
        let bytes = frame::frame(&codec::encode(message)).unwrap();
        self.0.write_all(&bytes).await.is_ok() && self.0.flush().await.is_ok()
    }

    async fn next(&mut self) -> Option<ToRelay> {
        let mut header = [0; FRAME_HEADER];
        self.0.read_exact(&mut header).await.ok()?;
        let mut body = vec![0; frame::body_len(header).unwrap()];
        self.0.read_exact(&mut body).await.ok()?;
        codec::decode(&body).ok()
    }

    async fn welcome(&mut self, time: u64) {
        assert!(matches!(self.next().await, Some(ToRelay::Hello(_))));
        let welcome = Welcome {
            version: 1,
            connection: 1,
            time,
            seen_as: Bytes::default(),
            features: Features::from_bits(u64::MAX),
            extensions: Extensions::default(),
        };
        self.send(&FromRelay::Welcome(welcome)).await;
    }

    /// Tells that there is nothing, then answers each Publish with what `answer` makes of its request number.
    async fn nothing_else(mut self, answer: impl Fn(u32) -> FromRelay) {
        self.send(&FromRelay::HeadsEnd).await;
        self.send(&FromRelay::PeersEnd).await;
        while let Some(message) = self.next().await {
            if let ToRelay::Publish { request, .. } = message {
                self.send(&answer(request)).await;
            }
        }
    }
}

fn done(request: u32) -> FromRelay {
    FromRelay::Done { request }
}

fn now() -> u64 {
    Platform::system().clock.unix_millis()
}

/// A relay that does with each connection, numbered from 0, what `script` says.
async fn relay<F>(script: impl Fn(u32, Wire) -> F + Send + 'static) -> RelayPlace
where
    F: Future<Output = ()> + Send + 'static,
{
    let key = rcgen::generate_simple_self_signed(vec!["relay.invalid".into()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let secret = rustls::pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], secret.into())
        .unwrap();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            tokio::spawn(script(number, Wire(stream)));
        }
    });
    RelayPlace { host: HostName::new("127.0.0.1").unwrap(), port, pin: None }
}

struct Member {
    _folder: tempfile::TempDir,
    speaker: Speaker,
    space: SpaceState,
    lines: Lines,
}

fn member() -> Member {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::system();
    let profile = Profile::open(&platform, &Home::beneath(folder.path())).unwrap();
    let (console, lines) = Console::captured(false);
    let speaker = Speaker::new(profile, console).unwrap();
    let (name, id) = (Label::new("ours").unwrap(), speaker.device.key.id());
    let space =
        SpaceState::create(&*platform.random, speaker.now(), &id, name, Vec::new()).unwrap();
    speaker.profile.save_space(&space).unwrap();
    Member { _folder: folder, speaker, space, lines }
}

impl Member {
    async fn connect(&self, relay: &RelayPlace) -> Result<Connected, Failure> {
        self.connect_within(relay, Duration::from_secs(3)).await
    }

    async fn connect_within(
        &self,
        relay: &RelayPlace,
        most: Duration,
    ) -> Result<Connected, Failure> {
        let patience = Patience::AtMost(most);
        let connected = connect(&self.speaker, self.space.clone(), relay, false, patience).await;
        connected.map_err(Failure::from)
    }

    fn told(&self, what: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|(_, line)| line.contains(what)).count()
    }

    fn own_card(&self, key: &SecretKey, number: u64) -> LogHead {
        let random = &*Platform::system().random;
        let name = Label::new("x").unwrap();
        let card = self.space.make_card(random, key, number, name, vec![7; 1216]).unwrap();
        LogHead { device: key.id(), log: 1, statement: Bytes::new(card.to_bytes()).unwrap() }
    }

    async fn control(&self, relay: &RelayPlace) -> (Control, Events) {
        let purpose =
            Purpose::Member { chain: self.space.chain().clone(), serving: false, token: None };
        let key = &self.speaker.device.key;
        dial(&Platform::system(), relay, key, purpose, Vec::new()).await.unwrap()
    }
}

fn catalogue_head(number: u32) -> LogHead {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    let key = SecretKey::from_seed(seed);
    let head = Head {
        version: 1,
        space: SpaceId::from_bytes([0; 32]),
        device: key.id(),
        log: 2,
        log_id: [0; 16],
        base: 0,
        position: 0,
        chain: [0; 32],
        epoch: 1,
        time: 0,
        status: Bytes::default(),
        extensions: Extensions::default(),
    };
    let statement = Bytes::new(Signed::sign(head, &key).unwrap().to_bytes()).unwrap();
    LogHead { device: key.id(), log: 2, statement }
}

fn stranger() -> DeviceId {
    SecretKey::from_seed([99; 32]).id()
}

#[tokio::test]
async fn news_without_end_end_and_fill_no_memory() {
    let member = member();
    let heads: Vec<_> = (0..10_000).map(catalogue_head).collect();
    let relay = relay(move |_, mut wire| {
        let heads = heads.clone();
        async move {
            wire.welcome(now()).await;
            for head in heads {
                wire.send(&FromRelay::Head(head)).await;
            }
            let endless = frame::frame(&codec::encode(&FromRelay::PeerGone { device: stranger() }));
            let endless = endless.unwrap().repeat(1000);
            while wire.0.write_all(&endless).await.is_ok() {}
        }
    })
    .await;
    let failure = timeout(Duration::from_secs(55), member.connect(&relay)).await.unwrap().err();
    let failure = failure.unwrap();
    assert_eq!(failure.exit, Exit::Relay);
    assert!(failure.what.contains("end of its news"), "{failure}");
}

#[tokio::test]
async fn heads_beyond_the_limit_and_too_long_ones_are_not_kept() {
    let member = member();
    let relay = relay(|_, mut wire| async move {
        wire.welcome(now()).await;
        for number in 0..9000 {
            wire.send(&FromRelay::Head(catalogue_head(number))).await;
        }
        let statement = Bytes::new(vec![0; 50_000]).unwrap();
        let head = LogHead { device: catalogue_head(0).device, log: 2, statement };
        wire.send(&FromRelay::Head(head)).await;
        wire.nothing_else(done).await;
    })
    .await;
    let connected = member.connect(&relay).await.unwrap();
    assert_eq!(connected.heads.len(), 8192);
    assert!(connected.heads.iter().all(|head| head.statement.len() < 4096));
}

#[tokio::test]
async fn a_forged_number_of_the_own_card_does_no_harm() {
    let member = member();
    let me = member.speaker.device.key.id();
    for number in [u64::MAX, u64::MAX - 1] {
        // Signed by somebody else, under this device's name.
        let other = SecretKey::from_seed([4; 32]);
        let card = Card {
            version: 1,
            space: member.space.id(),
            device: me,
            number,
            sealed: Bytes::default(),
            extensions: Extensions::default(),
        };
        let statement = Bytes::new(Signed::sign(card, &other).unwrap().to_bytes()).unwrap();
        let head = LogHead { device: me, log: 1, statement };
        let relay = relay(move |_, mut wire| {
            let head = head.clone();
            async move {
                wire.welcome(now()).await;
                wire.send(&FromRelay::Head(head)).await;
                wire.nothing_else(done).await;
            }
        })
        .await;
        let connected = member.connect(&relay).await.unwrap();
        assert!(connected.members().get(&me).unwrap().card_number() < now() + 1000);
    }
    // The device's own, from a time when its clock was far ahead.
    let head = member.own_card(&member.speaker.device.key, u64::MAX);
    let relay = relay(move |_, mut wire| {
        let head = head.clone();
        async move {
            wire.welcome(now()).await;
            wire.send(&FromRelay::Head(head)).await;
            wire.nothing_else(|request| FromRelay::Failed { request, why: Refusal::Stale }).await;
        }
    })
    .await;
    member.connect(&relay).await.unwrap();
}

#[tokio::test]
async fn another_program_that_published_first_is_no_failure() {
    let member = member();
    let stale = |request| FromRelay::Failed { request, why: Refusal::Stale };
    let relay = relay(move |_, mut wire| async move {
        wire.welcome(now()).await;
        wire.nothing_else(stale).await;
    })
    .await;
    member.connect(&relay).await.unwrap();
}

#[tokio::test]
async fn a_relay_that_ends_in_the_middle_of_the_news_is_tried_again() {
    let member = member();
    let relay = relay(|number, mut wire| async move {
        wire.welcome(now()).await;
        match number {
            0 => {
                wire.send(&FromRelay::HeadsEnd).await;
            }
            1 => {
                wire.send(&FromRelay::Refused(Refusal::Shutdown)).await;
            }
            _ => wire.nothing_else(done).await,
        }
    })
    .await;
    member.connect(&relay).await.unwrap();
    assert_eq!(member.told("first contact"), 1);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named_with_how_much() {
    let member = member();
    let relay = relay(|_, mut wire| async move {
        wire.welcome(now() + 2 * 3600 * 1000 + 30_000).await;
        wire.nothing_else(done).await;
    })
    .await;
    member.connect(&relay).await.unwrap();
    assert_eq!(member.told("is 2 h 0 min behind"), 1);
}

#[tokio::test]
async fn a_certificate_ended_by_the_relays_clock_alone_is_a_matter_of_clocks() {
    let member = member();
    let relay = relay(|_, mut wire| async move {
        wire.next().await;
        wire.send(&FromRelay::Refused(Refusal::Expired)).await;
    })
    .await;
    let failure = member.connect(&relay).await.err().unwrap();
    assert_eq!(failure.exit, Exit::Refused);
    assert!(failure.why.unwrap().contains("one of the two is wrong"));
}

#[tokio::test]
async fn bytes_that_are_no_message_are_no_relay() {
    let member = member();
    let relay = relay(|_, mut wire| async move {
        wire.next().await;
        let _ = wire.0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let failure = member.connect(&relay).await.err().unwrap();
    assert!(failure.what.contains("is no Sealift relay"), "{failure}");
}

#[tokio::test]
async fn one_thing_is_warned_of_once() {
    let member = member();
    let key = member.speaker.device.key.clone();
    let (new, old) = (member.own_card(&key, now()), member.own_card(&key, 5));
    let relay = relay(move |_, mut wire| {
        let (new, old) = (new.clone(), old.clone());
        async move {
            wire.welcome(now()).await;
            wire.send(&FromRelay::Head(new)).await;
            for _ in 0..100 {
                wire.send(&FromRelay::Head(old.clone())).await;
            }
            wire.nothing_else(done).await;
        }
    })
    .await;
    member.connect(&relay).await.unwrap();
    assert_eq!(member.told("an older card"), 1);
}

#[tokio::test]
async fn nothing_is_sent_into_a_connection_that_has_ended() {
    let member = member();
    let relay = relay(|_, mut wire| async move { wire.welcome(now()).await }).await;
    let (control, mut events) = member.control(&relay).await;
    while events.recv().await.is_some() {}
    assert_eq!(control.send(ToRelay::Peers).await, Err(CallError::Closed));
}

#[tokio::test]
async fn a_relay_that_takes_nothing_holds_nobody_for_ever() {
    let member = member();
    let relay = relay(|_, mut wire| async move {
        wire.welcome(now()).await;
        for nonce in 0.. {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if !wire.send(&FromRelay::Ping { nonce }).await {
                return;
            }
        }
    })
    .await;
    let (control, _events) = member.control(&relay).await;
    let to = Address { device: stranger(), connection: 0 };
    let body = Bytes::new(vec![0; 48 * 1024]).unwrap();
    let flood =
        async { while control.send(ToRelay::Forward { to, body: body.clone() }).await.is_ok() {} };
    tokio::pin!(flood);
    timeout(Duration::from_secs(1), &mut flood).await.unwrap_err();
    // Everything is full by now: what is left is waiting.
    tokio::time::pause();
    timeout(Duration::from_secs(45), flood).await.unwrap();
}

#[tokio::test]
async fn events_that_nobody_reads_stay_within_bounds() {
    let member = member();
    let (count, counted) = tokio::sync::watch::channel(0usize);
    let count = Arc::new(count);
    let relay = relay(move |_, mut wire| {
        let count = count.clone();
        async move {
            wire.welcome(now()).await;
            let statement = Bytes::new(vec![0; 56_000]).unwrap();
            let head = FromRelay::Head(LogHead { device: stranger(), log: 2, statement });
            while wire.send(&head).await {
                count.send_modify(|count| *count += 56_000);
            }
        }
    })
    .await;
    let (_control, _events) = member.control(&relay).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let taken = *counted.borrow();
    assert!(taken > 1 << 20, "only {taken} bytes were offered: nothing was tried");
    assert!(taken < 24 << 20, "{taken} bytes were taken");
}

/// What answers links and no TLS is what a way that loses large packets looks like from here: the first message of TLS has two.
#[tokio::test]
async fn a_way_that_loses_large_packets_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut first = [0; 2];
            stream.readable().await.unwrap();
            if stream.peek(&mut first).await.unwrap() == 2 && first != *b"SL" {
                held.push(stream);
            }
        }
    });
    let relay = RelayPlace { host: HostName::new("127.0.0.1").unwrap(), port, pin: None };
    let member = member();
    let failure = member.connect_within(&relay, Duration::from_secs(9)).await.err().unwrap();
    assert_eq!(failure.exit, Exit::Relay);
    assert!(failure.why.unwrap().contains("small messages pass"));
    assert!(failure.next.unwrap().contains("mtu"));
}
