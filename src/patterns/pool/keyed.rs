//! [`Keyed`]: a pool for each host, tenant or shard, with a total that they share.

use super::Pool;
use super::error::{GetError, ResizeError, TryGetError};
use super::guard::Guard;
use super::manager::Manager;
use super::policy::Builder;
use super::report::{Report, Stats};
use super::shared::{Home, Owner, Shared};
use crate::internal::by_hash::{self, ByHash, Entry, Hashes};
use crate::internal::caught::discard;
use crate::internal::lock::Lock;
use crate::time;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// Pools by key, which share a total. Clones are the same pools.
///
/// Each key has a manager of its own, made when the key is first asked for, and its own line.
/// [`max_size`](Builder::max_size) counts the objects of all keys, [`max_per_key`](Builder::max_per_key) those of one.
///
/// * **What lies idle is in no key's way.** When the total is used up and a key needs an object, the one that has been
///   idle for longest, of whatever key, is closed to make room. One that comes back while another key needs its room is
///   closed too.
/// * **Keys that need room are served in the order they came**, each by one object at a time.
/// * **Keys cost nothing for long**: one without objects and waiters is forgotten, so that there are never many more
///   known than in use.
/// * **A key's own code** (`Hash`, `Eq`, `Clone`, `Drop`) runs under no lock of this: it may even come back here.
///
/// A caller that holds an object of one key while it waits for one of another can wait for ever, when all callers do:
/// take one at a time, or set a [`wait_timeout`](Builder::wait_timeout).
///
/// # Examples
///
/// ```
/// use regatta::pool::{Keyed, Manager};
///
/// struct Host(String);
/// impl Manager for Host {
///     type Object = String;
///     type Error = std::io::Error;
///     async fn connect(&self) -> Result<String, std::io::Error> {
///         Ok(format!("connected to {}", self.0))
///     }
/// }
///
/// regatta::testing::run(async || {
///     let hosts = Keyed::builder(|host: &String| Host(host.clone()))
///         .max_size(100)
///         .max_per_key(30)
///         .build()
///         .expect("virtual time can spawn");
///     let connection = hosts.get(&"one.example".to_owned()).await.expect("it works");
///     assert_eq!(*connection.begin(), "connected to one.example");
///     assert_eq!(hosts.size(), 1);
/// });
/// ```
pub struct Keyed<K, M: Manager> {
    inner: Arc<Inner<K, M>>,
}

type Known<K, M> = by_hash::Shared<K, Pool<M>>;

struct Inner<K, M: Manager> {
    owner: Arc<Owner<M>>,
    by_key: ByKey<K, M>,
    max_per_key: usize,
    hashes: Hashes,
    keys: Lock<Keys<K, M>>,
}

struct Keys<K, M: Manager> {
    pools: ByHash<K, Pool<M>>,
    /// Pools that are not in the table any more, or never were, and whose buckets are to be removed.
    retired: Vec<Known<K, M>>,
    /// How many there may be until the unused are looked for.
    look_at: usize,
    closed: bool,
}

const FIRST_LOOK: usize = 64;

/// Makes the manager of each key; what a [`Keyed::builder`] starts from.
pub struct ByKey<K, M> {
    make: Box<dyn Fn(&K) -> M + Send + Sync>,
    key: PhantomData<fn(&K) -> M>,
}

impl<K, M> fmt::Debug for ByKey<K, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByKey")
    }
}

impl<K, M: Manager> Clone for Keyed<K, M> {
    fn clone(&self) -> Self {
        let inner = self.inner.clone();
        Keyed { inner }
    }
}

impl<K, M: Manager> Keyed<K, M> {
    /// To choose sizes, limits and hooks. `make` makes the manager of a key.
    #[track_caller]
    pub fn builder(make: impl Fn(&K) -> M + Send + Sync + 'static) -> Builder<M, ByKey<K, M>> {
        let by_key = ByKey {
            make: Box::new(make),
            key: PhantomData,
        };
        Builder::new(by_key, Location::caller())
    }

