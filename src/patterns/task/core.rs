//! What everybody in a group shares: the count of the living, the errors, and how far cancelling has gone.
//!
//! Invariants:
//! * A child holds one [`Alive`] of its cohort from before it can run until its future is dropped. The last one to go tells the host, so
//!   "the group has ended" is the same moment as "every future is dropped". No `Alive` left means no child can be added.
//! * A phase only rises, and it rises before those concerned are woken.
//! * What a failing child reports is in `state` before its handle is settled.

use super::error::Fault;
use super::handle::Origin;
use super::policy::OnFailure;
use crate::internal::atomic::{AtomicBool, AtomicU8, AtomicWaker, Ordering};
use crate::internal::caught::{discard, quietly};
use crate::internal::lock::Lock;
use crate::internal::node::Node;
use crate::internal::reason::Reason;
use crate::internal::scope;
use crate::runtime::{Site, panic_text};
use slab::Slab;
use std::any::Any;
use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;
use std::time::Duration;

/// How far the cancelling of something has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    Open = 0,
    /// Observable; nothing is dropped yet.
    Asked = 1,
    /// Dropped at the next suspension, shields permitting.
    Dropping = 2,
    /// Dropped at the next poll, shields or not.
    Abandoned = 3,
}

impl Phase {
    fn from(raw: u8) -> Self {
        match raw {
            0 => Phase::Open,
            1 => Phase::Asked,
            2 => Phase::Dropping,
            _ => Phase::Abandoned,
        }
    }
}

/// A phase that threads share.
#[derive(Debug, Default)]
pub(super) struct PhaseCell(AtomicU8);

impl PhaseCell {
    #[inline]
    pub(super) fn get(&self) -> Phase {
        Phase::from(self.0.load(Ordering::Acquire))
    }

    /// True when it rose.
    fn raise(&self, to: Phase) -> bool {
        self.0.fetch_max(to as u8, Ordering::AcqRel) < to as u8
    }
}

/// A child that waits, or is tracked from its start.
pub(super) struct Registered {
    /// `None`: it has not waited yet, or is being woken.
    waker: Option<Waker>,
    site: Site,
}

#[derive(Default)]
struct Registry {
    children: Slab<Registered>,
    /// Somebody is waking them, and goes round once more if it is `again` asked for.
    waking: bool,
    again: bool,
}

/// The children that are cancelled together: the ordinary ones, or the services.
pub(super) struct Cohort<E> {
    phase: PhaseCell,
    pub(super) node: Arc<Node>,
    registry: Lock<Registry>,
    alive: OnceLock<Weak<Alive<E>>>,
    gone: AtomicBool,
}

