//! Writes every valid message there is into a folder, one file each, for a fuzzer to begin from:
//! `cargo run -p sealift-proto --example corpus -- FOLDER`

#![allow(clippy::unwrap_used, reason = "a tool for the desk")]

#[path = "../tests/hostile/seeds.rs"]
mod seeds;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(std::path::PathBuf::from) else {
        eprintln!("usage: corpus FOLDER");
        std::process::exit(2);
    };
    std::fs::create_dir_all(&folder)?;
    for (number, seed) in seeds::seeds().into_iter().enumerate() {
        std::fs::write(folder.join(format!("{number:04}")), seed)?;
    }
    Ok(())
}
