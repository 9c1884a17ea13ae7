//! A relay that shows whatever it is told to, and a device that signs whatever it is told to.
#![allow(dead_code, unreachable_pub, reason = "each test file that has it uses a part")]

use std::sync::{Arc, Mutex};

use sealift_command::args::CommonArgs;
use sealift_command::console::{Console, Lines};
use sealift_command::paint::When;
use sealift_command::people::speaker::Speaker;
use sealift_leecher::cli::leecher;
use sealift_leecher::freshen::online;
use sealift_leecher::replica::{LogKey, LogView};
use sealift_platform::Platform;
use sealift_proto::catalogue::{self, Change, Entry, Root};
use sealift_proto::codec::{self, Bytes, Extensions};
use sealift_proto::control::{FromRelay, LogHead, ToRelay, Welcome};
use sealift_proto::features::Features;
use sealift_proto::frame::{self, ALPN, EXPORTER_LABEL, FRAME_HEADER};
use sealift_proto::identity::{SecretKey, Signed};
use sealift_proto::log::{Head, chain_next, chain_start};
use sealift_proto::object::{self, Place};
use sealift_proto::path::RelativePath;
use sealift_proto::place::RelayPlace;
use sealift_proto::space::{HostName, Label};
use sealift_space::home::Home;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;
use sealift_transport::client::{Farewell, LiveSpace};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const LOG_ID: [u8; 16] = [5; 16];

/// What a relay shows, beside the card and record that were published to it.
#[derive(Clone, Default)]
pub struct Show {
    own: Vec<LogHead>,
    heads: Vec<LogHead>,
    segments: Vec<Vec<u8>>,
}

/// A relay that shows whatever it is told to.
pub struct Relay {
    show: Arc<Mutex<Show>>,
    address: RelayPlace,
}

impl Relay {
    pub async fn start() -> Self {
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
        let show = Arc::new(Mutex::new(Show::default()));
        let shared = show.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        let host = HostName::new("127.0.0.1").unwrap();
        Self { show, address: RelayPlace { host, port, pin: None } }
    }

    pub fn shows(&self, heads: Vec<LogHead>, segments: &[Vec<u8>]) {
        let mut show = self.show.lock().unwrap();
        (show.heads, show.segments) = (heads, segments.to_vec());
    }
}

