//! A service hangs for a while. Without a circuit breaker every caller would wait for its time limit, and the service would get all calls at once when it comes back. With one, a
//! few calls find out, the others hear at once that they need not wait, and single probes find out when it is well again.
//!
//! The service is real: a listener on loopback, on a free port, that stops answering for as long as you say.
//!
//! ```sh
//! cargo run --features tokio,smol --example stop_calling_a_broken_service -- --broken 1500
//! ```

#[path = "support/program.rs"]
mod program;

use regatta::blocking::ThreadPool;
use regatta::cancel::CancelToken;
use regatta::circuit_breaker::{CallError, CircuitBreaker, Event, State};
use regatta::runtime::Flavor;
use regatta::{Runtime, task, time};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

const USAGE: &str = "usage: stop_calling_a_broken_service [--runtime tokio|smol] [--broken MS] [--callers N]
  --runtime  what to run on                                        (default: the one that is compiled in)
  --broken   for how long the service does not answer, in ms       (default: 1500)
  --callers  how many call, one call every 20 ms each              (default: 5)";

const MS: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_millis(150);

struct Plan {
    runtime: Option<Flavor>,
    broken: u32,
    callers: u32,
}

fn parse_args(mut args: impl Iterator<Item = String>) -> Result<Option<Plan>, String> {
    let mut plan = Plan {
        runtime: None,
        broken: 1500,
        callers: 5,
    };
    while let Some(name) = args.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let (number, most) = match name.as_str() {
            "--runtime" => (None, 0),
            "--broken" => (Some(&mut plan.broken), 60_000),
            "--callers" => (Some(&mut plan.callers), 50),
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

/// Answers every connection with a line; keeps it without an answer while it is broken.
struct Service {
    address: SocketAddr,
    broken: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
}

impl Service {
    fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let service = Service {
            address: listener.local_addr()?,
            broken: Arc::default(),
            asked: Arc::default(),
        };
        let (broken, asked) = (service.broken.clone(), service.asked.clone());
        thread::spawn(move || {
            let mut hung = Vec::new();
            for peer in listener.incoming().flatten() {
                asked.fetch_add(1, Ordering::Relaxed);
                if broken.load(Ordering::Relaxed) {
                    hung.push(peer);
                } else {
                    // Whoever has gone meanwhile does not want it.
                    let _ = writeln!(&peer, "hello");
                }
            }
        });
        Ok(service)
    }
}

/// Asks once. Blocking, so it runs on the pool.
fn ask(address: SocketAddr) -> io::Result<String> {
    let peer = TcpStream::connect(address)?;
    // Nobody waits any more by then.
    peer.set_read_timeout(Some(2 * PATIENCE))?;
    let mut line = String::new();
    BufReader::new(peer).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

#[derive(Default)]
struct Tally {
    answered: AtomicU32,
    late: AtomicU32,
    refused: AtomicU32,
}

/// Calls every 20 ms, for ever.
async fn caller(breaker: &CircuitBreaker, pool: &ThreadPool, at: SocketAddr, tally: &Tally) {
    loop {
        let call = async {
            let asked = pool.run_abandonable(move || ask(at));
            match time::timeout(PATIENCE, asked).await {
                Ok(answer) => answer.map_err(io::Error::other)?,
                Err(late) => Err(io::Error::other(late)),
            }
        };
        let count = match breaker.call(call).await {
            Ok(_) => &tally.answered,
            Err(CallError::Failed(_)) => &tally.late,
            Err(CallError::Refused(_)) => &tally.refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
        time::sleep(20 * MS).await;
    }
}

async fn serve(plan: Plan, stop: CancelToken) -> Result<bool, String> {
    let service = Service::start().map_err(|e| format!("the service does not start: {e}"))?;
    let start = Runtime::current().now();
    let breaker = CircuitBreaker::builder()
        .consecutive_failures(3)
        .open_for(200 * MS)
        .growing(1.5, 600 * MS)
        .observer({
            let runtime = Runtime::current();
            move |event: &Event| {
                if let Event::Changed { from, to, .. } = event {
                    println!("{:>6.1?}  breaker: {from} -> {to}", runtime.now() - start);
                }
            }
        })
        .build();
    let (pool, tally) = (ThreadPool::new(64), Tally::default());
    let story = async {
        time::sleep(300 * MS).await;
        println!(
            "{:>6.1?}  the service hangs",
            Runtime::current().now() - start
        );
        service.broken.store(true, Ordering::Relaxed);
        let before = service.asked.load(Ordering::Relaxed);
        time::sleep(MS * plan.broken).await;
        service.broken.store(false, Ordering::Relaxed);
        let asked = service.asked.load(Ordering::Relaxed) - before;
        println!(
            "{:>6.1?}  the service is well again; it was asked {asked} times meanwhile",
            Runtime::current().now() - start
        );
        while breaker.state() != State::Closed {
            time::sleep(10 * MS).await;
        }
        time::sleep(200 * MS).await;
    };
    let calls = task::scope(async |g| {
        for _ in 0..plan.callers {
            g.spawn(async {
                caller(&breaker, &pool, service.address, &tally).await;
            });
        }
        story.await;
        g.cancel_children();
        Ok::<_, std::convert::Infallible>(())
    });
    let ended = stop.run(calls).await;
    let count = |n: &AtomicU32| n.load(Ordering::Relaxed);
    println!(
        "{} answered, {} waited in vain, {} were spared the wait",
        count(&tally.answered),
        count(&tally.late),
        count(&tally.refused)
    );
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
    program::run("stop_calling_a_broken_service", USAGE, plan, start)
}
