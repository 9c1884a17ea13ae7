use std::io;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use blake3::hazmat::ChainingValue;
use sealift_platform::Platform;
use sealift_platform::random::SystemRandom;
use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::codec::List;
use sealift_proto::identity::SecretKey;
use sealift_proto::manifest::{CHUNK, Layout};
use sealift_proto::message::{ChunkRun, Missing, SessionMessage};
use sealift_proto::space::Membership;
use sealift_transport::client::Presence;
use sealift_transport::control::Control;
use sealift_transport::session::{Incoming, LeecherSession, SessionError};
use tokio::time::timeout;

use super::*;
use crate::entry::EntryPlace;
use crate::fetch::event::Event;
use crate::fetch::schedule::{Offer, Schedule};
use crate::hashes::Name;
use crate::landing::LandingError;
use crate::landing::sink::{Begun, Sink};
use crate::link::{self, Absent, Outbox};
use crate::serve::Service;
use crate::serve::holdings::{Answer, Content, Holdings};
use crate::serve::link::Server;
use crate::testing::{Memory, Nobody, session};

const LIMIT: Duration = Duration::from_secs(30);

fn device(number: u8) -> DeviceId {
    SecretKey::from_seed([number; 32]).id()
}

/// Takes everything, and notes which chunks.
#[derive(Default)]
struct Notes(Mutex<Vec<u64>>);

impl Sink for Notes {
    fn begin(&self, _: usize, _: Root, size: u64) -> Result<Begun, LandingError> {
        Ok(Begun::nothing(Layout::new(size).unwrap().chunks()))
    }

    fn write(&self, _: usize, index: u64, _: &[u8]) -> Result<(), LandingError> {
        lock(&self.0).push(index);
        Ok(())
    }

    fn check(&self, _: usize, _: u64, _: &dyn Fn(&[u8]) -> bool) -> Result<bool, LandingError> {
        Ok(false)
    }

    fn written(&self) -> u64 {
        0
    }

    fn finish(&self, jobs: &[usize]) -> Vec<(usize, Result<(), LandingError>)> {
        jobs.iter().map(|job| (*job, Ok(()))).collect()
    }
}

struct Deaf;

impl Listener for Deaf {
    fn hear(&self, _: Event) {}
}

/// A download of `content`, which is stated by a device that is away.
fn download(content: &[u8], sink: Arc<Notes>) -> (Arc<Shared>, Root) {
    let root = Root(blake3::hash(content).into());
    let entry = EntryPlace { log_id: [0; 16], position: 0, index: 0 };
    let size = content.len() as u64;
    let offer = Offer { device: device(9), root: Some(root), size, entry };
    (Arc::new(Shared::new(Schedule::new(vec![vec![offer]], None), sink, true)), root)
}

/// A space in which nobody answers.
struct Nowhere(AtomicUsize);

impl Reached for Nowhere {
    fn presence(&self) -> watch::Receiver<Presence> {
        watch::Sender::default().subscribe()
    }

    fn is_of_use(&self) -> bool {
        true
    }

    fn relay(&self) -> Option<Control> {
        None
    }

    async fn session(&self, _: DeviceId) -> Result<(LeecherSession, Way), SessionError> {
        Err(SessionError::Offline)
    }

    async fn removed(&self, _: Membership) {
        std::future::pending().await
    }

    fn address(&self) -> Option<Address> {
        let (least, connection) = ((0..=255).map(device).min().unwrap(), 1);
        Some(Address { device: least, connection })
    }

    async fn partner(&self, _: Address) -> Result<LeecherSession, SessionError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(SessionError::Offline)
    }
}

#[tokio::test(start_paused = true)]
async fn a_seeder_that_names_ever_new_devices_has_few_of_them_tried() {
    let (shared, root) = download(&[7; 5 << 20], Arc::default());
    let nowhere = Arc::new(Nowhere(AtomicUsize::new(0)));
    let shown = watch::Sender::new(Some(nowhere.clone()));
    let (_accepting, accepted) = mpsc::channel(1);
    let partners = Partners {
        shared: shared.clone(),
        reached: shown.subscribe(),
        accepted,
        direct: Direct::new(Platform::system()),
        listener: Arc::new(Deaf),
        random: Arc::new(SystemRandom),
    };
    let naming = async {
        for round in 1..=600_u32 {
            let named = (0..16).map(|number| Address {
                device: device((number * 16 + round % 16) as u8),
                connection: round * 16 + number,
            });
            shared.named(device(9), root, named.collect());
            sleep(TICK).await;
        }
    };
    tokio::select! {
        () = partners.run() => unreachable!("it goes on"),
        () = naming => {}
    }
    let tried = nowhere.0.load(Ordering::Relaxed);
    assert!((16..=2 * TRIED).contains(&tried), "{tried}");
}

#[tokio::test]
async fn only_who_is_named_is_told_what_is_here() {
    let (shared, root) = download(&[7; 5 << 20], Arc::default());
    let (_shown, reached) = watch::channel(None::<Arc<Nowhere>>);
    let (accepting, accepted) = mpsc::channel(2);
    let partners = Partners {
        shared: shared.clone(),
        reached,
        accepted,
        direct: Direct::new(Platform::system()),
        listener: Arc::new(Deaf),
        random: Arc::new(SystemRandom),
    };
    let ((opened, first), (_kept, second)) = (session().await, session().await);
    let device = first.peer.address.device;
    let is_partner = || shared.schedule().is_partner(device);
    let test = async {
        accepting.send(first).await.unwrap();
        let ended = async {
            let (mut reader, _ends) = opened.reader.confirm().await.unwrap();
            matches!(reader.next().await, Ok(Incoming::End))
        };
        assert!(ended.await);
        assert!(!is_partner());
        accepting.send(second).await.unwrap();
        shared.named(self::device(9), root, vec![Address { device, connection: 7 }]);
        while !is_partner() {
            sleep(TICK / 10).await;
        }
    };
    tokio::select! {
        () = partners.run() => unreachable!("it goes on"),
        done = timeout(LIMIT, test) => done.unwrap(),
    }
}

