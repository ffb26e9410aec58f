//! [`Backoff`]: how long to wait before which attempt.

use super::jitter::{Jitter, between};
use fastrand::Rng;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

type Custom = dyn Fn() -> Box<dyn Iterator<Item = Duration> + Send> + Send + Sync;

#[derive(Clone)]
enum Shape {
    Constant(Duration),
    Exponential(Duration),
    Fibonacci(Duration),
    Custom(Arc<Custom>),
}

/// How long to wait between the attempts of a [`retry`](super::retry), and how many there are.
///
/// Plain data that can stand in a `const` or a `static`. As an iterator it gives the delays, one fewer than there are attempts.
///
/// # Examples
///
/// ```
/// use regatta::retry::Backoff;
/// use std::time::Duration;
///
/// const MS: Duration = Duration::from_millis(1);
/// static PATIENT: Backoff = Backoff::exponential(Duration::from_millis(100)).max_attempts(6).max_delay(Duration::from_secs(1));
///
/// let delays: Vec<_> = PATIENT.delays().collect();
/// assert_eq!(delays, [100 * MS, 200 * MS, 400 * MS, 800 * MS, 1000 * MS]);
/// ```
#[derive(Clone)]
pub struct Backoff {
    shape: Shape,
    /// Of an exponential one.
    factor: f64,
    /// `None`: none was chosen.
    max_delay: Option<Duration>,
    attempts: u32,
    jitter: Jitter,
    seed: Option<u64>,
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Backoff");
        match &self.shape {
            Shape::Constant(d) => out.field("constant", d),
            Shape::Exponential(first) => out
                .field("exponential", first)
                .field("factor", &self.factor),
            Shape::Fibonacci(d) => out.field("fibonacci", d),
            Shape::Custom(_) => out.field("custom", &format_args!("..")),
        };
        out.field("max_delay", &self.cap())
            .field("attempts", &self.attempts)
            .field("jitter", &self.jitter)
            .finish()
    }
}

impl Backoff {
    const fn of(shape: Shape) -> Self {
        Backoff {
            shape,
            factor: 2.0,
            max_delay: None,
            attempts: 5,
            jitter: Jitter::None,
            seed: None,
        }
    }

    /// The same delay each time. Zero tries again at once.
    pub const fn constant(delay: Duration) -> Self {
        Backoff::of(Shape::Constant(delay))
    }

    /// `first`, then twice as long each time; see [`factor`](Backoff::factor).
    pub const fn exponential(first: Duration) -> Self {
        Backoff::of(Shape::Exponential(first))
    }

    /// `first`, `first`, then each as long as the two before it together: grows more slowly than
    /// [`exponential`](Backoff::exponential).
    pub const fn fibonacci(first: Duration) -> Self {
        Backoff::of(Shape::Fibonacci(first))
    }

    /// Delays of your own: `make` is called for every call that is retried. Where they end, the attempts end.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::retry::Backoff;
    /// use std::time::Duration;
    ///
    /// let seconds = Backoff::custom(|| [1, 5, 30].into_iter().map(Duration::from_secs));
    /// assert_eq!(seconds.delays().count(), 3);
    /// ```
    pub fn custom<I>(make: impl Fn() -> I + Send + Sync + 'static) -> Self
    where
        I: IntoIterator<Item = Duration>,
        I::IntoIter: Send + 'static,
    {
        let make =
            move || -> Box<dyn Iterator<Item = Duration> + Send> { Box::new(make().into_iter()) };
        Backoff {
            attempts: u32::MAX,
            ..Backoff::of(Shape::Custom(Arc::new(make)))
        }
    }

    /// How much longer each delay of an [`exponential`](Backoff::exponential) is than the one before. Does nothing to others.
    ///
    /// # Panics
    ///
    /// When it is not a number, is infinite or is below 1.
    #[track_caller]
    pub const fn factor(mut self, factor: f64) -> Self {
        assert!(
            factor >= 1.0 && factor < f64::INFINITY,
            "the factor of a backoff must be a finite number of at least 1.0: delays do not shrink"
        );
        self.factor = factor;
        self
    }

    /// No delay is longer than this. Default: a minute for delays that grow from less than that, so that endless
    /// attempts stay apart by no more; no limit for
    /// those that begin with a minute or more, for [`constant`](Backoff::constant) and for
    /// [`custom`](Backoff::custom) ones.
    pub const fn max_delay(mut self, limit: Duration) -> Self {
        self.max_delay = Some(limit);
        self
    }

    fn cap(&self) -> Duration {
        match (self.max_delay, &self.shape) {
            (Some(limit), _) => limit,
            (None, Shape::Exponential(first) | Shape::Fibonacci(first)) if *first < MINUTE => {
                MINUTE
            }
            (None, _) => Duration::MAX,
        }
    }

    /// How often it is tried in all, the first time included. Default: 5; for [`custom`](Backoff::custom) delays, as many as they allow. `u32::MAX` is no limit.
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        assert!(
            attempts > 0,
            "a backoff with 0 attempts would never call anything: use at least 1"
        );
        self.attempts = attempts;
        self
    }

