//! The command `relay`.

/// Its memory stays level over days, with the static build too; the system's allocators let it creep (`docs/DECISIONS.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    sealift_relay::command::main()
}
