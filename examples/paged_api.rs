//! Reads an API page by page as if it were one stream: the next page is asked for while the entries of this one are worked on, a page that is slow or broken
//! is told, and who has enough stops without asking for the rest.
//!
//! ```sh
//! cargo run --features tokio,smol --example paged_api -- --runtime smol
//! ```

#[path = "support/program.rs"]
mod program;

use clap::Parser;
use futures::{Stream, StreamExt};
use regatta::runtime::Flavor;
use regatta::stream::{StreamOps, try_generate};
use regatta::time;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Page {
    entries: Vec<u32>,
    next: Option<u32>,
}

/// Stands for a server far away: 25 pages of 10 entries, of which one is broken when it is asked for the first time.
#[derive(Clone, Default)]
struct Api {
    asked: Arc<AtomicU32>,
    broken: Option<u32>,
}

impl Api {
    async fn page(&self, page: u32) -> Result<Page, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        time::sleep(MS * 20).await;
        if self.broken == Some(page) {
            return Err(format!("page {page}: 502 bad gateway"));
        }
        Ok(Page {
            entries: (page * 10..page * 10 + 10).collect(),
            next: (page < 24).then_some(page + 1),
        })
    }

    /// All entries. Pages are asked for when their entries are.
    fn entries(self) -> impl Stream<Item = Result<u32, String>> + Send + 'static {
        try_generate(async move |y| {
            let mut next = Some(0);
            while let Some(number) = next {
                let page = self.page(number).await?;
                for entry in page.entries {
                    y.put(entry).await;
                }
                next = page.next;
            }
            Ok(())
        })
    }
}

#[derive(Debug, PartialEq)]
struct Outcome {
    entries: u64,
    error: Option<String>,
    pages: u32,
}

/// Takes up to `most` entries, each of which takes a while.
async fn read(api: Api, most: usize) -> Outcome {
    let asked = api.asked.clone();
    // Ten entries ahead: a page is on its way while another one is worked on.
    let mut entries = pin!(api.entries().then_stage(10).take(most));
    let (mut count, mut error) = (0, None);
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(_) => {
                time::sleep(MS).await;
                count += 1;
            }
            Err(why) => error = Some(why),
        }
    }
    Outcome {
        entries: count,
        error,
        pages: asked.load(Ordering::Relaxed),
    }
}

/// An API page by page as one stream.
#[derive(Debug, Parser)]
#[command(name = "paged_api")]
struct Cli {
    /// What to run on: tokio, tokio-current, smol or neutral. Default: the first that is compiled in
    #[arg(long)]
    runtime: Option<Flavor>,
}

async fn show() {
    let all = read(Api::default(), usize::MAX).await;
    println!(
        "all of it:      {} entries from {} pages",
        all.entries, all.pages
    );
    assert_eq!((all.entries, all.pages), (250, 25));

    let some = read(Api::default(), 35).await;
    println!(
        "the first 35:   {} entries from {} pages",
        some.entries, some.pages
    );
    assert!(some.pages < 10, "it does not ask for what nobody wants");

    let broken = Api {
        broken: Some(7),
        ..Api::default()
    };
    let part = read(broken, usize::MAX).await;
    println!(
        "one is broken:  {} entries, then {:?}",
        part.entries, part.error
    );
    assert_eq!(part.entries, 70);
}

fn main() -> ExitCode {
    program::run("paged_api", "", Ok(Some(Cli::parse())), |cli, stop| {
        Ok(program::run_on(cli.runtime, &stop, show()).is_some())
    })
}
