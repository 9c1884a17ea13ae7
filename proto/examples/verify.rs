//! How a chunk is known for what it is: its value stands in a page, the page leads to the root of the file, and one altered bit does not
//! pass (PROTOCOL.md section 9.2).
//!
//! ```text
//! cargo run -p sealift-proto --features sealed --example verify
//! ```

use std::error::Error;

use sealift_proto::manifest::{CHUNK, Layout, Manifest, check_page, chunk_fits, chunk_value};

fn main() -> Result<(), Box<dyn Error>> {
    let content: Vec<u8> = (0_u32..700_000).flat_map(u32::to_be_bytes).collect();
    let layout = Layout::new(u64::try_from(content.len())?)?;

    // Whoever has the file states its root and keeps the values of its chunks.
    let chunks: Vec<&[u8]> = content.chunks(usize::try_from(CHUNK)?).collect();
    let values = (0..).zip(&chunks).map(|(index, chunk)| chunk_value(index, chunk)).collect();
    let manifest = Manifest::new(layout, values)?;
    let root = manifest.root().ok_or("a file of one chunk has no page")?;
    println!("{} bytes, {} chunks, root {}", layout.size(), layout.chunks(), root.hex());

    // Whoever fetches it knows the root alone, and believes nothing that does not lead there.
    let page = manifest.page(0);
    check_page(layout, &root, None, 0, page)?;
    let mut last = chunks[2].to_vec();
    assert!(chunk_fits(layout, &root, Some(&page[2]), 2, &last));
    last[17] ^= 1;
    assert!(!chunk_fits(layout, &root, Some(&page[2]), 2, &last));
    println!("chunk 2 fits as it was, and not with one bit altered");
    Ok(())
}
