//! Two bars on stderr: addresses visited of those known, and where the crawl is. Invisible when stderr is no terminal.

use crate::tables::Counts;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Display;

/// The bars; a clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    all: MultiProgress,
    /// What is visited, of what may be.
    visited: ProgressBar,
    level: ProgressBar,
    limit: u64,
}

impl Bars {
    /// `limit` addresses are visited at most.
    pub(crate) fn new(target: ProgressDrawTarget, limit: u64) -> Bars {
        let all = MultiProgress::with_draw_target(target);
        let styled = |template: &str| {
            let bar = all.add(ProgressBar::new(0));
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        };
        let visited = styled("{bar:40} {human_pos} of {human_len} visited, {per_sec}, {elapsed}");
        let level = styled("{msg}");
        Bars {
            all,
            visited,
            level,
            limit,
        }
    }

    /// What the database knows when the run begins.
    pub(crate) fn begin(&self, counts: Counts) {
        self.visited.set_position(counts.visited);
        self.visited.reset_eta();
        self.found(counts.visited + counts.waiting);
    }

    pub(crate) fn level(&self, depth: i64) {
        self.level
            .set_message(format!("pages that are {depth} clicks away from the start"));
    }

    /// So many were visited, and so many new ones wait.
    pub(crate) fn saved(&self, visited: u64, found: u64) {
        self.visited.inc(visited);
        self.found(self.visited.length().unwrap_or_default() + found);
    }

    fn found(&self, known: u64) {
        self.visited.set_length(known.min(self.limit));
    }

    /// Above the bars, not through them.
    pub(crate) fn say(&self, line: impl Display) {
        self.all.suspend(|| eprintln!("crawl: {line}"));
    }

    pub(crate) fn clear(&self) {
        self.visited.finish_and_clear();
        self.level.finish_and_clear();
        // Fails when there is no terminal to clear.
        let _ = self.all.clear();
    }
}
