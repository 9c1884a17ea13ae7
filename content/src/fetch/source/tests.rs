use sealift_proto::identity::SecretKey;

use super::*;
use crate::fetch::given::tests::Download;
use crate::fetch::schedule::Arrival;

/// Chunk `index` has come, and waits for others to be handed on with.
fn come(download: &Download, batch: &mut Batch<'_>, index: u64) {
    let chunk = download.content.chunks(CHUNK as usize).nth(index as usize).unwrap();
    let arrival = download.shared.schedule().chunk_came(download.source, 0, index);
    let Arrival::Take { layout, root, value } = arrival else { panic!("nobody waits for it") };
    let bytes = chunk.to_vec().into();
    batch.pieces.push(Piece { job: 0, index, bytes, layout, root, value, joined: false });
}

#[tokio::test]
async fn what_came_before_a_link_was_lost_is_written() {
    let download = Download::begun();
    let source = Source {
        sayer: None,
        shared: &download.shared,
        id: download.source,
        stall: STALL,
        device: SecretKey::from_seed([1; 32]).id(),
        heard: Mutex::new(Instant::now()),
        came: Mutex::default(),
    };
    let mut batch = Batch { source: &source, pieces: Vec::new(), bytes: 0 };
    come(&download, &mut batch, 3);
    let (written, mut news) = (download.shared.sink.written(), download.shared.news());
    drop(batch);
    drop(source);
    while download.shared.schedule().is_under_way() {
        timeout(STALL, news.changed()).await.unwrap().unwrap();
    }
    assert_eq!(download.shared.sink.written() - written, 5);
}
