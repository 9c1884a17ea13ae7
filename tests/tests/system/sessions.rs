//! Two members and a real relay in one process: joining by invite, then sessions in every suite over a link.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealift_command::console::Console;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_platform::Platform;
use sealift_proto::codec::{self, Bytes, Extensions, List};
use sealift_proto::control::{Address, ToRelay};
use sealift_proto::identity::{SecretKey, Signed};
use sealift_proto::invite::{Invite, InvitePackage, InviteSecret, PROVISIONAL};
use sealift_proto::keys::InviteKeys;
use sealift_proto::message::{Outcome, RunHeader, SessionMessage};
use sealift_proto::object;
use sealift_proto::place::RelayPlace;
use sealift_proto::space::{Certificate, Chain, HostName, Label, RelayAddress, Role, SerialNumber};
use sealift_proto::wrap::Suite;
use sealift_relay::{Config, Relay};
use sealift_space::home::Home;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;
use sealift_transport::client::{LiveSpace, News, SpaceClient, removed};
use sealift_transport::connect::{Connected, GIVE_UP, Patience, connect};
use sealift_transport::control::Event;
use sealift_transport::join::join;
use sealift_transport::session::{
    Acceptor, Incoming, SeederSession, Sessions, Side, Ticket, WrapChoice,
};
use sealift_transport::{Error, JoinError};
use tokio::sync::oneshot;

struct Running {
    arg: RelayPlace,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

async fn relay(home: &Path) -> Running {
    let platform = Platform::system();
    let listener = platform.net.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Config { home: home.to_owned(), ..Config::default() };
    let relay = Relay::open(platform, config).await.unwrap();
    let arg =
        RelayPlace { host: HostName::new("127.0.0.1").unwrap(), port, pin: Some(relay.pin()) };
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let task = tokio::spawn(async move { relay.serve(vec![listener], shutdown).await.unwrap() });
    Running { arg, stop: Some(stop), task }
}

impl Running {
    async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.task.await.unwrap();
    }
}

fn speaker(home: &Path) -> Speaker {
    let platform = Platform::system();
    let profile = Profile::open(&platform, &Home::beneath(home)).unwrap();
    Speaker::new(profile, Console::captured(false).0).unwrap()
}

async fn owner(home: &Path, relay: &RelayPlace) -> (Speaker, Connected) {
    let speaker = speaker(home);
    let random = Platform::system().random;
    let name = Label::new("ours").unwrap();
    let id = speaker.device.key.id();
    let space = SpaceState::create(&*random, speaker.now(), &id, name, Vec::new()).unwrap();
    speaker.profile.save_space(&space).unwrap();
    let connected = connect(&speaker, space, relay, true, Patience::AtMost(GIVE_UP)).await.unwrap();
    (speaker, connected)
}

/// What `seeder invite` does.
async fn invite(speaker: &Speaker, owner: &Connected, relay: &RelayPlace) -> Invite {
    let random = Platform::system().random;
    let key = SecretKey::from_seed(random.bytes());
    let deadline = speaker.now() + 60;
    let certificate = Certificate {
        version: 1,
        space: owner.space.id(),
        subject: key.id(),
        role: Role::BOTH,
        depth_left: 1,
        uses: 1,
        not_after: deadline + PROVISIONAL,
        serial: random.bytes(),
        extensions: Extensions::default(),
    };
    let package = InvitePackage {
        record: owner.space.record().clone(),
        epoch_secret: *owner.space.epoch_secret().unwrap().as_bytes(),
        invite_seed: *key.seed(),
        certificate: Signed::sign(certificate, owner.space.owner().unwrap()).unwrap(),
        relays: List::default(),
        extensions: Extensions::default(),
    };
    let secret = InviteSecret(random.bytes());
    let keys = InviteKeys::derive(&secret.0);
    let place = owner.space.place(owner.space.owner().unwrap().id(), 0, 0);
    let sealed = object::seal::<object::Package>(
        &keys.package,
        &place,
        random.bytes(),
        &codec::encode(&package),
    );
    let package = Bytes::new(sealed).unwrap();
    owner
        .control
        .call(|request| ToRelay::PutInvite { request, id: keys.id, deadline, uses: 1, package })
        .await
        .unwrap();
    let relay =
        RelayAddress { host: relay.host.clone(), port: relay.port, pin: relay.pin.unwrap() };
    Invite { relay, secret }
}

