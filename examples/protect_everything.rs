//! A shop asks a warehouse for its stock, many times a second, while the warehouse goes through a bad day: it is well, resets connections, gets slow, is broken, and recovers. One
//! `Policy` with every layer stands around the calls. At the end the day is drawn, a line for each phase, with what became of every call.
//!
//! The warehouse is real: a listener on loopback, on a free port, that misbehaves by script.
//!
//! ```sh
//! cargo run --features tokio,smol --example protect_everything -- --phase 800
//! ```

#[path = "support/program.rs"]
mod program;

use regatta::blocking::ThreadPool;
use regatta::bulkhead::Bulkhead;
use regatta::cancel::CancelToken;
use regatta::circuit_breaker::{CircuitBreaker, Window};
use regatta::load_shed::LoadShed;
use regatta::policy::{Advice, Failure, Layer, Policy};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::{Backoff, Budget, Jitter};
use regatta::runtime::Flavor;
use regatta::{Runtime, task, time};
use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const USAGE: &str = "usage: protect_everything [--runtime tokio|smol] [--phase MS] [--calls N]
  --runtime  what to run on                                  (default: the one that is compiled in)
  --phase    how long each phase of the day is, in ms        (default: 800)
  --calls    how many calls are made in a second             (default: 60)";

const MS: Duration = Duration::from_millis(1);

struct Plan {
    runtime: Option<Flavor>,
    phase: u32,
    calls: u32,
}

fn parse_args(mut args: impl Iterator<Item = String>) -> Result<Option<Plan>, String> {
    let mut plan = Plan {
        runtime: None,
        phase: 800,
        calls: 60,
    };
    while let Some(name) = args.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let (number, most) = match name.as_str() {
            "--runtime" => (None, 0),
            "--phase" => (Some(&mut plan.phase), 60_000),
            "--calls" => (Some(&mut plan.calls), 500),
            _ => return Err(format!("there is no option {name:?}")),
        };
        let value = args.next().ok_or(format!("{name} needs a value"))?;
        match number {
            Some(number) => {
                *number = value
                    .parse()
                    .ok()
                    .filter(|n| (1..=most).contains(n))
                    .ok_or(format!(
                        "{name} is {value:?}: use a number from 1 to {most}"
                    ))?;
            }
            None => plan.runtime = Some(value.parse().map_err(|why| format!("--runtime: {why}"))?),
        }
    }
    Ok(Some(plan))
}

/// The script of the day.
const DAY: [(&str, Mood); 5] = [
    ("is well", Mood::Well),
    ("resets connections", Mood::Resets),
    ("is slow", Mood::Slow),
    ("is broken", Mood::Broken),
    ("has recovered", Mood::Well),
];

#[derive(Clone, Copy)]
enum Mood {
    /// Answers.
    Well,
    /// Closes every third connection without an answer.
    Resets,
    /// Every fourth answer takes its time.
    Slow,
    /// Says that it cannot.
    Broken,
}

/// Starts the warehouse, which behaves as the phase of the day says.
fn warehouse(phase: Arc<AtomicUsize>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for (n, peer) in listener.incoming().flatten().enumerate() {
            let (_, mood) = DAY[phase.load(Ordering::Relaxed).min(DAY.len() - 1)];
            // A thread for each, since some take long.
            thread::spawn(move || answer(&peer, n, mood));
        }
    });
    Ok(address)
}

#[expect(
    clippy::disallowed_methods,
    reason = "plain threads, and no event loop"
)]
fn answer(mut peer: &TcpStream, n: usize, mood: Mood) {
    match mood {
        Mood::Resets if n.is_multiple_of(3) => return,
        Mood::Slow if n.is_multiple_of(4) => thread::sleep(400 * MS),
        _ => thread::sleep(5 * MS),
    }
    let status = if matches!(mood, Mood::Broken) {
        "503 try again later"
    } else {
        "200 7 boats"
    };
    // Who is not there any more does not want it.
    let _ = writeln!(peer, "{status}");
}

/// Why there was no answer.
#[derive(Debug)]
enum Trouble {
    Connection(io::Error),
    Status(u16),
}

/// Asks once. Blocking, so it runs on the pool.
fn ask(address: SocketAddr) -> Result<String, Trouble> {
    let line = || {
        let peer = TcpStream::connect(address)?;
        peer.set_read_timeout(Some(1000 * MS))?;
        let mut line = String::new();
        BufReader::new(peer).read_line(&mut line)?;
        Ok(line)
    };
    let line = line().map_err(Trouble::Connection)?;
    match line.trim().split_once(' ') {
        Some(("200", stock)) => Ok(stock.to_owned()),
        Some((status, _)) => Err(Trouble::Status(status.parse().unwrap_or(0))),
        None => Err(Trouble::Connection(io::ErrorKind::ConnectionReset.into())),
    }
}