    pub(super) fn new(shared: Arc<Shared<M>>, by_key: ByKey<K, M>, max_per_key: usize) -> Self {
        Keyed {
            inner: Arc::new(Inner {
                owner: Arc::new(Owner(shared)),
                by_key,
                max_per_key,
                hashes: Hashes::default(),
                keys: Lock::new(Keys {
                    pools: ByHash::default(),
                    retired: Vec::new(),
                    look_at: FIRST_LOOK,
                    closed: false,
                }),
            }),
        }
    }

    /// How many objects there are of all keys: idle, in use, connecting or closing.
    pub fn size(&self) -> usize {
        self.inner.owner.0.lock().totals().1
    }

    /// How many keys it knows.
    pub fn keys(&self) -> usize {
        self.inner.keys.lock().pools.len()
    }

    /// Changes how many objects there may be of all keys together. What is idle and too much is closed at once, what is
    /// in use when it comes back.
    ///
    /// # Errors
    ///
    /// [`ResizeError`], and nothing has changed.
    pub fn resize(&self, total: usize) -> Result<(), ResizeError> {
        if total == 0 {
            return Err(ResizeError::TooSmall { asked: 0, least: 1 });
        }
        if self.inner.keys.lock().closed {
            return Err(ResizeError::Closed);
        }
        let shared = &self.inner.owner.0;
        shared.change(|state, todo| state.resize_total(total, todo));
        Ok(())
    }

    /// Has every object of every key replaced; see [`Pool::expire`].
    pub fn expire(&self) {
        let shared = &self.inner.owner.0;
        shared.change(|state, todo| {
            for b in state.buckets() {
                state.expire(b, todo);
            }
        });
    }

    /// Gives no more objects of any key, and waits until all are closed; see [`Pool::close`].
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, they stay closed, and it can be called again.
    pub async fn close(&self, limit: Duration) -> Report {
        let mut pools: Vec<Pool<M>> = {
            let mut keys = self.inner.keys.lock();
            keys.closed = true;
            // A pool that was closed by itself, and begun anew, may still have objects out.
            let all = keys.pools.iter().chain(&keys.retired);
            all.map(|entry| entry.value.clone()).collect()
        };
        // Not in the order of a table, which differs from run to run.
        pools.sort_unstable_by_key(|pool| pool.core.bucket);
        self.inner.owner.0.close_all();
        let all = async {
            for pool in &pools {
                pool.core.ended.wait().await;
            }
        };
        let _ended = time::timeout(limit, all).await;
        let mut whole = Report::default();
        for pool in &pools {
            let part = pool.core.report();
            whole.held.extend(part.held);
            whole.busy += part.busy;
        }
        whole
    }
}

impl<K: Hash + Eq + Clone, M: Manager> Keyed<K, M> {
    /// The pool of a key. Keep it for as long as you use it, not longer: while a handle to it is left, the key is not
    /// forgotten.
    pub fn pool(&self, key: &K) -> Pool<M> {
        let inner = &*self.inner;
        let hash = inner.hashes.of(key);
        let mut new: Option<Unlisted<'_, K, M>> = None;
        loop {
            let (seen, closed) = {
                let keys = inner.keys.lock();
                (keys.pools.look_up(hash), keys.closed)
            };
            let known = seen.of(key);
            if let Some((_, pool)) = known
                && (closed || !pool.is_closed())
            {
                return pool.clone();
            }
            let new = new.get_or_insert_with(|| inner.make(hash, key));
            let pool = new.entry.value.clone();
            let mut keys = inner.keys.lock();
            if !keys.pools.has_just(hash, &seen) {
                // Somebody else was quicker, perhaps with this key.
                continue;
            }
            let closed = keys.closed;
            if !closed {
                // It was closed by itself.
                let old = known.and_then(|(entry, _)| keys.pools.remove(entry));
                keys.retired.extend(old);
                keys.pools.insert(new.entry.clone());
                new.listed = true;
            }
            let forgotten = keys.forget_unused();
            drop(keys);
            forgotten.into_iter().for_each(discard);
            if closed {
                pool.core.close();
            }
            return pool;
        }
    }