impl<E> Cohort<E> {
    fn new(node: Arc<Node>) -> Self {
        Cohort {
            phase: PhaseCell::default(),
            node,
            registry: Lock::default(),
            alive: OnceLock::new(),
            gone: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether every future of the cohort has been dropped.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// A place for one more child; `None` when all are gone.
    pub(super) fn join(&self) -> Option<Arc<Alive<E>>> {
        self.alive.get().and_then(Weak::upgrade)
    }

    pub(super) fn cancel(&self, to: Phase, reason: Reason) {
        if !self.phase.raise(to) {
            return;
        }
        self.node.cancel(reason);
        self.wake_all();
    }

    /// Wakes those who wait, and leaves them their wakers, for the next phase: taken out and put back, for none may be
    /// cloned or woken under the lock.
    fn wake_all(&self) {
        let mut registry = self.registry.lock();
        if std::mem::replace(&mut registry.waking, true) {
            registry.again = true;
            return;
        }
        loop {
            let children = registry.children.iter_mut();
            let taken: Vec<(usize, Waker)> = children
                .filter_map(|(key, r)| Some((key, r.waker.take()?)))
                .collect();
            drop(registry);
            for (_, waker) in &taken {
                quietly(|| waker.wake_by_ref());
            }
            registry = self.registry.lock();
            let mut left = Vec::new();
            for (key, waker) in taken {
                match registry.children.get_mut(key) {
                    // A place without a waker is the one it came from: whoever enters brings one.
                    Some(place) if place.waker.is_none() => place.waker = Some(waker),
                    _ => left.push(waker),
                }
            }
            registry.waking = std::mem::take(&mut registry.again);
            let again = registry.waking;
            drop(registry);
            left.into_iter().for_each(discard);
            if !again {
                return;
            }
            registry = self.registry.lock();
        }
    }

    pub(super) fn register(&self, key: &mut Option<usize>, waker: Waker, site: &Site) {
        let mut registry = self.registry.lock();
        let old = match *key {
            Some(k) => registry
                .children
                .get_mut(k)
                .and_then(|r| r.waker.replace(waker)),
            None => {
                *key = Some(registry.children.insert(Registered {
                    waker: Some(waker),
                    site: site.clone(),
                }));
                None
            }
        };
        drop(registry);
        discard(old);
    }

    /// Enters a child that has not run yet, for its name.
    pub(super) fn track(&self, key: &mut Option<usize>, site: &Site) {
        let entry = Registered {
            // Not `None`, by which a waker that is on its way back knows its place.
            waker: Some(Waker::noop().clone()),
            site: site.clone(),
        };
        *key = Some(self.registry.lock().children.insert(entry));
    }

    pub(super) fn unregister(&self, key: Option<usize>) {
        if let Some(key) = key {
            let mut registry = self.registry.lock();
            let children = &mut registry.children;
            let gone = children.try_remove(key);
            // A peak is not paid for ever after.
            let spare = (children.is_empty() && children.capacity() > 1024)
                .then(|| std::mem::take(children));
            drop(registry);
            discard((gone, spare));
        }
    }

    fn names(&self) -> Vec<String> {
        self.registry
            .lock()
            .children
            .iter()
            .map(|(_, r)| Origin(&r.site).to_string())
            .collect()
    }
}

/// Held by every child, and by the host while its body runs.
pub(super) struct Alive<E> {
    pub(super) core: Arc<Core<E>>,
    pub(super) service: bool,
}

impl<E> Alive<E> {
    #[inline]
    pub(super) fn cohort(&self) -> &Cohort<E> {
        if self.service {
            &self.core.services
        } else {
            &self.core.children
        }
    }
}

impl<E> Drop for Alive<E> {
    fn drop(&mut self) {
        self.cohort().gone.store(true, Ordering::Release);
        self.core.wake_host();
    }
}

/// The panic that goes on in the host.
pub(super) struct Panicked {
    /// The child, unless it was the body.
    origin: Option<String>,
    payload: Box<dyn Any + Send>,
}

impl Panicked {
    /// Panics on, with the name of the task and the number of errors that are lost to it: their type need not be printable. A payload that is no
    /// text goes on as it is.
    pub(super) fn resume(self, lost: usize) -> ! {
        let Some(text) = panic_text(&*self.payload) else {
            resume_unwind(self.payload)
        };
        let lost = match lost {
            0 => String::new(),
            1 => " (1 other task of the group failed)".to_owned(),
            n => format!(" ({n} other tasks of the group failed)"),
        };
        match self.origin {
            Some(origin) => resume_unwind(Box::new(format!("{origin} panicked: {text}{lost}"))),
            None if lost.is_empty() => resume_unwind(self.payload),
            None => resume_unwind(Box::new(format!("{text}{lost}"))),
        }
    }
}

/// What the group has gathered.
pub(super) struct State<E> {
    pub(super) label: Option<Arc<str>>,
    pub(super) faults: Vec<Fault<E>>,
    pub(super) panic: Option<Panicked>,
    /// Somebody called `cancel` on the group.
    pub(super) asked: Option<Reason>,
    pub(super) on_failure: OnFailure,
    pub(super) grace: Duration,
    pub(super) close_within: Option<Duration>,
}

pub(super) struct Core<E> {
    pub(super) state: Lock<State<E>>,
    /// The group as a whole, body included.
    pub(super) node: Arc<Node>,
    body: PhaseCell,
    pub(super) children: Cohort<E>,
    pub(super) services: Cohort<E>,
    /// The task that waits for the group.
    pub(super) host: Arc<AtomicWaker>,
    /// A child or the body was cut short, so the group has no value to give.
    cut: AtomicBool,
    /// The call has returned, with every future of the group dropped: whoever spawns now has carried a handle out.
    ended: AtomicBool,
    /// A child was dropped by its runtime, which has ended.
    runtime_gone: AtomicBool,
    /// Children are registered when they are spawned, not when they first wait: somebody will ask for their names.
    pub(super) tracked: AtomicBool,
}

/// A group, and the host's places among the children and among the services.
pub(super) type Parts<E> = (Arc<Core<E>>, Arc<Alive<E>>, Arc<Alive<E>>);

impl<E> Core<E> {
    /// A group inside the scopes around the running code, and the host's places in it.
    pub(super) fn new() -> Parts<E> {
        Core::under(scope::observe())
    }

    /// A group that is cancelled with `node`.
    pub(super) fn under(node: Arc<Node>) -> Parts<E> {
        let core = Arc::new(Core {
            state: Lock::new(State {
                label: None,
                faults: Vec::new(),
                panic: None,
                asked: None,
                on_failure: OnFailure::default(),
                grace: Duration::ZERO,
                close_within: None,
            }),
            body: PhaseCell::default(),
            children: Cohort::new(Node::child_of(std::slice::from_ref(&node), None)),
            // Services go last, so nothing that cancels the others cancels them.
            services: Cohort::new(Node::root()),
            node,
            host: Arc::default(),
            cut: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            runtime_gone: AtomicBool::new(false),
            tracked: AtomicBool::new(false),
        });
        let alive = Arc::new(Alive {
            core: core.clone(),
            service: false,
        });
        let service_alive = Arc::new(Alive {
            core: core.clone(),
            service: true,
        });
        // Fresh cells: `set` cannot fail.
        let _ = core.children.alive.set(Arc::downgrade(&alive));
        let _ = core.services.alive.set(Arc::downgrade(&service_alive));
        (core, alive, service_alive)
    }

    pub(super) fn body_phase(&self) -> Phase {
        self.body.get()
    }

    /// A waker is the user's code, and this runs in destructors.
    pub(super) fn wake_host(&self) {
        quietly(|| self.host.wake());
    }

    pub(super) fn note_runtime_gone(&self) {
        self.runtime_gone.store(true, Ordering::Release);
    }

    pub(super) fn is_runtime_gone(&self) -> bool {
        self.runtime_gone.load(Ordering::Acquire)
    }

    pub(super) fn note_ended(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn note_cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    pub(super) fn was_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Cancels everybody but the services: observable at once, dropping at once or after the grace.
    pub(super) fn stop(&self, reason: Reason) {
        self.advance(self.first_phase(), reason);
    }

    /// Cancels the children alone, services excepted.
    pub(super) fn stop_children(&self, reason: Reason) {
        self.children.cancel(self.first_phase(), reason);
        // It empties the line, and keeps the time of grace.
        self.wake_host();
    }

    fn first_phase(&self) -> Phase {
        if self.state.lock().grace.is_zero() {
            Phase::Dropping
        } else {
            Phase::Asked
        }
    }

    pub(super) fn advance(&self, to: Phase, reason: Reason) {
        let rose = self.body.raise(to);
        self.node.cancel(reason.clone());
        self.children.cancel(to, reason);
        if rose {
            self.wake_host();
        }
    }

    /// The host was dropped from outside: whoever is left goes at its next poll.
    pub(super) fn abandon(&self) {
        self.advance(Phase::Abandoned, Reason::ScopeEnded);
        self.services.cancel(Phase::Abandoned, Reason::ScopeEnded);
    }

    pub(super) fn failed(&self, fault: Fault<E>) {
        let mut state = self.state.lock();
        state.faults.push(fault);
        let mode = state.on_failure;
        drop(state);
        if mode == OnFailure::CancelSiblings {
            self.stop(Reason::SiblingFailed);
        }
    }

    /// A panic is fatal in every mode. The first one goes on in the host; the panic hook has reported them all.
    pub(super) fn panicked(&self, site: Option<&Site>, payload: Box<dyn Any + Send>) {
        let mut state = self.state.lock();
        let spare = match state.panic {
            Some(_) => Some(payload),
            None => {
                let origin = site.map(|s| Origin(s).to_string());
                state.panic = Some(Panicked { origin, payload });
                None
            }
        };
        drop(state);
        discard(spare);
        self.stop(Reason::SiblingFailed);
    }

    pub(super) fn straggler_names(&self) -> Vec<String> {
        let mut names = self.children.names();
        names.extend(self.services.names());
        names
    }
}
