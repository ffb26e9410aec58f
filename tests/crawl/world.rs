//! Hosts in memory, and a crawl of them.

use super::ask::client;
use super::crawl::{Ended, Plan, run};
use super::fetch::Manners;
use super::ground::{MS, spawn};
use super::progress::Bars;
use super::report::{Broken, Report};
use super::site::{FLAPPING, Faults, Host, SITE, Tree, serve};
use super::store::{Scope, Store, open};
use indicatif::ProgressDrawTarget;
use regatta::cancel::CancelToken;
use regatta::rate_limit::Quota;
use regatta::runtime::net::memory::Network;
use rusqlite::{Connection, types::Value};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use url::Url;

/// A plan without hurry: no limit is met that a test has not set.
pub(crate) fn plan() -> Plan {
    Plan {
        jobs: 16,
        limit: u64::MAX,
        deadline: Duration::MAX,
        manners: Manners {
            rate: Quota::per_second(10_000).burst(1),
            page_deadline: 1000 * MS,
        },
    }
}

pub(crate) fn scope() -> Scope {
    let start = format!("http://{SITE}/");
    Scope {
        start: Url::parse(&start).unwrap(),
        about: start,
        hosts: [SITE, FLAPPING].map(|host| format!("http://{host}")).into(),
    }
}

/// A tree of these files.
pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    Tree::Memory(files.collect())
}

/// As when the program starts: the servers know of nothing that was asked before.
pub(crate) fn hosts(tree: Tree, faults: Faults) -> Network {
    let network = Network::new();
    for (name, host) in [
        (SITE, Host::new(tree, faults)),
        (FLAPPING, Host::flapping()),
    ] {
        let door = network.listen(format!("{name}:80")).unwrap();
        drop(spawn(async move { drop(serve(host, door).await) }));
    }
    network
}

/// A database, and the folder it is in.
pub(crate) struct Place {
    _folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("crawl.sqlite");
        Place {
            _folder: folder,
            path,
        }
    }
}

/// Begins or goes on.
pub(crate) async fn crawl(
    network: &Network,
    path: &Path,
    plan: Plan,
    stop: &CancelToken,
) -> (Ended, bool) {
    let scope = scope();
    let (db, resumed) = open(path, &scope, plan.limit, false).unwrap();
    let client = client(plan.jobs)
        .transport(network.clone())
        .build()
        .unwrap();
    let bars = Bars::new(ProgressDrawTarget::hidden(), plan.limit);
    let store = Store::new(db, &scope);
    let ended = run(plan, client, store, bars, stop.clone()).await.unwrap();
    (ended, resumed)
}

/// All of it, at one go.
pub(crate) async fn whole(network: &Network, plan: Plan) -> (Ended, Dump) {
    let place = Place::new();
    let (ended, resumed) = crawl(network, &place.path, plan, &CancelToken::new()).await;
    assert!(!resumed);
    (ended, dump(&place.path))
}

/// What stands in a database, but for facts of luck: by address, and the links.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dump {
    pub(crate) pages: BTreeMap<String, String>,
    pub(crate) links: HashSet<(String, String)>,
}

pub(crate) fn dump(path: &Path) -> Dump {
    let db = Connection::open(path).unwrap();
    let whole: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
    let mut pages = db
        .prepare(
            "SELECT page.url, page.depth, page.outcome, page.status, page.bytes, page.title, there.url
             FROM page LEFT JOIN page AS there ON there.id = page.redirect",
        )
        .unwrap();
    let pages = pages.query_map([], |row| {
        let facts: Vec<Value> = (1..7).map(|n| row.get(n)).collect::<Result<_, _>>()?;
        Ok((row.get(0)?, format!("{facts:?}")))
    });
    let mut links = db
        .prepare(
            "SELECT a.url, b.url FROM link JOIN page AS a ON a.id = source JOIN page AS b ON b.id = target",
        )
        .unwrap();
    let links = links.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    Dump {
        pages: pages.unwrap().map(Result::unwrap).collect(),
        links: links.unwrap().map(Result::unwrap).collect(),
    }
}

impl Dump {
    /// How many addresses have this outcome.
    pub(crate) fn with(&self, outcome: &str) -> usize {
        let outcome = format!("Text(\"{outcome}\")");
        self.pages.values().filter(|f| f.contains(&outcome)).count()
    }

    pub(crate) fn waiting(&self) -> usize {
        // The second fact.
        let waits = |facts: &&String| facts.split(", ").nth(1) == Some("Null");
        self.pages.values().filter(waits).count()
    }
}

/// Address, what is wrong with it, who links to it.
pub(crate) fn told(broken: &[Broken]) -> Vec<(&str, &str, Vec<&str>)> {
    let told = broken.iter().map(|b| {
        assert!(b.linked >= b.sources.len());
        let sources = b.sources.iter().map(String::as_str).collect();
        (b.url.as_str(), b.why.as_str(), sources)
    });
    told.collect()
}

pub(crate) fn report(ended: &Ended) -> String {
    let report = Report {
        about: "a site",
        ended,
        runtime: "a runtime",
        out: Path::new("a file"),
        resumed: false,
    };
    report.to_string()
}
