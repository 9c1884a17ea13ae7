//! The command `relay`.

fn main() -> std::process::ExitCode {
    sealift_relay::command::main()
}
