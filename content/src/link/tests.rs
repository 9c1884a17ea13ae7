use std::sync::{Arc, Mutex};

use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::codec::{Bytes, List};
use sealift_proto::identity::SecretKey;
use sealift_proto::message::{ChunkRun, Finished, Item, Missing};
use sealift_transport::path::Way;
use sealift_transport::session::LinkWriter;
use tokio::sync::{Barrier, Notify};

use super::*;
use crate::serve::Service;
use crate::serve::link::Server;
use crate::testing::{Memory, Nobody, session};

/// Longer than any of it takes.
const LIMIT: Duration = Duration::from_secs(20);

/// What came, as it came.
#[derive(Debug, PartialEq)]
enum Came {
    Page(usize),
    Failed(u32),
    Run(Vec<u8>),
}

/// A half that asks and notes what comes.
struct Notes {
    so_far: Mutex<Vec<Came>>,
    /// Tells when so many have come.
    enough: usize,
    came: Notify,
}

impl Notes {
    fn note(&self, came: Came) -> Result<(), SessionError> {
        let mut so_far = lock(&self.so_far);
        so_far.push(came);
        if so_far.len() == self.enough {
            self.came.notify_one();
        }
        Ok(())
    }
}

impl<R: Direction> Asking<R> for Notes {
    fn heard(&self, _: usize) {}

    fn answer(&self, answer: Answer) -> Result<(), SessionError> {
        match answer {
            Answer::Page { values, .. } => self.note(Came::Page(values.len())),
            Answer::Failed { request, .. } => self.note(Came::Failed(request)),
            _ => Err(SessionError::Malformed),
        }
    }

    async fn run(&self, mut run: RunReader<'_, R>) -> Result<(), SessionError> {
        let len = run.header().content_len().unwrap() as usize;
        let mut content = vec![0; len];
        run.read_exact(&mut content).await?;
        run.finish().await?;
        self.note(Came::Run(content))
    }
}

fn service(holdings: Memory) -> Service {
    let to = SecretKey::from_seed([1; 32]).id();
    Service { holdings: Arc::new(holdings), to, listener: Arc::new(Nobody) }
}

fn get(root: Root, count: u32) -> SessionMessage {
    let items = vec![Item { root, first: 0, count, skip: 0 }];
    SessionMessage::Get { request: 2, items: List::new(items).unwrap() }
}

