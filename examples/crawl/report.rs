//! What was found, for people.

use crate::crawl::{Ended, Stopped};
use crate::tables;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row};
use std::fmt::{self, Display, Formatter};
use std::path::Path;

/// How many broken links are printed, how many pages for each of them, and how many slow pages.
const MOST_BROKEN: usize = 50;
const MOST_SOURCES: usize = 3;
const MOST_SLOW: usize = 5;

/// A link that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) url: String,
    /// A status, or what went wrong.
    pub(crate) why: String,
    /// Who links to it: some of them, in order, and how many there are.
    pub(crate) sources: Vec<String>,
    pub(crate) linked: usize,
}

/// What stands in the database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub(crate) pages: u64,
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    pub(crate) redirects: u64,
    pub(crate) links: u64,
    /// Addresses elsewhere, which are not asked for.
    pub(crate) external: u64,
    pub(crate) visited: u64,
    pub(crate) waiting: u64,
    /// Why the first address of all has no answer, if it has none.
    pub(crate) start: Option<String>,
    /// In the order of addresses.
    pub(crate) broken: Vec<Broken>,
    /// The slowest first, in milliseconds.
    pub(crate) slowest: Vec<(String, f64)>,
}

impl Findings {
    /// Reads them. Blocks.
    pub(crate) fn read(db: &Connection) -> tables::Result<Findings> {
        let mut findings = db.query_row(
            "SELECT count(*) FILTER (WHERE outcome = 'page'), coalesce(sum(bytes), 0), count(*) FILTER (WHERE outcome = 'file'),
                count(*) FILTER (WHERE outcome = 'redirect'), (SELECT count(*) FROM link), count(*) FILTER (WHERE outcome = 'external')
             FROM page",
            [],
            |row| {
                Ok(Findings {
                    pages: row.get(0)?,
                    bytes: row.get(1)?,
                    files: row.get(2)?,
                    redirects: row.get(3)?,
                    links: row.get(4)?,
                    external: row.get(5)?,
                    ..Findings::default()
                })
            },
        )?;
        let counts = tables::counts(db)?;
        (findings.visited, findings.waiting) = (counts.visited, counts.waiting);
        let start = "SELECT why FROM broken JOIN page USING (id) WHERE depth = 0";
        let start = db.query_row(start, [], |row| row.get(0)).optional()?;
        findings.start = start.map(text);
        let pair = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let mut slow = db.prepare(
            "SELECT url, millis FROM page WHERE millis IS NOT NULL ORDER BY millis DESC, url LIMIT ?1",
        )?;
        findings.slowest = slow
            .query_map([MOST_SLOW], pair)?
            .collect::<Result<_, _>>()?;
        // What nobody links to was reached by a redirect, and is told where that one is.
        let mut broken = db.prepare(
            "SELECT broken.url, broken.why, page.url FROM broken JOIN link ON link.target = broken.id JOIN page ON page.id = link.source
             ORDER BY broken.url, page.url",
        )?;
        let mut rows = broken.query([])?;
        while let Some(row) = rows.next()? {
            let url: String = row.get(0)?;
            if findings.broken.last().is_none_or(|last| last.url != url) {
                // A status is a number in the database.
                let why: Value = row.get(1)?;
                findings.broken.push(Broken {
                    url,
                    why: text(why),
                    sources: Vec::new(),
                    linked: 0,
                });
            }
            if let Some(last) = findings.broken.last_mut() {
                last.linked += 1;
                if last.sources.len() < MOST_SOURCES {
                    last.sources.push(row.get(2)?);
                }
            }
        }
        Ok(findings)
    }
}

fn text(value: Value) -> String {
    match value {
        Value::Integer(n) => n.to_string(),
        Value::Text(text) => text,
        other => format!("{other:?}"),
    }
}

/// The report, to print.
pub(crate) struct Report<'a> {
    pub(crate) about: &'a str,
    pub(crate) ended: &'a Ended,
    pub(crate) runtime: &'a str,
    pub(crate) out: &'a Path,
    /// Of an earlier run, which this one went on with.
    pub(crate) resumed: bool,
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let found = &self.ended.findings;
        writeln!(f, "{}", self.about)?;
        let megabytes = found.bytes as f64 / 1e6;
        writeln!(
            f,
            "visited: {} ({} pages with {megabytes:.1} MB, {} files, {} redirects), {} links; elsewhere, not asked: {}",
            found.visited, found.pages, found.files, found.redirects, found.links, found.external
        )?;
        self.broken(f)?;
        self.trouble(f)?;
        writeln!(f, "slowest:")?;
        for (url, millis) in &found.slowest {
            writeln!(f, "{millis:>9.0} ms  {url}")?;
        }
        let seconds = self.ended.took.as_secs_f64();
        let requests = self.requests();
        writeln!(
            f,
            "{}{} visited with {requests} requests in {seconds:.2} s on {}: {:.0} pages/s, {:.0} requests/s; database: {}",
            if self.resumed { "this run: " } else { "" },
            self.ended.visited,
            self.runtime,
            self.ended.visited as f64 / seconds.max(1e-9),
            requests as f64 / seconds.max(1e-9),
            self.out.display()
        )?;
        self.stopped(f)
    }
}

impl Report<'_> {
    fn requests(&self) -> u64 {
        let stats = self.ended.figures.stats.as_ref();
        stats.map_or(0, |stats| stats.attempts.count())
    }

    fn broken(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let broken = &self.ended.findings.broken;
        let links: usize = broken.iter().map(|b| b.linked).sum();
        let broken_links = broken.len();
        writeln!(f, "broken: {broken_links} addresses, {links} links to them")?;
        for Broken {
            url,
            why,
            sources,
            linked,
        } in broken.iter().take(MOST_BROKEN)
        {
            writeln!(f, "  {why}: {url}")?;
            write!(f, "    linked from {}", sources.join(", "))?;
            match linked - sources.len() {
                0 => writeln!(f)?,
                more => writeln!(f, " and {more} more")?,
            }
        }
        match broken_links.saturating_sub(MOST_BROKEN) {
            0 => Ok(()),
            more => writeln!(
                f,
                "  and {more} more: `SELECT * FROM broken` in the database"
            ),
        }
    }

    /// What happened on the way, and was survived.
    fn trouble(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let figures = &self.ended.figures;
        let list = |items: Vec<String>| match items.is_empty() {
            true => String::from("none"),
            false => items.join(", "),
        };
        let troubles = figures.troubles.iter().map(|(t, n)| format!("{n} {t}"));
        let retries = figures.stats.as_ref().map_or(0, |stats| stats.retries);
        let failed = list(troubles.collect());
        writeln!(f, "requests that failed: {failed}; retries: {retries}")?;
        let trips = figures.trips.iter().map(|(h, n)| format!("{n} at {h}"));
        writeln!(f, "breaker trips: {}", list(trips.collect()))
    }

    fn stopped(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let waiting = self.ended.findings.waiting;
        let go_on = "the same command goes on from there";
        match &self.ended.stopped {
            None => Ok(()),
            Some(Stopped::Limit) => writeln!(
                f,
                "cut off by --limit: {waiting} addresses are known and not visited; a larger --limit goes on from there"
            ),
            Some(Stopped::Deadline) => writeln!(
                f,
                "cut off by --deadline: {waiting} addresses are known and not visited; {go_on}"
            ),
            Some(Stopped::Signal(reason)) => writeln!(
                f,
                "interrupted ({reason}): {waiting} addresses are known and not visited; {go_on}"
            ),
        }
    }
}