#[tokio::test]
async fn only_who_states_a_content_names_others_for_it() {
    let (shared, root) = download(&[7; 5 << 20], Arc::default());
    let other = Address { device: device(3), connection: 5 };
    let named = || shared.swarm.as_ref().unwrap().named();
    shared.named(device(4), root, vec![other]);
    shared.named(device(9), Root([1; 32]), vec![other]);
    assert!(named().is_empty());
    shared.named(device(9), root, vec![other]);
    assert_eq!(named(), [other].into());
    shared.named(device(9), root, Vec::new());
    assert!(named().is_empty(), "each takes the place of the one before");
}

/// Says the right values, and gives other bytes.
struct Liar(Memory);

struct Lie;

impl Content for Lie {
    fn name(&self) -> Option<Name> {
        None
    }

    fn read(&self, buffer: &mut [u8], _: u64) -> io::Result<()> {
        buffer.fill(0xee);
        Ok(())
    }

    fn is_sound(&self) -> bool {
        true
    }

    fn doubt(&self) {}
}

impl Holdings for Liar {
    fn may(&self, _: &DeviceId, _: &Root) -> bool {
        true
    }

    fn known<'a>(&'a self, roots: &'a [Root]) -> Answer<'a, ()> {
        self.0.known(roots)
    }

    fn layout(&self, root: &Root) -> Result<Layout, Missing> {
        self.0.layout(root)
    }

    fn has(&self, root: &Root, chunks: Range<u64>) -> bool {
        self.0.has(root, chunks)
    }

    fn open(&self, _: &Root) -> Result<Box<dyn Content>, Missing> {
        Ok(Box::new(Lie))
    }

    fn values(&self, root: &Root, page: Option<u64>) -> Result<Vec<ChainingValue>, Missing> {
        self.0.values(root, page)
    }

    fn want<'a>(
        &'a self,
        entry: EntryPlace,
        reading: &'a (dyn Fn(u64, u64) + Send + Sync),
    ) -> Answer<'a, Result<(Root, u64), Missing>> {
        self.0.want(entry, reading)
    }
}

/// Fetches five chunks from a partner that has named the first `named` of them and gives what `holdings` has; which came, and
/// whether it was found to lie.
async fn fetch_from(
    holdings: impl Fn(Memory) -> Arc<dyn Holdings>,
    named: u64,
) -> (Vec<u64>, bool) {
    let content: Vec<_> = (0..5 * CHUNK).map(|at| (at / 1000 % 251) as u8).collect();
    let sink = Arc::new(Notes::default());
    let (shared, root) = download(&content, sink.clone());
    let mut memory = Memory::default();
    memory.put(&content);
    let holdings = holdings(memory);
    let (opened, accepted) = session().await;
    let partner = accepted.peer.address.device;
    shared.schedule().set_partner(partner, true);
    let Some(crate::fetch::schedule::Work::Begin(files)) = begin(&shared) else {
        panic!("to be begun")
    };
    for (job, root, size) in files {
        let begun = sink.begin(job, root, size);
        shared.schedule().begun(job, begun);
    }
    let (Outbox { small, jobs }, waiting) = link::outbox();
    let chunks = List::new(vec![ChunkRun { first: 0, count: named }]).unwrap();
    small.send(SessionMessage::Have { root, chunks }).unwrap();
    let answer = jobs.downgrade();
    let service = Service { holdings, to: partner, listener: Arc::new(Nobody) };
    let server = Some(Server::new(service, (Way::Tcp, true), jobs));
    let mut reader = accepted.reader;
    let (aside, _addresses) = mpsc::channel(1);
    let serving = async {
        let reading = link::read(&mut reader, (&Absent, &server), (&aside, &answer), LIMIT);
        tokio::join!(reading, waiting.send(accepted.writer)).0
    };
    let ways = Ways { direct: None, control: None, listener: Arc::new(Deaf) };
    let fetching = session::fetch(&shared, partner, (opened, Way::Tcp), ways);
    let enough = async {
        while (lock(&sink.0).len() as u64) < named {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, async {
        tokio::select! {
            _ = fetching => {}
            _ = serving => panic!("the other end ends"),
            () = enough => {}
        }
    })
    .await
    .expect("nobody waits for ever");
    let lied = !shared.schedule().may_be_partner(partner);
    let mut came = lock(&sink.0).clone();
    came.sort_unstable();
    (came, lied)
}

/// What the seeder that is away would have begun.
fn begin(shared: &Shared) -> Option<crate::fetch::schedule::Work> {
    let mut schedule = shared.schedule();
    let id = schedule.add(device(9), Way::Tcp, Instant::now());
    let work = schedule.next(id, Instant::now());
    schedule.remove(id);
    work
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_partner_has_named_is_fetched_from_it() {
    assert_eq!(fetch_from(|memory| Arc::new(memory), 3).await, (vec![0, 1, 2], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_gives_other_bytes_is_left_and_nothing_of_it_is_taken() {
    assert_eq!(fetch_from(|memory| Arc::new(Liar(memory)), 3).await, (Vec::new(), true));
}

#[tokio::test]
async fn a_session_with_one_who_was_removed_ends_and_is_not_opened_again() {
    let session = std::future::pending();
    let ended = session::while_member(session, std::future::ready(())).await;
    assert!(ended.is_err_and(|error| !error.is_passing() && !error.is_tampering()));
}
