use std::path::{Path, PathBuf};

use sealift_platform::Platform;
use sealift_platform::testing::MemoryDisk;
use sealift_proto::codec::{self, List};
use sealift_proto::identity::SecretKey;
use sealift_proto::manifest::CHUNK;
use sealift_proto::message::{Item, Outcome, SessionMessage};
use sealift_transport::path::Way;
use sealift_transport::session::Incoming;
use tokio::time::Instant;

use super::*;
use crate::fetch::schedule::{Arrival, Offer, Schedule, SourceId, Work};
use crate::landing::{Landing, Target};
use crate::serve::{Origin, Ways, serve};
use crate::testing::{Memory, Nobody, session};

/// A download of one file of several chunks from somebody who has all of it.
pub(in crate::fetch) struct Download {
    pub(in crate::fetch) shared: Arc<Shared>,
    pub(in crate::fetch) source: SourceId,
    pub(in crate::fetch) content: Vec<u8>,
    root: Root,
    of: Memory,
}

fn content() -> Vec<u8> {
    (0..3 * CHUNK + 5).map(|at| (at / 1000 % 251) as u8 + 1).collect()
}

impl Download {
    /// Begun, with its page, and without a chunk; what it verifies is given on.
    pub(in crate::fetch) fn begun() -> Self {
        Self::new(true)
    }

    fn new(gives: bool) -> Self {
        let platform = Platform { disk: Arc::new(MemoryDisk::new()), ..Platform::system() };
        let path = PathBuf::from("a");
        let target = Target { path, modified_ms: 0, executable: false };
        let landing = Landing::open(&platform, Path::new("out"), vec![target]).unwrap();
        let (content, mut of) = (content(), Memory::default());
        let root = of.put(&content);
        let device = SecretKey::from_seed([1; 32]).id();
        let entry = EntryPlace { log_id: [0; 16], position: 0, index: 0 };
        let offer = Offer { device, root: Some(root), size: content.len() as u64, entry };
        let schedule = Schedule::new(vec![vec![offer]], None);
        let shared = Arc::new(Shared::new(schedule, Arc::new(landing), gives));
        let source = shared.schedule().add(device, Way::Tcp, Instant::now());
        let download = Self { shared, source, content, root, of };
        download.ask();
        download
    }

    /// Does what the schedule says, but for chunks.
    fn ask(&self) {
        loop {
            let work = self.shared.schedule().next(self.source, Instant::now());
            match work {
                Some(Work::Begin(files)) => {
                    for (job, root, size) in files {
                        let begun = self.shared.sink.begin(job, root, size);
                        self.shared.schedule().begun(job, begun);
                    }
                }
                Some(Work::Run { pages, .. }) => {
                    for (request, root, page) in pages {
                        let values = self.of.values(&root, page).unwrap();
                        self.shared.schedule().page(self.source, request, values).unwrap();
                    }
                }
                other => return assert!(other.is_none(), "{other:?}"),
            }
        }
    }

    /// Chunk `index` comes and is written.
    fn take(&self, index: u64) {
        let chunk = self.content.chunks(CHUNK as usize).nth(index as usize).unwrap();
        let arrival = self.shared.schedule().chunk_came(self.source, 0, index);
        assert!(matches!(arrival, Arrival::Take { .. }));
        self.shared.sink.write(0, index, chunk).unwrap();
        self.shared.schedule().taken(self.source, 0, index);
    }

    fn given(&self) -> Given {
        Given(self.shared.clone())
    }

    /// Whether chunk `index` is given, as it is.
    fn gives(&self, index: u64) -> bool {
        let given = self.given();
        let (from, layout) = (index * CHUNK, given.layout(&self.root).unwrap());
        let mut read = vec![0; layout.chunk_len(index) as usize];
        let there = given.has(&self.root, index..index + 1);
        if there {
            given.open(&self.root).unwrap().read(&mut read, from).unwrap();
            assert!(read == self.content[from as usize..][..read.len()], "chunk {index}");
        }
        there
    }
}

