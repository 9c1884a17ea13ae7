//! Every message of a session, unsealed and unpadded, and the plaintext of a run.

use sealift_proto::{
    catalogue::Root,
    codec::{self, Bytes, List},
    control::{Address, Hash},
    message::{ChunkRun, Finished, Item, Missing, Outcome, RunHeader, SessionMessage},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{direct, hex, statements, world};

const ROOT: Root = Root([40; 32]);

pub fn vectors() -> Value {
    let messages = [asked(), answered(), shared()].concat();
    json!({ "messages": messages, "run": run() })
}

fn message(name: &str, message: &impl Serialize) -> Value {
    json!({ "message": name, "bytes": hex(codec::encode(message)) })
}

fn asked() -> Vec<Value> {
    let want =
        SessionMessage::Want { request: 1, log_id: statements::LOG_ID, position: 300, index: 2 };
    let items = List::new(vec![
        Item { root: ROOT, first: 0, count: 1, skip: 0 },
        Item { root: Root([41; 32]), first: 128, count: 16, skip: 300_000 },
    ]);
    let files = List::new(vec![Finished { root: ROOT, size: 1_000_000 }]).unwrap();
    let page = |page| SessionMessage::GetPage { request: 2, root: ROOT, page };
    vec![
        message("Want", &want),
        message("GetPage of the pages", &page(None)),
        message("GetPage", &page(Some(3))),
        message("Get", &SessionMessage::Get { request: 3, items: items.unwrap() }),
        message("Done", &SessionMessage::Done { files }),
    ]
}

fn answered() -> Vec<Value> {
    let head = |bytes| SessionMessage::Head { statement: Bytes::new(bytes).unwrap() };
    let values = List::new(vec![Hash([42; 32]), Hash([43; 32])]).unwrap();
    vec![
        message("Head", &head(statements::head().to_bytes())),
        message("Head of nothing yet", &head(Vec::new())),
        message("Root", &SessionMessage::Root { request: 1, root: ROOT, size: 1_000_000 }),
        message("Page", &SessionMessage::Page { request: 2, values }),
        message("Failed", &SessionMessage::Failed { request: 3, why: Missing::Unreadable }),
        message("Changed", &SessionMessage::Changed { root: ROOT }),
        message("Reading", &SessionMessage::Reading { request: 4, done: 300_000, size: 1_000_000 }),
    ]
}

fn shared() -> Vec<Value> {
    let device = world::leecher().id();
    let addresses = List::new(vec![Address { device, connection: 7 }]).unwrap();
    let runs = vec![ChunkRun { first: 0, count: 12 }, ChunkRun { first: 300, count: 1 }];
    let chunks = List::new(runs).unwrap();
    vec![
        message("Paths", &SessionMessage::Paths { candidates: direct::candidates() }),
        message(
            "Paths of a side without any",
            &SessionMessage::Paths { candidates: List::default() },
        ),
        message("Others", &SessionMessage::Others { root: ROOT, addresses }),
        message("Have", &SessionMessage::Have { root: ROOT, chunks }),
    ]
}

fn run() -> Value {
    let outcomes = vec![Outcome::Data { len: 5 }, Outcome::Missing(Missing::Gone)];
    let header = RunHeader { request: 3, outcomes: List::new(outcomes).unwrap() };
    let plaintext = [&header.to_bytes()[..], b"hello"].concat();
    json!({ "request": 3, "content": hex("hello"), "plaintext": hex(plaintext) })
}
