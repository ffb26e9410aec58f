//! Children on threads, and the host that waits for them.
//!
//! A child holds its group by a real `Arc`, which loom does not see; what it does with it orders nothing.

use super::child::{Child, Seat, Terms};
use super::cohort::Phase;
use super::core::{Core, Refusal};
use super::handle::{Slot, Task};
use crate::internal::reason::Reason;
use crate::runtime::Site;
use crate::support::{Guarded, check, ready};
use loom::future::block_on;
use loom::thread;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;

type Error = &'static str;

/// Without a limit.
struct InGroup(Arc<Core<Error>>);

impl Seat for InGroup {
    type Error = Error;

    fn core(&self) -> &Core<Error> {
        &self.0
    }

    fn give_back_turn(&self) {}
}

struct Host {
    core: Arc<Core<Error>>,
    /// The host's own places.
    among_children: bool,
    among_services: bool,
}

impl Host {
    fn new() -> Self {
        Host {
            core: Arc::new(Core::new()),
            among_children: true,
            among_services: true,
        }
    }

    /// A child that another thread can run.
    fn child<F, T>(&self, future: F) -> (impl Future<Output = ()> + Send + use<F, T>, Task<T>)
    where
        F: Future<Output = Result<T, Error>> + Send,
        T: Send,
    {
        let site = Site {
            name: None,
            at: Location::caller(),
        };
        let slot = Slot::new(site);
        assert!(self.core.children.join(), "the host is there");
        let terms = Terms {
            service: false,
            limited: false,
        };
        let child = Child::new(future, slot.clone(), InGroup(self.core.clone()), terms);
        (child, Task::new(slot))
    }

    /// Its body has ended.
    fn leave(&mut self) {
        if std::mem::take(&mut self.among_children) {
            self.core.leave(false);
        }
    }

    /// As `Driven` does then: registers first and looks second.
    async fn end(mut self) -> Arc<Core<Error>> {
        poll_fn(|cx| {
            self.core.host.register(cx.waker());
            self.leave();
            let gone = self.core.children.is_gone();
            if gone {
                self.core.cancel_services(Phase::Dropping);
                if std::mem::take(&mut self.among_services) {
                    self.core.leave(true);
                }
            }
            ready(gone && self.core.services.is_gone())
        })
        .await;
        self.core
    }
}

#[test]
fn what_has_seen_that_the_group_is_cancelled_adds_no_child() {
    check(|| {
        let host = Host::new();
        let core = host.core.clone();
        let thread = thread::spawn(move || core.stop(Reason::SiblingFailed));
        if host.core.node.is_cancelled() {
            let refused = host.core.admit(false);
            assert!(matches!(
                refused,
                Err(Refusal::Ending(Reason::SiblingFailed))
            ));
        }
        thread.join().expect("no panic");
    });
}

fn spawn(child: impl Future<Output = ()> + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(move || block_on(child))
}

#[test]
fn the_host_is_told_when_the_last_child_is_gone_and_sees_what_it_did() {
    check(|| {
        let (mut host, guarded) = (Host::new(), Arc::new(Guarded::new()));
        let seen = guarded.clone();
        let (child, _task) = host.child(async move {
            seen.add();
            Ok(())
        });
        host.leave();
        let thread = spawn(child);
        let core = block_on(host.end());
        assert_eq!(guarded.get(), 1);
        assert!(!core.was_cut() && core.straggler_names().is_empty());
        thread.join().expect("no panic");
    });
}

#[test]
fn an_error_is_there_when_the_group_has_ended() {
    check(|| {
        let host = Host::new();
        let children = [Err("first"), Err("second")]
            .map(|end: Result<(), Error>| host.child(async move { end }).0);
        let threads = children.map(spawn);
        let core = block_on(host.end());
        // The second may have been cancelled before it ran, by the first.
        let faults = core.state.lock().faults.len();
        assert!(faults == 1 || faults == 2);
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

#[test]
fn a_child_that_is_just_starting_to_wait_hears_that_its_group_is_cancelled() {
    check(|| {
        let mut host = Host::new();
        let (child, mut task) = host.child(std::future::pending::<Result<(), Error>>());
        host.leave();
        let thread = spawn(child);
        host.core.stop(Reason::Requested);
        let core = block_on(host.end());
        assert!(core.was_cut());
        let end = task.try_outcome().expect("it has ended");
        assert_eq!(end.map_err(|e| e.into_reason()), Err(Reason::Requested));
        thread.join().expect("no panic");
    });
}

#[test]
fn a_child_that_is_just_starting_to_wait_hears_its_handle() {
    check(|| {
        let host = Host::new();
        let (child, mut task) = host.child(std::future::pending::<Result<(), Error>>());
        let thread = spawn(child);
        task.cancel();
        let end = block_on(task.outcome());
        assert_eq!(end.map_err(|e| e.into_reason()), Err(Reason::Requested));
        let core = block_on(host.end());
        assert!(!core.was_cut());
        thread.join().expect("no panic");
    });
}

#[test]
fn a_handle_gets_the_value_and_sees_what_the_child_did() {
    check(|| {
        let (host, guarded) = (Host::new(), Arc::new(Guarded::new()));
        let seen = guarded.clone();
        let (child, mut task) = host.child(async move {
            seen.add();
            Ok(7)
        });
        let thread = spawn(child);
        assert!(matches!(block_on(task.outcome()), Ok(7)));
        assert_eq!(guarded.get(), 1);
        drop(block_on(host.end()));
        thread.join().expect("no panic");
    });
}

#[test]
fn a_phase_shows_what_came_before_it() {
    check(|| {
        let (host, guarded) = (Host::new(), Arc::new(Guarded::new()));
        let canceller = {
            let (core, guarded) = (host.core.clone(), guarded.clone());
            thread::spawn(move || {
                guarded.add();
                core.stop(Reason::Requested);
            })
        };
        if host.core.body_phase() >= Phase::Asked {
            assert_eq!(guarded.get(), 1);
        }
        canceller.join().expect("no panic");
        drop(block_on(host.end()));
    });
}

#[test]
fn a_flag_of_the_handle_shows_its_reason() {
    check(|| {
        let host = Host::new();
        let (child, task) = host.child(poll_fn(|_| Poll::Ready(Ok::<_, Error>(()))));
        let thread = thread::spawn(move || task.cancel());
        block_on(child);
        drop(block_on(host.end()));
        thread.join().expect("no panic");
    });
}
