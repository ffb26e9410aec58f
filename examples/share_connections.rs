//! Many tasks share a few TCP connections to a server: a pool opens them, checks them, and closes what was left in the middle of an answer. The server is
//! in this program; it is slow now and then, and hangs up now and then. Nobody gets the answer to somebody else's question.
//!
//! ```sh
//! cargo run --features tokio,smol --example share_connections -- --tasks 64 --connections 8
//! ```

#[path = "support/program.rs"]
mod program;

use regatta::blocking::ThreadPool;
use regatta::cancel::CancelToken;
use regatta::pool::{Event, Manager, Metrics, Pool, Report, Stats};
use regatta::runtime::Flavor;
use regatta::{task, time};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

const USAGE: &str =
    "usage: share_connections [--runtime tokio|smol] [--connections N] [--tasks N] [--questions N]
  --runtime      what to run on                   (default: the one that is compiled in)
  --connections  how many there may be at once    (default: 8)
  --tasks        how many tasks ask               (default: 64)
  --questions    how many each of them asks       (default: 30)";

const MS: Duration = Duration::from_millis(1);

struct Plan {
    runtime: Option<Flavor>,
    connections: usize,
    tasks: usize,
    questions: usize,
}

fn parse_args(mut args: impl Iterator<Item = String>) -> Result<Option<Plan>, String> {
    let mut plan = Plan {
        runtime: None,
        connections: 8,
        tasks: 64,
        questions: 30,
    };
    while let Some(name) = args.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let number = match name.as_str() {
            "--runtime" => None,
            "--connections" => Some(&mut plan.connections),
            "--tasks" => Some(&mut plan.tasks),
            "--questions" => Some(&mut plan.questions),
            _ => return Err(format!("there is no option {name:?}")),
        };
        let value = args.next().ok_or(format!("{name} needs a value"))?;
        match number {
            Some(number) => {
                let parsed = value.parse().ok().filter(|n| (1..=100_000).contains(n));
                *number = parsed.ok_or(format!(
                    "{name} is {value:?}: use a number from 1 to 100000"
                ))?;
            }
            None => plan.runtime = Some(value.parse().map_err(|why| format!("--runtime: {why}"))?),
        }
    }
    Ok(Some(plan))
}

/// Answers each line with the same line, on a thread for each connection. On every other connection the 20th question is answered late, and
/// on all of them the 30th not at all.
fn serve(accepted: Arc<AtomicUsize>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let is_slow = accepted.fetch_add(1, Relaxed).is_multiple_of(2);
            std::thread::spawn(move || {
                let mut out = stream.try_clone()?;
                for (n, line) in BufReader::new(stream).lines().enumerate() {
                    let line = line?;
                    match n {
                        29 => break,
                        19 if is_slow => std::thread::park_timeout(200 * MS),
                        _ => {}
                    }
                    out.write_all(format!("{line}\n").as_bytes())?;
                }
                io::Result::Ok(())
            });
        }
    });
    Ok(address)
}

/// A connection. Its reading half is on a thread while a question is under way.
struct Line {
    stream: TcpStream,
    reader: Option<BufReader<TcpStream>>,
}

impl Line {
    /// Asks on a thread, because sockets of the standard library block. Dropped half way, the thread keeps the reading half: this connection is of no use any
    /// more, which is just what the pool takes it for.
    async fn ask(&mut self, threads: &ThreadPool, question: String) -> io::Result<String> {
        let mut reader = self.reader.take().ok_or(io::ErrorKind::NotConnected)?;
        let mut stream = self.stream.try_clone()?;
        let job = threads.run_abandonable(move || {
            stream.write_all(format!("{question}\n").as_bytes())?;
            let mut answer = String::new();
            match reader.read_line(&mut answer)? {
                0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                _ => Ok((answer.trim_end().to_owned(), reader)),
            }
        });
        let (answer, reader) = job.await.map_err(io::Error::other)??;
        self.reader = Some(reader);
        Ok(answer)
    }
}

struct Server {
    address: SocketAddr,
    threads: ThreadPool,
}

impl Manager for Server {
    type Object = Line;
    type Error = io::Error;

    async fn connect(&self) -> io::Result<Line> {
        let address = self.address;
        let connect = self
            .threads
            .run_abandonable(move || TcpStream::connect(address));
        let stream = connect.await.map_err(io::Error::other)??;
        stream.set_nodelay(true)?;
        let reader = Some(BufReader::new(stream.try_clone()?));
        Ok(Line { stream, reader })
    }

