//! An API allows so many requests in a second, and so many at once. Many tasks call it; all of them together stay under both limits, without a coordinator
//! and without a refused request. The API here is a local stand-in that counts, and complains when a limit is broken.
//!
//! ```sh
//! cargo run --features tokio,smol --example stay_under_a_quota -- --rate 100 --at-once 8
//! ```

#[path = "support/program.rs"]
mod program;

use regatta::cancel::CancelToken;
use regatta::rate_limit::{ConcurrencyAndRate, Quota};
use regatta::runtime::Flavor;
use regatta::task::{self, ErrorGroup};
use regatta::{Runtime, time};
use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: stay_under_a_quota [--runtime tokio|smol|neutral] [--rate N] [--at-once N] [--requests N]
  --runtime   what to run on                         (default: the one that is compiled in)
  --rate      requests that the API allows a second  (default: 100)
  --at-once   requests that it allows at once        (default: 8)
  --requests  how many are made                      (default: 300)";

struct Plan {
    runtime: Option<Flavor>,
    rate: u32,
    at_once: u32,
    requests: u32,
}

fn parse_args(mut args: impl Iterator<Item = String>) -> Result<Option<Plan>, String> {
    let mut plan = Plan {
        runtime: None,
        rate: 100,
        at_once: 8,
        requests: 300,
    };
    while let Some(name) = args.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let number = match name.as_str() {
            "--runtime" => None,
            "--rate" => Some(&mut plan.rate),
            "--at-once" => Some(&mut plan.at_once),
            "--requests" => Some(&mut plan.requests),
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

/// What the API has seen in the last second.
#[derive(Default)]
struct Seen {
    begun: VecDeque<Instant>,
    running: u32,
    most_running: u32,
    most_in_a_second: usize,
}

struct Api {
    rate: u32,
    at_once: u32,
    seen: Mutex<Seen>,
}

impl Api {
    /// Takes 50 ms. Fails when a limit is broken, as a real one would with `429 Too Many Requests`.
    async fn request(&self, number: u32) -> Result<u32, String> {
        let now = Runtime::current().now();
        let too_many = {
            let mut seen = self.seen.lock().expect("nobody panics with it");
            let second_ago = now.checked_sub(Duration::from_secs(1));
            while seen.begun.front().is_some_and(|at| Some(*at) <= second_ago) {
                seen.begun.pop_front();
            }
            seen.begun.push_back(now);
            seen.running += 1;
            seen.most_running = seen.most_running.max(seen.running);
            seen.most_in_a_second = seen.most_in_a_second.max(seen.begun.len());
            seen.running > self.at_once || seen.begun.len() > self.rate as usize
        };
        time::sleep(Duration::from_millis(50)).await;
        self.seen.lock().expect("nobody panics with it").running -= 1;
        if too_many {
            return Err(format!("request {number}: 429 Too Many Requests"));
        }
        Ok(number)
    }
}

async fn run(plan: Plan) -> Result<(), ErrorGroup<String>> {
    let api = Api {
        rate: plan.rate,
        at_once: plan.at_once,
        seen: Mutex::default(),
    };
    // A tenth at once, and four fifths evenly. That is less than is allowed: the API measures when requests arrive, we when they leave, and what a machine that is
    // busy holds up for a moment arrives together.
    let burst = (plan.rate / 10).max(1);
    let even = (plan.rate * 4 / 5).max(1);
    let quota = Quota::per_second(even).burst(burst);
    let limiter = ConcurrencyAndRate::new(quota, plan.at_once as usize);
    let start = Runtime::current().now();
    let answers = task::scope(async |g| {
        let requests: Vec<_> = (0..plan.requests)
            .map(|number| {
                let (api, limiter) = (&api, &limiter);
                g.spawn(async move {
                    let _in_flight = limiter.acquire().await;
                    api.request(number).await
                })
            })
            .collect();
        let mut answers = 0;
        for request in requests {
            request.await;
            answers += 1;
        }
        Ok(answers)
    })
    .await?;
    let took = Runtime::current().now() - start;
    let seen = api.seen.into_inner().expect("nobody panics with it");
    println!("{answers} requests in {took:.1?}, none refused");
    println!(
        "at most {} of {} in a second, at most {} of {} at once",
        seen.most_in_a_second, plan.rate, seen.most_running, plan.at_once
    );
    Ok(())
}

fn start(plan: Plan, stop: CancelToken) -> Result<bool, String> {
    let ended = program::run_on(plan.runtime, &stop, run(plan));
    let ended = ended.transpose().map_err(|errors| format!("{errors:#}"))?;
    Ok(ended.is_some())
}

fn main() -> ExitCode {
    let plan = parse_args(std::env::args().skip(1));
    program::run("stay_under_a_quota", USAGE, plan, start)
}
