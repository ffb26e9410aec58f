//! Crawls a site, checks every link on it, and keeps what it finds in an SQLite database. The main job: retries, politeness, circuit breakers, deadlines, a CPU pool, a
//! blocking thread, streams and task groups at work on one task.
//!
//! ```sh
//! cargo run --release --features tokio,smol,http --example crawl
//! ```
//!
//! Without arguments it serves the documentation of the Rust toolchain on loopback, with faults of every kind, and crawls that.
//!
//! | file | what is in it |
//! |---|---|
//! | `crawl.rs` | the crawl, written once for every runtime: start here |
//! | `visit.rs` | one visit: asks, reads, says where the page leads |
//! | `fetch.rs`, `ask.rs` | asks for one address, under a policy; one request |
//! | `parse.rs` | finds the links of a page |
//! | `store.rs`, `tables.rs` | the database, for async code; its tables, and the rule that makes it go on after anything |
//! | `report.rs`, `progress.rs` | what people see |
//! | `site/` | the server, and its faults |
//! | `cli.rs`, `stop.rs`, `facts.rs` | the command line, Ctrl-C, what is known about a page |
//!
//! Exit codes: 0 when it came to its end, a limit or a deadline, whatever is broken; 2 when it could not be done; 130 and 143 after Ctrl-C and SIGTERM.

mod ask;
mod cli;
mod crawl;
mod facts;
mod fetch;
mod parse;
mod progress;
mod report;
mod site;
#[path = "../support/stop.rs"]
mod stop;
mod store;
mod tables;
mod visit;

use clap::Parser;
use cli::Cli;
use crawl::{Ended, Plan, Stopped};
use fetch::Manners;
use indicatif::ProgressDrawTarget;
use progress::Bars;
use regatta::cancel::CancelToken;
use regatta::integrations::http::Builder;
use regatta::runtime::net::TcpListener;
use regatta::task::{ErrorGroup, task_group};
use rusqlite::Connection;
use site::{FLAPPING, Faults, Host, SITE};
use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use stop::Stop;
use store::{Scope, Store, StoreError};
use url::Url;

fn main() -> ExitCode {
    match crawl(&Cli::parse()) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("crawl: {why}");
            ExitCode::from(2)
        }
    }
}

fn crawl(cli: &Cli) -> Result<ExitCode, String> {
    let flavor = cli.flavor()?;
    let tree = match cli.url {
        Some(_) => None,
        None => Some(cli.tree()?),
    };
    let scope = scope(cli, tree.as_ref())?;
    let (db, resumed) = store::open(&cli.out, &scope, cli.limit, cli.fresh)?;
    let bars = Bars::new(ProgressDrawTarget::stderr(), cli.limit);
    let above = bars.clone();
    let first = move || {
        above.say("stopping: what has been fetched is saved; once more to stop at once");
    };
    let stop = Stop::on_signals(first, || ())?;
    if resumed {
        bars.say(format_args!("going on with {}", cli.out.display()));
    }
    // The only line that chooses a runtime.
    let ended = regatta::run_on(flavor, run(cli, &scope, tree, db, &bars, &stop.token));
    bars.clear();
    let (ended, runtime) = ended.map_err(|failed| failed.to_string())?;
    let report = report::Report {
        about: &scope.about,
        ended: &ended,
        runtime,
        out: &cli.out,
        resumed,
    };
    print(&report);
    if let Some(why) = no_start(&ended) {
        return Err(format!("{}: {why}: there is nothing to crawl", scope.start));
    }
    Ok(match ended.stopped {
        Some(Stopped::Signal(_)) => stop.exit_code(),
        _ => ExitCode::SUCCESS,
    })
}

