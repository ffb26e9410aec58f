//! Figures of a pipeline while it runs and at its end.

use super::meter::Meter;
use crate::cancel::Reason;
use crate::internal::lock::Lock;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How one stage does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StageStats {
    /// Its name.
    pub name: Arc<str>,
    /// How many items it has taken.
    pub taken: u64,
    /// How many it has handed on; for the sink, how many it has done.
    pub given: u64,
    /// How many it has failed on.
    pub errors: u64,
    /// How many it is working on.
    pub running: usize,
    /// On how many it may work at once.
    pub width: usize,
    /// How many wait before it.
    pub queued: usize,
    /// How many may wait before it.
    pub buffer: usize,
    /// The most that ever waited before it.
    pub high_water: usize,
    /// Half of the items took at most this long; off by an eighth at most. For the source, the wait for the next item.
    pub p50: Duration,
    /// 99 of 100 items took at most this long.
    pub p99: Duration,
    /// Which share of its width was at work over the whole time, from 0 to 1.
    pub busy: f64,
}

/// How a pipeline does, at about one moment; see [`Watch::stats`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Since its start.
    pub elapsed: Duration,
    /// From the source to the sink.
    pub stages: Vec<StageStats>,
}

impl Stats {
    /// The stage that holds up the others: the busiest. A width that is larger there makes the whole faster, if the machine can bear it. `None` before anything
    /// was done.
    pub fn bottleneck(&self) -> Option<&StageStats> {
        let busy = self.stages.iter().filter(|stage| stage.busy > 0.0);
        busy.max_by(|a, b| a.busy.total_cmp(&b.busy))
    }

    /// The stage of this name.
    pub fn stage(&self, name: &str) -> Option<&StageStats> {
        self.stages.iter().find(|stage| &*stage.name == name)
    }
}

/// One line for each stage, as a table.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bottleneck = self.bottleneck().map(|stage| stage.name.clone());
        // What only passes items on has no times.
        let time = |time: Duration| match time {
            Duration::ZERO => "-".to_owned(),
            time => format!("{time:.1?}"),
        };
        let width = self.stages.iter().map(|s| s.name.chars().count());
        let width = width.max().unwrap_or(0).max(5);
        write!(
            f,
            "{:width$} {:>9} {:>9} {:>7} {:>9} {:>9} {:>5}",
            "stage", "in", "out", "errors", "p50", "p99", "busy"
        )?;
        for stage in &self.stages {
            let mark = match &bottleneck {
                Some(name) if *name == stage.name => "  <- bottleneck",
                _ => "",
            };
            write!(
                f,
                "\n{:width$} {:>9} {:>9} {:>7} {:>9} {:>9} {:>4.0}%{mark}",
                stage.name,
                stage.taken,
                stage.given,
                stage.errors,
                time(stage.p50),
                time(stage.p99),
                stage.busy * 100.0
            )?;
        }
        Ok(())
    }
}

/// An error that a stage kept, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected<E> {
    /// The name of the stage.
    pub stage: Arc<str>,
    /// Its error.
    pub error: E,
}

/// How a run ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report<E> {
    /// The figures of the whole run.
    pub stats: Stats,
    /// What stages with [`OnError::Collect`](super::OnError::Collect) have kept, in the order it came.
    pub errors: Vec<Collected<E>>,
    /// How many errors were more than those stages keep.
    pub missed: u64,
    /// Why the source was stopped before its end, when it was; see [`drain_on`](super::Assembled::drain_on).
    pub drained: Option<Reason>,
}

/// What the stages of a run and those who watch it share.
pub(super) struct Board {
    stages: Lock<Vec<Arc<Meter>>>,
    clock: Lock<Clock>,
}

struct Clock {
    runtime: Runtime,
    start: Option<Instant>,
    end: Option<Instant>,
}

impl Board {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Board {
            stages: Lock::new(Vec::new()),
            clock: Lock::new(Clock {
                runtime: Runtime::current(),
                start: None,
                end: None,
            }),
        })
    }

    pub(super) fn add(&self, meter: Arc<Meter>) {
        self.stages.lock().push(meter);
    }

    pub(super) fn start(&self) {
        let runtime = Runtime::current();
        let now = runtime.now();
        let mut clock = self.clock.lock();
        clock.start = Some(now);
        clock.runtime = runtime;
    }

    pub(super) fn stop(&self) {
        let now = self.now();
        self.clock.lock().end = Some(now);
    }

    fn now(&self) -> Instant {
        let runtime = self.clock.lock().runtime.clone();
        runtime.now()
    }

    pub(super) fn stats(&self) -> Stats {
        let now = self.now();
        let clock = self.clock.lock();
        let end = clock.end.unwrap_or(now);
        let elapsed = clock
            .start
            .map_or(Duration::ZERO, |start| end.saturating_duration_since(start));
        drop(clock);
        let stages = self.stages.lock().clone();
        Stats {
            elapsed,
            stages: stages.iter().map(|meter| meter.read(elapsed)).collect(),
        }
    }
}

/// Looks at a pipeline from outside, while it runs and after; made by [`Assembled::watch`](super::Assembled::watch). Clones look at the same.
#[derive(Clone)]
pub struct Watch {
    pub(super) board: Arc<Board>,
}

impl Watch {
    /// The figures of this moment. After the end they stay as they are.
    pub fn stats(&self) -> Stats {
        self.board.stats()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.stats()).finish()
    }
}
