//! [`Barrier`]: all go on together.

use super::turns::Turns;
use crate::internal::label;
use crate::internal::line::{Line, Place};
use crate::internal::lock::Lock;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Holds tasks until a number of them have arrived; then all go on, and it starts anew.
///
/// The last to arrive goes on at once and is the *leader* of its generation: exactly one. A waiter that is dropped has not arrived
/// (async-lock's barrier counts it all the same). Once the last has arrived all are released, whoever is dropped afterwards.
///
/// A clone is a handle to the same barrier.
///
/// # Examples
///
/// ```
/// use regatta::{sync::Barrier, task, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let barrier = Barrier::new(3);
///     let runners = (1..=3).map(|n| {
///         let barrier = barrier.clone();
///         async move {
///             time::sleep(Duration::from_secs(n)).await;
///             let leader = barrier.wait().await.is_leader();
///             (leader, regatta::testing::now().as_secs())
///         }
///     });
///     let ends = task::gather(runners).settled().await;
///     assert_eq!(ends, [(false, 3), (false, 3), (true, 3)]);
/// });
/// ```
#[derive(Clone)]
pub struct Barrier {
    inner: Arc<Inner>,
}

struct Inner {
    parties: usize,
    state: Lock<State>,
    turns: Turns,
}

#[derive(Default)]
struct State {
    line: Line<()>,
    /// How often all have gone on. Who arrived in an earlier generation is released.
    generation: u64,
}

impl Barrier {
    /// A barrier for `parties` tasks.
    ///
    /// # Panics
    ///
    /// When `parties` is 0.
    pub fn new(parties: usize) -> Self {
        assert!(
            parties > 0,
            "Barrier::new(0): nobody would ever wait; use at least 1"
        );
        Barrier {
            inner: Arc::new(Inner {
                parties,
                state: Lock::default(),
                turns: Turns::new(),
            }),
        }
    }

    /// How many must arrive.
    pub fn parties(&self) -> usize {
        self.inner.parties
    }

    /// How many have arrived and wait.
    pub fn waiting(&self) -> usize {
        self.inner.state.lock().line.len()
    }

    /// Waits until all have arrived. It arrives with its first poll.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has returned.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits it has not arrived.
    pub fn wait(&self) -> WaitBarrier {
        WaitBarrier {
            inner: Some(self.inner.clone()),
            place: None,
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.waiting())
            .finish()
    }
}

/// What [`Barrier::wait`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    leader: bool,
}

impl Arrival {
    /// Whether it was the last to arrive: true for one of each generation.
    pub fn is_leader(&self) -> bool {
        self.leader
    }
}

/// Waits at a barrier; made by [`Barrier::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct WaitBarrier {
    /// `None` once it has returned.
    inner: Option<Arc<Inner>>,
    place: Option<(Place, u64)>,
}

impl Inner {
    /// The last releases the others.
    fn arrive(&self, cx: &mut Context<'_>) -> Result<Arrival, (Place, u64)> {
        // Cloned before the lock is taken: it is not our code.
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        if state.line.len() + 1 < self.parties {
            let place = state.line.enter((), waker);
            return Err((place, state.generation));
        }
        state.generation += 1;
        let others = mem::take(&mut state.line);
        drop(state);
        for other in others.into_wakers() {
            other.wake();
        }
        Ok(Arrival { leader: true })
    }

    fn poll(&self, place: &mut Option<(Place, u64)>, cx: &mut Context<'_>) -> Poll<Arrival> {
        if let Some((at, since)) = *place {
            let mut state = self.state.lock();
            if since != state.generation {
                *place = None;
                return Poll::Ready(Arrival { leader: false });
            }
            let old = state.line.set_waker(at, cx.waker());
            drop(state);
            drop(old);
        } else if self.parties == 1 && self.turns.go_round(cx) {
            label::set("its next turn");
            return Poll::Pending;
        } else {
            match self.arrive(cx) {
                Ok(arrival) => {
                    self.turns.count();
                    return Poll::Ready(arrival);
                }
                Err(at) => *place = Some(at),
            }
        }
        label::set("a barrier");
        Poll::Pending
    }
}

impl Future for WaitBarrier {
    type Output = Arrival;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arrival> {
        let this = self.get_mut();
        let Some(inner) = &this.inner else {
            panic!("`Barrier::wait` was polled again after it had returned");
        };
        let polled = inner.poll(&mut this.place, cx);
        if polled.is_ready() {
            this.inner = None;
        }
        polled
    }
}

impl Drop for WaitBarrier {
    fn drop(&mut self) {
        let (Some((place, since)), Some(inner)) = (self.place, &self.inner) else {
            return;
        };
        let mut state = inner.state.lock();
        if since != state.generation {
            return;
        }
        let left = state.line.leave(place);
        drop(state);
        drop(left);
    }
}

impl fmt::Debug for WaitBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitBarrier")
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}