/// Serves `count` sessions: each Get is answered with a run of its number of items in bytes.
async fn serve(speaker: Speaker, mut owner: Connected, count: usize) -> Vec<Suite> {
    let platform = Platform::system();
    let acceptor = Acceptor::default();
    let mut suites = Vec::new();
    while suites.len() < count {
        let event = owner.events.recv().await.unwrap();
        let side = Side {
            platform: &platform,
            space: &owner.space,
            key: &speaker.device.key,
            address: owner.control.address(),
        };
        match event {
            Event::Deliver { from, body } => {
                acceptor.offer(&side, &owner.control, from, &body, |_| Ok(())).await.unwrap();
            }
            ticket @ Event::LinkTicket { .. } => {
                let ticket = Ticket::new(&owner.space, &owner.control, &ticket).unwrap();
                let session = acceptor.link(&side, ticket).await.unwrap();
                suites.push(session.suite);
                answer(session).await;
            }
            _ => {}
        }
    }
    suites
}

async fn answer(session: SeederSession) {
    let SeederSession { mut writer, mut reader, .. } = session;
    let head = SessionMessage::Head { statement: Bytes::default() };
    writer.message(&head).await.unwrap();
    while let Incoming::Message(bytes) = reader.next().await.unwrap() {
        let SessionMessage::Get { request, items } = codec::decode(&bytes).unwrap() else { return };
        let len = 1_000_000 * items.len() + 7;
        let outcome = Outcome::Data { len: u32::try_from(len).unwrap() };
        let header = RunHeader { request, outcomes: List::new(vec![outcome]).unwrap() };
        let mut run = writer.run(&header).unwrap();
        run.write(&vec![0xa7; len]).await.unwrap();
        writer = run.finish().await.unwrap();
    }
}

