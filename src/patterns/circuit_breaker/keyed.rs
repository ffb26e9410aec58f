//! [`Keyed`]: a breaker for each host, tenant or endpoint.

use super::CircuitBreaker;
use super::error::TooManyKeys;
use super::policy::Builder;
use crate::internal::lock::Lock;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// A breaker for each key, in bounded memory. Clones are the same.
///
/// When a place is needed, a key is forgotten that nobody uses: one whose breaker is closed, best without failures in its window; where there is none, one that waits for its
/// first probe, which then is not asked for. A breaker whose open time runs, or that was forced, is never forgotten.
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
    most: usize,
    make: Box<Make<K>>,
    keys: Lock<Keys<K>>,
}

struct Keys<K> {
    breakers: HashMap<K, CircuitBreaker>,
    /// In the order in which they were last looked at for a place.
    round: VecDeque<K>,
}

/// How many keys are looked at for one place.
const LOOKS: usize = 32;

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
                most,
                make: Box::new(make),
                keys: Lock::new(Keys {
                    breakers: HashMap::new(),
                    round: VecDeque::new(),
                }),
            }),
        }
    }

    /// How many keys it knows.
    pub fn len(&self) -> usize {
        self.inner.keys.lock().breakers.len()
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
        let most = self.inner.most;
        if let Some(breaker) = self.inner.keys.lock().breakers.get(key) {
            return Ok(breaker.clone());
        }
        let breaker = (self.inner.make)(key).build();
        let mut forgotten = None;
        let mut keys = self.inner.keys.lock();
        if let Some(breaker) = keys.breakers.get(key) {
            // Somebody else was quicker.
            return Ok(breaker.clone());
        }
        if keys.breakers.len() >= most {
            forgotten = keys.forget_one();
            if forgotten.is_none() {
                return Err(TooManyKeys { most });
            }
        }
        keys.breakers.insert(key.clone(), breaker.clone());
        keys.round.push_back(key.clone());
        drop(keys);
        drop(forgotten);
        Ok(breaker)
    }
}

impl<K: Hash + Eq> Keys<K> {
    /// Forgets the one with which the least is lost.
    fn forget_one(&mut self) -> Option<(K, CircuitBreaker)> {
        let looks = LOOKS.min(self.round.len());
        let mut best: Option<(u8, usize)> = None;
        for place in 0..looks {
            let loss = self.breakers.get(&self.round[place])?.loss();
            if let Some(loss) = loss
                && best.is_none_or(|(least, _)| loss < least)
            {
                best = Some((loss, place));
                if loss == 0 {
                    break;
                }
            }
        }
        let Some((_, place)) = best else {
            // The others have their turn the next time.
            self.round.rotate_left(looks);
            return None;
        };
        let key = self.round.remove(place)?;
        self.round.rotate_left(place);
        self.breakers.remove_entry(&key)
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
