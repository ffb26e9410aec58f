//! Counts lines, words and bytes of every file below a folder, many files at once.
//!
//! ```sh
//! cargo run --release --features tokio,smol --example index_files -- DIR
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `job.rs` | the async part, written once for every runtime: start here |
//! | `count.rs` | counts one file, with `wc`'s rules |
//! | `walk.rs` | finds the files |
//! | `report.rs` | the JSON Lines report, and the task that writes it |
//! | `totals.rs` | adds up, and prints |
//! | `stop.rs` | Ctrl-C and SIGTERM |
//! | `cli.rs`, `error.rs` | the command line, and what can go wrong with the whole job |
//!
//! Exit codes: 0 when every file was looked at, whatever was in it; 2 when the job could not be done; 130 and 143 after Ctrl-C and SIGTERM.

mod cli;
mod count;
mod error;
mod job;
mod report;
#[path = "../support/stop.rs"]
mod stop;
mod totals;
mod walk;

use clap::Parser;
use std::process::ExitCode;
use stop::Stop;

fn main() -> ExitCode {
    match index(cli::Cli::parse()) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("index_files: {why}");
            ExitCode::from(2)
        }
    }
}

fn index(cli: cli::Cli) -> Result<ExitCode, String> {
    let flavor = cli.flavor()?;
    // The folder before the report: a mistyped DIR must not cost the report of the last run.
    let tree = walk::Tree::open(cli.dir)?;
    // The signals before the report: from its first byte on it is ended in good order.
    let progress = report::progress_bar();
    let (bar, grace) = (progress.clone(), cli.grace);
    let first = move || {
        // Above the progress bar, not through it.
        bar.suspend(|| {
            eprintln!(
                "index_files: stopping; files in flight get {grace:?}; once more to stop at once"
            );
        });
    };
    let stop = Stop::on_signals(first, report::let_a_write_end)?;
    let report = report::Report::create(&cli.out)?;
    let tree = tree.without(&cli.out);
    let plan = job::Plan {
        tree,
        jobs: cli.jobs,
        deadline: cli.deadline,
        grace: cli.grace,
    };
    // The only line that chooses a runtime.
    let ended = regatta::run_on(flavor, job::run(plan, report, progress, &stop.token));
    // What came first is the cause; without any error the group says itself why it ended.
    let summary = ended.map_err(|errors| match errors.first() {
        Some(error) => error.to_string(),
        None => errors.to_string(),
    })?;
    totals::print(&summary, &cli.out);
    if summary.found == 0 && !summary.interrupted {
        return Err(format!("{}: no files below it", summary.dir));
    }
    Ok(match summary.interrupted {
        true => stop.exit_code(),
        false => ExitCode::SUCCESS,
    })
}
