//! One call as its observer sees it: when it began, how many attempts there were, and that it ended, also when it is dropped.

use super::error::{Cause, Failure, Layer};
use super::layers::Layers;
use super::observer::{Ended, Event};
use crate::runtime::Instant;
use crate::runtime::Runtime;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub(super) struct Watch<'a> {
    pub(super) layers: &'a Layers,
    /// `None`: nobody wants to know.
    began: Option<Instant>,
    // All on one task, one after the other: atomic because futures that borrow them are sent around between polls. None is ever read and changed in one step.
    attempts: AtomicU32,
    /// Nothing has waited since it began, so it is still the same moment.
    fresh: AtomicBool,
    /// When the last attempt ended, in nanoseconds since it began, if nothing has happened since.
    ended: AtomicU64,
    over: bool,
}

/// What is told of a moment that was not looked at.
const UNKNOWN: u64 = u64::MAX;

impl<'a> Watch<'a> {
    #[inline]
    pub(super) fn new(layers: &'a Layers) -> Self {
        Watch {
            layers,
            began: layers.is_observed().then(now),
            attempts: AtomicU32::new(0),
            fresh: AtomicBool::new(true),
            ended: AtomicU64::new(UNKNOWN),
            over: false,
        }
    }

    pub(super) fn attempt(&self) -> u32 {
        self.attempts.load(Relaxed)
    }

    pub(super) fn next_attempt(&self) {
        self.attempts
            .store(self.attempt().saturating_add(1), Relaxed);
    }

    /// From here on the clock has to be read again.
    pub(super) fn time_passes(&self) {
        self.fresh.store(false, Relaxed);
        self.ended.store(UNKNOWN, Relaxed);
    }

    /// The moment, where somebody wants to know.
    #[inline]
    pub(super) fn now(&self) -> Option<Instant> {
        match self.began {
            Some(began) if self.fresh.load(Relaxed) => Some(began),
            Some(_) => Some(now()),
            None => None,
        }
    }

    /// It waited since then, and was let through.
    pub(super) fn waited(&self, layer: Layer, since: Option<Instant>) {
        if let Some(since) = since {
            let (attempt, waited) = (self.attempt(), self.passed(since));
            self.layers.tell(&Event::Waited {
                layer,
                attempt,
                waited,
            });
        }
    }

    /// It waited since then, and was refused.
    #[cold]
    pub(super) fn refused<E>(
        &self,
        layer: Layer,
        since: Option<Instant>,
        retry_after: Option<Duration>,
    ) -> Cause<E> {
        if let Some(since) = since {
            let (attempt, waited) = (self.attempt(), self.passed(since));
            self.layers.tell(&Event::Refused {
                layer,
                attempt,
                waited,
                retry_after,
            });
        }
        Cause::Refused { layer, retry_after }
    }

    fn passed(&self, since: Instant) -> Duration {
        let now = self.now().unwrap_or(since);
        now.saturating_duration_since(since)
    }

    /// A call that began then has ended.
    #[inline]
    pub(super) fn attempted(&self, since: Option<Instant>, ended: Ended) {
        if let (Some(since), Some(began)) = (since, self.began) {
            let now = now();
            let nanos = now.saturating_duration_since(began).as_nanos();
            self.fresh.store(false, Relaxed);
            self.ended
                .store(u64::try_from(nanos).unwrap_or(UNKNOWN), Relaxed);
            self.layers.tell(&Event::Attempted {
                attempt: self.attempt(),
                ended,
                took: now.saturating_duration_since(since),
            });
        }
    }

    fn took(&self, began: Instant) -> Duration {
        match self.ended.load(Relaxed) {
            UNKNOWN => self.passed(began),
            nanos => Duration::from_nanos(nanos),
        }
    }

    /// All of it has ended, with a value.
    #[inline]
    pub(super) fn succeeded(&mut self) {
        self.over = true;
        if let Some(began) = self.began {
            let (attempts, took) = (self.attempt(), self.took(began));
            self.layers.tell(&Event::Succeeded { attempts, took });
        }
    }

    /// All of it has ended, without one.
    #[cold]
    pub(super) fn failed<E>(&mut self, cause: Cause<E>) -> Failure<E> {
        self.over = true;
        let attempts = self.attempt();
        if let Some(began) = self.began {
            let (layer, took) = (cause.layer(), self.took(began));
            self.layers.tell(&Event::Failed {
                attempts,
                layer,
                took,
            });
        }
        Failure { attempts, cause }
    }
}

impl Drop for Watch<'_> {
    #[inline]
    fn drop(&mut self) {
        if let (Some(began), false) = (self.began, self.over) {
            self.layers.tell(&Event::Dropped {
                attempts: self.attempt(),
                took: now().saturating_duration_since(began),
            });
        }
    }
}

fn now() -> Instant {
    Runtime::current().now()
}
