//! Load on a relay, as an abused one has it: `bench/load.sh`, or `load [ROW]...` beside the programs. Each row starts a relay of
//! its own, produces its load from many loopback addresses, and sets what it finds beside what it should be. Prints a table;
//! ends with 1 if anything was missed.

mod client;
mod crowd;
mod honest;
mod host;
mod hostile;
mod links;
mod report;
mod rows;
mod soak;
mod transfer;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};

use report::Report;
use rows::Row;

/// Descriptors that this program needs at most.
const DESCRIPTORS: u64 = 16_384;

#[derive(Debug, Parser)]
#[command(name = "load", about = "Loads a relay and tells what that costs")]
struct Arguments {
    /// Rows to run; all of them if none is named
    #[arg(value_enum)]
    rows: Vec<Row>,
    /// A tenth of everything, to try it out
    #[arg(long)]
    quick: bool,
    /// Instead of rows: hostile clients and honest transfers at once for so long
    #[arg(long, value_name = "MINUTES", conflicts_with = "rows")]
    soak: Option<u64>,
    /// Takes pipes and waits; for this program's own use
    #[arg(long, hide = true)]
    hold_pipes: bool,
}

/// Returns when somebody wants the end: dropping what runs then ends the programs it has started.
async fn interrupted() -> Result<()> {
    tokio::signal::ctrl_c().await?;
    bail!("interrupted")
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.hold_pipes {
        rows::hold_pipes()?;
    }
    host::allow_descriptors(DESCRIPTORS)?;
    let rows =
        if arguments.rows.is_empty() { Row::value_variants().to_vec() } else { arguments.rows };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report::default();
    if let Some(minutes) = arguments.soak {
        report.begin("soak");
        runtime.block_on(soak::run(&mut report, Duration::from_secs(60 * minutes)))?;
        report.print();
        return Ok(if report.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    for row in rows {
        report.begin(row.name());
        let mut stopped = false;
        let run = async {
            tokio::select! {
                ended = row.run(&mut report, arguments.quick) => ended,
                ended = interrupted() => {
                    stopped = true;
                    ended
                }
            }
        };
        if let Err(error) = runtime.block_on(run) {
            report.must("the row itself", format!("{error:#}"), "to run", false);
        }
        if stopped {
            break;
        }
    }
    report.print();
    Ok(if report.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
