//! The database: its tables, and what is written into them. Plain blocking code; `store.rs` calls it on a thread that may block.
//!
//! **Invariant**: an address is visited (it has an outcome) exactly when all that its page links to is known. Both are written in one transaction, so the frontier, which is
//! every address without an outcome, is right after any commit, and a process that is killed loses at most what it had not committed.

use crate::facts::{Outcome, Target, Visit};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Transaction, params};
use std::collections::{HashMap, HashSet};
use url::Url;

pub(crate) type Result<T> = rusqlite::Result<T>;

/// Tells a crawl from other SQLite databases: "rgta".
pub(crate) const APPLICATION: i32 = 0x7267_7461;

const SCHEMA: &str = "
    -- One row for each address that was found. Those without an outcome are the frontier.
    CREATE TABLE page (
        id INTEGER PRIMARY KEY,
        url TEXT NOT NULL UNIQUE,
        -- Clicks from the start, at least.
        depth INTEGER NOT NULL,
        -- page, file, redirect, refused, external, or what went wrong.
        outcome TEXT,
        status INTEGER,
        bytes INTEGER,
        title TEXT,
        redirect INTEGER REFERENCES page,
        -- Facts of luck: another crawl of the same site has others.
        requests INTEGER,
        millis REAL
    );
    CREATE INDEX frontier ON page (depth, url) WHERE outcome IS NULL;
    CREATE TABLE link (
        source INTEGER NOT NULL REFERENCES page,
        target INTEGER NOT NULL REFERENCES page,
        PRIMARY KEY (source, target)
    ) WITHOUT ROWID;
    CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    -- Where redirects end, followed up to ten times as browsers do; without an end it is null.
    CREATE VIEW landing AS
        WITH RECURSIVE hop (id, at, hops) AS (
            SELECT id, redirect, 1 FROM page WHERE redirect IS NOT NULL
            UNION ALL
            SELECT hop.id, page.redirect, hops + 1 FROM hop JOIN page ON page.id = hop.at
            WHERE page.redirect IS NOT NULL AND hops < 10
        )
        SELECT hop.id AS id, page.id AS at FROM hop LEFT JOIN page ON page.id = hop.at AND page.redirect IS NULL
        WHERE page.id IS NOT NULL OR hops = 10;
    -- Addresses that lead to no answer, or to one that says no.
    CREATE VIEW broken AS
        SELECT id, url, coalesce(status, outcome) AS why FROM page
        WHERE outcome NOT IN ('page', 'file', 'redirect', 'external')
        UNION ALL
        SELECT page.id, page.url, coalesce('redirect to ' || coalesce(last.status, last.outcome), 'redirects without end')
        FROM landing JOIN page USING (id) LEFT JOIN page AS last ON last.id = landing.at
        WHERE landing.at IS NULL OR last.outcome NOT IN ('page', 'file', 'external');
";

/// Makes the tables of a crawl of `start`, in an empty database.
pub(crate) fn create(db: &mut Connection, start: &Url, about: &str) -> Result<()> {
    let change = db.transaction()?;
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.execute_batch(SCHEMA)?;
    change.execute("INSERT INTO about VALUES ('start', ?1)", [about])?;
    change.execute(
        "INSERT INTO page (url, depth) VALUES (?1, 0)",
        [start.as_str()],
    )?;
    change.commit()
}

/// What the database says it is about; `None` when it is not ours.
pub(crate) fn about(db: &Connection) -> Result<Option<String>> {
    let id: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if id != APPLICATION {
        return Ok(None);
    }
    let about = db.query_row("SELECT value FROM about WHERE name = 'start'", [], first);
    about.optional()
}

/// How many addresses have been visited, and how many wait for it.
pub(crate) fn counts(db: &Connection) -> Result<Counts> {
    db.query_row(
        "SELECT count(*) FILTER (WHERE outcome IS NOT NULL AND outcome != 'external'), count(*) FILTER (WHERE outcome IS NULL) FROM page",
        [],
        |row| Ok(Counts { visited: row.get(0)?, waiting: row.get(1)? }),
    )
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) visited: u64,
    pub(crate) waiting: u64,
}

/// The least depth at which an address waits.
pub(crate) fn level(db: &Connection) -> Result<Option<i64>> {
    db.query_row(
        "SELECT min(depth) FROM page WHERE outcome IS NULL",
        [],
        first,
    )
}

