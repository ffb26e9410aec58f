//! The command line.

use crate::site::Tree;
use clap::Parser;
use regatta::rate_limit::Quota;
use regatta::runtime::Flavor;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// More requests at once than this no host is asked for.
const MOST_JOBS: usize = 1024;

/// Crawls a site, checks every link on it, and keeps what it finds in an SQLite database.
///
/// Without arguments it serves the documentation of the Rust toolchain on loopback, in a server of its own that misbehaves in many ways, and crawls that. With
/// `--url` it crawls another site and asks nobody else. Breadth first, in the order of addresses: what a limit leaves out does not depend on luck.
///
/// A crawl that was interrupted goes on when the same command is given again. It reads no robots.txt: crawl what is yours.
#[derive(Debug, Parser)]
#[command(name = "crawl")]
pub(crate) struct Cli {
    /// Where to begin. Only this scheme, host and port are asked
    #[arg(long, value_name = "URL", value_parser = parse_url, conflicts_with_all = ["tree", "no_faults"])]
    pub(crate) url: Option<Url>,

    /// Folder that the program's own server serves, in place of the toolchain's documentation
    #[arg(long, value_name = "DIR")]
    pub(crate) tree: Option<PathBuf>,

    /// The program's own server answers as servers should
    #[arg(long)]
    pub(crate) no_faults: bool,

    /// Requests at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = parse_jobs, allow_hyphen_values = true)]
    pub(crate) jobs: usize,

    /// Requests per second to one host. Default: 2000 on loopback, 10 elsewhere
    #[arg(long, value_name = "N", value_parser = parse_rate, allow_hyphen_values = true)]
    rate: Option<Quota>,

    /// Addresses to visit at most, earlier runs included; `inf` for all
    #[arg(long, value_name = "N", default_value = "10000", value_parser = parse_limit, allow_hyphen_values = true)]
    pub(crate) limit: u64,

    /// Time for one request, with the whole answer; it may be made four times. Default: 1, and with --url 10
    #[arg(long, value_name = "SECONDS", value_parser = parse_deadline, allow_hyphen_values = true)]
    page_deadline: Option<Duration>,

    /// Time for the whole run; `inf` for no limit. Default: 50, and with --url no limit
    #[arg(long, value_name = "SECONDS", value_parser = parse_deadline, allow_hyphen_values = true)]
    deadline: Option<Duration>,

    /// The database. An interrupted crawl in it goes on, one that has ended is replaced
    #[arg(long, value_name = "FILE", default_value = "crawl.sqlite")]
    pub(crate) out: PathBuf,

    /// Begins anew, whatever is in the database
    #[arg(long)]
    pub(crate) fresh: bool,

    /// What to run on: tokio, tokio-current or smol. Default: the first that is compiled in
    #[arg(long)]
    runtime: Option<Flavor>,
}

impl Cli {
    /// The runtime to use, which must have sockets.
    pub(crate) fn flavor(&self) -> Result<Flavor, String> {
        let mut all = Flavor::ALL.into_iter();
        let first = all.find(|f| f.is_available() && *f != Flavor::Neutral);
        match (self.runtime, first) {
            (None | Some(Flavor::Neutral), None) => Err(
                "built without a runtime, so there are no sockets: build with `--features tokio,http` or `--features smol,http`"
                    .into(),
            ),
            (Some(Flavor::Neutral), _) => Err(
                "runtime `neutral` has no sockets: use `--runtime tokio` or `--runtime smol`"
                    .into(),
            ),
            (Some(flavor), _) | (None, Some(flavor)) => Ok(flavor),
        }
    }

    /// What the program's own server serves.
    pub(crate) fn tree(&self) -> Result<Tree, String> {
        match &self.tree {
            Some(folder) => Tree::open(folder),
            None => Ok(Tree::documentation()),
        }
    }

    pub(crate) fn rate(&self) -> Quota {
        let on_loopback = match &self.url {
            None => true,
            Some(url) => match url.host() {
                Some(url::Host::Domain(name)) => name == "localhost",
                Some(url::Host::Ipv4(address)) => address.is_loopback(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            },
        };
        let usual = if on_loopback { 2000 } else { 10 };
        self.rate.unwrap_or(spaced(Quota::per_second(usual)))
    }

    pub(crate) fn page_deadline(&self) -> Duration {
        let usual = Duration::from_secs(if self.url.is_none() { 1 } else { 10 });
        self.page_deadline.unwrap_or(usual)
    }

    pub(crate) fn deadline(&self) -> Duration {
        let usual = match self.url {
            None => Duration::from_secs(50),
            Some(_) => Duration::MAX,
        };
        self.deadline.unwrap_or(usual)
    }
}

/// One after the other, not all that a second allows at once.
fn spaced(quota: Quota) -> Quota {
    quota.burst(1)
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)
        .map_err(|e| format!("{e}; write it in full, such as http://127.0.0.1:8000/"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("`{other}` cannot be crawled; use http or https")),
    }
}

fn parse_jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("no page would ever be asked for; use at least 1".into()),
        Ok(n) if n > MOST_JOBS => Err(format!("use at most {MOST_JOBS}")),
        Ok(n) => Ok(n),
        Err(_) => Err(format!("use a whole number from 1 to {MOST_JOBS}")),
    }
}

fn parse_rate(text: &str) -> Result<Quota, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "use a number of requests per second, such as 10 or 0.5".to_string())?;
    Quota::rate(number).map(spaced).map_err(|e| e.to_string())
}

fn parse_limit(text: &str) -> Result<u64, String> {
    match text {
        "inf" => Ok(u64::MAX),
        _ => match text.parse() {
            Ok(0) => Err("no page would ever be asked for; use at least 1".into()),
            Ok(n) => Ok(n),
            Err(_) => Err("use a whole number from 1, or inf".into()),
        },
    }
}

fn parse_deadline(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "use a number of seconds, such as 10 or 0.5".to_string())?;
    match regatta::time::seconds(number) {
        Ok(Duration::ZERO) => Err("everything would be too late; use more than zero".into()),
        Ok(time) => Ok(time),
        // `inf`, and numbers beyond any clock: never.
        Err(_) if number > 0.0 => Ok(Duration::MAX),
        Err(e) => Err(e.to_string()),
    }
}