/// What may be asked.
fn scope(cli: &Cli, tree: Option<&site::Tree>) -> Result<Scope, String> {
    let (start, about, names) = match (&cli.url, tree) {
        (None, Some(tree)) => {
            let start = format!("http://{SITE}/");
            let faults = if cli.no_faults { "" } else { ", with faults" };
            let about = format!("{start} ({}{faults})", tree.name());
            let hosts = vec![start.clone(), format!("http://{FLAPPING}/")];
            (start, about, hosts)
        }
        (Some(url), _) => {
            let mut url = url.clone();
            url.set_fragment(None);
            (url.to_string(), url.to_string(), vec![url.to_string()])
        }
        (None, None) => return Err("there is nothing to crawl".into()),
    };
    let parse = |url: &str| Url::parse(url).map_err(|e| format!("{url}: {e}"));
    let hosts = names
        .iter()
        .map(|url| Ok(parse(url)?.origin().ascii_serialization()));
    Ok(Scope {
        start: parse(&start)?,
        about,
        hosts: hosts.collect::<Result<HashSet<_>, String>>()?,
    })
}

/// The crawl, and beside it the server, which ends when the crawl has ended.
async fn run(
    cli: &Cli,
    scope: &Scope,
    tree: Option<site::Tree>,
    db: Connection,
    bars: &Bars,
    stop: &CancelToken,
) -> Result<(Ended, &'static str), Failed> {
    let plan = Plan {
        jobs: cli.jobs,
        limit: cli.limit,
        deadline: cli.deadline(),
        manners: Manners {
            rate: cli.rate(),
            page_deadline: cli.page_deadline(),
        },
    };
    let ended = task_group(async |group| {
        let mut client = ask::client(plan.jobs);
        if let Some(tree) = tree {
            let faults = match cli.no_faults {
                true => Faults::None,
                false => Faults::every(),
            };
            let open = |name: &'static str, host: Host| -> io::Result<SocketAddr> {
                let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
                let address = door.local_addr()?;
                let serve = async move { drop(site::serve(host, door).await) };
                drop(group.named(name).service(serve));
                Ok(address)
            };
            let site = open(SITE, Host::new(tree, faults))?;
            let flapping = open(FLAPPING, Host::flapping())?;
            bars.say(format_args!(
                "{SITE} is http://{site}/, {FLAPPING} is http://{flapping}/"
            ));
            client = on_loopback(client, site, flapping);
        }
        let client = client.build().map_err(|e| Failed::Client(e.to_string()))?;
        let store = Store::new(db, scope);
        Ok(crawl::run(plan, client, store, bars.clone(), stop.clone()).await?)
    })
    .await;
    match ended {
        Ok(ended) => Ok((ended, regatta::Runtime::current().name())),
        Err(errors) => {
            let why = errors.to_string();
            Err(errors.into_first().unwrap_or(Failed::Client(why)))
        }
    }
}

/// The two names lead to the program's own servers, and no other name anywhere.
fn on_loopback(client: Builder, site: SocketAddr, flapping: SocketAddr) -> Builder {
    client.resolver(move |host, _| async move {
        match host.as_str() {
            SITE => Ok(vec![site]),
            FLAPPING => Ok(vec![flapping]),
            other => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{other} is not asked"),
            )),
        }
    })
}

/// Why the crawl could not be done.
#[derive(Debug)]
enum Failed {
    Server(io::Error),
    Client(String),
    Store(ErrorGroup<StoreError>),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Server(e) => write!(f, "there is no port for the server on loopback: {e}"),
            Failed::Client(e) => f.write_str(e),
            // What came first is the cause.
            Failed::Store(e) => match e.first() {
                Some(first) => first.fmt(f),
                None => e.fmt(f),
            },
        }
    }
}

impl From<io::Error> for Failed {
    fn from(e: io::Error) -> Self {
        Failed::Server(e)
    }
}

impl From<ErrorGroup<StoreError>> for Failed {
    fn from(e: ErrorGroup<StoreError>) -> Self {
        Failed::Store(e)
    }
}

fn print(report: &report::Report<'_>) {
    use io::Write;
    // `crawl | head` closes the pipe early, which is no error of ours.
    let _ = write!(io::stdout().lock(), "{report}");
}

/// Why there is nothing to be found: the first address has no page.
fn no_start(ended: &Ended) -> Option<&str> {
    ended.findings.start.as_deref()
}