#[test]
fn a_download_gives_what_it_has_verified_and_nothing_else() {
    let download = Download::begun();
    let (given, root) = (download.given(), download.root);
    assert!((0..4).all(|index| !download.gives(index)));
    assert_eq!(given.values(&root, Some(0)), download.of.values(&root, Some(0)));
    assert_eq!(given.values(&root, Some(1)), Err(Missing::Refused));
    assert_eq!(given.values(&root, None), Err(Missing::Refused), "it has but one page");
    for index in [2, 0] {
        download.take(index);
    }
    assert_eq!([0, 1, 2, 3].map(|index| download.gives(index)), [true, false, true, false]);
    assert!(!given.has(&root, 0..3) && !given.has(&root, 4..5));
    let other = Root([9; 32]);
    assert!(!given.has(&other, 0..1) && given.open(&other).is_err());
    assert_eq!(given.layout(&other), Err(Missing::Gone));
    assert_eq!(given.values(&other, Some(0)), Err(Missing::Gone));
}

#[test]
fn a_file_is_given_on_once_it_has_its_name() {
    let download = Download::begun();
    [3, 1, 0, 2].into_iter().for_each(|index| download.take(index));
    let all = || (0..4).all(|index| download.gives(index));
    assert!(all(), "before it has its name");
    let jobs = download.shared.schedule().take_complete();
    for (job, end) in download.shared.sink.finish(&jobs) {
        download.shared.schedule().landed(job, end).unwrap();
    }
    assert!(download.shared.schedule().is_over() && all());
    let (given, root) = (download.given(), download.root);
    assert_eq!(given.values(&root, Some(0)), download.of.values(&root, Some(0)));
    assert!(!given.has(&root, 3..5));
}

#[test]
fn where_nothing_is_given_on_nothing_is_kept_for_it() {
    let download = Download::new(false);
    (0..4).for_each(|index| download.take(index));
    let (given, root) = (download.given(), download.root);
    assert!(!given.has(&root, 0..1) && given.open(&root).is_err());
    assert_eq!(given.values(&root, Some(0)), Err(Missing::Gone));
}

/// What a Get of chunk `index` brings from a download that has chunk 0 alone.
async fn got(index: u64) -> (Outcome, Vec<u8>) {
    let download = Download::begun();
    download.take(0);
    let (mut opened, accepted) = session().await;
    let holdings: Arc<dyn Holdings> = Arc::new(download.given());
    let listener = Arc::new(Nobody);
    let origin = Origin { head: Vec::new(), swarm: Arc::default() };
    let serving = serve(holdings, origin, accepted, (Ways::default(), None), listener);
    let asking = async {
        let items = vec![Item { root: download.root, first: index, count: 1, skip: 0 }];
        let items = List::new(items).unwrap();
        opened.writer.message(&SessionMessage::Get { request: 1, items }).await.unwrap();
        let (mut reader, _ends) = opened.reader.confirm().await.unwrap();
        loop {
            match reader.next().await.unwrap() {
                Incoming::Run(mut run) => {
                    let outcome = *run.header().outcomes.first().unwrap();
                    let mut content = vec![0; run.header().content_len().unwrap() as usize];
                    run.read_exact(&mut content).await.unwrap();
                    return (outcome, content);
                }
                Incoming::Message(bytes) => {
                    let message: SessionMessage = codec::decode(&bytes).unwrap();
                    assert!(matches!(message, SessionMessage::Head { .. }), "{message:?}");
                }
                Incoming::End => panic!("an answer"),
            }
        }
    };
    tokio::select! {
        ended = serving => panic!("it ended: {ended:?}"),
        got = asking => got,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_not_complete_is_served_like_any_content() {
    let (outcome, chunk) = got(0).await;
    assert_eq!(outcome, Outcome::Data { len: 1 << 20 });
    assert!(chunk == content()[..1 << 20]);
    assert_eq!(got(1).await, (Outcome::Missing(Missing::Gone), Vec::new()));
}
