//! The command line.

use clap::Parser;
use regatta::runtime::Flavor;
use std::path::PathBuf;
use std::time::Duration;

/// More in flight than this is memory without use: the runtimes read with about 500 threads.
const MOST_JOBS: usize = 65_536;

/// Counts lines, words and bytes of every file below a folder, many files at once.
///
/// Writes a report in JSON Lines, one object per file and a summary at the end, and prints totals per file type. Counts are those of
/// `LC_ALL=C wc` (GNU): a line is a newline byte, a word a run without white space that has at least one printable ASCII character.
/// Binary files (a NUL byte in the first 8 KiB), what cannot be read and what takes too long are listed with the reason;
/// symbolic links are listed and not followed. Ctrl-C stops cleanly.
#[derive(Debug, Parser)]
#[command(name = "index_files")]
pub(crate) struct Cli {
    /// Folder to read, all of it. Default: the current folder if it is a checkout of regatta, without `target` and `.git`
    pub(crate) dir: Option<PathBuf>,

    /// Files in flight at once
    #[arg(long, value_name = "N", default_value_t = default_jobs(), value_parser = parse_jobs, allow_hyphen_values = true)]
    pub(crate) jobs: usize,

    /// Time to read one file; `inf` for no limit
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_deadline, allow_hyphen_values = true)]
    pub(crate) deadline: Duration,

    /// Time for the files in flight to end when the run is stopped
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds, allow_hyphen_values = true)]
    pub(crate) grace: Duration,

    /// Where the report goes; what is there is overwritten
    #[arg(long, value_name = "FILE", default_value = "index_files.jsonl")]
    pub(crate) out: PathBuf,

    /// What to run on: tokio, tokio-current or smol. Default: the first that is compiled in
    #[arg(long)]
    runtime: Option<Flavor>,
}

impl Cli {
    /// The runtime to use, which must have threads for blocking reads.
    pub(crate) fn flavor(&self) -> Result<Flavor, String> {
        let available = || {
            Flavor::ALL
                .into_iter()
                .filter(|f| f.is_available() && *f != Flavor::Neutral)
        };
        match self.runtime {
            Some(Flavor::Neutral) | None if available().next().is_none() => Err(
                "built without a runtime, so there are no threads to read files on: \
                 build with `--features tokio` or `--features smol`"
                    .into(),
            ),
            Some(Flavor::Neutral) => Err(
                "runtime `neutral` has no threads to read files on: use `--runtime tokio` or `--runtime smol`"
                    .into(),
            ),
            Some(flavor) => Ok(flavor),
            None => available().next().ok_or_else(String::new),
        }
    }
}

/// Reading a cached file is quick and waiting for a disk is idle, so a few more than there are cores.
fn default_jobs() -> usize {
    4 * std::thread::available_parallelism().map_or(4, usize::from)
}

fn parse_jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("no file would ever be read; use at least 1".into()),
        Ok(n) if n > MOST_JOBS => Err(format!("use at most {MOST_JOBS}")),
        Ok(n) => Ok(n),
        Err(_) => Err(format!("use a whole number from 1 to {MOST_JOBS}")),
    }
}

fn parse_deadline(text: &str) -> Result<Duration, String> {
    match parse_seconds(text)? {
        Duration::ZERO => Err("every file would be too late; use more than zero".into()),
        limit => Ok(limit),
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "use a number of seconds, such as 10 or 0.5".to_string())?;
    match regatta::time::seconds(number) {
        Ok(time) => Ok(time),
        // `inf`, and numbers beyond any clock: never.
        Err(_) if number > 0.0 => Ok(Duration::MAX),
        Err(e) => Err(e.to_string()),
    }
}
