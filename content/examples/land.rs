//! How a fetched file lands: each chunk is verified before it is written, the file grows hidden, and its name appears when all of it
//! is on disk.
//!
//! ```text
//! cargo run -p sealift-content --example land
//! ```

use std::error::Error;

use sealift_content::landing::sink::Sink;
use sealift_content::landing::{Landing, Target};
use sealift_platform::Platform;
use sealift_proto::manifest::{CHUNK, Layout, Manifest, chunk_fits, chunk_value};

fn main() -> Result<(), Box<dyn Error>> {
    let out = tempfile::tempdir()?;
    let content: Vec<u8> = (0_u32..700_000).flat_map(u32::to_be_bytes).collect();
    let layout = Layout::new(u64::try_from(content.len())?)?;
    let chunks: Vec<&[u8]> = content.chunks(usize::try_from(CHUNK)?).collect();
    let values: Vec<_> = (0..).zip(&chunks).map(|(at, chunk)| chunk_value(at, chunk)).collect();
    let manifest = Manifest::new(layout, values.clone())?;
    let root = manifest.root().ok_or("a file of one chunk has no page")?;

    let target = Target { path: "numbers".into(), modified_ms: 0, executable: false };
    let landing = Landing::open(&Platform::system(), out.path(), vec![target])?;
    // What an earlier process left would be among `earlier`, to be read again.
    let begun = landing.begin(0, root, layout.size())?;
    for index in begun.missing.into_iter().flatten() {
        let at = usize::try_from(index)?;
        let chunk = chunks[at];
        if !chunk_fits(layout, &root, Some(&values[at]), index, chunk) {
            return Err("not the chunk that was asked for".into());
        }
        landing.write(0, index, chunk)?;
    }
    let place = out.path().join("numbers");
    assert!(!place.exists(), "not before all of it is durable");
    for (_, result) in landing.finish(&[0]) {
        result?;
    }
    assert_eq!(std::fs::read(&place)?, content);
    println!("landed {} bytes in {} chunks", layout.size(), layout.chunks());
    Ok(())
}
