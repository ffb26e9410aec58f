//! [`Keyed`]: a limiter for each user, host or address.

use super::RateLimiter;
use super::error::TooManyKeys;
use super::policy::Builder;
use crate::internal::lock::Lock;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// A limiter for each key, in bounded memory. Clones are the same.
///
/// A key that nobody uses and whose limiter is as good as new is forgotten when its place is needed, so forgetting never gives anybody more than their quota. Where all
/// keys are in use, another is refused: whoever invents keys cannot make others' limits go away.
///
/// # Examples
///
/// ```
/// use regatta::rate_limit::{Keyed, Quota, RateLimiter};
///
/// regatta::testing::run(async || {
///     let per_user = Keyed::new(10_000, RateLimiter::builder(Quota::per_minute(2)));
///     let ann = per_user.get(&"ann").expect("there is room");
///     assert!(ann.try_acquire(2).is_ok());
///     assert!(per_user.get(&"ann").expect("it is known").try_acquire(1).is_err());
///     assert!(per_user.get(&"bob").expect("there is room").try_acquire(1).is_ok());
/// });
/// ```
pub struct Keyed<K> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    most: usize,
    builder: Builder,
    keys: Lock<Keys<K>>,
}

struct Keys<K> {
    limiters: HashMap<K, RateLimiter>,
    /// In the order in which they were last looked at for a place.
    round: VecDeque<K>,
}

/// How many keys are looked at for one place: most are fresh, or the limiter is too small.
const LOOKS: usize = 32;

impl<K> Clone for Keyed<K> {
    fn clone(&self) -> Self {
        let inner = self.inner.clone();
        Keyed { inner }
    }
}

impl<K> Keyed<K> {
    /// Knows up to `most` keys at once; `builder` says what each one's limiter is like.
    ///
    /// # Panics
    ///
    /// When `most` is 0.
    #[track_caller]
    pub fn new(most: usize, builder: Builder) -> Self {
        assert!(
            most > 0,
            "a limiter for 0 keys would refuse everybody: use at least 1"
        );
        Keyed {
            inner: Arc::new(Inner {
                most,
                builder,
                keys: Lock::new(Keys {
                    limiters: HashMap::new(),
                    round: VecDeque::new(),
                }),
            }),
        }
    }

    /// How many keys it knows.
    pub fn len(&self) -> usize {
        self.inner.keys.lock().limiters.len()
    }

    /// Whether it knows no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    /// The limiter of a key. Keep it for as long as you use it, not longer: while somebody has it, its place is taken.
    ///
    /// # Errors
    ///
    /// [`TooManyKeys`], when it is a new one and no place can be found. It looks at 32 keys for one.
    pub fn get(&self, key: &K) -> Result<RateLimiter, TooManyKeys> {
        let most = self.inner.most;
        let mut keys = self.inner.keys.lock();
        if let Some(limiter) = keys.limiters.get(key) {
            return Ok(limiter.clone());
        }
        let mut forgotten = None;
        if keys.limiters.len() >= most {
            forgotten = keys.forget_one();
            if forgotten.is_none() {
                return Err(TooManyKeys { most });
            }
        }
        let limiter = self.inner.builder.clone().build();
        keys.limiters.insert(key.clone(), limiter.clone());
        keys.round.push_back(key.clone());
        drop(keys);
        drop(forgotten);
        Ok(limiter)
    }
}

impl<K: Hash + Eq> Keys<K> {
    fn forget_one(&mut self) -> Option<(K, RateLimiter)> {
        for _ in 0..LOOKS.min(self.round.len()) {
            let key = self.round.pop_front()?;
            let unused = self.limiters.get(&key).is_none_or(RateLimiter::is_unused);
            if unused {
                return self.limiters.remove_entry(&key);
            }
            self.round.push_back(key);
        }
        None
    }
}

impl<K> fmt::Debug for Keyed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("len", &self.len())
            .field("most", &self.inner.most)
            .finish_non_exhaustive()
    }
}