/// One end that asks `questions` and serves `holdings`, until `answers` have come and the other end has had as many.
async fn exchange<S: Direction, R: Direction>(
    (writer, mut reader): (LinkWriter<S>, LinkReader<R>),
    holdings: Memory,
    questions: Vec<SessionMessage>,
    done: &Barrier,
) -> Vec<Came> {
    let (Outbox { small, jobs }, waiting) = outbox();
    let sending = tokio::spawn(waiting.send(writer));
    let enough = questions.len();
    questions.into_iter().for_each(|question| small.send(question).unwrap());
    let notes = Notes { so_far: Mutex::default(), enough, came: Notify::new() };
    let answer = jobs.downgrade();
    let server = Server::new(service(holdings), (Way::Tcp, true), jobs);
    let (aside, _addresses) = mpsc::channel(1);
    let halves = (&notes, &server);
    let reading = read(&mut reader, halves, (&aside, &answer), LIMIT);
    let all = async {
        notes.came.notified().await;
        done.wait().await;
    };
    tokio::select! {
        biased;
        () = all => {}
        ended = reading => panic!("it ended: {ended:?}"),
    }
    drop((server, small));
    // The other end may have gone already: it has had all it waited for.
    let _ = sending.await.unwrap();
    notes.so_far.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_ask_and_serve_over_one_link() {
    let (opened, accepted) = session().await;
    let (reader, _ends) = opened.reader.confirm().await.unwrap();
    let (one, two) = (vec![7; (3 << 20) + 5], vec![9; (2 << 20) + 1]);
    let (mut first, mut second) = (Memory::default(), Memory::default());
    let (of_first, of_second) = (first.put(&one), second.put(&two));
    let page = |root| SessionMessage::GetPage { request: 1, root, page: Some(0) };
    let done = Barrier::new(2);
    let (left, right) = tokio::join!(
        exchange((opened.writer, reader), first, vec![page(of_second), get(of_second, 3)], &done),
        exchange(
            (accepted.writer, accepted.reader),
            second,
            vec![page(of_first), get(of_first, 4), page(Root([0; 32]))],
            &done
        ),
    );
    assert!(left == [Came::Page(3), Came::Run(two)]);
    assert!(right == [Came::Page(4), Came::Run(one), Came::Failed(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_may_ask_for_much_before_either_reads() {
    const COUNT: usize = 80;
    let (opened, accepted) = session().await;
    let (reader, _ends) = opened.reader.confirm().await.unwrap();
    let (mut first, mut second) = (Memory::default(), Memory::default());
    let (of_first, of_second) = (first.put(&[7; 1 << 20]), second.put(&[9; 1 << 20]));
    let questions = |root| {
        let page = SessionMessage::GetPage { request: 1, root: Root([0; 32]), page: Some(0) };
        let both = std::iter::repeat_n([page, get(root, 1)], COUNT);
        both.flatten().collect::<Vec<_>>()
    };
    let done = Barrier::new(2);
    let both = async {
        tokio::join!(
            exchange((opened.writer, reader), first, questions(of_second), &done),
            exchange((accepted.writer, accepted.reader), second, questions(of_first), &done),
        )
    };
    let (left, right) = timeout(LIMIT, both).await.unwrap();
    assert_eq!((left.len(), right.len()), (2 * COUNT, 2 * COUNT));
}

#[tokio::test]
async fn a_link_is_closed_on_whoever_asks_for_more_than_there_is_room_for() {
    let (Outbox { jobs, .. }, waiting) = outbox();
    let server = Server::new(service(Memory::default()), (Way::Tcp, true), jobs);
    let ask = || Request::Page { request: 1, root: Root([0; 32]), page: None };
    let mut asked = 0;
    while server.request(ask(), true).await.is_ok() {
        asked += 1;
        assert!(asked <= 1 << 16);
    }
    assert_eq!(waiting.count(), asked);
}

#[tokio::test]
async fn whoever_only_asks_waits_when_much_is_asked_for() {
    let (Outbox { jobs, .. }, waiting) = outbox();
    let server = Server::new(service(Memory::default()), (Way::Tcp, true), jobs);
    let ask = || Request::Page { request: 1, root: Root([0; 32]), page: None };
    for _ in 0..64 {
        server.request(ask(), false).await.unwrap();
    }
    let waits = timeout(Duration::from_millis(50), server.request(ask(), false)).await;
    assert!(waits.is_err() && waiting.count() == 64);
}

fn have(first: u64, count: u64) -> SessionMessage {
    let chunks = List::new(vec![ChunkRun { first, count }]).unwrap();
    SessionMessage::Have { root: Root([1; 32]), chunks }
}

/// What comes of `message` to an end that has neither half.
async fn sent_to_nobody(message: &SessionMessage) -> Result<(), SessionError> {
    let (opened, mut accepted) = session().await;
    let mut writer = opened.writer;
    writer.message(message).await.unwrap();
    // What has come is read, so that the connection ends in order.
    let confirmed = opened.reader.confirm().await.unwrap();
    drop((writer, confirmed));
    let (aside, _addresses) = mpsc::channel(1);
    let (Outbox { jobs, .. }, _waiting) = outbox();
    let answer = jobs.downgrade();
    read(&mut accepted.reader, (&Absent, &Absent), (&aside, &answer), LIMIT).await
}

#[tokio::test]
async fn what_is_out_of_turn_ends_the_link() {
    let root = Root([1; 32]);
    for message in [
        get(root, 1),
        SessionMessage::GetPage { request: 1, root, page: None },
        SessionMessage::Root { request: 1, root, size: 5 },
        SessionMessage::Failed { request: 1, why: Missing::Gone },
        SessionMessage::Changed { root },
        have(0, 0),
        have((1 << 24) - 1, 2),
        have(u64::MAX, 2),
    ] {
        let ended = sent_to_nobody(&message).await;
        assert!(matches!(ended, Err(SessionError::Malformed)), "{message:?}: {ended:?}");
    }
}

#[tokio::test]
async fn hints_and_courtesies_end_nothing() {
    for message in [
        SessionMessage::Head { statement: Bytes::default() },
        SessionMessage::Done {
            files: List::new(vec![Finished { root: Root([1; 32]), size: 1 }]).unwrap(),
        },
        have((1 << 24) - 1, 1),
        SessionMessage::Others { root: Root([1; 32]), addresses: List::default() },
        SessionMessage::Paths { candidates: List::default() },
    ] {
        let ended = sent_to_nobody(&message).await;
        assert!(ended.is_ok(), "{message:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_messages_leave_before_work() {
    let (opened, mut accepted) = session().await;
    let (Outbox { small, jobs }, waiting) = outbox();
    for request in 1..3 {
        let failed = SessionMessage::Failed { request, why: Missing::Gone };
        jobs.try_send(Job::Work(Box::new(move || Err(failed)))).ok().unwrap();
    }
    small.send(SessionMessage::Done { files: List::default() }).unwrap();
    drop((small, jobs));
    waiting.send(opened.writer).await.unwrap();
    let mut came = Vec::new();
    while let Ok(Incoming::Message(bytes)) = accepted.reader.next().await {
        came.push(codec::decode::<SessionMessage>(&bytes).unwrap());
        if came.len() == 3 {
            break;
        }
    }
    let request = |message: &SessionMessage| match message {
        SessionMessage::Failed { request, .. } => *request,
        _ => 0,
    };
    assert_eq!(came.iter().map(request).collect::<Vec<_>>(), [0, 1, 2]);
}
