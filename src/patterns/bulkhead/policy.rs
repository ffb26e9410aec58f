//! What the user chooses when a bulkhead is built.

use super::Bulkhead;
use super::limit::Rule;
use super::shared::Shared;
use crate::internal::timeline::TimeSource;
use crate::runtime::Runtime;
use std::time::Duration;

/// How many may run at once.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Limit {
    /// Always so many.
    Fixed(usize),
    /// As many as calls succeed with.
    Aimd(Aimd),
    /// As many as calls are quick with.
    Gradient(Gradient),
}

impl From<usize> for Limit {
    fn from(limit: usize) -> Self {
        Limit::Fixed(limit)
    }
}

impl From<Aimd> for Limit {
    fn from(aimd: Aimd) -> Self {
        Limit::Aimd(aimd)
    }
}

impl From<Gradient> for Limit {
    fn from(gradient: Gradient) -> Self {
        Limit::Gradient(gradient)
    }
}

/// Where an adaptive limit begins, and between what it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) initial: usize,
    pub(super) least: usize,
    pub(super) most: usize,
}

impl Range {
    #[track_caller]
    const fn new(least: usize, initial: usize, most: usize) -> Self {
        assert!(
            least > 0,
            "an adaptive limit that may fall to 0 would never rise again: use at least 1"
        );
        assert!(
            least <= initial && initial <= most,
            "an adaptive limit begins between its least and its most: give them in this order, as in (1, 20, 200)"
        );
        Range {
            initial,
            least,
            most,
        }
    }
}

/// *Additive increase, multiplicative decrease*, as in TCP: while at least half of the places are taken, 1 more for
/// each round of successes (as many as the limit is), and a part less for a failure of a call that began since the last
/// time. So it swings by about that part around what the service bears.
///
/// The idea of `AIMDLimit` in Netflix' concurrency-limits, which adds 1 with each success, and takes a part off with
/// each failure.
///
/// # Examples
///
/// ```
/// use regatta::bulkhead::{Aimd, Bulkhead};
/// use std::time::Duration;
///
/// const PATIENT: Aimd = Aimd::new(1, 20, 200).too_slow(Duration::from_secs(2));
/// let bulkhead = Bulkhead::builder(PATIENT).build();
/// assert_eq!(bulkhead.stats().limit, 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aimd {
    pub(super) range: Range,
    pub(super) backoff: f64,
    pub(super) too_slow: Duration,
}

impl Aimd {
    /// Begins with `initial`, and stays from `least` to `most`.
    ///
    /// # Panics
    ///
    /// When `least` is 0, or they are not in this order.
    #[track_caller]
    pub const fn new(least: usize, initial: usize, most: usize) -> Self {
        Aimd {
            range: Range::new(least, initial, most),
            backoff: 0.9,
            too_slow: Duration::MAX,
        }
    }

    /// What is left of the limit after a failure; at least 1 is taken off. Default: 0.9.
    ///
    /// # Panics
    ///
    /// When it is not above 0.0 and below 1.0.
    #[track_caller]
    pub const fn backoff(mut self, ratio: f64) -> Self {
        assert!(
            ratio > 0.0 && ratio < 1.0,
            "the backoff of a limit must be above 0.0 and below 1.0: 0.9 takes off a tenth"
        );
        self.backoff = ratio;
        self
    }

    /// A call that takes longer counts as a failure, also when it succeeds. Default: time does not matter.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[track_caller]
    pub const fn too_slow(mut self, after: Duration) -> Self {
        assert!(
            !after.is_zero(),
            "every call takes longer than 0s: use more than zero"
        );
        self.too_slow = after;
        self
    }
}

