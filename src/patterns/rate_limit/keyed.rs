//! [`Keyed`]: a limiter for each user, host or address.

use super::RateLimiter;
use super::error::TooManyKeys;
use super::policy::Builder;
use crate::internal::keyed::Keys;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// A limiter for each key, in bounded memory. Clones are the same.
///
/// A key that no caller uses and whose limiter is as good as new is forgotten when its place is needed, or, where there
/// are more than a thousand, in passing when others come, so forgetting never gives a caller more than its quota.
/// Where all keys are in use, another is refused: a caller that invents keys cannot make others' limits go away.
///
/// It may stand in a `static`. When another runtime uses it, time goes on from where each limiter last saw it.
///
/// A key's own code (`Hash`, `Eq`, `Clone`, `Drop`) runs under no lock of this: it may even come back here.
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
    builder: Builder,
    keys: Keys<K, RateLimiter>,
}

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
                builder,
                keys: Keys::new(most),
            }),
        }
    }

    /// How many keys it knows.
    pub fn len(&self) -> usize {
        self.inner.keys.len()
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
        let Inner { builder, keys } = &*self.inner;
        let limiter = keys.get(key, |_| builder.clone().build());
        limiter.ok_or(TooManyKeys { most: keys.most() })
    }
}

impl<K> fmt::Debug for Keyed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("len", &self.len())
            .field("most", &self.inner.keys.most())
            .finish_non_exhaustive()
    }
}
