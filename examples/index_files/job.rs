//! The job as a task group: one child walks, at most N count, and a service writes the report.
//!
//! ```text
//! walk ──entries──▶ body ──spawns──▶ count, count, … ──lines──▶ report
//! (thread)                           (a thread each)             (service)
//! ```
//!
//! Both arrows are bounded channels and the counting children wait for their turn, so a slow disk slows the walk, and memory
//! does not grow with the tree. Nothing here names a runtime.

use crate::count::{self, Counts, Trouble};
use crate::error::JobError;
use crate::report::{self, Line, Report};
use crate::totals::Summary;
use crate::walk::{Found, Tree};
use indicatif::ProgressBar;
use regatta::Runtime;
use regatta::cancel::{self, CancelToken};
use regatta::task::{ErrorGroup, task_group};
use regatta::time::Deadline;
use std::path::Path;
use std::time::Duration;

/// How far the walk may be ahead of the counting, and the counting ahead of the report.
const AHEAD: usize = 1024;

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) tree: Tree,
    /// Files in flight at once.
    pub(crate) jobs: usize,
    /// Time to read one file.
    pub(crate) deadline: Duration,
    /// Time for files in flight once `stop` is cancelled.
    pub(crate) grace: Duration,
}

/// What became of an entry.
#[derive(Debug)]
pub(crate) enum Outcome {
    Counted(Counts),
    Symlink,
    Error(Trouble),
    /// The run was stopped before it was read.
    NotDone,
}

/// Runs the job until the tree is read or `stop` is cancelled, and writes the summary as the last line of the report.
///
/// # Errors
///
/// When the job as a whole cannot go on. Trouble with single files is counted.
pub(crate) async fn run(
    plan: Plan,
    report: Report,
    progress: ProgressBar,
    stop: &CancelToken,
) -> Result<Summary, ErrorGroup<JobError>> {
    let start = Runtime::current().now();
    let dir = plan.tree.root.display().to_string();
    let jobs = plan.jobs;
    task_group(async |group| {
        let (entry, entries) = async_channel::bounded(AHEAD);
        let (line, lines) = async_channel::bounded(AHEAD);
        // A service is the last to be cancelled, and the shield lets it write what has been counted by then, also when
        // another child fails. It ends by itself when nobody can send lines any more.
        let report = report::record(lines, report, progress.clone());
        let recorder = group.named("report").service(cancel::shield(report));
        let walk = group
            .named("walk")
            .spawn(walk(plan.tree.clone(), entry, stop.clone()));
        // Set after the two above: neither takes a turn away from the counting.
        group.limit(plan.jobs);
        // Not a word about `stop` here: the walk ends early and the children answer at once, so every entry gets its line.
        while let Ok(found) = entries.recv().await {
            progress.inc_length(1);
            let (path, known) = match found {
                Found::File(path) => {
                    let (line, stop) = (line.clone(), stop.clone());
                    let child = async move {
                        let outcome = count(&path, plan.deadline, plan.grace, &stop).await?;
                        report::send(&line, path, outcome).await;
                        Ok(())
                    };
                    drop(group.spawn_when_free(child).await);
                    continue;
                }
                Found::Symlink(path) => (path, Outcome::Symlink),
                Found::Trouble(path, trouble) => (path, Outcome::Error(trouble)),
            };
            report::send(&line, path, known).await;
        }
        drop(line);
        let walked_all = walk.await;
        let (totals, mut report) = recorder.await;
        let now = Runtime::current().now();
        let summary = Summary {
            dir,
            runtime: Runtime::current().name(),
            jobs,
            elapsed_seconds: (now - start).as_secs_f64(),
            interrupted: stop.is_cancelled(),
            walked_all,
            ..totals.into()
        };
        report.push(&Line::summary(&summary));
        report.flush().await?;
        progress.finish_and_clear();
        Ok(summary)
    })
    .await
}

/// Walks on a thread that may block. True when it saw the whole tree.
async fn walk(
    tree: Tree,
    entry: async_channel::Sender<Found>,
    stop: CancelToken,
) -> Result<bool, JobError> {
    let walk =
        move || tree.walk(|found| !stop.is_cancelled() && entry.send_blocking(found).is_ok());
    Ok(Runtime::current().try_spawn_blocking(walk)?.await?)
}

/// Counts one file on a thread that may block, within its deadline.
async fn count(
    path: &Path,
    limit: Duration,
    grace: Duration,
    stop: &CancelToken,
) -> Result<Outcome, JobError> {
    if stop.is_cancelled() {
        return Ok(Outcome::NotDone);
    }
    let deadline = Deadline::never();
    // A thread cannot be dropped, so it must be told when nobody waits for it any more.
    let leave = CancelToken::new();
    let reading = {
        let (path, deadline, leave) = (path.to_path_buf(), deadline.clone(), leave.clone());
        Runtime::current().try_spawn_blocking(move || read(&path, limit, &deadline, &leave))?
    };
    let reading = async move {
        let _leave = leave.cancel_on_drop();
        reading.await
    };
    // The deadline also ends the wait for a thread that hangs in the system; the grace likewise.
    match stop.run_graceful(grace, deadline.run(reading)).await {
        Ok(Ok(Ok(Ok(counts)))) => Ok(Outcome::Counted(counts)),
        Ok(Ok(Ok(Err(trouble)))) => Ok(Outcome::Error(trouble)),
        Ok(Ok(Err(panicked))) => Err(panicked.into()),
        Ok(Err(_elapsed)) => Ok(Outcome::Error(Trouble::Deadline)),
        Err(_stopped) => Ok(Outcome::NotDone),
    }
}

/// The part of [`count`] that runs on the thread.
fn read(
    path: &Path,
    limit: Duration,
    deadline: &Deadline,
    leave: &CancelToken,
) -> Result<Counts, Trouble> {
    let runtime = Runtime::current();
    // The clock starts here: with more jobs than threads, files wait for a thread, and that is not their fault.
    let _ = deadline.move_to_after(limit);
    let end = deadline.moment();
    count::file(path, || {
        if leave.is_cancelled() {
            return Err(Trouble::Stopped);
        }
        match end {
            Some(end) if runtime.now() >= end => Err(Trouble::Deadline),
            _ => Ok(()),
        }
    })
}
