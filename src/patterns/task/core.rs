//! What everybody in a group shares: the count of the living, the errors, and how far cancelling has gone.
//!
//! Invariants:
//! * A child counts as alive in its cohort from before it can run until its future is dropped, and so does the host until its body has ended. The
//!   last one to go tells the host, so "the group has ended" is the same moment as "every future is dropped". Where none is alive, none can be added.
//! * A phase only rises, and it rises before those concerned are woken.
//! * What a failing child reports is in `state` before its handle is settled.

use super::cohort::{Cohort, Phase, PhaseCell};
use super::error::Fault;
use super::handle::Origin;
use super::policy::OnFailure;
use crate::internal::atomic::{AtomicBool, AtomicWaker, Ordering};
use crate::internal::caught::{discard, quietly};
use crate::internal::lock::Lock;
use crate::internal::node::Node;
use crate::internal::reason::Reason;
use crate::internal::scope::{self, Mark};
use crate::runtime::{Site, panic_text};
use std::any::Any;
use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Why a group takes no other child.
#[derive(Debug)]
pub(super) enum Refusal {
    Ending(Reason),
    Ended,
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
    /// The group as a whole, body included. The children are its members.
    pub(super) node: Arc<Node>,
    /// Services are members of this one, which nothing cancels that cancels the others: they go last. Made for the first of them.
    services_node: OnceLock<Arc<Node>>,
    body: PhaseCell,
    pub(super) children: Cohort,
    pub(super) services: Cohort,
    /// The task that waits for the group.
    pub(super) host: AtomicWaker,
    /// A child or the body was cut short, so the group has no value to give.
    cut: AtomicBool,
    /// The call has returned, with every future of the group dropped: whoever spawns now has carried a handle out.
    ended: AtomicBool,
    /// A child was dropped by its runtime, which has ended.
    runtime_gone: AtomicBool,
    /// Children are registered when they are spawned, not when they first wait: somebody will ask for their names.
    pub(super) tracked: AtomicBool,
}

impl<E> Core<E> {
    /// A group inside the scopes around the running code, with the host's place in either cohort.
    pub(super) fn new() -> Self {
        Core::under(scope::observe())
    }

    /// A group that is cancelled with `node`.
    pub(super) fn under(node: Arc<Node>) -> Self {
        Core {
            state: Lock::new(State {
                label: None,
                faults: Vec::new(),
                panic: None,
                asked: None,
                on_failure: OnFailure::default(),
                grace: Duration::ZERO,
                close_within: None,
            }),
            node,
            services_node: OnceLock::new(),
            body: PhaseCell::default(),
            children: Cohort::new(),
            services: Cohort::new(),
            host: AtomicWaker::new(),
            cut: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            runtime_gone: AtomicBool::new(false),
            tracked: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(super) fn cohort(&self, service: bool) -> &Cohort {
        if service {
            &self.services
        } else {
            &self.children
        }
    }

    /// The scope of a new child.
    #[inline]
    pub(super) fn scope(&self, service: bool) -> Mark {
        Mark::Member(if service {
            self.services_node.get_or_init(Node::root).clone()
        } else {
            self.node.clone()
        })
    }

    /// Why the cohort is cancelled, if it is.
    pub(super) fn reason(&self, service: bool) -> Option<Reason> {
        if service {
            self.services_node.get()?.members_reason()
        } else {
            self.node.members_reason()
        }
    }

    /// Takes a place for one more child. No child that is added by code which knows that the group is cancelled is taken.
    pub(super) fn admit(&self, service: bool) -> Result<(), Refusal> {
        if self.has_ended() {
            return Err(Refusal::Ended);
        }
        if self.phase(service) == Phase::Open && self.cohort(service).join() {
            return Ok(());
        }
        // Also when only the services are left: what they spawn in their cleanup comes too late, and is no mistake.
        Err(Refusal::Ending(
            self.reason(service).unwrap_or(Reason::ScopeEnded),
        ))
    }

    /// How far the cancelling of a new child has gone. The phase of the children rises after the group can be seen to be cancelled, that of the
    /// body before it; what sees both has the reason, too.
    #[inline]
    pub(super) fn phase(&self, service: bool) -> Phase {
        let phase = self.cohort(service).phase();
        if phase == Phase::Open && !service && self.node.members_flag() {
            return self.body_phase();
        }
        phase
    }

    /// A place in the cohort is given up: its future is dropped, or the host adds no more.
    #[inline]
    pub(super) fn leave(&self, service: bool) {
        if self.cohort(service).leave() {
            self.wake_host();
        }
    }

    fn cancel_children(&self, to: Phase, reason: Reason) {
        if self.children.phase.raise(to) {
            self.node.cancel_members(&reason);
            self.children.wake_all();
        }
    }

    pub(super) fn cancel_services(&self, to: Phase) {
        if self.services.phase.raise(to) {
            // One that is made from now on never runs, and need not hear of this.
            if let Some(node) = self.services_node.get() {
                node.cancel_members(&Reason::ScopeEnded);
            }
            self.services.wake_all();
        }
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
        self.cancel_children(self.first_phase(), reason);
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
        self.cancel_children(to, reason);
        if rose {
            self.wake_host();
        }
    }

    /// The time of grace is over for those that have been asked.
    pub(super) fn end_grace(&self) {
        // They have their reason already.
        if self.children.phase() == Phase::Asked {
            self.cancel_children(Phase::Dropping, Reason::Requested);
        }
        if self.body_phase() == Phase::Asked {
            self.advance(Phase::Dropping, Reason::Requested);
        }
    }

    /// The host was dropped from outside: whoever is left goes at its next poll.
    pub(super) fn abandon(&self) {
        self.advance(Phase::Abandoned, Reason::ScopeEnded);
        self.cancel_services(Phase::Abandoned);
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