/// Compares how long calls take with how long they took on average over some ten minutes: while it is about as long,
/// the limit grows a little; when it gets longer, calls wait for each other behind the bulkhead, and the limit shrinks.
/// `Gradient2Limit` of Netflix' concurrency-limits, with its figures.
///
/// It looks once in a second, or when ten calls have ended, whichever comes later, at the mean of the calls since the
/// last time, and grows by less than one place a second at the default figures. Where more calls come than the service
/// bears, it settles at what the service works on at once, plus the [headroom](Gradient::headroom).
///
/// *Begin with fewer than the service bears.* It takes the latency that it sees first for that of a service with
/// nothing to wait for. And it needs traffic of one kind: a mixture of quick and slow calls looks like load.
///
/// One thing is not as in the original, whose long average takes in what it measures under full load, so that after
/// hours of it the limit has grown to many times what is right: here, the wait that the headroom causes by design is
/// left out of the average.
///
/// # Examples
///
/// ```
/// use regatta::bulkhead::{Bulkhead, Gradient};
///
/// let bulkhead = Bulkhead::builder(Gradient::new(5, 20, 200).headroom(2)).build();
/// assert_eq!(bulkhead.stats().limit, 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradient {
    pub(super) range: Range,
    pub(super) tolerance: f64,
    pub(super) smoothing: f64,
    pub(super) headroom: usize,
}

impl Gradient {
    /// Begins with `initial`, and stays from `least` to `most`.
    ///
    /// # Panics
    ///
    /// When `least` is 0, or they are not in this order.
    #[track_caller]
    pub const fn new(least: usize, initial: usize, most: usize) -> Self {
        Gradient {
            range: Range::new(least, initial, most),
            tolerance: 1.0,
            smoothing: 0.2,
            headroom: 4,
        }
    }

    /// So many times the average is not slow yet. Default: 1.0. More is for services whose latency varies by itself;
    /// then it also lets so many times more calls wait behind the bulkhead: with 1.5, half as many again as the service
    /// works on.
    ///
    /// # Panics
    ///
    /// When it is not a finite number of at least 1.0.
    #[track_caller]
    pub const fn tolerance(mut self, factor: f64) -> Self {
        assert!(
            factor >= 1.0 && factor < f64::INFINITY,
            "the tolerance must be a finite number of at least 1.0: less would shrink the limit of a service that is as quick as ever"
        );
        self.tolerance = factor;
        self
    }

    /// How much one look may move the limit, up to 1.0. Default: 0.2.
    ///
    /// # Panics
    ///
    /// When it is not above 0.0 and at most 1.0.
    #[track_caller]
    pub const fn smoothing(mut self, part: f64) -> Self {
        assert!(
            part > 0.0 && part <= 1.0,
            "the smoothing must be above 0.0 and at most 1.0: 0.2 goes a fifth of the way with each look"
        );
        self.smoothing = part;
        self
    }

    /// How many calls may wait for each other behind the bulkhead before that counts as load; what the limit grows by.
    /// Default: 4.
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub const fn headroom(mut self, calls: usize) -> Self {
        assert!(
            calls > 0,
            "with a headroom of 0 the limit could never grow: use at least 1"
        );
        self.headroom = calls;
        self
    }
}

/// A bulkhead that is being set up; see [`Bulkhead::builder`].
#[derive(Clone, Debug)]
#[must_use = "it limits nothing until it is built"]
pub struct Builder {
    limit: Limit,
    queue: usize,
    max_wait: Option<Duration>,
    runtime: Option<Runtime>,
}

impl Builder {
    pub(super) fn new(limit: Limit) -> Self {
        Builder {
            limit,
            queue: 0,
            max_wait: None,
            runtime: None,
        }
    }

    /// How many may wait while all places are taken; further ones are refused. Default: 0, so that nobody waits.
    pub fn queue(mut self, waiting: usize) -> Self {
        self.queue = waiting;
        self
    }

    /// How long one may wait, counted from its first poll; then it is refused. Default: as long as it takes.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[track_caller]
    pub fn max_wait(mut self, limit: Duration) -> Self {
        assert!(
            !limit.is_zero(),
            "who may wait for 0s does not wait: use more than zero, or a queue of 0"
        );
        self.max_wait = Some(limit);
        self
    }

    /// The runtime whose clock and timers it uses. Default: whichever is current at use; see [how time goes
    /// on](super#how-it-behaves).
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// The bulkhead.
    ///
    /// # Panics
    ///
    /// When the limit is 0.
    #[track_caller]
    pub fn build(self) -> Bulkhead {
        assert!(
            self.limit != Limit::Fixed(0),
            "a bulkhead for 0 calls at once lets nothing through: use at least 1"
        );
        let source = TimeSource::new(self.runtime);
        let rule = Rule::new(self.limit);
        Bulkhead::of(Shared::new(source, rule, self.queue, self.max_wait))
    }
}
