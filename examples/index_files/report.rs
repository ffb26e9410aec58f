//! The report: JSON Lines, written by one task, whole lines only.
//!
//! Every write to the file ends at the end of a line. So whatever ends the process, the file holds whole
//! lines up to the last write, which is [`FLUSH_EVERY`] old at most; only a finished run has a summary.

use crate::error::JobError;
use crate::job::Outcome;
use crate::totals::{Summary, Totals};
use async_channel::{Receiver, Sender};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use regatta::{Runtime, time};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::Duration;

/// How long a finished line may wait in memory.
const FLUSH_EVERY: Duration = Duration::from_millis(250);
/// How many bytes may wait in memory.
const FULL: usize = 64 * 1024;

/// Held during a write, for [`let_a_write_end`].
static WRITING: Mutex<()> = Mutex::new(());

/// One line of the report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line<'a> {
    Summary(&'a Summary),
    #[serde(untagged)]
    Entry(EntryLine<'a>),
}

/// What the report says about one entry.
#[derive(Debug, Serialize)]
pub(crate) struct EntryLine<'a> {
    path: std::borrow::Cow<'a, str>,
    status: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(flatten)]
    counts: Option<crate::count::Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl<'a> Line<'a> {
    /// The line of an entry. A path that is no UTF-8 is given with replacement characters: JSON has no others.
    pub(crate) fn entry(path: &'a Path, outcome: &Outcome) -> Line<'a> {
        let mut line = EntryLine {
            path: path.to_string_lossy(),
            status: "counted",
            kind: None,
            counts: None,
            error: None,
            reason: None,
        };
        match outcome {
            Outcome::Counted(counts) => {
                line.kind = Some(file_type(path));
                line.counts = Some(*counts);
            }
            Outcome::Symlink => line.status = "symlink",
            Outcome::NotDone => line.status = "not_done",
            Outcome::Error(trouble) => {
                line.status = "error";
                line.error = Some(trouble.kind());
                line.reason = Some(trouble.to_string());
            }
        }
        Line::Entry(line)
    }

    pub(crate) fn summary(summary: &'a Summary) -> Line<'a> {
        Line::Summary(summary)
    }
}

/// The extension in lower case.
pub(crate) fn file_type(path: &Path) -> String {
    match path.extension() {
        Some(extension) => extension.to_string_lossy().to_ascii_lowercase(),
        None => "(none)".into(),
    }
}

/// The file, and the lines that are not in it yet.
#[derive(Debug)]
pub(crate) struct Report {
    path: PathBuf,
    file: File,
    waiting: Vec<u8>,
    /// The length of the file: whole lines.
    written: u64,
}

impl Report {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    ///
    /// Why it cannot be written, in words.
    pub(crate) fn create(path: &Path) -> Result<Report, String> {
        let file = File::create(path).map_err(|e| {
            format!(
                "{}: the report cannot be written there: {e}; choose another place with --out",
                path.display()
            )
        })?;
        Ok(Report {
            path: path.to_path_buf(),
            file,
            waiting: Vec::with_capacity(FULL),
            written: 0,
        })
    }

    /// Adds a line, in memory.
    pub(crate) fn push(&mut self, line: &Line<'_>) {
        let start = self.waiting.len();
        // Strings and numbers always serialize; if that ever changes, a line is missing rather than broken.
        match serde_json::to_writer(&mut self.waiting, line) {
            Ok(()) => self.waiting.push(b'\n'),
            Err(_) => self.waiting.truncate(start),
        }
    }

    /// Writes the lines that wait, on a thread that may block.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; it holds whole lines even then.
    pub(crate) async fn flush(mut self) -> Result<Report, JobError> {
        if self.waiting.is_empty() {
            return Ok(self);
        }
        // By value, there and back: a thread cannot borrow from a task.
        let write = move || match self.write() {
            Ok(()) => Ok(self),
            Err(e) => Err(JobError::Report(self.path, e)),
        };
        Runtime::current().try_spawn_blocking(write)?.await?
    }

    fn write(&mut self) -> io::Result<()> {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(e) = self.file.write_all(&self.waiting) {
            // A full disk takes part of the text: back to the last whole line. Fails on a pipe, where nothing can be taken back.
            let _ = self.file.set_len(self.written);
            return Err(e);
        }
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}

/// For whoever is about to end the process by force: waits for a write that is going on, but not for a disk that hangs.
pub(crate) fn let_a_write_end() {
    for _ in 0..100 {
        match WRITING.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(Duration::from_millis(2)),
            // Kept: no other write may begin.
            Ok(writing) => return std::mem::forget(writing),
            Err(TryLockError::Poisoned(_)) => return,
        }
    }
}

/// Hands the recorder what became of an entry.
pub(crate) async fn send(line: &Sender<(PathBuf, Outcome)>, path: PathBuf, outcome: Outcome) {
    // Fails only when the recorder failed; its error ends the group, this task included.
    let _ = line.send((path, outcome)).await;
}

/// Writes and adds up what comes, until nobody can send any more.
///
/// # Errors
///
/// When the report cannot be written.
pub(crate) async fn record(
    lines: Receiver<(PathBuf, Outcome)>,
    mut report: Report,
    progress: ProgressBar,
) -> Result<(Totals, Report), JobError> {
    let runtime = Runtime::current();
    let mut totals = Totals::default();
    let mut flush_at = runtime.now() + FLUSH_EVERY;
    loop {
        match time::timeout_at(flush_at, lines.recv()).await {
            Ok(Ok((path, outcome))) => {
                report.push(&Line::entry(&path, &outcome));
                totals.add(&path, &outcome);
                progress.inc(1);
            }
            Ok(Err(_closed)) => break,
            Err(_elapsed) => {}
        }
        if report.waiting.len() >= FULL || runtime.now() >= flush_at {
            report = report.flush().await?;
            flush_at = runtime.now() + FLUSH_EVERY;
        }
    }
    Ok((totals, report.flush().await?))
}

/// On stderr; invisible when that is no terminal. The total grows while the walk goes on.
pub(crate) fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} files found, {per_sec}")
    {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
