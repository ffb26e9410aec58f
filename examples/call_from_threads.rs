//! A program of plain threads that uses async code: ten cashiers share one async till.
//!
//! ```sh
//! cargo run --features tokio,smol --example call_from_threads -- --runtime smol
//! ```
//!
//! Each thread calls into the event loop through a portal and blocks until its answer is there. One call is cancelled half way; the portal is
//! stopped, and says so to whoever comes later.

#[path = "support/program.rs"]
mod program;

use clap::Parser;
use regatta::blocking::{Portal, PortalError};
use regatta::cancel::CancelToken;
use regatta::runtime::Flavor;
use regatta::time;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Plain threads call async code.
#[derive(Debug, Parser)]
#[command(name = "call_from_threads")]
struct Cli {
    /// How many plain threads
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    threads: u64,

    /// How many sales each of them makes
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    sales: u64,

    /// What to run on: tokio, tokio-current, smol or neutral. Default: the first that is compiled in
    #[arg(long)]
    runtime: Option<Flavor>,
}

/// Async code that knows nothing of threads.
#[derive(Default)]
struct Till {
    total: async_lock::Mutex<u64>,
}

impl Till {
    async fn sell(&self, price: u64) -> u64 {
        let mut total = self.total.lock().await;
        // The drawer takes a moment, and only one hand at a time.
        time::sleep(Duration::from_micros(100)).await;
        *total += price;
        *total
    }
}

fn main() -> ExitCode {
    program::run(
        "call_from_threads",
        "",
        Ok(Some(Cli::parse())),
        |cli, stop| shop(&cli, &stop).map_err(|why| why.to_string()),
    )
}

fn shop(cli: &Cli, stop: &CancelToken) -> Result<bool, Box<dyn Error>> {
    let first = Flavor::ALL.into_iter().find(|f| f.is_available());
    let flavor = cli.runtime.or(first).unwrap_or(Flavor::Neutral);
    let portal = Portal::start(flavor)?;
    let till = Arc::new(Till::default());

    let cashiers: Vec<_> = (1..=cli.threads)
        .map(|cashier| {
            let (portal, till, sales) = (portal.clone(), till.clone(), cli.sales);
            let stop = stop.clone();
            thread::spawn(move || -> Result<(), PortalError> {
                for _ in 0..sales {
                    if stop.is_cancelled() {
                        break;
                    }
                    let till = till.clone();
                    portal.call(move || async move { till.sell(cashier).await })?;
                }
                Ok(())
            })
        })
        .collect();
    for cashier in cashiers {
        cashier.join().map_err(|_| "a cashier panicked")??;
    }
    if stop.is_cancelled() {
        portal.stop()?;
        return Ok(false);
    }
    let expected = cli.sales * cli.threads * (cli.threads + 1) / 2;
    let total = portal.call({
        let till = till.clone();
        move || async move { *till.total.lock().await }
    })?;
    if total != expected {
        return Err(format!("{total} in the till, {expected} expected").into());
    }
    println!("{} cashiers made {total} on {flavor}", cli.threads);

    let forever = portal.spawn(std::future::pending::<()>);
    forever.cancel_with("closing time");
    match forever.wait() {
        Err(PortalError::Cancelled(why)) => println!("an endless call: {why}"),
        other => return Err(format!("an endless call ended with {other:?}").into()),
    }

    portal.stop()?;
    match portal.call(|| async {}) {
        Err(late @ PortalError::Stopped) => println!("a late call: {late}"),
        other => return Err(format!("a late call gave {other:?}").into()),
    }
    Ok(true)
}
