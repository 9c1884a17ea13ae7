//! Runs one command and tells what it took; helper of `bench/compare.sh`.
//!
//! `measure REPORT COMMAND...` writes one JSON object to the file REPORT: seconds that passed, seconds of processor time, and
//! the largest of the processes in KiB; of the command and of all the children it waited for. It ends with the command's code.
//! A program of its own, and a small one, because a process inherits the memory peak of the one that starts it.
//!
//! `measure --touch MIB` writes to so much memory and gives it back, so that whoever runs next finds pages that the machine
//! really has.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

fn main() -> Result<ExitCode> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [first, program, rest @ ..] = arguments.as_slice() else {
        bail!("measure REPORT COMMAND..., or measure --touch MIB");
    };
    if first == "--touch" {
        let mebibytes: usize =
            program.to_str().and_then(|text| text.parse().ok()).context("MIB is a number")?;
        std::hint::black_box(vec![1_u8; mebibytes << 20]);
        return Ok(ExitCode::SUCCESS);
    }
    let start = Instant::now();
    let status = Command::new(program)
        .args(rest)
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let wall = start.elapsed();
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let report = format!(
        "{{\"wall\": {:.6}, \"cpu\": {:.6}, \"peak_kib\": {}}}\n",
        wall.as_secs_f64(),
        seconds(used.user_time()) + seconds(used.system_time()),
        used.max_rss(),
    );
    std::fs::write(first, report).with_context(|| format!("cannot write {}", first.display()))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

fn seconds(time: TimeVal) -> f64 {
    let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
    let whole = u64::try_from(time.tv_sec()).unwrap_or(0);
    (Duration::from_secs(whole) + Duration::from_micros(micros)).as_secs_f64()
}
