//! Collects events into batches for a database: a hundred at a time, or what has come within 50 ms, whichever is first. Under load batches are full; when it is quiet no
//! event waits long.
//!
//! ```sh
//! cargo run --features tokio,smol --example micro_batches -- --runtime smol
//! ```

#[path = "support/program.rs"]
mod program;

use clap::Parser;
use futures::{Stream, StreamExt};
use regatta::runtime::Flavor;
use regatta::stream::{StreamOps, generate};
use regatta::{Runtime, time};
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);
const MOST: usize = 100;
const LIMIT: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Event {
    number: u32,
    at: Instant,
}

/// A rush of a thousand events, then one every 20 ms.
fn events() -> impl Stream<Item = Event> + Send + 'static {
    generate(async |y| {
        for number in 0..1020 {
            if number >= 1000 {
                time::sleep(MS * 20).await;
            }
            let at = Runtime::current().now();
            y.put(Event { number, at }).await;
        }
    })
}

/// Stands for an `INSERT` of many rows.
async fn insert(batch: Vec<Event>) -> (usize, Duration) {
    let now = Runtime::current().now();
    time::sleep(MS * 5).await;
    assert!(batch.is_sorted_by_key(|event| event.number));
    let oldest = batch.iter().map(|event| now - event.at).max();
    (batch.len(), oldest.unwrap_or_default())
}

/// Rows are inserted in batches: so many, or whatever came in so long.
#[derive(Debug, Parser)]
#[command(name = "micro_batches")]
struct Cli {
    /// What to run on: tokio, tokio-current, smol or neutral. Default: the first that is compiled in
    #[arg(long)]
    runtime: Option<Flavor>,
}

async fn show() {
    // Up to two inserts at a time, told in order; events are collected meanwhile.
    let batches = events().batch_within(MOST, LIMIT).then_stage(4);
    let mut inserts = pin!(batches.map_concurrent(2, insert).progress(|p| {
        if p.ended {
            println!("{} inserts", p.items);
        }
    }));
    let (mut events, mut full) = (0, 0);
    while let Some((rows, waited)) = inserts.next().await {
        println!("{rows:>4} rows, the oldest waited {waited:.1?}");
        events += rows;
        full += usize::from(rows == MOST);
    }
    assert_eq!(events, 1020, "none is lost");
    println!("{events} rows, {full} batches were full");
}

fn main() -> ExitCode {
    program::run("micro_batches", "", Ok(Some(Cli::parse())), |cli, stop| {
        Ok(program::run_on(cli.runtime, &stop, show()).is_some())
    })
}
