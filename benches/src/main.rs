//! regatta and its peers side by side, against the figures to beat.
//!
//! ```text
//! cargo run --release -p regatta-benches -- [ROW ..] [--quick] [--budget SECONDS] [--only TEXT] [--case TEXT] [--json FILE] [--serve]
//! cargo run --release -p regatta-benches --features allocs -- [ROW ..] [--only TEXT] [--case TEXT]
//! ```
//!
//! The first measures time, the second counts allocations, and bytes where things wait (row X).

mod allocations;
mod harness;
mod report;
mod rows;
mod runtimes;
mod table;

use harness::Options;
use std::process::ExitCode;

const USAGE: &str = "usage: regatta-benches [ROW ..] [options]
  --quick            a tenth of the time: for a look, not for a judgement
  --budget SECONDS   time for each table (default 3)
  --only TEXT        only tables whose title contains TEXT, such as tokio-ct
  --case TEXT        only cases named TEXT, or else whose name contains it; goals then go unjudged
  --json FILE        writes the figures to FILE, too
  --serve            only serves what row W asks for, and prints where";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: impl Iterator<Item = String>) -> Result<(), String> {
    let mut options = Options::default();
    let mut wanted = Vec::new();
    let mut json = None;
    while let Some(arg) = args.next() {
        let mut value = || {
            args.next()
                .ok_or_else(|| format!("{arg} needs a value\n{USAGE}"))
        };
        match arg.as_str() {
            "--quick" => options.budget /= 10,
            "--budget" => options.budget = seconds(&value()?)?,
            "--only" => options.only = value()?,
            "--case" => options.case = value()?,
            "--json" => json = Some(value()?),
            "--serve" => {
                println!("http://{}/x", rows::serve(rows::Version::One));
                loop {
                    std::thread::park();
                }
            }
            "--asleep" => {
                println!("{}", rows::asleep(&value()?, &value()?)?);
                return Ok(());
            }
            "--help" | "-h" => {
                println!("{USAGE}\n\n{}", rows::list());
                return Ok(());
            }
            option if option.starts_with('-') => {
                return Err(format!("unknown option {option}\n{USAGE}"));
            }
            row => wanted.push(rows::find(row)?),
        }
    }
    if wanted.is_empty() {
        wanted.extend(rows::ROWS);
    }
    let mut results = Vec::new();
    for row in wanted {
        println!("\n=== {}: {}", row.name, row.what);
        for table in (row.tables)() {
            if let Some(result) = harness::measure(row.name, table, &options) {
                print!("{}", report::text(&result));
                results.push(result);
            }
        }
    }
    print!("{}", report::summary(&results));
    match json {
        Some(file) => {
            std::fs::write(&file, report::json(&results)).map_err(|e| format!("--json {file}: {e}"))
        }
        None => Ok(()),
    }
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("--budget {text}: not a number of seconds"))?;
    regatta::time::seconds(number).map_err(|e| format!("--budget: {e}"))
}
