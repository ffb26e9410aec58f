//! What each algorithm decides, as plain machines. Times are nanoseconds since the limiter was made.

use super::quota::Quota;
use super::word::Scale;
use std::collections::VecDeque;

/// How permits are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// The generic cell rate algorithm (ITU-T I.371): an even flow, with bursts up to the quota's
    /// [`burst`](Quota::burst). In any time `t` it lets through at most `burst + t × permits / per`. One number of
    /// state. Waiters keep the moments they were planned for: a timer that is late delays, and loses no permit;
    /// after a pause of the executor, the waiters whose moments have passed go together.
    #[default]
    Gcra,
    /// A log of what went through: in *any* window of the quota's time, never more than its permits. Remembers each of
    /// them, so it needs memory for as many.
    SlidingWindow,
    /// Counts in windows that follow one another, from when the limiter was made. At the border of two windows it may
    /// let through twice the quota in a short time: for servers that count like that, no others.
    FixedWindow,
}

/// One algorithm at work.
///
/// `at` says the earliest moment, `now` at the earliest, when `n` permits are there, if `ahead` others are taken
/// before. `take` takes them, `planned` being what `at` said for a waiter, and gives the moment they count from, which
/// `give_back` is told.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    Gcra(Gcra),
    Sliding(Sliding),
    Fixed(Fixed),
}

impl Rule {
    pub(super) fn new(algorithm: Algorithm, quota: Quota, initial: u32) -> Self {
        match algorithm {
            Algorithm::Gcra => Rule::Gcra(Gcra::new(quota, initial)),
            Algorithm::SlidingWindow => Rule::Sliding(Sliding::new(quota, initial)),
            Algorithm::FixedWindow => Rule::Fixed(Fixed::new(quota, initial)),
        }
    }

    /// The most that can ever be had at once.
    pub(super) fn most(&self) -> u32 {
        match self {
            Rule::Gcra(rule) => rule.quota.burst,
            Rule::Sliding(rule) => rule.quota.permits,
            Rule::Fixed(rule) => rule.quota.permits,
        }
    }

    pub(super) fn quota(&self) -> Quota {
        match self {
            Rule::Gcra(rule) => rule.quota,
            Rule::Sliding(rule) => rule.quota,
            Rule::Fixed(rule) => rule.quota,
        }
    }

    pub(super) fn at(&self, now: u64, ahead: u64, n: u32) -> u64 {
        match self {
            Rule::Gcra(rule) => rule.at(now, ahead, n),
            Rule::Sliding(rule) => rule.at(now, ahead, n),
            Rule::Fixed(rule) => rule.at(now, ahead, n),
        }
    }

    /// Whether `n` permits are there now: `at(now, 0, n) <= now`, without its division.
    #[inline]
    pub(super) fn fits(&self, now: u64, n: u32) -> bool {
        match self {
            Rule::Gcra(rule) => {
                let now = rule.units(now);
                rule.due.max(now) + rule.cost(n.into()) <= now + rule.cost(rule.quota.burst.into())
            }
            Rule::Sliding(rule) => rule.at(now, 0, n) <= now,
            Rule::Fixed(rule) => rule.at(now, 0, n) <= now,
        }
    }

    pub(super) fn take(&mut self, planned: u64, now: u64, n: u32) -> u64 {
        match self {
            Rule::Gcra(rule) => rule.take(planned, n),
            Rule::Sliding(rule) => rule.take(now, n),
            Rule::Fixed(rule) => rule.take(now, n),
        }
    }

    pub(super) fn give_back(&mut self, taken: u64, n: u32) {
        match self {
            Rule::Gcra(rule) => rule.give_back(n),
            Rule::Sliding(rule) => rule.give_back(taken, n),
            Rule::Fixed(rule) => rule.give_back(taken, n),
        }
    }

    /// From now on another quota. What was taken stays taken.
    pub(super) fn change(&mut self, now: u64, quota: Quota) {
        match self {
            Rule::Gcra(rule) => rule.change(now, quota),
            Rule::Sliding(rule) => rule.quota = quota,
            Rule::Fixed(rule) => rule.change(now, quota),
        }
    }

    /// Whether it is as good as new: forgetting it loses nothing.
    pub(super) fn is_fresh(&self, now: u64) -> bool {
        match self {
            Rule::Gcra(rule) => rule.due <= rule.units(now),
            Rule::Sliding(rule) => rule.log.back().is_none_or(|e| rule.leaves(e.at) <= now),
            Rule::Fixed(rule) => rule.used == 0 || rule.window(now) > rule.window,
        }
    }
}

fn nanos(quota: Quota) -> u64 {
    // The quota's constructor has seen to it.
    u64::try_from(quota.per.as_nanos()).unwrap_or(u64::MAX)
}

/// Counts in units in which both a nanosecond and a permit are whole numbers: no rounding, at any rate.
#[derive(Clone, Debug)]
pub(super) struct Gcra {
    quota: Quota,
    scale: Scale,
    /// When all that was taken is paid for; the *theoretical arrival time*.
    pub(super) due: u128,
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn scale(quota: Quota) -> Scale {
    let (permits, per) = (u64::from(quota.permits), nanos(quota));
    let common = gcd(permits, per);
    let per = per / common;
    Scale {
        permits: permits / common,
        per,
        burst: per.saturating_mul(quota.burst.into()),
    }
}

impl Gcra {
    fn new(quota: Quota, initial: u32) -> Self {
        let mut rule = Gcra {
            quota,
            scale: scale(quota),
            due: 0,
        };
        let missing = quota.burst.saturating_sub(initial);
        rule.due = rule.cost(missing.into());
        rule
    }