/// Opens a session and fetches one run.
async fn fetch(
    speaker: &Speaker,
    member: &mut Connected,
    seeder: Address,
    choice: WrapChoice,
) -> Suite {
    let platform = Platform::system();
    let sessions = Sessions::default();
    let address = member.control.address();
    let side =
        Side { platform: &platform, space: &member.space, key: &speaker.device.key, address };
    let opening = sessions.open(&side, &member.control, seeder, choice);
    tokio::pin!(opening);
    let mut session = loop {
        tokio::select! {
            session = &mut opening => break session.unwrap(),
            Some(event) = member.events.recv() => sessions.handle(&side, &event),
        }
    };
    let item = sealift_proto::message::Item {
        root: sealift_proto::catalogue::Root([1; 32]),
        first: 0,
        count: 1,
        skip: 0,
    };
    let get = SessionMessage::Get { request: 5, items: List::new(vec![item; 3]).unwrap() };
    session.writer.message(&get).await.unwrap();
    let (mut reader, _) = session.reader.confirm().await.unwrap();
    let Incoming::Message(head) = reader.next().await.unwrap() else {
        panic!("the head comes first")
    };
    assert!(matches!(codec::decode(&head), Ok(SessionMessage::Head { .. })));
    let Incoming::Run(mut run) = reader.next().await.unwrap() else { panic!("then the run") };
    assert_eq!(run.header().content_len(), Some(3_000_007));
    let mut content = vec![0; 3_000_007];
    run.read_exact(&mut content).await.unwrap();
    assert!(content.iter().all(|byte| *byte == 0xa7));
    run.finish().await.unwrap();
    session.suite
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_device_joins_and_every_suite_carries_a_run() {
    let homes = tempfile::tempdir().unwrap();
    let relay = relay(&homes.path().join("relay")).await;
    let (first, connected) = owner(&homes.path().join("first"), &relay.arg).await;
    let invite = invite(&first, &connected, &relay.arg).await;
    let line = invite.to_line();

    let second = speaker(&homes.path().join("second"));
    let mut member = join(&second, &Invite::parse(&line).unwrap()).await.unwrap();
    assert_eq!(member.space.id(), connected.space.id());
    assert_eq!(member.members().len(), 2);
    assert!(member.serving.contains(&first.device.key.id()));

    let third = speaker(&homes.path().join("third"));
    let error = join(&third, &invite).await.err().unwrap();
    assert!(matches!(error, Error::Join(JoinError::Spent)), "one use: {error}");
    assert!(join(&second, &invite).await.is_ok(), "the same device may ask again");

    let seeder = Address { device: first.device.key.id(), connection: 0 };
    let choices = [
        WrapChoice::Only(Suite::X25519),
        WrapChoice::Auto,
        WrapChoice::Only(Suite::Hybrid),
        WrapChoice::Only(Suite::Rsa),
    ];
    let serving = tokio::spawn(serve(first, connected, choices.len()));
    let mut used = Vec::new();
    for choice in choices {
        used.push(fetch(&second, &mut member, seeder, choice).await);
    }
    assert_eq!(used, [Suite::X25519, Suite::Hybrid, Suite::Hybrid, Suite::Rsa]);
    assert_eq!(serving.await.unwrap(), used);
    relay.stop().await;
}

/// Publishes, as the owner, a record by which `chain` does not hold any more.
async fn remove(owner: &Connected, chain: &Chain) {
    let space = &owner.space;
    let mut record = space.record().unverified().clone();
    let serials = chain.certificates.iter().map(|one| SerialNumber(one.unverified().serial));
    record.removed = List::new(serials.collect()).unwrap();
    record.number += 1;
    let key = space.owner().unwrap();
    let place = space.place(key.id(), 0, record.number);
    let (secret, salt) = (codec::encode(space.secret()), Platform::system().random.bytes());
    let sealed = object::seal::<object::Record>(&space.keys().record, &place, salt, &secret);
    record.sealed = Bytes::new(sealed).unwrap();
    let statement = Bytes::new(Signed::sign(record, key).unwrap().to_bytes()).unwrap();
    let publish = |request| ToRelay::Publish { request, log: 0, follows: None, statement };
    owner.control.call(publish).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stays_connected_hears_of_a_new_record_of_a_removal_and_of_a_relay_that_leaves() {
    let homes = tempfile::tempdir().unwrap();
    let relay = relay(&homes.path().join("relay")).await;
    let (first, connected) = owner(&homes.path().join("first"), &relay.arg).await;
    let mut joined = Vec::new();
    for name in ["second", "third"] {
        let speaker = speaker(&homes.path().join(name));
        let invite = invite(&first, &connected, &relay.arg).await;
        let member = join(&speaker, &invite).await.unwrap();
        joined.push((speaker, member));
    }
    let (third, of_third) = joined.pop().unwrap();
    let (second, of_second) = joined.pop().unwrap();
    let before = of_second.space.record().unverified().number;
    let gone = of_third.space.verify_member(of_third.space.chain(), third.now()).unwrap();
    let stays = of_second.space.verify_member(of_second.space.chain(), second.now()).unwrap();
    let shown = LiveSpace::new(Arc::new(of_second.space.clone()));
    let mut client = SpaceClient::new(&second, of_second, shown.clone());

    remove(&connected, of_third.space.chain()).await;
    while !matches!(client.next().await.unwrap(), News::Record) {}
    assert_eq!(shown.borrow().record().unverified().number, before + 1);
    removed(shown.subscribe(), gone, || second.now()).await;
    let others = removed(shown.subscribe(), stays, || second.now());
    assert!(tokio::time::timeout(Duration::from_millis(50), others).await.is_err());

    relay.stop().await;
    let presence = client.attendance().presence();
    let mut leaving = false;
    loop {
        match client.next().await.unwrap() {
            News::Closed(_) => break,
            news => leaving |= matches!(news, News::Leaving),
        }
    }
    assert!(leaving && presence.borrow().ended && presence.borrow().serving.is_empty());
}

/// The exit code of a command that ends so.
fn exit(joined: Result<Connected, Error>) -> Exit {
    Failure::from(joined.err().unwrap()).exit
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_invite_and_a_relay_with_another_key_are_refused() {
    let homes = tempfile::tempdir().unwrap();
    let relay = relay(&homes.path().join("relay")).await;
    let (first, connected) = owner(&homes.path().join("first"), &relay.arg).await;
    let invite = invite(&first, &connected, &relay.arg).await;
    let stranger = speaker(&homes.path().join("second"));

    let mut edited = invite.clone();
    edited.secret.0[0] ^= 1;
    assert_eq!(exit(join(&stranger, &edited).await), Exit::Refused);
    let mut elsewhere = invite.clone();
    elsewhere.relay.pin[0] ^= 1;
    assert_eq!(exit(join(&stranger, &elsewhere).await), Exit::Refused);
    let mut nowhere = invite.clone();
    nowhere.relay.port = 1;
    assert_eq!(exit(join(&stranger, &nowhere).await), Exit::Relay);
    assert!(join(&stranger, &invite).await.is_ok(), "none of it cost the use");
    relay.stop().await;
}
