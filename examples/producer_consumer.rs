//! Several downloads feed several parsers through a bounded queue: slow parsers slow the downloads, a document that cannot be parsed is tried
//! again and then put aside, and the totals at the end are exact.
//!
//! ```sh
//! cargo run --features tokio,smol --example producer_consumer -- --downloads 4 --parsers 3
//! ```

#[path = "support/program.rs"]
mod program;

use regatta::cancel::CancelToken;
use regatta::queue::{OnDrop, Queue};
use regatta::runtime::Flavor;
use regatta::task::{self, ErrorGroup};
use regatta::{Runtime, time};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: producer_consumer [--runtime tokio|smol] [--downloads N] [--parsers N] [--documents N] [--capacity N]
  --runtime    what to run on              (default: the one that is compiled in)
  --downloads  how many download at once   (default: 4)
  --parsers    how many parse at once      (default: 3)
  --documents  how many each one downloads (default: 250)
  --capacity   room between the two        (default: 16)";

struct Plan {
    runtime: Option<Flavor>,
    downloads: u32,
    parsers: u32,
    documents: u32,
    capacity: u32,
}

#[derive(Clone, Debug)]
struct Document {
    source: u32,
    number: u32,
    text: String,
}

#[derive(Default)]
struct Totals {
    documents: usize,
    words: usize,
}

fn parse_args(mut args: impl Iterator<Item = String>) -> Result<Option<Plan>, String> {
    let mut plan = Plan {
        runtime: None,
        downloads: 4,
        parsers: 3,
        documents: 250,
        capacity: 16,
    };
    while let Some(name) = args.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let number = match name.as_str() {
            "--runtime" => None,
            "--downloads" => Some(&mut plan.downloads),
            "--parsers" => Some(&mut plan.parsers),
            "--documents" => Some(&mut plan.documents),
            "--capacity" => Some(&mut plan.capacity),
            _ => return Err(format!("there is no option {name:?}")),
        };
        let value = args.next().ok_or(format!("{name} needs a value"))?;
        match number {
            Some(number) => {
                *number = value
                    .parse()
                    .ok()
                    .filter(|n| (1..=1_000_000).contains(n))
                    .ok_or(format!(
                        "{name} is {value:?}: use a number from 1 to 1000000"
                    ))?;
            }
            None => plan.runtime = Some(value.parse().map_err(|why| format!("--runtime: {why}"))?),
        }
    }
    Ok(Some(plan))
}

/// Downloads everything of one source. A full queue makes it wait.
async fn download(source: u32, documents: u32, queue: Queue<Document>) -> Result<(), &'static str> {
    for number in 0..documents {
        time::sleep(Duration::from_micros(200)).await; // the network
        let text = match number % 100 {
            13 => "\u{fffd}".to_owned(),
            _ => "lorem ipsum ".repeat(1 + number as usize % 7),
        };
        let document = Document {
            source,
            number,
            text,
        };
        let put = queue.put(document).await;
        put.map_err(|_| "the queue was closed under a download")?;
    }
    Ok(())
}

/// Counts the words of what comes, until the end.
async fn parse(queue: Queue<Document>) -> Result<Totals, &'static str> {
    let mut totals = Totals::default();
    while let Some(document) = queue.get().await {
        time::sleep(Duration::from_micros(100)).await; // the work
        if document.text.contains('\u{fffd}') {
            if document.deliveries() == 3 {
                document.dead_letter();
            }
            continue; // dropped, so it goes back and is tried again
        }
        totals.documents += 1;
        totals.words += document.text.split_whitespace().count();
        document.done();
    }
    Ok(totals)
}

async fn run(plan: Plan) -> Result<(), ErrorGroup<&'static str>> {
    let start = Runtime::current().now();
    let queue = Queue::builder(plan.capacity as usize)
        .on_drop(OnDrop::Requeue)
        .build();
    let totals = task::task_group(async |g| {
        let parsers: Vec<_> = (0..plan.parsers)
            .map(|_| g.spawn(parse(queue.clone())))
            .collect();
        let downloads: Vec<_> = (0..plan.downloads)
            .map(|source| g.spawn(download(source, plan.documents, queue.clone())))
            .collect();
        for download in downloads {
            download.await;
        }
        queue.close(); // every parser sees the end, once nothing can come back
        let mut totals = Totals::default();
        for parser in parsers {
            let part = parser.await;
            totals.documents += part.documents;
            totals.words += part.words;
        }
        Ok(totals)
    })
    .await?;
    let (stats, failed) = (queue.stats(), queue.dead_letters());
    let expected = plan.downloads as usize * plan.documents as usize;
    println!(
        "{} documents parsed, {} words, {} put aside, of {expected} downloaded",
        totals.documents,
        totals.words,
        stats.dead_letters + stats.dead_letters_dropped as usize
    );
    if let Some(first) = failed.first() {
        println!(
            "the first put aside: document {} of source {}",
            first.number, first.source
        );
    }
    println!(
        "at most {} of {} waited in the queue; {:?} in all",
        stats.high_water,
        queue.capacity(),
        Runtime::current().now() - start
    );
    Ok(())
}

/// Runs `plan` on the runtime it names.
fn start(plan: Plan, stop: CancelToken) -> Result<bool, String> {
    let ended = program::run_on(plan.runtime, &stop, run(plan));
    let ended = ended.transpose().map_err(|errors| format!("{errors:#}"))?;
    Ok(ended.is_some())
}

fn main() -> ExitCode {
    let plan = parse_args(std::env::args().skip(1));
    program::run("producer_consumer", USAGE, plan, start)
}
