//! The table "Coming from asyncio" of the README: each row compiles, and what can run without a server runs.

use regatta::testing;
use std::error::Error;
use std::time::Duration;

type Outcome = Result<(), Box<dyn Error>>;

struct Row {
    /// The cell of the README.
    cell: &'static str,
    /// The program beside it, as text.
    code: &'static str,
    run: fn() -> Outcome,
}

/// `"the cell of the README" => { a program }`, with `?`.
macro_rules! rows {
    ($($cell:literal => $code:block)*) => {
        [$(Row { cell: $cell, code: stringify!($code), run: || { $code; Ok(()) } }),*]
    };
}

#[derive(Debug, PartialEq)]
struct Failed;

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it failed")
    }
}

impl Error for Failed {}

async fn job() -> Result<u32, Failed> {
    Ok(1)
}

async fn close() {}

fn jobs() -> impl Iterator<Item = impl Future<Output = Result<u32, Failed>> + Send> {
    (0..3).map(|_| job())
}

fn everywhere() -> impl Iterator<Item = Row> {
    use regatta::task::{ErrorGroup, When, as_completed, gather, task_group, wait};
    rows! {
        "`regatta::run(main())`" => {
            async fn main() -> u32 { 1 }
            assert_eq!(regatta::run(main()), 1);
        }
        "`task_group(async \\|g\\| ..).await`" => {
            let sum = testing::run(async || task_group(async |g| Ok(g.spawn(job()).await)).await);
            assert_eq!(sum?, 1);
        }
        "`g.spawn(job())`" => {
            let spawned = testing::run(async || {
                task_group(async |g| {
                    let task = g.spawn(job());
                    Ok(task.await)
                }).await
            });
            assert_eq!(spawned?, 1);
        }
        "`ErrorGroup`, `extract`" => {
            let failed = testing::run(async || {
                task_group(async |g| {
                    g.spawn(async { Err::<(), _>(Failed) });
                    Ok(())
                }).await
            });
            let errors: ErrorGroup<Failed> = failed.expect_err("a task failed");
            let (found, rest) = errors.extract(|error| if error == Failed { Ok(error) } else { Err(error) });
            assert!(found == [Failed] && rest.is_none());
        }
        "`gather(jobs).await`" => {
            let jobs = jobs();
            let values = testing::run(async move || gather(jobs).await);
            assert_eq!(values?, [1, 1, 1]);
        }
        "`gather(jobs).settled().await`" => {
            let jobs = jobs();
            let values = testing::run(async move || gather(jobs).settled().await);
            assert_eq!(values, [Ok(1), Ok(1), Ok(1)]);
        }
        "`as_completed(jobs)`, `while let Some(x) = s.next().await`" => {
            let jobs = jobs();
            let sum = testing::run(async move || {
                let mut s = as_completed(jobs);
                let mut sum = 0;
                while let Some(x) = s.next().await {
                    sum += x.unwrap_or_default();
                }
                sum
            });
            assert_eq!(sum, 3);
        }
        "`wait(&mut tasks, When::FirstCompleted).await`" => {
            let first = testing::run(async || {
                task_group(async |g| {
                    let mut tasks: Vec<_> = jobs().map(|job| g.spawn(job)).collect();
                    Ok::<_, Failed>(wait(&mut tasks, When::FirstCompleted).await.len())
                }).await
            });
            assert!(first? >= 1);
        }
        "`timeout(Duration::from_secs(5), job()).await`" => {
            use regatta::time::timeout;
            let ended = testing::run(async || timeout(Duration::from_secs(5), job()).await);
            assert_eq!(ended?, Ok(1));
        }
        "`CancelToken::cancel`, `task.cancel()`" => {
            use regatta::cancel::CancelToken;
            let _cancel = CancelToken::cancel;
            let cancelled = testing::run(async || {
                task_group(async |g| {
                    let mut task = g.spawn(std::future::pending::<Result<(), Failed>>());
                    task.cancel();
                    Ok::<_, Failed>(task.outcome().await.is_err())
                }).await
            });
            assert!(cancelled?);
        }
        "`finally(job(), close()).await`" => {
            use regatta::cancel::finally;
            assert_eq!(testing::run(async || finally(job(), close()).await), Ok(1));
        }
        "`shield(job()).await`" => {
            use regatta::cancel::shield;
            assert_eq!(testing::run(async || shield(job()).await), Ok(1));
        }
        "`Queue::bounded(n)`, `Queue::builder(n).lifo()`, `Queue::priority(n)`" => {
            use regatta::queue::Queue;
            let n = 3;
            let _fifo: Queue<u32> = Queue::bounded(n);
            let _lifo: Queue<u32> = Queue::builder(n).lifo().build();
            let _heap: Queue<u32> = Queue::priority(n);
        }
        "dropping the `Item`, `join()`" => {
            use regatta::queue::{Item, Queue};
            testing::run(async || {
                let queue = Queue::bounded(1);
                queue.put(1).await.expect("it is open");
                let item: Item<u32> = queue.get().await.expect("there is one");
                drop(item);
                queue.join().await;
            });
        }
        "`queue.close()`" => {
            let queue = regatta::queue::Queue::<u32>::bounded(1);
            queue.close();
            assert!(testing::run(async move || queue.get().await.is_none()));
        }
        "`generate(async \\|y\\| { y.put(..).await })`, `while let Some(x) = s.next().await`" => {
            use regatta::stream::generate;
            let seen = testing::run(async || {
                let mut s = generate(async |y| { y.put(1).await });
                let mut seen = Vec::new();
                while let Some(x) = s.next().await {
                    seen.push(x);
                }
                seen
            });
            assert_eq!(seen, [1]);
        }
        "`stream.then_stage(n)`, `Pipeline`" => {
            use regatta::pipeline::Pipeline;
            use regatta::stream::{StreamOps, generate};
            let _pipeline = |n| {
                let stream = generate(async |y| { y.put(1).await });
                Pipeline::<_, Failed>::from_stream("pages", stream.then_stage(n))
            };
        }
        "`Background`" => {
            use regatta::background::Background;
            testing::run(async || {
                let background = Background::<Failed>::new(|_| {}).expect("there is a runtime");
                background.spawn("a job", job());
                let report = background.shutdown(Duration::from_secs(1)).await;
                assert_eq!(report.completed, 1);
            });
        }
        "`pool.get().await?`, `guard.run(async \\|connection\\| ..).await?`" => {
            use regatta::pool::{Manager, Pool};
            async fn _ask<M: Manager<Object = String>>(pool: Pool<M>) -> Result<usize, Box<dyn Error>>
            where
                M::Error: Error + Send + Sync + 'static,
            {
                let mut guard = pool.get().await?;
                Ok(guard.run(async |connection| Ok::<_, Failed>(connection.len())).await?)
            }
        }
        "`let _permit = semaphore.acquire().await?`" => {
            let semaphore = regatta::sync::Semaphore::new(1);
            testing::run(async move || -> Result<(), regatta::sync::AcquireError> {
                let _permit = semaphore.acquire().await?;
                Ok(())
            })?;
        }
        "`mutex.lock().await`, `condition.wait_for(guard, ..).await`" => {
            use regatta::sync::{Condition, Mutex};
            let ready = testing::run(async || {
                let (mutex, condition) = (Mutex::new(true), Condition::new());
                let guard = mutex.lock().await;
                *condition.wait_for(guard, |ready| *ready).await
            });
            assert!(ready);
        }
        "`event.set()`, `event.wait().await`" => {
            testing::run(async || {
                let event = regatta::sync::Event::new();
                event.set();
                event.wait().await;
            });
        }
        "`sync::Limiter`, `sync::Exclusive`" => {
            use regatta::sync;
            let _these = (size_of::<sync::Limiter>(), size_of::<sync::Exclusive>());
        }
        "`time::sleep(Duration::from_secs(1)).await`" => {
            use regatta::time;
            testing::run(async || time::sleep(Duration::from_secs(1)).await);
        }
    }
    .into_iter()
}