    /// Whether the server has hung up, or says something that nobody asked for.
    async fn check(&self, line: &mut Line, _: &Metrics) -> io::Result<()> {
        line.stream.set_nonblocking(true)?;
        let peeked = line.stream.peek(&mut [0]);
        line.stream.set_nonblocking(false)?;
        match peeked {
            Err(nothing) if nothing.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
            Ok(0) => Err(io::ErrorKind::ConnectionAborted.into()),
            Ok(_) => Err(io::Error::other("an answer without a question")),
        }
    }

    /// Ends a thread that still reads from it, too.
    async fn close(&self, line: Line) {
        let _gone_already = line.stream.shutdown(Shutdown::Both);
    }
}

#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    late: AtomicUsize,
    hung_up: AtomicUsize,
    mixed_up: AtomicUsize,
}

/// Asks until there is an answer. Who is not answered in time gives up, in the middle of the answer perhaps, and asks again on another connection.
async fn insist(
    pool: &Pool<Server>,
    threads: &ThreadPool,
    question: &str,
    counts: &Counts,
) -> Result<(), String> {
    for _ in 0..20 {
        let mut line = pool.get().await.map_err(|e| e.to_string())?;
        let asked = line.run(async |line| line.ask(threads, question.to_owned()).await);
        match time::timeout(50 * MS, asked).await {
            Ok(Ok(answer)) => {
                counts.answered.fetch_add(1, Relaxed);
                counts
                    .mixed_up
                    .fetch_add(usize::from(answer != question), Relaxed);
                return Ok(());
            }
            Ok(Err(_)) => counts.hung_up.fetch_add(1, Relaxed),
            Err(_) => counts.late.fetch_add(1, Relaxed),
        };
    }
    Err(format!("{question}: no answer after 20 attempts"))
}

async fn share(plan: Plan) -> Result<bool, String> {
    let accepted = Arc::new(AtomicUsize::new(0));
    let address = serve(accepted.clone()).map_err(|e| format!("cannot listen: {e}"))?;
    // A thread for each connection, and some for those whose question was given up.
    let threads = ThreadPool::new(2 * plan.connections);
    let pool = Pool::builder(Server {
        address,
        threads: threads.clone(),
    })
    .max_size(plan.connections)
    .min_idle(plan.connections.min(2))
    .idle_timeout(Duration::from_secs(60))
    .wait_timeout(Duration::from_secs(10))
    .leak_after(Duration::from_secs(5))
    .observer(|event| {
        if let Event::ConnectFailed { .. } | Event::Leaking { .. } = event {
            eprintln!("{event:?}");
        }
    })
    .build()
    .map_err(|e| e.to_string())?;
    pool.warm_up().await.map_err(|e| e.to_string())?;

    let counts = Counts::default();
    let ended = task::scope(async |g| {
        for task in 0..plan.tasks {
            let (pool, threads, counts) = (&pool, &threads, &counts);
            g.spawn(async move {
                for n in 0..plan.questions {
                    insist(
                        pool,
                        threads,
                        &format!("question {n} of task {task}"),
                        counts,
                    )
                    .await?;
                }
                Ok::<_, String>(())
            });
        }
        Ok(())
    });
    ended.await.map_err(|errors| format!("{errors:#}"))?;
    let stats = pool.stats();
    let report = pool.close(Duration::from_secs(10)).await;
    tell(&counts, &stats, &report, accepted.load(Relaxed));
    let all = counts.answered.load(Relaxed) == plan.tasks * plan.questions;
    Ok(all && counts.mixed_up.load(Relaxed) == 0 && report.is_complete())
}

fn tell(counts: &Counts, stats: &Stats, report: &Report, accepted: usize) {
    let count = |counter: &AtomicUsize| counter.load(Relaxed);
    println!(
        "{} answered, {} of them somebody else's; {} were late, {} hung up on",
        count(&counts.answered),
        count(&counts.mixed_up),
        count(&counts.late),
        count(&counts.hung_up)
    );
    println!(
        "{} connections for {} turns, at most {} at once; {} closed in the middle of an answer, {} that were hung up",
        accepted, stats.taken, stats.max_size, stats.closed.in_flight, stats.closed.check
    );
    for held in &report.held {
        println!("not given back: {held}");
    }
}

fn start(plan: Plan, stop: CancelToken) -> Result<bool, String> {
    match program::run_on(plan.runtime, &stop, share(plan)).transpose()? {
        Some(true) => Ok(true),
        Some(false) => Err("not every question was answered right".into()),
        None => Ok(false),
    }
}

fn main() -> ExitCode {
    let plan = parse_args(std::env::args().skip(1));
    program::run("share_connections", USAGE, plan, start)
}
