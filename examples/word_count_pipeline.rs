//! Counts the words of every text file below a folder, in a pipeline: walk → read → tokenise → aggregate → save, with a progress bar for each stage.
//!
//! ```sh
//! cargo run --release --features tokio,smol --example word_count_pipeline -- DIR
//! ```
//!
//! Reading is on a pool of threads that may block, tokenising on one per core, and a slow stage slows those above it, so memory does not grow with the tree. The
//! table at the end says which stage held up the others. Ctrl-C stops the walk, and saves the counts of the files that were found by then; a second one
//! stops at once.
//!
//! Exit codes: 0 when every file was looked at; 2 when the job could not be done; 130 and 143 after Ctrl-C and SIGTERM.

#[path = "support/stop.rs"]
mod stop;

use clap::Parser;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use regatta::blocking::{CpuPool, JobError, ThreadPool};
use regatta::cancel::CancelToken;
use regatta::pipeline::{OnError, Pipeline, Report, RunError, Stage, Stats};
use regatta::runtime::Flavor;
use regatta::stream::generate;
use regatta::time;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;
use stop::Stop;

/// Counts the words of every text file below a folder.
///
/// Words are runs of letters and digits, in lower case. Writes the most frequent ones to a JSON file, and prints what the stages of the pipeline did. Files that are no
/// text (a NUL byte), larger than 64 MiB, or cannot be read are listed there with the reason; symbolic links are not followed.
#[derive(Debug, Parser)]
#[command(name = "word_count_pipeline")]
struct Cli {
    /// Folder to read, all of it. Default: the current folder
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Files that are read at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,

    /// How many words to save
    #[arg(long, value_name = "N", default_value_t = 1000)]
    top: usize,

    /// Where the counts go; what is there is replaced when all is counted
    #[arg(long, value_name = "FILE", default_value = "word_count.json")]
    out: PathBuf,

    /// What to run on: tokio, tokio-current or smol. Default: the first that is compiled in
    #[arg(long)]
    runtime: Option<Flavor>,
}

const MOST_BYTES: u64 = 64 << 20;
/// How many files with trouble are listed; further ones are counted.
const MOST_LISTED: usize = 1000;

/// What is wrong with one file, or with all.
#[derive(Debug)]
enum Trouble {
    File(PathBuf, String),
    Save(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::File(path, why) => write!(f, "{}: {why}", path.display()),
            Trouble::Save(why) => f.write_str(why),
        }
    }
}

impl From<JobError> for Trouble {
    fn from(error: JobError) -> Self {
        Trouble::Save(format!("a thread was lost: {error}"))
    }
}

type Words = HashMap<String, u64>;

/// What is saved.
#[derive(Debug, Default, Serialize)]
struct Counts {
    files: u64,
    words: u64,
    different: usize,
    most_frequent: Vec<(String, u64)>,
}

fn main() -> ExitCode {
    match count(Cli::parse()) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("word_count_pipeline: {why}");
            ExitCode::from(2)
        }
    }
}

fn count(cli: Cli) -> Result<ExitCode, String> {
    let flavor = flavor(cli.runtime)?;
    // Before anything starts: a mistyped folder is no empty one.
    std::fs::read_dir(&cli.dir).map_err(|e| format!("{}: {e}", cli.dir.display()))?;
    let stop = Stop::on_signals(|| (), || ())?;
    // The only line that chooses a runtime.
    let report =
        regatta::run_on(flavor, run(&cli, &stop.token)).map_err(|stopped| {
            match stopped.errors.first() {
                Some(error) => error.to_string(),
                None => stopped.errors.to_string(),
            }
        })?;
    println!("{}", report.stats);
    for trouble in &report.errors {
        eprintln!("not counted: {}", trouble.error);
    }
    if report.missed > 0 {
        eprintln!("and {} more", report.missed);
    }
    println!("saved to {}", cli.out.display());
    Ok(match report.drained {
        Some(_) => stop.exit_code(),
        None => ExitCode::SUCCESS,
    })
}

/// The runtime to use, which must have threads for blocking reads.
fn flavor(wanted: Option<Flavor>) -> Result<Flavor, String> {
    let mut all = Flavor::ALL.into_iter();
    let first = all.find(|f| f.is_available() && *f != Flavor::Neutral);
    match (wanted, first) {
        (None | Some(Flavor::Neutral), None) => Err(
            "built without a runtime, so there are no threads to read files on: build with `--features tokio` or `--features smol`"
                .into(),
        ),
        (Some(Flavor::Neutral), _) => {
            Err("runtime `neutral` has no threads to read files on: use tokio or smol".into())
        }
        (Some(flavor), _) => Ok(flavor),
        (None, Some(first)) => Ok(first),
    }
}

async fn run(cli: &Cli, stop: &CancelToken) -> Result<Report<Trouble>, RunError<Trouble>> {
    let cores = std::thread::available_parallelism().map_or(4, usize::from);
    let jobs = usize::from(cli.jobs);
    let (threads, cpu) = (ThreadPool::new(jobs), CpuPool::new());
    let (top, out, own) = (cli.top, cli.out.clone(), cli.out.clone());
    let listed = || OnError::Collect(MOST_LISTED);

    let read = {
        let threads = threads.clone();
        move |path: PathBuf| {
            let threads = threads.clone();
            async move { threads.run(move || read(path)).await? }
        }
    };
    let tokenise = move |text: Vec<u8>| {
        let cpu = cpu.clone();
        async move { Ok(cpu.run(move || tokens(&text)).await?) }
    };
    let save = move |counts: Counts| {
        let (threads, out) = (threads.clone(), out.clone());
        async move { threads.run(move || save(&out, &counts)).await? }
    };
    let pipeline = Pipeline::try_from_stream(
        Stage::new("walk").on_error(listed()),
        walk(cli.dir.clone(), own),
    )
    .stage(
        Stage::new("read")
            .width(jobs)
            .buffer(2 * jobs)
            .unordered()
            .on_error(listed()),
        read,
    )
    .stage(
        Stage::new("tokenise").width(cores).buffer(jobs).unordered(),
        tokenise,
    )
    .through("aggregate", move |files| {
        generate(async move |y| y.put(sum(files, top).await).await)
    })
    .sink("save", save)
    .drain_on(stop);

    let bars = Bars::new(&pipeline.watch().stats());
    let watch = pipeline.watch();
    let show = async {
        loop {
            bars.show(&watch.stats());
            time::sleep(Duration::from_millis(100)).await;
        }
    };
    let report = futures_lite::future::or(pipeline.run(), show).await;
    bars.clear();
    report
}

