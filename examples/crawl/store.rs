//! The database, for async code: every call is a closure on one thread that may block.

use crate::facts::{Target, Visit};
use crate::report::Findings;
use crate::tables::{self, Counts};
use regatta::blocking::{JobError, ThreadPool};
use rusqlite::{Connection, ErrorCode};
use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// What is crawled: the database remembers it, and refuses another.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) start: Url,
    /// The start and what is served there, in words.
    pub(crate) about: String,
    /// Scheme, host and port of all that may be asked.
    pub(crate) hosts: HashSet<String>,
}

/// Opens the database, or makes it. True: there is a crawl in it that was interrupted, and goes on.
///
/// Blocks.
///
/// # Errors
///
/// Why it cannot be used, in words, and what can be done about it.
pub(crate) fn open(
    path: &Path,
    scope: &Scope,
    limit: u64,
    fresh: bool,
) -> Result<(Connection, bool), String> {
    let advice = "choose another place with --out";
    let refuse = |why: &dyn fmt::Display| format!("{}: {why}", path.display());
    let fail = |e: rusqlite::Error| match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            refuse(&format!("another crawl is using it; {advice}"))
        }
        Some(ErrorCode::NotADatabase) => refuse(&format!("this is no database; {advice}")),
        _ => refuse(&format!("the database cannot be kept there: {e}; {advice}")),
    };
    let mut db = connect(path).map_err(fail)?;
    let tables: u32 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(fail)?;
    if tables > 0 {
        let about = tables::about(&db).map_err(fail)?;
        let Some(about) = about else {
            return Err(refuse(&format!(
                "this is a database of something else; {advice}"
            )));
        };
        let counts = tables::counts(&db).map_err(fail)?;
        let unfinished = counts.waiting > 0 && counts.visited < limit;
        if unfinished && !fresh {
            if about != scope.about {
                return Err(refuse(&format!(
                    "in it is an unfinished crawl of {about}; {advice}, or give it up with --fresh"
                )));
            }
            return Ok((db, true));
        }
        db = replace(db, path).map_err(fail)?;
    }
    tables::create(&mut db, &scope.start, &scope.about).map_err(fail)?;
    Ok((db, false))
}

/// Alone, and so that a commit survives the end of the process. (That of the machine's power may cost the last commits, never a part of one.)
fn connect(path: &Path) -> tables::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::ZERO)?;
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "cache_size", -64 * 1024)?;
    // Takes the lock now, not at the first batch.
    db.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
    Ok(db)
}

/// An empty database in its place.
fn replace(db: Connection, path: &Path) -> tables::Result<Connection> {
    drop(db);
    // Fails later, and with a better message, if it is still there.
    let _ = std::fs::remove_file(path);
    connect(path)
}

/// Why the crawl cannot go on.
#[derive(Debug)]
pub(crate) enum StoreError {
    Database(rusqlite::Error),
    Thread(JobError),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Database(e) => write!(f, "the database: {e}"),
            StoreError::Thread(e) => write!(f, "a thread was lost: {e}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<JobError> for StoreError {
    fn from(e: JobError) -> Self {
        StoreError::Thread(e)
    }
}

/// The database; a clone is the same.
#[derive(Clone)]
pub(crate) struct Store {
    db: Arc<Mutex<Connection>>,
    hosts: Arc<HashSet<String>>,
    /// One thread: SQLite has one writer.
    thread: ThreadPool,
}

impl Store {
    pub(crate) fn new(db: Connection, scope: &Scope) -> Self {
        Store {
            db: Arc::new(Mutex::new(db)),
            hosts: Arc::new(scope.hosts.clone()),
            thread: ThreadPool::builder()
                .max_workers(1)
                .thread_name("database")
                .build(),
        }
    }

    /// A transaction that has begun is waited for, also when the caller is cancelled.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> tables::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let db = self.db.clone();
        let work = move || work(&mut db.lock().unwrap_or_else(PoisonError::into_inner));
        self.thread.run(work).await?.map_err(StoreError::Database)
    }

    pub(crate) async fn counts(&self) -> Result<Counts, StoreError> {
        self.with(|db| tables::counts(db)).await
    }

    /// The least depth at which an address waits to be visited.
    pub(crate) async fn level(&self) -> Result<Option<i64>, StoreError> {
        self.with(|db| tables::level(db)).await
    }

    /// The next addresses of this depth, in order.
    pub(crate) async fn waiting(
        &self,
        depth: i64,
        after: String,
        n: usize,
    ) -> Result<Vec<Target>, StoreError> {
        let find = move |db: &mut Connection| tables::waiting(db, depth, &after, n);
        self.with(find).await
    }

    /// Writes a batch, in one transaction, and says how many new addresses wait.
    pub(crate) async fn save(&self, depth: i64, visits: Vec<Visit>) -> Result<u64, StoreError> {
        let hosts = self.hosts.clone();
        let save = move |db: &mut Connection| tables::save(db, depth, &visits, &hosts);
        self.with(save).await
    }

    pub(crate) async fn findings(&self) -> Result<Findings, StoreError> {
        self.with(|db| Findings::read(db)).await
    }
}
