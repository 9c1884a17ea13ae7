//! A segment, a status, and manifests. The compressed form of a segment is one of many that unfold to the same changes:
//! what counts is that it unfolds.

use sealift_proto::{
    catalogue::{self, Change, EXECUTABLE, Entry, Folder, Root, Status},
    codec,
    manifest::{CHUNK, Layout, Manifest, chunk_value},
    object,
    path::RelativePath,
};
use serde_json::{Value, json};

use super::{hex, objects, world};

pub fn vectors() -> Value {
    let sizes = [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5];
    json!({
        "segment": segment(),
        "status": status(),
        "manifests": sizes.map(manifest),
    })
}

fn path(text: &str) -> RelativePath {
    RelativePath::new(text).unwrap()
}

fn segment() -> Value {
    let entry = |name: &str, flags: u8, root: Option<Root>| {
        Change::Put(Entry { path: path(name), size: 12, modified: -1, flags, root })
    };
    let changes = vec![
        entry("share/a.txt", 0, Some(Root([40; 32]))),
        entry("share/run ü.sh", EXECUTABLE, None),
        Change::Remove(path("share/old")),
        Change::Folder(Folder {
            path: path("share/empty"),
            modified: 1_800_000_000_000,
            unshared: 0,
            left_out: 0,
        }),
        Change::Folder(Folder { path: path("share"), modified: -1, unshared: 3, left_out: 2 }),
    ];
    let folded = catalogue::fold(&changes).unwrap();
    assert_eq!(catalogue::unfold(&folded).unwrap(), changes);
    let keys = world::epoch_secret().keys();
    let place = objects::place(world::seeder().id(), 2, 0);
    let mut value = objects::sealed::<object::Segment>(&keys.catalogue, &place, &folded);
    value["changes"] = hex(codec::encode(&changes));
    value
}

fn status() -> Value {
    let status = Status { waiting: 40, files: 900, scanning: true };
    let keys = world::epoch_secret().keys();
    let place = objects::place(world::seeder().id(), 2, 1);
    objects::sealed::<object::HeadStatus>(&keys.catalogue, &place, &codec::encode(&status))
}

/// The file's byte number `i` is `i mod 251`.
fn manifest(size: u64) -> Value {
    let content: Vec<u8> = (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let layout = Layout::new(size).unwrap();
    let chunk_len = usize::try_from(CHUNK).unwrap();
    let values: Vec<_> = match layout.pages() {
        0 => Vec::new(),
        _ => (0..).zip(content.chunks(chunk_len)).map(|(i, chunk)| chunk_value(i, chunk)).collect(),
    };
    let root = Root(blake3::hash(&content).into());
    let manifest = Manifest::new(layout, values.clone()).unwrap();
    assert!(manifest.root().is_none_or(|found| found == root));
    json!({ "size": size, "bytes": "i mod 251", "root": root.hex(), "values": values.iter().map(hex).collect::<Vec<_>>() })
}