fn judge(trouble: &Trouble) -> Advice {
    match trouble {
        Trouble::Connection(e) if e.kind() == io::ErrorKind::PermissionDenied => Advice::GiveUp,
        Trouble::Connection(_) | Trouble::Status(500..) => Advice::Retry,
        // It is well, and does not know our boats.
        Trouble::Status(_) => Advice::Answer,
    }
}

fn protection() -> Policy {
    let breaker = CircuitBreaker::builder()
        .window(Window::Time(1000 * MS))
        .min_calls(8)
        .failure_rate(0.6)
        .open_for(200 * MS)
        .probes(2, 3);
    Policy::new()
        .load_shed(LoadShed::builder().max_in_flight(100).build())
        .timeout(1000 * MS)
        .retry(
            Backoff::exponential(20 * MS)
                .jitter(Jitter::Equal)
                .max_attempts(4),
        )
        .retry_budget(Budget::new(0.5, 5.0))
        .hedge(60 * MS)
        .bulkhead(Bulkhead::builder(24).queue(24).max_wait(200 * MS).build())
        .rate_limit(RateLimiter::new(Quota::per_second(200).burst(20)))
        .circuit_breaker(breaker.build())
        .attempt_timeout(250 * MS)
        .measured()
}

/// What became of a call, in one letter.
fn letter(ended: &Result<String, Failure<Trouble>>, calls: u32) -> char {
    match ended {
        Ok(_) if calls <= 1 => '.',
        Ok(_) => '+',
        Err(failure) => match failure.layer() {
            None => 'x',
            Some(Layer::CircuitBreaker) => 'o',
            Some(Layer::Timeout | Layer::AttemptTimeout) => 't',
            Some(_) => 'f',
        },
    }
}

struct Picture {
    phases: Mutex<[String; DAY.len()]>,
}

impl Picture {
    fn draw(&self, phase: usize, letter: char) {
        if let Ok(mut phases) = self.phases.lock() {
            phases[phase].push(letter);
        }
    }

    fn show(&self) {
        let Ok(phases) = self.phases.lock() else {
            return;
        };
        println!("\nthe warehouse ..     what became of each call");
        for ((name, _), calls) in DAY.iter().zip(phases.iter()) {
            println!("{name:<20} {calls}");
        }
        println!(
            "\n. answered at once   + answered after a retry or a hedge   x failed   t too late   o refused by the breaker   f too much to do"
        );
    }
}

async fn serve(plan: Plan, stop: CancelToken) -> Result<bool, String> {
    let phase = Arc::new(AtomicUsize::new(0));
    let address = warehouse(phase.clone()).map_err(|e| format!("no warehouse: {e}"))?;
    let (policy, pool) = (protection(), ThreadPool::new(64));
    println!("{policy}");
    let picture = Picture {
        phases: Mutex::default(),
    };
    let one = async |now: usize| {
        let calls = AtomicU32::new(0);
        let call = || {
            calls.fetch_add(1, Ordering::Relaxed);
            let asked = pool.run_abandonable(move || ask(address));
            async {
                match asked.await {
                    Ok(answer) => answer,
                    Err(e) => Err(Trouble::Connection(io::Error::other(e))),
                }
            }
        };
        let ended = policy.run_when(call, judge).await;
        picture.draw(now, letter(&ended, calls.load(Ordering::Relaxed)));
    };
    let start = Runtime::current().now();
    let day = task::scope(async |g| {
        let gap = Duration::from_secs(1) / plan.calls;
        let mut ticks = time::interval(gap);
        loop {
            ticks.tick().await;
            let passed = (Runtime::current().now() - start).as_millis();
            let now = (passed / u128::from(plan.phase)) as usize;
            if now >= DAY.len() {
                return Ok::<_, Infallible>(());
            }
            phase.store(now, Ordering::Relaxed);
            g.spawn(one(now));
        }
    });
    let ended = stop.run(day).await;
    picture.show();
    if let Some(stats) = policy.stats() {
        println!(
            "\n{} answered, {} failed, {} dropped; {} retries, {} hedges; half took up to {:.0?}, all but one of 100 {:.0?}",
            stats.succeeded,
            stats.failed,
            stats.dropped,
            stats.retries,
            stats.hedges,
            stats.calls.percentile(0.5).unwrap_or_default(),
            stats.calls.percentile(0.99).unwrap_or_default()
        );
        for (layer, n) in stats.refused.iter() {
            println!("refused by the {layer}: {n}");
        }
        for (layer, n) in stats.timed_out.iter() {
            println!("{layer}: {n}");
        }
    }
    if let Err(stopped) = &ended {
        println!("stopped early: {stopped}");
    }
    Ok(ended.is_ok())
}

fn start(plan: Plan, stop: CancelToken) -> Result<bool, String> {
    match plan.runtime {
        Some(flavor) => regatta::run_on(flavor, serve(plan, stop)),
        None => regatta::run(serve(plan, stop)),
    }
}

fn main() -> ExitCode {
    let plan = parse_args(std::env::args().skip(1));
    program::run("protect_everything", USAGE, plan, start)
}
