//! Writes the product's own test vectors into `docs/vectors`: `cargo run -p sealift-proto --example vectors`.
//!
//! `tests/vectors.rs` checks that the files there are what this writes. A change of them is a change of the protocol.

mod build;

use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors");
    std::fs::create_dir_all(&folder)?;
    for (name, text) in build::files() {
        std::fs::write(folder.join(name), text)?;
        println!("{name}");
    }
    Ok(())
}
