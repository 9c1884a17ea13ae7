//! The command `relay`.

/// With this one memory stayed level for an hour of hostile clients; with glibc's it creeps (`docs/DECISIONS.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    sealift_relay::command::main()
}
