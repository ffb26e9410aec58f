//! [`Keyed`]: a breaker for each host, tenant or endpoint.

use super::CircuitBreaker;
use super::error::TooManyKeys;
use super::policy::Builder;
use crate::internal::keyed::Keys;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// A breaker for each key, in bounded memory. Clones are the same.
///
/// When a place is needed, a key that no caller uses is forgotten: one whose breaker is closed, best without failures
/// in its window; where there is none, one that waits for its first probe, which then is not asked for. A breaker whose
/// open time runs, or that was forced, is never forgotten.
///
/// It may stand in a `static`. When another runtime uses it, time goes on from where each breaker last saw it.
///
/// A key's own code (`Hash`, `Eq`, `Clone`, `Drop`), and the closure that makes its rules, run under no lock of this:
/// they may even come back here.
///
/// # Examples
///
/// ```
/// use regatta::circuit_breaker::{CircuitBreaker, Keyed, State};
///
/// regatta::testing::run(async || {
///     let per_host = Keyed::new(1000, CircuitBreaker::builder().consecutive_failures(1));
///     let down = per_host.get(&"down.example").expect("there is room");
///     let _ = down.call(async { Err::<(), _>("no route") }).await;
///     assert_eq!(per_host.get(&"down.example").expect("it is known").state(), State::Open);
///     assert_eq!(per_host.get(&"up.example").expect("there is room").state(), State::Closed);
/// });
/// ```
pub struct Keyed<K> {
    inner: Arc<Inner<K>>,
}

type Make<K> = dyn Fn(&K) -> Builder + Send + Sync;

struct Inner<K> {
    make: Box<Make<K>>,
    keys: Keys<K, CircuitBreaker>,
}

impl<K> Clone for Keyed<K> {
    fn clone(&self) -> Self {
        let inner = self.inner.clone();
        Keyed { inner }
    }
}

impl<K> Keyed<K> {
    /// Knows up to `most` keys at once; `builder` says what each one's breaker is like.
    ///
    /// # Panics
    ///
    /// When `most` is 0.
    #[track_caller]
    pub fn new(most: usize, builder: Builder) -> Self {
        Keyed::with(most, move |_| builder.clone())
    }

    /// [`new`](Keyed::new) with rules, or an observer, of each key's own.
    ///
    /// # Panics
    ///
    /// When `most` is 0.
    #[track_caller]
    pub fn with(most: usize, make: impl Fn(&K) -> Builder + Send + Sync + 'static) -> Self {
        assert!(
            most > 0,
            "breakers for 0 keys would refuse everybody: use at least 1"
        );
        Keyed {
            inner: Arc::new(Inner {
                make: Box::new(make),
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
    /// The breaker of a key. Keep it for as long as you use it, not longer: while somebody has it, its place is taken.
    ///
    /// # Errors
    ///
    /// [`TooManyKeys`], when it is a new one and no place can be found. It looks at 32 keys for one.
    pub fn get(&self, key: &K) -> Result<CircuitBreaker, TooManyKeys> {
        let Inner { make, keys } = &*self.inner;
        let breaker = keys.get(key, |key| make(key).build());
        breaker.ok_or(TooManyKeys { most: keys.most() })
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
