//! `examples/crawl`: finds what is broken and nothing else, survives what servers do, and goes on after anything.
//!
//! The first half tests its parts and the crawl itself, on every runtime, against servers in memory; the second half runs the program that `cargo test` has built.
#![cfg(feature = "http")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the helpers beside them"
)]
#![allow(
    dead_code,
    reason = "the parts are written for the program; the tests use some of each"
)]

#[path = "../examples/crawl/ask.rs"]
mod ask;
#[path = "../examples/crawl/crawl.rs"]
mod crawl;
#[path = "../examples/crawl/facts.rs"]
mod facts;
#[path = "../examples/crawl/fetch.rs"]
mod fetch;
#[path = "../examples/crawl/parse.rs"]
mod parse;
#[path = "../examples/crawl/progress.rs"]
mod progress;
#[path = "../examples/crawl/report.rs"]
mod report;
#[path = "../examples/crawl/site/mod.rs"]
mod site;
#[path = "../examples/crawl/store.rs"]
mod store;
#[path = "../examples/crawl/tables.rs"]
mod tables;
#[path = "../examples/crawl/visit.rs"]
mod visit;

#[path = "crawl/again.rs"]
mod again;
#[path = "crawl/database.rs"]
mod database;
#[path = "support/example.rs"]
mod example;
#[path = "support/ground.rs"]
mod ground;
#[path = "crawl/links.rs"]
mod links;
#[path = "crawl/manners.rs"]
mod manners;
#[path = "crawl/pages.rs"]
mod pages;
#[cfg(all(unix, any(feature = "tokio", feature = "smol")))]
#[path = "crawl/program.rs"]
mod program;
#[cfg(all(unix, any(feature = "tokio", feature = "smol")))]
#[path = "support/running.rs"]
mod running;
#[path = "crawl/world.rs"]
mod world;
