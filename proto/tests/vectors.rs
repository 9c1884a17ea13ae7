//! The product's own vectors are what the product does.

#[path = "../examples/vectors/build/mod.rs"]
mod build;

use std::path::Path;

#[test]
fn the_files_are_what_the_product_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors");
    let files = build::files();
    for (name, text) in &files {
        let written = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            written == *text,
            "docs/vectors/{name} differs: if the protocol is meant to change, run \
             `cargo run -p sealift-proto --example vectors`"
        );
    }
    let there = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(there, files.len(), "a file that nothing writes");
}
