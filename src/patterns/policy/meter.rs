//! [`Stats`]: the ready-made observer, which counts.

use super::error::Layer;
use super::histogram::{Histogram, Recorder};
use super::observer::{Ended, Event};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts for each layer.
struct PerLayer([AtomicU64; Layer::ALL.len()]);

impl PerLayer {
    const fn new() -> Self {
        PerLayer([const { AtomicU64::new(0) }; Layer::ALL.len()])
    }

    fn add(&self, layer: Layer) {
        add(&self.0[layer as usize]);
    }

    fn read(&self) -> Counts {
        Counts(std::array::from_fn(|i| self.0[i].load(Relaxed)))
    }
}

// Counts that order nothing.
fn add(count: &AtomicU64) {
    count.fetch_add(1, Relaxed);
}

/// What happens to the calls of a policy. A call that works at its first attempt and waits for nothing costs two additions.
pub(super) struct Meter {
    calls: Recorder,
    attempts: Recorder,
    waits: [Recorder; 3],
    failed: AtomicU64,
    dropped: AtomicU64,
    failed_attempts: AtomicU64,
    retries: AtomicU64,
    hedges: AtomicU64,
    refused: PerLayer,
    timed_out: PerLayer,
}

/// The layers that make calls wait.
fn waits_at(layer: Layer) -> Option<usize> {
    match layer {
        Layer::LoadShed => Some(0),
        Layer::Bulkhead => Some(1),
        Layer::RateLimit => Some(2),
        _ => None,
    }
}

impl Meter {
    pub(super) fn new() -> Self {
        Meter {
            calls: Recorder::new(),
            attempts: Recorder::new(),
            waits: std::array::from_fn(|_| Recorder::new()),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed_attempts: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            refused: PerLayer::new(),
            timed_out: PerLayer::new(),
        }
    }

    #[inline]
    pub(super) fn record(&self, event: &Event) {
        match *event {
            Event::Attempted { ended, took, .. } => {
                self.attempts.record(took);
                match ended {
                    Ended::Succeeded => {}
                    Ended::Failed => add(&self.failed_attempts),
                    Ended::TimedOut => {
                        add(&self.failed_attempts);
                        self.timed_out.add(Layer::AttemptTimeout);
                    }
                }
            }
            Event::Succeeded { took, .. } => self.calls.record(took),
            Event::Failed { layer, took, .. } => {
                self.calls.record(took);
                add(&self.failed);
                if layer == Some(Layer::Timeout) {
                    self.timed_out.add(Layer::Timeout);
                }
            }
            Event::Dropped { took, .. } => {
                self.calls.record(took);
                add(&self.dropped);
            }
            Event::Waited { layer, waited, .. } => {
                if let Some(place) = waits_at(layer) {
                    self.waits[place].record(waited);
                }
            }
            Event::Refused { layer, .. } => self.refused.add(layer),
            Event::Retrying { .. } => add(&self.retries),
            Event::Hedged { .. } => add(&self.hedges),
        }
    }

    pub(super) fn read(&self) -> Stats {
        let read = |count: &AtomicU64| count.load(Relaxed);
        let calls = self.calls.read();
        let attempts = self.attempts.read();
        // What was counted between one look and the next must not turn a difference around.
        let (failed, dropped) = (read(&self.failed), read(&self.dropped));
        Stats {
            succeeded: calls.count().saturating_sub(failed + dropped),
            failed,
            dropped,
            calls,
            failed_attempts: read(&self.failed_attempts),
            attempts,
            retries: read(&self.retries),
            hedges: read(&self.hedges),
            refused: self.refused.read(),
            timed_out: self.timed_out.read(),
            waits: self.waits.each_ref().map(Recorder::read),
        }
    }
}

/// A count for each layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Layer::ALL.len()]);

impl Counts {
    /// That of one layer.
    pub fn of(&self, layer: Layer) -> u64 {
        self.0[layer as usize]
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The layers that have one above zero, from the outside in.
    pub fn iter(&self) -> impl Iterator<Item = (Layer, u64)> {
        let all = Layer::ALL.iter().map(|layer| (*layer, self.of(*layer)));
        all.filter(|(_, n)| *n > 0)
    }
}

/// Figures of a [measured](super::Policy::measured) policy since it was made. Calls that end while they are read may be in some of the figures and not yet in others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls that gave a value.
    pub succeeded: u64,
    /// Calls that gave none.
    pub failed: u64,
    /// Calls that the caller dropped.
    pub dropped: u64,
    /// How long calls took, waiting included, however they ended.
    pub calls: Histogram,
    /// Attempts that failed or took too long. Dropped ones are not among them.
    pub failed_attempts: u64,
    /// How long attempts took that were let through, each for itself. Those that were dropped are left out.
    pub attempts: Histogram,
    /// Attempts after the first.
    pub retries: u64,
    /// Calls that were made beside one that did not answer.
    pub hedges: u64,
    /// Attempts that a layer did not let through.
    pub refused: Counts,
    /// What took too long, by whose limit it was.
    pub timed_out: Counts,
    waits: [Histogram; 3],
}

impl Stats {
    /// How long those waited whom a layer let through after a while: bulkhead and rate limit, and load shedding while it measures. `None` for layers that make nobody wait.
    pub fn waits(&self, layer: Layer) -> Option<&Histogram> {
        waits_at(layer).map(|place| &self.waits[place])
    }
}