async fn serve(mut stream: TlsStream<TcpStream>, shared: Arc<Mutex<Show>>) {
    let mut device = None;
    while let Some(message) = next(&mut stream).await {
        let show = shared.lock().unwrap().clone();
        if let (ToRelay::Publish { log, statement, .. }, Some(device)) = (&message, device) {
            let mut show = shared.lock().unwrap();
            show.own.retain(|head| head.log != *log);
            show.own.push(LogHead { device, log: *log, statement: statement.clone() });
        }
        if let ToRelay::Hello(hello) = &message {
            let exporter: [u8; 32] =
                stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap();
            device = hello.verify(&exporter).ok().map(|body| body.device);
        }
        let answers = match message {
            ToRelay::Hello(_) => vec![FromRelay::Welcome(Welcome {
                version: 1,
                connection: 1,
                time: Platform::system().clock.unix_millis(),
                seen_as: Bytes::default(),
                features: Features::from_bits(u64::MAX),
                extensions: Extensions::default(),
            })],
            ToRelay::Heads => {
                let heads = show.own.iter().chain(&show.heads).cloned().map(FromRelay::Head);
                heads.chain([FromRelay::HeadsEnd]).collect()
            }
            ToRelay::Peers => vec![FromRelay::PeersEnd],
            ToRelay::Publish { request, .. } => vec![FromRelay::Done { request }],
            ToRelay::Fetch { request, from, to, .. } => {
                let segment = |position: u64| FromRelay::Segment {
                    request,
                    position,
                    segment: Bytes::new(show.segments[position as usize].clone()).unwrap(),
                };
                (from..to).map(segment).chain([FromRelay::Done { request }]).collect()
            }
            _ => Vec::new(),
        };
        for answer in answers {
            let bytes = frame::frame(&codec::encode(&answer)).unwrap();
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = stream.flush().await;
    }
}

async fn next(stream: &mut TlsStream<TcpStream>) -> Option<ToRelay> {
    let mut header = [0; FRAME_HEADER];
    stream.read_exact(&mut header).await.ok()?;
    let mut body = vec![0; frame::body_len(header).unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    codec::decode(&body).ok()
}

/// A device that is a space of its own: it reads the catalogues that it signs itself.
pub struct Member {
    pub folder: tempfile::TempDir,
    pub speaker: Speaker,
    pub space: SpaceState,
    pub lines: Lines,
}

pub fn member() -> Member {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::system();
    let profile = Profile::open(&platform, &Home::beneath(folder.path())).unwrap();
    let (console, lines) = Console::captured(false);
    let speaker = Speaker::new(profile, console).unwrap();
    let (random, key) = (&*platform.random, &speaker.device.key);
    let name = Label::new("ours").unwrap();
    let space = SpaceState::create(random, speaker.now(), &key.id(), name, Vec::new()).unwrap();
    speaker.profile.save_space(&space).unwrap();
    Member { folder, speaker, space, lines }
}

impl Member {
    /// A history of one file per segment, sealed.
    pub fn segments(&self, names: &[&str]) -> Vec<Vec<u8>> {
        let fold = |name: &&str| catalogue::fold(&[file(&format!("share/{name}"))]).unwrap();
        names.iter().map(fold).zip(0..).map(|(plain, at)| self.seal(at, &plain)).collect()
    }

    /// The segment at `position` with the content `plain`, whatever that is.
    pub fn seal(&self, position: u64, plain: &[u8]) -> Vec<u8> {
        let place = self.place(position);
        let random = Platform::system().random.bytes();
        object::seal::<object::Segment>(&self.space.keys().catalogue, &place, random, plain)
    }

    pub fn place(&self, position: u64) -> Place {
        self.space.place(self.speaker.device.key.id(), 2, position)
    }

    /// A signed head over the first `count` of `segments`.
    pub fn heads(&self, segments: &[Vec<u8>], count: usize) -> Vec<LogHead> {
        self.heads_signed(segments, count, &self.speaker.device.key)
    }

    pub fn heads_signed(
        &self,
        segments: &[Vec<u8>],
        count: usize,
        key: &SecretKey,
    ) -> Vec<LogHead> {
        signed(&self.head(segments, count), key)
    }

    /// The head over the first `count` of `segments`.
    pub fn head(&self, segments: &[Vec<u8>], count: usize) -> Head {
        let start = chain_start(&LOG_ID, 0);
        let chain = segments[..count].iter().fold(start, |chain, next| chain_next(&chain, next));
        Head {
            version: 1,
            space: self.space.id(),
            device: self.speaker.device.key.id(),
            log: 2,
            log_id: LOG_ID,
            base: 0,
            position: count as u64,
            chain,
            epoch: self.space.epoch(),
            time: 1000 + count as u64,
            status: Bytes::default(),
            extensions: Extensions::default(),
        }
    }

    /// Brings the catalogue up to date; the file names known afterwards.
    pub async fn sync(&self, relay: &Relay) -> Vec<String> {
        let common = CommonArgs {
            home: None,
            relay: Some(relay.address.clone()),
            space: None,
            json: false,
            quiet: false,
            verbose: true,
            color: When::Never,
        };
        let leecher = leecher(&self.speaker, &common);
        let space = LiveSpace::new(Arc::new(self.space.clone()));
        drop(online(&leecher, space, Farewell::default()).await.unwrap());
        let device = self.speaker.device.key.id();
        let key = LogKey { space: self.space.id(), device, log: 2 };
        let root = self.speaker.profile.cache().root();
        let Some(view) = LogView::open(root, &key).unwrap() else { return Vec::new() };
        let entries = view.entries("").unwrap();
        entries.map(|entry| entry.unwrap().0.trim_start_matches("share/").to_owned()).collect()
    }

    /// Folder of what is known of the catalogue.
    pub fn replica(&self) -> std::path::PathBuf {
        let spaces = self.folder.path().join("cache/replica");
        let only = |folder| std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        only(only(spaces))
    }

    /// Forgets what was known and told.
    pub fn forget(&self) {
        std::fs::remove_dir_all(self.replica()).unwrap();
        self.lines.lock().unwrap().clear();
    }

    pub fn told(&self, what: &str) -> usize {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|(_, line)| line.contains(what)).count()
    }

    pub fn warnings(&self) -> usize {
        self.told("warning:")
    }
}

/// `head` with the signature of `key`, as a relay shows it.
pub fn signed(head: &Head, key: &SecretKey) -> Vec<LogHead> {
    let statement = Bytes::new(Signed::sign(head.clone(), key).unwrap().to_bytes()).unwrap();
    vec![LogHead { device: head.device, log: head.log, statement }]
}

/// A small file at `path`.
pub fn file(path: &str) -> Change {
    Change::Put(Entry {
        path: RelativePath::new(path).unwrap(),
        size: 1,
        modified: 1,
        flags: 0,
        root: Some(Root([1; 32])),
    })
}