/// The files below a folder, found by a thread that may block, as far ahead as the channel is long.
fn walk(
    dir: PathBuf,
    own: PathBuf,
) -> impl futures::Stream<Item = Result<PathBuf, Trouble>> + Send + 'static {
    let (found, files) = async_channel::bounded(16);
    let own = own.canonicalize().ok();
    let walk = move || {
        for entry in walkdir::WalkDir::new(&dir) {
            let file = match entry {
                Ok(entry) if !entry.file_type().is_file() => continue,
                Ok(entry) if entry.path().canonicalize().ok() == own && own.is_some() => continue,
                Ok(entry) => Ok(entry.into_path()),
                Err(e) => {
                    let path = e.path().unwrap_or(&dir).to_path_buf();
                    Err(Trouble::File(path, e.to_string()))
                }
            };
            // Fails when nobody wants more.
            if found.send_blocking(file).is_err() {
                return;
            }
        }
    };
    generate(async move |y| {
        let walking = regatta::Runtime::current().try_spawn_blocking(walk);
        let mut files = pin!(files);
        while let Some(file) = futures::StreamExt::next(&mut files).await {
            y.put(file).await;
        }
        let ended = match walking {
            Ok(walking) => walking.await.map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        if let Err(why) = ended {
            y.put(Err(Trouble::Save(format!("the walk: {why}")))).await;
        }
    })
}

fn read(path: PathBuf) -> Result<Vec<u8>, Trouble> {
    let read = std::fs::metadata(&path).and_then(|m| {
        if m.len() > MOST_BYTES {
            return Err(std::io::Error::other("larger than 64 MiB"));
        }
        std::fs::read(&path)
    });
    match read {
        Ok(text) if text.contains(&0) => Err(Trouble::File(path, "no text".into())),
        Ok(text) => Ok(text),
        Err(e) => Err(Trouble::File(path, e.to_string())),
    }
}

fn tokens(text: &[u8]) -> Words {
    let mut words = Words::new();
    let text = String::from_utf8_lossy(text);
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        if !word.is_empty() {
            *words.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    words
}

/// Adds up what comes, and gives the result at the end: never, if a stage above has failed.
async fn sum(files: impl futures::Stream<Item = Words>, top: usize) -> Counts {
    let mut files = pin!(files);
    let mut counts = Counts::default();
    let mut all = BTreeMap::new();
    while let Some(words) = futures::StreamExt::next(&mut files).await {
        counts.files += 1;
        for (word, n) in words {
            counts.words += n;
            *all.entry(word).or_insert(0) += n;
        }
    }
    counts.different = all.len();
    counts.most_frequent = all.into_iter().collect();
    // Stable: words as frequent as each other stay in order.
    counts
        .most_frequent
        .sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    counts.most_frequent.truncate(top);
    counts
}

/// Under another name first: who reads the file sees the old counts or the new ones.
fn save(out: &Path, counts: &Counts) -> Result<(), Trouble> {
    let fail = |e: &dyn fmt::Display| {
        Trouble::Save(format!(
            "{}: the counts cannot be saved there: {e}; choose another place with --out",
            out.display()
        ))
    };
    let mut name = out.as_os_str().to_owned();
    name.push(".part");
    let text = serde_json::to_string_pretty(counts).map_err(|e| fail(&e))?;
    std::fs::write(&name, text).map_err(|e| fail(&e))?;
    std::fs::rename(&name, out).map_err(|e| fail(&e))
}

/// A progress bar for each stage, on stderr; invisible when that is no terminal.
struct Bars {
    all: MultiProgress,
    bars: Vec<ProgressBar>,
}

impl Bars {
    fn new(stats: &Stats) -> Bars {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix:>10} {bar:30} {human_pos} {msg}");
        let bars = stats.stages.iter().map(|stage| {
            let bar = all.add(ProgressBar::new(0).with_prefix(stage.name.to_string()));
            match &style {
                Ok(style) => bar.with_style(style.clone()),
                Err(_) => bar,
            }
        });
        let bars = bars.collect();
        Bars { all, bars }
    }

    /// A stage is as far as the one above has given it something to do.
    fn show(&self, stats: &Stats) {
        let mut due = stats.stages.first().map_or(0, |source| source.taken);
        for (bar, stage) in self.bars.iter().zip(&stats.stages) {
            let done = stage.given + stage.errors;
            bar.set_length(due.max(done));
            bar.set_position(done);
            bar.set_message(format!("{} waiting, p99 {:.1?}", stage.queued, stage.p99));
            due = stage.given;
        }
    }

    fn clear(&self) {
        for bar in &self.bars {
            bar.finish_and_clear();
        }
        // Fails when there is no terminal to clear.
        let _ = self.all.clear();
    }
}
