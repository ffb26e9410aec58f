//! Counts the primes below a limit on every core, once on threads and once in worker processes, while a clock ticks on the event loop.
//!
//! ```sh
//! cargo run --release --features tokio,smol --example crunch_numbers -- --limit 20000000
//! ```
//!
//! Both counts are checked against a sieve. The ticker shows that timers stay on time while every core computes. At the end one
//! worker process is crashed on purpose: that is an error of its call, and the next one works.

#[path = "support/program.rs"]
mod program;

use clap::Parser;
use regatta::blocking::{self, CpuPool, ProcessError, ProcessPool};
use regatta::runtime::Flavor;
use regatta::task::gather;
use regatta::{Runtime, time};
use std::cell::Cell;
use std::error::Error;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

/// Counts the primes below a limit on threads and in processes.
#[derive(Debug, Parser)]
#[command(name = "crunch_numbers")]
struct Cli {
    /// Count the primes below this
    #[arg(long, default_value_t = 3_000_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000_000))]
    limit: u32,

    /// Into how many jobs the work is cut
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    jobs: u32,

    /// What to run on: tokio, tokio-current, smol or neutral. Default: the first that is compiled in
    #[arg(long)]
    runtime: Option<Flavor>,
}

const TICK: Duration = Duration::from_millis(5);

/// By trial division: slow on purpose.
fn primes_in(range: Range<u32>) -> u32 {
    let is_prime = |n: u32| {
        n == 2
            || (n > 2
                && !n.is_multiple_of(2)
                && (3..)
                    .step_by(2)
                    .take_while(|d| d * d <= n)
                    .all(|d| !n.is_multiple_of(d)))
    };
    range.filter(|n| is_prime(*n)).count() as u32
}

/// Another way to the same number.
fn sieve(limit: u32) -> u32 {
    let mut composite = vec![false; limit as usize];
    let mut count = 0;
    for n in 2..limit as usize {
        if !composite[n] {
            count += 1;
            (n * n..limit as usize)
                .step_by(n)
                .for_each(|m| composite[m] = true);
        }
    }
    count
}

/// What worker processes call; the bytes are JSON here.
fn primes_by_json(input: &[u8]) -> Result<Vec<u8>, String> {
    let range: Range<u32> = serde_json::from_slice(input).map_err(|e| e.to_string())?;
    serde_json::to_vec(&primes_in(range)).map_err(|e| e.to_string())
}

fn crash(_input: &[u8]) -> Result<Vec<u8>, String> {
    std::process::abort()
}

fn main() -> ExitCode {
    // First of all: a worker process is this program, started again.
    blocking::process_entry(&[("primes", primes_by_json), ("crash", crash)]);
    program::run("crunch_numbers", "", Ok(Some(Cli::parse())), |cli, stop| {
        let ended = program::run_on(cli.runtime, &stop, crunch(&cli));
        match ended {
            Some(Ok(())) => Ok(true),
            // A job that was cancelled is an error to those who wait for it.
            Some(Err(why)) if !stop.is_cancelled() => Err(why.to_string()),
            _ => Ok(false),
        }
    })
}

async fn crunch(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let cores = std::thread::available_parallelism()?.get();
    let expected = sieve(cli.limit);
    let step = cli.limit.div_ceil(cli.jobs).max(1);
    let ranges = || {
        (0..cli.limit)
            .step_by(step as usize)
            .map(|from| from..from.saturating_add(step).min(cli.limit))
    };

    let threads = CpuPool::new();
    let jobs = ranges().map(|range| threads.run(move || primes_in(range)));
    let counts = measured("threads", gather(jobs).into_future()).await?;
    check("threads", counts.iter().sum(), expected)?;

    let processes = ProcessPool::new(cores)?;
    let jobs = ranges().map(|range| {
        let processes = processes.clone();
        async move {
            let input = serde_json::to_vec(&range)?;
            let output = processes.call("primes", input).await?;
            Ok::<u32, Box<dyn Error + Send + Sync>>(serde_json::from_slice(&output)?)
        }
    });
    let counts = measured("processes", gather(jobs).into_future()).await?;
    check("processes", counts.iter().sum(), expected)?;

    match processes.call("crash", []).await {
        Err(ProcessError::Died(how)) => {
            println!("a crash:   the process died ({how}), the pool goes on")
        }
        other => return Err(format!("a crash went unnoticed: {other:?}").into()),
    }
    let small = processes
        .call("primes", *b"{\"start\":0,\"end\":100}")
        .await?;
    check("after the crash", serde_json::from_slice(&small)?, 25)?;
    processes.shutdown(Duration::MAX).await;
    threads.shutdown(Duration::MAX).await;
    Ok(())
}

/// Runs `work` beside a ticker, and tells how long the one took and how late the other was.
async fn measured<T>(name: &str, work: impl Future<Output = T>) -> T {
    let runtime = Runtime::current();
    let start = runtime.now();
    let (ticks, latest) = (Cell::new(0u32), Cell::new(Duration::ZERO));
    let ticker = async {
        loop {
            let due = runtime.now() + TICK;
            time::sleep_until(due).await;
            latest.set(latest.get().max(runtime.now() - due));
            ticks.set(ticks.get() + 1);
        }
    };
    let ended = futures_lite::future::or(work, ticker).await;
    println!(
        "{name:<10} {:>8.1?}; meanwhile {} ticks, the latest by {:.1?}",
        runtime.now() - start,
        ticks.get(),
        latest.get()
    );
    ended
}

fn check(name: &str, count: u32, expected: u32) -> Result<(), String> {
    if count != expected {
        return Err(format!(
            "{name}: {count} primes, where a sieve finds {expected}"
        ));
    }
    println!("{name}: {count} primes, as the sieve says");
    Ok(())
}