    /// Takes an object of a key; see [`Pool::get`].
    ///
    /// # Errors
    ///
    /// [`GetError`].
    ///
    /// # Cancel safety
    ///
    /// As [`Pool::get`].
    #[track_caller]
    pub fn get(
        &self,
        key: &K,
    ) -> impl Future<Output = Result<Guard<M>, GetError<M::Error>>> + Send + use<K, M> {
        let at = Location::caller();
        let pool = self.pool(key);
        async move { super::get::get(&pool.core, at).await }
    }

    /// Takes an object of a key that lies idle; see [`Pool::try_get`].
    ///
    /// # Errors
    ///
    /// [`TryGetError`].
    #[track_caller]
    pub fn try_get(&self, key: &K) -> Result<Guard<M>, TryGetError> {
        self.pool(key).try_get()
    }

    /// Figures of a key, all of the same moment. `None`: it is not known, or was forgotten.
    pub fn stats(&self, key: &K) -> Option<Stats> {
        let hash = self.inner.hashes.of(key);
        let seen = self.inner.keys.lock().pools.look_up(hash);
        let (_, pool) = seen.of(key)?;
        Some(pool.stats())
    }
}

impl<K: Clone, M: Manager> Inner<K, M> {
    /// All of it is code of the user: not under the lock.
    fn make(&self, hash: u64, key: &K) -> Unlisted<'_, K, M> {
        let name = key.clone();
        let manager = (self.by_key.make)(key);
        let pool = Pool::another(&self.owner, manager, self.max_per_key);
        Unlisted {
            keys: &self.keys,
            entry: Entry::new(hash, name, pool),
            listed: false,
        }
    }
}

/// A pool that is not in the table yet. Should it not get there, because another was quicker or a key panics, its
/// bucket is removed some time.
struct Unlisted<'a, K, M: Manager> {
    keys: &'a Lock<Keys<K, M>>,
    entry: Known<K, M>,
    listed: bool,
}

impl<K, M: Manager> Drop for Unlisted<'_, K, M> {
    fn drop(&mut self) {
        if !self.listed {
            self.keys.lock().retired.push(self.entry.clone());
        }
    }
}

impl<K, M: Manager> Keys<K, M> {
    /// Now and then, those that nobody uses, and what their buckets held on to. Their drop is not for under the lock.
    fn forget_unused(&mut self) -> Vec<Forgotten<K, M>> {
        if self.pools.len() + self.retired.len() < self.look_at {
            return Vec::new();
        }
        let unused = self.pools.iter().filter(|entry| is_unused(entry));
        let mut all: Vec<_> = unused.cloned().collect();
        for entry in &all {
            self.pools.remove(entry);
        }
        all.extend(self.retired.extract_if(.., |entry| is_unused(entry)));
        // Buckets are used again in the order in which they were removed, which must not differ from run to run.
        all.sort_unstable_by_key(|entry| entry.value.core.bucket);
        let forgotten = all.into_iter().map(|entry| {
            let core = &entry.value.core;
            let home = core.shared.lock().remove_bucket(core.bucket);
            (entry, home)
        });
        let forgotten = forgotten.collect();
        self.look_at = FIRST_LOOK.max(2 * (self.pools.len() + self.retired.len()));
        forgotten
    }
}

/// What is to be dropped after unlocking.
type Forgotten<K, M> = (Known<K, M>, Option<Home<M>>);

/// Whether the table has the only handle, no object is out, and no caller waits. New handles come from the table alone,
/// which is locked.
fn is_unused<K, M: Manager>(entry: &Known<K, M>) -> bool {
    let pool = &entry.value;
    let state = pool.core.shared.lock();
    // The other one is the bucket's, until it is closed.
    Arc::strong_count(&pool.core) <= 2 && state.is_unused(pool.core.bucket)
}

impl<K, M: Manager> fmt::Debug for Keyed<K, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("keys", &self.keys())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}
