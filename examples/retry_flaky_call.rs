//! A server is restarting while a client asks it something: connections are refused, one is reset, one answers too late. The client tries again with growing,
//! scattered delays, gives up on what will not get better, and never waits longer than its caller does.
//!
//! The server is real: a listener on loopback, on a free port, that misbehaves by script.
//!
//! ```sh
//! cargo run --features tokio,smol --example retry_flaky_call -- --patience 5000
//! ```

#[path = "support/program.rs"]
mod program;

use regatta::blocking::ThreadPool;
use regatta::cancel::CancelToken;
use regatta::retry::{Backoff, Jitter, retry};
use regatta::runtime::Flavor;
use regatta::{Runtime, time};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

const USAGE: &str = "usage: retry_flaky_call [--runtime tokio|smol|neutral] [--patience MS]
  --runtime   what to run on                               (default: the one that is compiled in)
  --patience  how long the caller waits in all, in ms      (default: 5000)";

const MS: Duration = Duration::from_millis(1);

struct Plan {
    runtime: Option<Flavor>,
    patience: u32,
}

fn parse_args(mut args: impl Iterator<Item = String>) -> Result<Option<Plan>, String> {
    let mut plan = Plan {
        runtime: None,
        patience: 5000,
    };
    while let Some(name) = args.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let value = match name.as_str() {
            "--runtime" | "--patience" => args.next().ok_or(format!("{name} needs a value"))?,
            _ => return Err(format!("there is no option {name:?}")),
        };
        if name == "--runtime" {
            plan.runtime = Some(value.parse().map_err(|why| format!("--runtime: {why}"))?);
        } else {
            plan.patience = value
                .parse()
                .ok()
                .filter(|n| (1..=1_000_000).contains(n))
                .ok_or(format!(
                    "{name} is {value:?}: use a number from 1 to 1000000"
                ))?;
        }
    }
    Ok(Some(plan))
}

/// What the server does to one connection after another.
#[derive(Clone, Copy)]
enum Mood {
    /// Closes it without an answer.
    Resets,
    /// Answers after the client has gone.
    Dawdles,
    Answers,
}

#[expect(
    clippy::disallowed_methods,
    reason = "plain threads, and no event loop"
)]
/// Nobody listens for a while; then connections are treated by script.
fn server(address: SocketAddr) -> io::Result<()> {
    thread::sleep(250 * MS);
    let listener = TcpListener::bind(address)?;
    println!("server: up");
    for mood in [Mood::Resets, Mood::Dawdles, Mood::Answers] {
        let (mut peer, _) = listener.accept()?;
        match mood {
            Mood::Resets => drop(peer),
            Mood::Dawdles => {
                thread::spawn(move || {
                    thread::sleep(900 * MS);
                    // The client has gone: whatever comes of it.
                    let _ = writeln!(peer, "42, at last");
                });
            }
            Mood::Answers => writeln!(peer, "42")?,
        }
    }
    Ok(())
}

/// Asks once. Blocking, so it runs on the pool.
fn ask(address: SocketAddr) -> io::Result<String> {
    let peer = TcpStream::connect(address)?;
    peer.set_read_timeout(Some(2000 * MS))?;
    let mut line = String::new();
    BufReader::new(peer).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    Ok(line.trim().to_owned())
}

async fn run(plan: Plan) -> Result<(), String> {
    // A port that was free a moment ago: nobody listens there until the server is up.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|free| free.local_addr())
        .map_err(|e| format!("no free port: {e}"))?;
    let server = thread::spawn(move || server(address));
    let start = Runtime::current().now();
    let pool = ThreadPool::new(4);
    let backoff = Backoff::exponential(40 * MS)
        .max_delay(400 * MS)
        .max_attempts(20)
        .jitter(Jitter::Equal);
    let answer = retry(&backoff, || async {
        let asked = pool.run_abandonable(move || ask(address)).await;
        asked.map_err(io::Error::other)?
    })
    .attempt_timeout(300 * MS)
    .when(|e| e.kind() != io::ErrorKind::PermissionDenied)
    .on_retry(|r| {
        println!(
            "client: attempt {}: {}; again in {:.0?}",
            r.attempt, r.error, r.delay
        )
    });
    let answer = time::timeout(MS * plan.patience, answer).named("the caller's patience");
    match answer.await {
        Ok(Ok(answer)) => println!(
            "client: {answer}, after {:.1?}",
            Runtime::current().now() - start
        ),
        Ok(Err(failed)) => return Err(failed.to_string()),
        Err(elapsed) => return Err(elapsed.to_string()),
    }
    match server.join() {
        Ok(served) => served.map_err(|e| format!("the server: {e}")),
        Err(_) => Err("the server panicked".into()),
    }
}

fn start(plan: Plan, stop: CancelToken) -> Result<bool, String> {
    let ended = program::run_on(plan.runtime, &stop, run(plan));
    ended.transpose().map(|ended| ended.is_some())
}

fn main() -> ExitCode {
    let plan = parse_args(std::env::args().skip(1));
    program::run("retry_flaky_call", USAGE, plan, start)
}
