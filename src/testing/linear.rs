//! Whether concurrent calls can be explained by a sequential program.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an object should do, if its calls came one after the other. [`linearizable`] has an example.
pub trait Spec: Clone + Eq + Hash {
    /// A call.
    type Op;
    /// What a call returns.
    type Ret: PartialEq;

    /// Does `op`; `None` when it would have to wait in this state.
    fn step(&mut self, op: &Self::Op) -> Option<Self::Ret>;
}

#[derive(Clone, Debug)]
struct Event<O, R> {
    op: O,
    called: u64,
    /// When and what. Stays empty when the call is under way or was dropped.
    returned: Option<(u64, R)>,
}

struct Events<O, R> {
    list: Vec<Event<O, R>>,
    /// Counts calls and returns.
    clock: u64,
}

/// A record of concurrent calls, for [`linearizable`]. Clones share it.
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, History};
///
/// let history = History::new();
/// let seen = history.clone();
/// testing::run(async move || seen.record("double 4", async { 8 }).await);
/// assert!(format!("{history:?}").contains("double 4"));
/// ```
pub struct History<O, R>(Arc<Mutex<Events<O, R>>>);

impl<O, R: Clone> History<O, R> {
    /// An empty record.
    pub fn new() -> Self {
        History(Arc::new(Mutex::new(Events {
            list: Vec::new(),
            clock: 0,
        })))
    }

    /// Awaits `call`, and records when it was first polled as `op`, when it returned, and what.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped stays on record: it took effect at some time, or never.
    pub async fn record(&self, op: O, call: impl Future<Output = R>) -> R {
        let index = self.lock().called(op);
        let value = call.await;
        self.lock().returned(index, value.clone());
        value
    }
}

impl<O, R> History<O, R> {
    fn lock(&self) -> MutexGuard<'_, Events<O, R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O, R> Events<O, R> {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn called(&mut self, op: O) -> usize {
        let called = self.tick();
        self.list.push(Event {
            op,
            called,
            returned: None,
        });
        self.list.len() - 1
    }

    fn returned(&mut self, index: usize, value: R) {
        let now = self.tick();
        self.list[index].returned = Some((now, value));
    }
}

impl<O, R: Clone> Default for History<O, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O, R> Clone for History<O, R> {
    fn clone(&self) -> Self {
        History(self.0.clone())
    }
}

impl<O: fmt::Debug, R: fmt::Debug> fmt::Debug for History<O, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.lock().list).finish()
    }
}

/// Whether some order of the calls in `history` is a run of `spec`, such that a call which returned before another began also comes before it.
///
/// After Wing and Gong (1993), with the states already seen kept aside (Lowe 2017). Exponential at worst; tens of
/// calls are fine.
///
/// # Panics
///
/// With more than 128 calls.
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, History, Spec, linearizable};
/// use std::sync::{Arc, Mutex};
///
/// /// A counter that says what it was.
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// struct Counter(u32);
/// impl Spec for Counter {
///     type Op = ();
///     type Ret = u32;
///     fn step(&mut self, (): &()) -> Option<u32> {
///         self.0 += 1;
///         Some(self.0 - 1)
///     }
/// }
///
/// testing::run(async || {
///     let (history, count) = (History::new(), Arc::new(Mutex::new(0)));
///     // Reads and writes apart: both calls may see 0.
///     let add = || async {
///         let old = *count.lock().unwrap();
///         testing::yield_now().await;
///         *count.lock().unwrap() = old + 1;
///         old
///     };
///     futures::join!(history.record((), add()), history.record((), add()));
///     assert!(!linearizable(Counter(0), &history));
/// });
/// ```
pub fn linearizable<S: Spec>(spec: S, history: &History<S::Op, S::Ret>) -> bool {
    let events = history.lock();
    let n = events.list.len();
    assert!(n <= 128, "a history of {n} calls: 128 can be checked");
    let search = Search {
        events: &events.list,
    };
    search.explains(spec, 0, &mut HashSet::new())
}

struct Search<'a, O, R> {
    events: &'a [Event<O, R>],
}

impl<O, R: PartialEq> Search<'_, O, R> {
    /// Whether the calls that are not in `done` can go on from `state`.
    fn explains<S>(&self, state: S, done: u128, seen: &mut HashSet<(u128, S)>) -> bool
    where
        S: Spec<Op = O, Ret = R>,
    {
        if !seen.insert((done, state.clone())) {
            return false;
        }
        let left = || (0..self.events.len()).filter(|i| done & (1 << i) == 0);
        let returns = left().filter_map(|i| self.events[i].returned.as_ref());
        let Some(first_return) = returns.map(|(at, _)| *at).min() else {
            // Calls without a result need not have happened.
            return true;
        };
        // Whatever was called after a return comes after that call.
        left()
            .filter(|i| self.events[*i].called < first_return)
            .any(|i| {
                let event = &self.events[i];
                let mut next = state.clone();
                let Some(value) = next.step(&event.op) else {
                    return false;
                };
                let fits = event
                    .returned
                    .as_ref()
                    .is_none_or(|(_, seen)| *seen == value);
                fits && self.explains(next, done | 1 << i, seen)
            })
    }
}