    pub(super) fn scale(&self) -> Scale {
        self.scale
    }

    fn units(&self, nanos: u64) -> u128 {
        u128::from(nanos) * u128::from(self.scale.permits)
    }

    fn cost(&self, n: u64) -> u128 {
        u128::from(n) * u128::from(self.scale.per)
    }

    fn at(&self, now: u64, ahead: u64, n: u32) -> u64 {
        let start = self.due.max(self.units(now));
        let due = start + self.cost(ahead) + self.cost(n.into());
        let at = due.saturating_sub(self.cost(self.quota.burst.into()));
        u64::try_from(at.div_ceil(self.scale.permits.into()))
            .unwrap_or(u64::MAX)
            .max(now)
    }

    fn take(&mut self, planned: u64, n: u32) -> u64 {
        self.due = self.due.max(self.units(planned)) + self.cost(n.into());
        planned
    }

    fn give_back(&mut self, n: u32) {
        self.due = self.due.saturating_sub(self.cost(n.into()));
    }

    fn change(&mut self, now: u64, quota: Quota) {
        let owed = self.due.saturating_sub(self.units(now));
        let (old, new) = (self.scale.per, scale(quota).per);
        (self.quota, self.scale) = (quota, scale(quota));
        // As many permits as before. Rounded up, and in two steps so that the product cannot overflow.
        let (whole, rest) = (owed / u128::from(old), owed % u128::from(old));
        let part = (rest as f64 / old as f64 * new as f64).ceil() as u128;
        self.due = self.units(now) + whole * u128::from(new) + part;
    }
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    at: u64,
    n: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Sliding {
    quota: Quota,
    log: VecDeque<Taken>,
}

impl Sliding {
    fn new(quota: Quota, initial: u32) -> Self {
        let mut rule = Sliding {
            quota,
            log: VecDeque::new(),
        };
        let missing = quota.permits.saturating_sub(initial);
        if missing > 0 {
            rule.take(0, missing);
        }
        rule
    }

    /// When something that was taken at `at` is out of the window.
    fn leaves(&self, at: u64) -> u64 {
        at.saturating_add(nanos(self.quota))
    }

    fn at(&self, now: u64, ahead: u64, n: u32) -> u64 {
        let (most, wanted) = (u64::from(self.quota.permits), ahead + u64::from(n));
        let inside = self.log.iter().filter(|e| self.leaves(e.at) > now);
        let mut used: u64 = inside.clone().map(|e| u64::from(e.n)).sum();
        // Whole windows of others come before.
        let windows = wanted.saturating_sub(1) / most;
        let wanted = wanted - windows * most;
        let later = windows.saturating_mul(nanos(self.quota));
        if used + wanted <= most {
            return now.saturating_add(later);
        }
        for entry in inside {
            used -= u64::from(entry.n);
            if used + wanted <= most {
                return self.leaves(entry.at).saturating_add(later);
            }
        }
        u64::MAX
    }

    fn take(&mut self, now: u64, n: u32) -> u64 {
        while self.log.front().is_some_and(|e| self.leaves(e.at) <= now) {
            self.log.pop_front();
        }
        // After a burst. With room to spare, so that the next one needs none.
        if self.log.capacity() > 64 && self.log.len() < self.log.capacity() / 8 {
            self.log.shrink_to(self.log.capacity() / 4);
        }
        match self.log.back_mut() {
            // A clock that went back counts as one that stood still.
            Some(last) if last.at >= now => last.n += n,
            _ => self.log.push_back(Taken { at: now, n }),
        }
        self.log.back().map_or(now, |last| last.at)
    }

    fn give_back(&mut self, taken: u64, n: u32) {
        if let Ok(found) = self.log.binary_search_by_key(&taken, |e| e.at) {
            let entry = &mut self.log[found];
            entry.n = entry.n.saturating_sub(n);
            if entry.n == 0 {
                self.log.remove(found);
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Fixed {
    quota: Quota,
    window: u64,
    used: u32,
    /// When window 0 began.
    start: u64,
}

impl Fixed {
    fn new(quota: Quota, initial: u32) -> Self {
        Fixed {
            quota,
            window: 0,
            used: quota.permits.saturating_sub(initial),
            start: 0,
        }
    }

    fn window(&self, now: u64) -> u64 {
        (now.saturating_sub(self.start) / nanos(self.quota)).max(self.window)
    }

    fn at(&self, now: u64, ahead: u64, n: u32) -> u64 {
        let window = self.window(now);
        let used = if window > self.window { 0 } else { self.used };
        let wanted = u64::from(used) + ahead + u64::from(n);
        let windows = wanted.saturating_sub(1) / u64::from(self.quota.permits);
        if windows == 0 {
            return now;
        }
        let begins = (window + windows).saturating_mul(nanos(self.quota));
        begins.saturating_add(self.start).max(now)
    }

    fn take(&mut self, now: u64, n: u32) -> u64 {
        let window = self.window(now);
        if window > self.window {
            (self.window, self.used) = (window, 0);
        }
        self.used = self.used.saturating_add(n);
        window
    }

    fn give_back(&mut self, window: u64, n: u32) {
        if window == self.window {
            self.used = self.used.saturating_sub(n);
        }
    }

    fn change(&mut self, now: u64, quota: Quota) {
        let window = self.window(now);
        if window > self.window {
            self.used = 0;
        }
        // The window that is running ends as it would have.
        self.start = self
            .start
            .saturating_add(window.saturating_mul(nanos(self.quota)));
        self.window = 0;
        self.quota = quota;
    }
}

#[cfg(test)]
mod tests;
