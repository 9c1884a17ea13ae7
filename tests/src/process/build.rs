//! Where the programs are.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the programs, built if they are absent or old.
///
/// # Panics
/// When they do not build.
#[must_use]
pub fn folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).clone()
}

/// `cargo test` builds the programs of a package for that package's own tests only, so they may be absent here, or worse: old.
/// Asking cargo costs half a second when there is nothing to do, as after `cargo test --workspace`: the features of all crates
/// are the same (see this package's manifest). With `SEALIFT_PROGRAMS=built` it is not asked: `.ci/run` has just built them, and
/// builds other things while tests run.
fn build() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this program");
    // target/PROFILE/deps/TEST
    let folder = own.ancestors().nth(2).expect("a folder beneath target").to_owned();
    if std::env::var_os("SEALIFT_PROGRAMS").is_some() {
        return folder;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--workspace"]);
    command.args(["--bin=relay", "--bin=seeder", "--bin=leecher", "--bin=sealift"]);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => {}
        Some(profile) => {
            command.args(["--profile", profile]);
        }
    }
    let status = command.status().expect("cargo starts");
    assert!(status.success(), "the programs do not build");
    folder
}
