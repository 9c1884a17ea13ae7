//! A seeder in this process with a real relay and a real folder, and what a member reads of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sealift_command::console::{Console, Lines};
use sealift_command::exit::Failure;
use sealift_command::people::speaker::Speaker;
use sealift_platform::Platform;
use sealift_proto::catalogue::{Change, Entry, Root, unfold};
use sealift_proto::codec::{self, List};
use sealift_proto::control::Address;
use sealift_proto::identity::Signed;
use sealift_proto::invite::Invite;
use sealift_proto::link::{ToLeecher, ToSeeder};
use sealift_proto::log::{FIRST_CATALOGUE, Head, chain_next, chain_start};
use sealift_proto::message::{Item, Outcome, SessionMessage};
use sealift_proto::object;
use sealift_proto::place::RelayPlace;
use sealift_proto::space::HostName;
use sealift_relay::Relay;
use sealift_seeder::Config;
use sealift_seeder::invite::{Terms, make};
use sealift_seeder::names::WatchArg;
use sealift_seeder::watch::Watching;
use sealift_space::home::Home;
use sealift_space::profile::Profile;
use sealift_tests::stage::own_address;
use sealift_transport::connect::{Connected, GIVE_UP, Patience, connect};
use sealift_transport::session::{Incoming, LinkReader, LinkWriter, Sessions, Side, WrapChoice};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A program that runs in a task.
pub(crate) struct Running<T> {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<T>,
}

impl<T> Running<T> {
    pub(crate) async fn stop(mut self) -> T {
        let _ = self.stop.take().unwrap().send(());
        self.task.await.unwrap()
    }

    /// Waits for it to end by itself.
    pub(crate) async fn end(self) -> T {
        tokio::time::timeout(LONG, self.task).await.expect("it ends").unwrap()
    }
}

pub(crate) struct World {
    dir: tempfile::TempDir,
    relay: Option<Running<()>>,
    pub(crate) arg: RelayPlace,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("share")).unwrap();
        let address = SocketAddr::from((own_address(), 0));
        let (relay, arg) = start_relay(&dir.path().join("relay"), address).await;
        Self { dir, relay: Some(relay), arg }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path("share").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn arg_address(&self) -> SocketAddr {
        format!("{}:{}", self.arg.host.as_str(), self.arg.port).parse().unwrap()
    }

    pub(crate) async fn restart_relay(&mut self, between: impl FnOnce(&Path)) {
        self.relay.take().unwrap().stop().await;
        between(&self.path("relay"));
        let (relay, arg) = start_relay(&self.path("relay"), self.arg_address()).await;
        assert_eq!(arg, self.arg);
        self.relay = Some(relay);
    }

    pub(crate) fn seeder(&self, home: &str) -> (Running<Result<(), Failure>>, Lines) {
        let (console, lines) = Console::captured(false);
        let config = Config {
            remembered: false,
            home: Home::beneath(&self.path(home)),
            watch: vec![WatchArg { name: None, dir: self.path("share") }],
            relay: Some(self.arg.clone()),
            space: None,
            name: Some("ana".into()),
            watching: Watching::System,
            limit: None,
            path: sealift_transport::path::Allowed::Relay,
            invites: false,
            lan: false,
            answers_status: true,
        };
        let (stop, stopped) = oneshot::channel();
        let ended = async {
            let _ = stopped.await;
        };
        let run = sealift_seeder::cli::share(Platform::system(), config, console, ended);
        (Running { stop: Some(stop), task: tokio::spawn(run) }, lines)
    }

    pub(crate) fn speaker(&self, home: &str) -> Speaker {
        let home = Home::beneath(&self.path(home));
        let profile = Profile::open(&Platform::system(), &home).unwrap();
        Speaker::new(profile, Console::captured(false).0).unwrap()
    }

    /// A connection that does not serve, as any command beside the seeder makes it.
    pub(crate) async fn beside(&self, speaker: &Speaker) -> Connected {
        let space = speaker.profile.one_space(None).unwrap();
        connect(speaker, space, &self.arg, false, Patience::AtMost(GIVE_UP)).await.unwrap()
    }

    pub(crate) async fn invite(&self, owner_home: &str, uses: u32) -> Invite {
        let speaker = self.speaker(owner_home);
        let connected = self.beside(&speaker).await;
        let terms = Terms { uses, ..Terms::default() };
        make(&speaker, &connected.space, &connected.control, &terms).await.unwrap()
    }
}