/// The next `n` addresses of this depth that wait, in order, behind the address `after`.
pub(crate) fn waiting(db: &Connection, depth: i64, after: &str, n: usize) -> Result<Vec<Target>> {
    let mut find = db.prepare_cached(
        "SELECT id, url FROM page WHERE outcome IS NULL AND depth = ?1 AND url > ?2 ORDER BY url LIMIT ?3",
    )?;
    let rows = find.query_map(params![depth, after, n], |row| {
        let url: String = row.get(1)?;
        let url = Url::parse(&url).map_err(|e| {
            rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(e))
        })?;
        Ok(Target {
            id: row.get(0)?,
            url,
        })
    })?;
    rows.collect()
}

/// Writes what was seen, all of it or nothing, and says how many addresses are new and wait. `depth` is that of the addresses visited; `hosts` are those that are crawled.
pub(crate) fn save(
    db: &mut Connection,
    depth: i64,
    visits: &[Visit],
    hosts: &HashSet<String>,
) -> Result<u64> {
    let change = db.transaction()?;
    let found = {
        let mut writer = Writer::new(&change, depth + 1, hosts)?;
        for visit in visits {
            writer.save(visit)?;
        }
        writer.found
    };
    change.commit()?;
    Ok(found)
}

/// What a batch is written with.
struct Writer<'a, 'b> {
    db: &'b Transaction<'b>,
    known: CachedStatement<'b>,
    add: CachedStatement<'b>,
    link: CachedStatement<'b>,
    end: CachedStatement<'b>,
    /// Rows of addresses: pages that are visited together mostly link to the same.
    rows: HashMap<&'a str, i64>,
    depth: i64,
    hosts: &'a HashSet<String>,
    found: u64,
}

impl<'a, 'b> Writer<'a, 'b> {
    fn new(db: &'b Transaction<'b>, depth: i64, hosts: &'a HashSet<String>) -> Result<Self> {
        Ok(Writer {
            db,
            known: db.prepare_cached("SELECT id FROM page WHERE url = ?1")?,
            add: db.prepare_cached("INSERT INTO page (url, depth, outcome) VALUES (?1, ?2, ?3)")?,
            link: db.prepare_cached("INSERT INTO link VALUES (?1, ?2)")?,
            end: db.prepare_cached(
                "UPDATE page SET outcome = ?2, status = ?3, bytes = ?4, title = ?5, redirect = ?6, requests = ?7, millis = ?8
                 WHERE id = ?1 AND outcome IS NULL",
            )?,
            rows: HashMap::new(),
            depth,
            hosts,
            found: 0,
        })
    }

    fn save(&mut self, visit: &'a Visit) -> Result<()> {
        for link in &visit.links {
            let target = self.row(link)?;
            self.link.execute([visit.id, target])?;
        }
        let (mut status, mut bytes, mut title, mut redirect) = (None, None, None, None);
        match &visit.outcome {
            Outcome::Page { bytes: n, title: t } => (bytes, title) = (Some(*n), Some(t.as_str())),
            Outcome::Redirect(to) => redirect = Some(self.row(to)?),
            Outcome::Refused(code) => status = Some(*code),
            Outcome::File | Outcome::Failed(_) => {}
        }
        let millis = visit.took.as_secs_f64() * 1e3;
        let changed = self.end.execute(params![
            visit.id,
            visit.outcome.name(),
            status,
            bytes,
            title,
            redirect,
            visit.requests,
            millis
        ])?;
        // Visited twice: whatever this is, it is not what the database says.
        match changed {
            1 => Ok(()),
            n => Err(rusqlite::Error::StatementChangedRows(n)),
        }
    }

    /// The row of an address, which is made when it is new.
    fn row(&mut self, url: &'a str) -> Result<i64> {
        if let Some(id) = self.rows.get(url) {
            return Ok(*id);
        }
        let id = match self.known.query_row([url], first).optional()? {
            Some(id) => id,
            None => {
                let ours = self.is_ours(url);
                let outcome = (!ours).then_some("external");
                self.add.execute(params![url, self.depth, outcome])?;
                self.found += u64::from(ours);
                self.db.last_insert_rowid()
            }
        };
        self.rows.insert(url, id);
        Ok(id)
    }

    fn is_ours(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| self.hosts.contains(&url.origin().ascii_serialization()))
    }
}

fn first<T: rusqlite::types::FromSql>(row: &Row<'_>) -> Result<T> {
    row.get(0)
}
