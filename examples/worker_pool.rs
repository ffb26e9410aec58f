//! A service delivers webhooks for its customers. Some endpoints are slow, some fail now and then, one crashes the code that talks to it. Four workers
//! deliver what several parts of the service submit: each delivery has a time limit and is tried again, none harms another, more workers are hired while many
//! deliveries wait, and at the end, or on Ctrl-C, what is left is delivered for a while, then handed back.
//!
//! ```sh
//! cargo run --features tokio,smol --example worker_pool -- --deliveries 400 --workers 4
//! ```

#[path = "support/program.rs"]
mod program;

use regatta::cancel::CancelToken;
use regatta::runtime::Flavor;
use regatta::task;
use regatta::workers::{JobError, Report, SubmitError, Workers};
use regatta::{Runtime, time};
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const USAGE: &str = "usage: worker_pool [--runtime tokio|smol] [--workers N] [--parts N] [--deliveries N] [--grace MS]
  --runtime     what to run on                                       (default: the one that is compiled in)
  --workers     how many deliver at once, at first                   (default: 4)
  --parts       how many parts of the service submit                 (default: 3)
  --deliveries  how many each part submits                           (default: 200)
  --grace       how long deliveries may go on at the end, in ms      (default: 2000)";

const MS: Duration = Duration::from_millis(1);

struct Plan {
    runtime: Option<Flavor>,
    workers: u32,
    parts: u32,
    deliveries: u32,
    grace: u32,
}

fn parse_args(mut args: impl Iterator<Item = String>) -> Result<Option<Plan>, String> {
    let mut plan = Plan {
        runtime: None,
        workers: 4,
        parts: 3,
        deliveries: 200,
        grace: 2000,
    };
    while let Some(name) = args.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let number = match name.as_str() {
            "--runtime" => None,
            "--workers" => Some(&mut plan.workers),
            "--parts" => Some(&mut plan.parts),
            "--deliveries" => Some(&mut plan.deliveries),
            "--grace" => Some(&mut plan.grace),
            _ => return Err(format!("there is no option {name:?}")),
        };
        let value = args.next().ok_or(format!("{name} needs a value"))?;
        match number {
            Some(number) => {
                *number = value
                    .parse()
                    .ok()
                    .filter(|n| (1..=1_000_000).contains(n))
                    .ok_or(format!(
                        "{name} is {value:?}: use a number from 1 to 1000000"
                    ))?;
            }
            None => plan.runtime = Some(value.parse().map_err(|why| format!("--runtime: {why}"))?),
        }
    }
    Ok(Some(plan))
}

/// A message to a customer's endpoint.
#[derive(Clone, Debug)]
struct Delivery {
    part: u32,
    number: u32,
    /// How often it was tried; all clones of it count together.
    tries: Arc<AtomicU32>,
}

#[derive(Debug)]
enum Refused {
    /// The endpoint says no, and will say so again.
    Gone,
    /// Try again.
    Busy,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Gone => "410 Gone",
            Refused::Busy => "503 Service Unavailable",
        })
    }
}

/// One attempt. A real service would send an HTTP request here.
async fn deliver(delivery: Delivery) -> Result<u32, Refused> {
    let tries = 1 + delivery.tries.fetch_add(1, Ordering::Relaxed);
    time::sleep(MS + MS * (delivery.number % 5)).await; // the network
    match delivery.number % 50 {
        7 if tries < 3 => Err(Refused::Busy),
        13 => Err(Refused::Gone),
        29 if tries == 1 => std::future::pending().await, // it never answers
        42 => panic!("no header in the answer"),
        _ => Ok(tries),
    }
}

type Pool = Workers<Delivery, u32, Refused>;

fn hire(plan: &Plan) -> Result<Pool, String> {
    Workers::builder(plan.workers as usize, deliver)
        .name("delivery")
        .queue(64)
        .job_timeout(50 * MS)
        .retry(|attempt| match attempt.error {
            JobError::Failed(Refused::Busy) | JobError::TimedOut(_) if attempt.number < 5 => {
                Some(5 * MS * attempt.number)
            }
            _ => None,
        })
        .on_unclaimed_error(|job, error| eprintln!("delivery {job}: {error}"))
        .start()
        .map_err(|e| e.to_string())
}

/// A part of the service: submits, and does not wait for what comes of it.
async fn part(pool: Pool, part: u32, deliveries: u32) -> Result<u32, String> {
    for number in 0..deliveries {
        let delivery = Delivery {
            part,
            number,
            tries: Arc::default(),
        };
        match pool.submit(delivery).await {
            Ok(job) => drop(job),
            // The service stops.
            Err(SubmitError::Closed(_)) => return Ok(number),
            Err(other) => return Err(other.to_string()),
        }
    }
    Ok(deliveries)
}

/// Hires more while many wait, and fewer when few do.
async fn watch(pool: Pool, least: usize) {
    loop {
        time::sleep(20 * MS).await;
        let stats = pool.stats();
        if stats.waiting > 32 && stats.workers < 8 * least {
            pool.resize(2 * stats.workers);
        } else if stats.waiting == 0 && stats.workers > least {
            pool.resize(least);
        }
    }
}

async fn serve(plan: Plan, stop: CancelToken) -> Result<bool, String> {
    let start = Runtime::current().now();
    let pool = hire(&plan)?;
    let submitted = stop
        .run(async {
            task::task_group(async |g| {
                g.service(watch(pool.clone(), plan.workers as usize));
                let parts: Vec<_> = (0..plan.parts)
                    .map(|n| g.spawn(part(pool.clone(), n, plan.deliveries)))
                    .collect();
                let mut submitted = 0;
                for part in parts {
                    submitted += part.await;
                }
                pool.join().await;
                Ok(submitted)
            })
            .await
        })
        .await;
    let peak = pool.stats().high_water;
    let grace = MS * plan.grace;
    let report = pool.stop(grace).await;
    tell(&report, &pool);
    println!(
        "at most {peak} of 64 waited; {:?} in all",
        Runtime::current().now() - start
    );
    match submitted {
        Ok(Ok(submitted)) => {
            println!("all {submitted} that were submitted have ended");
            Ok(true)
        }
        Ok(Err(errors)) => Err(format!("{errors:#}")),
        Err(stopped) => {
            println!("stopped early: {stopped}");
            Ok(false)
        }
    }
}

fn tell(report: &Report<Delivery>, pool: &Pool) {
    let (ended, stats) = (report.ended, pool.stats());
    println!(
        "{} delivered, {} refused, {} timed out, {} crashed, {} cancelled; {} tried again",
        ended.completed,
        ended.failed,
        ended.timed_out,
        ended.panicked,
        ended.cancelled,
        stats.retries
    );
    if let Some(first) = report.dropped.first() {
        println!(
            "{} not begun, to be kept for the next start; the first is number {} of part {}",
            report.dropped.len(),
            first.number,
            first.part
        );
    }
    for stuck in &report.stuck {
        println!("delivery {} hangs since {:?}", stuck.job, stuck.running);
    }
}

fn start(plan: Plan, stop: CancelToken) -> Result<bool, String> {
    match plan.runtime {
        Some(flavor) => regatta::run_on(flavor, serve(plan, stop)),
        None => regatta::run(serve(plan, stop)),
    }
}

fn main() -> ExitCode {
    let plan = parse_args(std::env::args().skip(1));
    program::run("worker_pool", USAGE, plan, start)
}