async fn start_relay(home: &Path, address: SocketAddr) -> (Running<()>, RelayPlace) {
    let platform = Platform::system();
    let start = Instant::now();
    let listener = loop {
        match platform.net.listen(address).await {
            Ok(listener) => break listener,
            Err(_) if start.elapsed() < LONG => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    };
    let address = listener.local_addr().unwrap();
    let config = sealift_relay::Config { home: home.to_owned(), ..Default::default() };
    let relay = Relay::open(platform, config).await.unwrap();
    let arg = RelayPlace {
        host: HostName::new(address.ip().to_string()).unwrap(),
        port: address.port(),
        pin: Some(relay.pin()),
    };
    let (stop, stopped) = oneshot::channel();
    let ended = async {
        let _ = stopped.await;
    };
    let task = tokio::spawn(async move { relay.serve(vec![listener], ended).await.unwrap() });
    (Running { stop: Some(stop), task }, arg)
}

pub(crate) async fn line_with(lines: &Lines, text: &str) -> String {
    let start = Instant::now();
    loop {
        let found = lines.lock().unwrap().iter().find(|(_, line)| line.contains(text)).cloned();
        if let Some((_, line)) = found {
            return line;
        }
        assert!(start.elapsed() < LONG, "no `{text}` in {:#?}", lines.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a member reads of the seeder's catalogue, with the place of each entry.
pub(crate) struct Catalogue {
    pub(crate) head: Head,
    pub(crate) entries: BTreeMap<String, (Entry, u64, u32)>,
    /// Position and path of every change in the log.
    pub(crate) changes: Vec<(u64, String)>,
}

async fn read_catalogue(connected: &Connected) -> Option<Catalogue> {
    let head = connected.heads.iter().find(|head| head.log == FIRST_CATALOGUE)?;
    let signed = Signed::<Head>::from_bytes(&head.statement).unwrap();
    let stated = signed.verify(&head.device).unwrap().clone();
    let mut chain = chain_start(&stated.log_id, stated.base);
    let (mut entries, mut changes) = (BTreeMap::new(), Vec::new());
    let mut from = stated.base;
    while from < stated.position {
        let to = stated.position.min(from + 16);
        let segments =
            connected.control.fetch(head.device, head.log, stated.log_id, from, to).await.unwrap();
        for (segment, position) in segments.iter().zip(from..) {
            chain = chain_next(&chain, segment);
            let key = &connected.space.keys().catalogue;
            let place = connected.space.place(head.device, head.log, position);
            let folded = object::open::<object::Segment>(key, &place, segment).unwrap();
            for (change, index) in unfold(&folded).unwrap().into_iter().zip(0..) {
                match change {
                    Change::Put(entry) => {
                        changes.push((position, entry.path.as_str().to_owned()));
                        entries.insert(entry.path.as_str().to_owned(), (entry, position, index));
                    }
                    Change::Folder(folder) => drop(entries.remove(folder.path.as_str())),
                    Change::Remove(path) => {
                        changes.push((position, path.as_str().to_owned()));
                        entries.remove(path.as_str());
                    }
                }
            }
        }
        from = to;
    }
    assert_eq!(chain, stated.chain);
    Some(Catalogue { head: stated, entries, changes })
}

impl World {
    /// Reads the catalogue again and again until it is as wanted.
    pub(crate) async fn catalogue_when(
        &self,
        speaker: &Speaker,
        what: impl Fn(&Catalogue) -> bool,
    ) -> Catalogue {
        let start = Instant::now();
        loop {
            let connected = self.beside(speaker).await;
            if let Some(catalogue) = read_catalogue(&connected).await
                && what(&catalogue)
            {
                return catalogue;
            }
            assert!(start.elapsed() < LONG, "the catalogue is not as wanted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

pub(crate) struct Session {
    pub(crate) writer: LinkWriter<ToSeeder>,
    pub(crate) reader: LinkReader<ToLeecher>,
    pub(crate) connected: Connected,
}

pub(crate) async fn open_session(world: &World, speaker: &Speaker, seeder: &Speaker) -> Session {
    let platform = Platform::system();
    let mut connected = world.beside(speaker).await;
    let sessions = Sessions::default();
    let (control, space) = (connected.control.clone(), connected.space.clone());
    let side = Side {
        platform: &platform,
        space: &space,
        key: &speaker.device.key,
        address: control.address(),
    };
    let to = Address { device: seeder.device.key.id(), connection: 0 };
    let opening = sessions.open(&side, &control, to, WrapChoice::Auto);
    tokio::pin!(opening);
    let session = loop {
        tokio::select! {
            session = &mut opening => break session.unwrap(),
            Some(event) = connected.events.recv() => sessions.handle(&side, &event),
        }
    };
    let (mut reader, _) = session.reader.confirm().await.unwrap();
    let first = message(&mut reader).await;
    assert!(matches!(first, SessionMessage::Head { statement } if !statement.is_empty()));
    Session { writer: session.writer, reader, connected }
}

pub(crate) async fn message(reader: &mut LinkReader<ToLeecher>) -> SessionMessage {
    match tokio::time::timeout(LONG, reader.next()).await.unwrap().unwrap() {
        Incoming::Message(bytes) => codec::decode(&bytes).unwrap(),
        Incoming::Run(_) => panic!("a message was to come, not a run"),
        Incoming::End => panic!("a message was to come, not the end"),
    }
}

impl Session {
    pub(crate) async fn ask(&mut self, request: SessionMessage) -> SessionMessage {
        self.writer.message(&request).await.unwrap();
        message(&mut self.reader).await
    }

    pub(crate) async fn get(&mut self, items: Vec<Item>) -> (Vec<Outcome>, Vec<u8>) {
        let get = SessionMessage::Get { request: 9, items: List::new(items).unwrap() };
        self.writer.message(&get).await.unwrap();
        let next = tokio::time::timeout(LONG, self.reader.next()).await.unwrap().unwrap();
        let Incoming::Run(mut run) = next else { panic!("a run was to come") };
        let outcomes = run.header().outcomes.to_vec();
        let len = run.header().content_len().and_then(|len| usize::try_from(len).ok()).unwrap();
        let mut content = vec![0; len];
        run.read_exact(&mut content).await.unwrap();
        run.finish().await.unwrap();
        (outcomes, content)
    }
}

pub(crate) fn root_of(content: &[u8]) -> Root {
    Root(*blake3::hash(content).as_bytes())
}

pub(crate) fn all_hashed(catalogue: &Catalogue, files: usize) -> bool {
    catalogue.entries.len() == files
        && catalogue.entries.values().all(|(entry, _, _)| entry.root.is_some())
}
