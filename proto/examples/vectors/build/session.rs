//! Every message of a session, unsealed and unpadded, and the plaintext of a run.

use sealift_proto::{
    catalogue::Root,
    codec::{self, Bytes, List},
    control::Hash,
    message::{Finished, FromLeecher, FromSeeder, Item, Missing, Outcome, RunHeader},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{direct, hex, statements};

const ROOT: Root = Root([40; 32]);

pub fn vectors() -> Value {
    json!({
        "from_leecher": from_leecher(),
        "from_seeder": from_seeder(),
        "run": run(),
    })
}

fn message(name: &str, message: &impl Serialize) -> Value {
    json!({ "message": name, "bytes": hex(codec::encode(message)) })
}

fn from_leecher() -> Vec<Value> {
    let want =
        FromLeecher::Want { request: 1, log_id: statements::LOG_ID, position: 300, index: 2 };
    let items = List::new(vec![
        Item { root: ROOT, first: 0, count: 1, skip: 0 },
        Item { root: Root([41; 32]), first: 128, count: 16, skip: 300_000 },
    ]);
    let files = List::new(vec![Finished { root: ROOT, size: 1_000_000 }]).unwrap();
    let page = |page| FromLeecher::GetPage { request: 2, root: ROOT, page };
    vec![
        message("Want", &want),
        message("GetPage of the pages", &page(None)),
        message("GetPage", &page(Some(3))),
        message("Get", &FromLeecher::Get { request: 3, items: items.unwrap() }),
        message("Done", &FromLeecher::Done { files }),
        message("Paths", &FromLeecher::Paths { candidates: direct::candidates() }),
    ]
}

fn from_seeder() -> Vec<Value> {
    let head = |bytes| FromSeeder::Head { statement: Bytes::new(bytes).unwrap() };
    let values = List::new(vec![Hash([42; 32]), Hash([43; 32])]).unwrap();
    vec![
        message("Head", &head(statements::head().to_bytes())),
        message("Head of nothing yet", &head(Vec::new())),
        message("Root", &FromSeeder::Root { request: 1, root: ROOT, size: 1_000_000 }),
        message("Page", &FromSeeder::Page { request: 2, values }),
        message("Failed", &FromSeeder::Failed { request: 3, why: Missing::Unreadable }),
        message("Changed", &FromSeeder::Changed { root: ROOT }),
        message("Reading", &FromSeeder::Reading { request: 4, done: 300_000, size: 1_000_000 }),
        message("Paths of a side without any", &FromSeeder::Paths { candidates: List::default() }),
    ]
}

fn run() -> Value {
    let outcomes = vec![Outcome::Data { len: 5 }, Outcome::Missing(Missing::Gone)];
    let header = RunHeader { request: 3, outcomes: List::new(outcomes).unwrap() };
    let plaintext = [&header.to_bytes()[..], b"hello"].concat();
    json!({ "request": 3, "content": hex("hello"), "plaintext": hex(plaintext) })
}