    /// Spreads the delays, so that callers that failed together do not come back together. Default: [`Jitter::None`].
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Draws the jitter from this seed: the same delays each time. Default: from `fastrand`'s generator of the thread, which a test in virtual time
    /// seeds.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How often it is tried in all; `u32::MAX` is without limit.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The delays, from the first.
    pub fn delays(&self) -> Delays {
        let mut custom = None;
        let first = match &self.shape {
            Shape::Constant(d) | Shape::Exponential(d) | Shape::Fibonacci(d) => *d,
            Shape::Custom(make) => {
                custom = Some(make());
                Duration::ZERO
            }
        };
        Delays {
            rng: match self.seed {
                Some(seed) => Rng::with_seed(seed),
                None => Rng::with_seed(fastrand::u64(..)),
            },
            cap: self.cap(),
            span: Duration::ZERO,
            backoff: self.clone(),
            custom,
            left: self.attempts - 1,
            base: first,
            before: Duration::ZERO,
            last: first,
        }
    }
}

impl<'a> From<&'a Backoff> for Cow<'a, Backoff> {
    fn from(backoff: &'a Backoff) -> Self {
        Cow::Borrowed(backoff)
    }
}

impl From<Backoff> for Cow<'_, Backoff> {
    fn from(backoff: Backoff) -> Self {
        Cow::Owned(backoff)
    }
}

impl IntoIterator for Backoff {
    type Item = Duration;
    type IntoIter = Delays;

    fn into_iter(self) -> Delays {
        self.delays()
    }
}

/// The delays of a [`Backoff`].
pub struct Delays {
    backoff: Backoff,
    custom: Option<Box<dyn Iterator<Item = Duration> + Send>>,
    cap: Duration,
    rng: Rng,
    left: u32,
    /// The next delay, before cap and jitter.
    base: Duration,
    /// The one before it, of a Fibonacci sequence.
    before: Duration,
    /// What was given last; decorrelated jitter goes on from it.
    last: Duration,
    /// How far callers that wait for something else are spread, with the delay that was given last.
    span: Duration,
}

impl fmt::Debug for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delays")
            .field("backoff", &self.backoff)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// So many times as long; exactly, where the factor is a whole number.
fn times(delay: Duration, factor: f64) -> Duration {
    if factor.fract() == 0.0 && factor <= f64::from(u32::MAX) {
        return delay.saturating_mul(factor as u32);
    }
    let longer = delay.as_secs_f64() * factor;
    Duration::try_from_secs_f64(longer).unwrap_or(Duration::MAX)
}

impl Delays {
    /// What comes on top where a service has said how long to wait, and has perhaps said so to many: anything
    /// from zero to the delay that was given last, and no more
    /// than `most`. Zero without a jitter.
    pub(super) fn spread(&mut self, most: Duration) -> Duration {
        match self.backoff.jitter {
            Jitter::None => Duration::ZERO,
            _ => between(&mut self.rng, Duration::ZERO, self.span.min(most)),
        }
    }

    fn step(&mut self) -> Option<Duration> {
        let now = self.base;
        self.base = match &self.backoff.shape {
            Shape::Constant(_) => now,
            Shape::Exponential(_) => times(now, self.backoff.factor),
            Shape::Fibonacci(_) => {
                let before = std::mem::replace(&mut self.before, now);
                now.saturating_add(before)
            }
            Shape::Custom(_) => return self.custom.as_mut()?.next(),
        };
        Some(now)
    }
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.left == 0 {
            return None;
        }
        if self.backoff.attempts < u32::MAX {
            self.left -= 1;
        }
        let base = self.step()?;
        let cap = self.cap;
        let capped = base.min(cap);
        self.span = capped;
        let delay = match self.backoff.jitter {
            Jitter::None => capped,
            Jitter::Full => between(&mut self.rng, Duration::ZERO, capped),
            Jitter::Equal => {
                let half = capped / 2;
                between(&mut self.rng, half, capped)
            }
            Jitter::Decorrelated => {
                let least = match self.backoff.shape {
                    Shape::Constant(d) | Shape::Exponential(d) | Shape::Fibonacci(d) => d,
                    Shape::Custom(_) => base,
                };
                // Cut after the draw, as in the article: many stay at the cap, which is the point of one.
                let most = self.last.saturating_mul(3).max(least);
                between(&mut self.rng, least, most).min(cap)
            }
        };
        self.last = delay;
        Some(delay)
    }
}

#[cfg(test)]
mod tests;