#[cfg(feature = "http")]
fn with_http() -> impl Iterator<Item = Row> {
    rows! {
        "`HttpClient::builder().base_url(..).build()?`" => {
            use regatta::integrations::http::HttpClient;
            let _client = || -> Result<HttpClient, Box<dyn Error>> {
                Ok(HttpClient::builder().base_url("http://localhost").build()?)
            };
        }
        "`client.get(url).await?.json().await?`, `error_for_status()?`" => {
            use regatta::integrations::http::HttpClient;
            async fn _ask(client: HttpClient, url: &str) -> Result<Vec<u32>, Box<dyn Error>> {
                let _well = client.get(url).await?.error_for_status()?;
                Ok(client.get(url).await?.json().await?)
            }
        }
        "`runtime::net::TcpStream`, `TcpListener`" => {
            use regatta::runtime::{self, net::TcpListener};
            let _these = (size_of::<runtime::net::TcpStream>(), size_of::<TcpListener>());
        }
    }
    .into_iter()
}

#[cfg(not(feature = "http"))]
fn with_http() -> impl Iterator<Item = Row> {
    std::iter::empty()
}

/// The right-hand cells of the table.
fn cells() -> Vec<&'static str> {
    let readme = include_str!("../README.md");
    let (_, table) = readme
        .split_once("## Coming from asyncio")
        .expect("the README has this part");
    table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            // A bar in a cell is written with a backslash.
            let cells = line.trim_matches('|').split(" | ").collect::<Vec<_>>();
            cells.last().expect("two cells").trim()
        })
        .collect()
}

fn squeezed(code: &str) -> String {
    code.replace("\\|", "|").split_whitespace().collect()
}

#[test]
fn every_row_runs_as_it_is_written() {
    for row in everywhere().chain(with_http()) {
        let (code, mut from) = (squeezed(row.code), 0);
        // What stands between backquotes, but for `..`, stands in the program in this order.
        for words in row.cell.split('`').skip(1).step_by(2) {
            from = 0;
            for part in words.split("..") {
                let part = squeezed(part);
                let found = code[from..].find(&part);
                let at = found.unwrap_or_else(|| panic!("{}: {part:?} is not in {code}", row.cell));
                from += at + part.len();
            }
        }
        assert!(
            from > 0 || row.cell.contains("dropping"),
            "{}: no code in it",
            row.cell
        );
        (row.run)().unwrap_or_else(|error| panic!("{}: {error}", row.cell));
    }
}

#[test]
fn the_table_has_these_rows_and_no_others() {
    let mut cells = cells();
    if cfg!(not(feature = "http")) {
        cells.retain(|cell| {
            !["HttpClient", "client.get", "TcpStream"]
                .iter()
                .any(|http| cell.contains(http))
        });
    }
    let rows: Vec<_> = everywhere()
        .chain(with_http())
        .map(|row| row.cell)
        .collect();
    let missing: Vec<_> = cells.iter().filter(|cell| !rows.contains(cell)).collect();
    let left: Vec<_> = rows.iter().filter(|cell| !cells.contains(cell)).collect();
    assert!(
        missing.is_empty() && left.is_empty(),
        "only in the README: {missing:?}; only here: {left:?}"
    );
}
