//! The runtimes that a pool is used on, and the reapers that look after what lies idle on each.
//!
//! A pool may stand in a `static`, and meet several runtimes, one after the other or side by side. A runtime is *known*
//! from the first caller that had to wait on it, until a task was dropped there, or nothing of it is left.

use super::{State, Todo, Wait};
use crate::internal::line::Wakers;
use crate::patterns::pool::error::ConnectError;
use crate::runtime::Instant;
use crate::runtime::{Runtime, RuntimeId};
use std::task::{Context, Waker};

pub(super) struct Ground {
    pub(super) id: RuntimeId,
    runtime: Runtime,
    reaper: Reaper,
}

/// When a reaper is to look again.
#[derive(Debug, Default)]
struct Reaper {
    /// Whether there is one.
    on: bool,
    until: Option<Instant>,
    roused: bool,
    waker: Option<Waker>,
}

/// What a reaper is to do.
pub(in crate::patterns::pool) enum Reaping {
    Ends,
    Looks,
    Sleeps,
    /// And its waker is to be taken over: unlock, clone it, and ask again.
    SleepsUnwoken,
}

impl<O, H: Clone, E> State<O, H, E> {
    pub(in crate::patterns::pool) fn knows(&self, here: RuntimeId) -> bool {
        self.grounds.iter().any(|ground| ground.id == here)
    }

    /// A caller waits, or is about to, on this runtime.
    pub(in crate::patterns::pool) fn welcome(
        &mut self,
        runtime: &Runtime,
        todo: &mut Todo<O, H, E>,
    ) {
        let here = runtime.id();
        if self.grounds.last().is_some_and(|last| last.id == here) {
            return;
        }
        if let Some(at) = self.grounds.iter().position(|ground| ground.id == here) {
            // The last one is the one in use.
            let ground = self.grounds.remove(at);
            self.grounds.push(ground);
            return;
        }
        self.forget_unused(todo);
        self.grounds.push(Ground {
            id: here,
            runtime: runtime.clone(),
            reaper: Reaper::default(),
        });
    }

    /// Forgets runtimes on which no caller waits, and nothing was made that is left.
    fn forget_unused(&mut self, todo: &mut Todo<O, H, E>) {
        let mut used: Vec<RuntimeId> = self.records.iter().map(|(_, r)| r.ground).collect();
        for (_, bucket) in &self.buckets {
            bucket.line.each(|wait| {
                if let Wait::Waiting { ground, .. } = wait {
                    used.push(*ground);
                }
            });
        }
        let unused = |ground: &mut Ground| !ground.reaper.on && !used.contains(&ground.id);
        let unused = self.grounds.extract_if(.., unused);
        todo.forgotten.extend(unused.map(|ground| ground.runtime));
    }

    /// A task was dropped there: the runtime is gone, and all waiters there are told.
    pub(in crate::patterns::pool) fn leave_ground(
        &mut self,
        gone: RuntimeId,
        todo: &mut Todo<O, H, E>,
    ) {
        for ground in self.grounds.extract_if(.., |ground| ground.id == gone) {
            todo.wakers.add(ground.reaper.waker);
            todo.forgotten.push(ground.runtime);
        }
        for (_, bucket) in &mut self.buckets {
            bucket.line.serve_each(&mut todo.wakers, |wait| {
                let is_there = wait.is_on(gone);
                if is_there {
                    *wait = Wait::Failed(ConnectError::Dropped);
                }
                is_there
            });
        }
        for b in self.buckets() {
            self.settle(b, todo);
        }
    }

    pub(super) fn runtime_of(&self, ground: RuntimeId) -> Option<Runtime> {
        let known = self.grounds.iter().find(|g| g.id == ground);
        known.map(|ground| ground.runtime.clone())
    }

    /// Where the next connect of a bucket is of use: for the first waiter without a connect, or where the pool was used
    /// last.
    pub(super) fn ground_for(&self, b: usize) -> Option<Runtime> {
        let last = self.grounds.last()?;
        let bucket = &self.buckets[b];
        if self.grounds.len() == 1 || bucket.line.is_empty() {
            return Some(last.runtime.clone());
        }
        let mut waits = Vec::new();
        bucket.line.each(|wait| {
            if let Wait::Waiting { ground, .. } = wait {
                waits.push(*ground);
            }
        });
        // Those under way are for the first of their runtime.
        for (_, record) in self.records.iter().filter(|(_, r)| r.bucket == b) {
            if record.connecting
                && let Some(at) = waits.iter().position(|ground| *ground == record.ground)
            {
                waits.remove(at);
            }
        }
        let first = waits.first().and_then(|ground| self.runtime_of(*ground));
        first.or_else(|| Some(last.runtime.clone()))
    }

    /// Whether no reaper looks after the objects of a runtime, although one could.
    #[inline]
    pub(super) fn is_unkept(&self, ground: RuntimeId) -> bool {
        let known = self.grounds.iter().find(|g| g.id == ground);
        known.is_some_and(|ground| !ground.reaper.on) && !self.ending
    }

    /// Sees to it that a reaper looks after the objects of a runtime. `b` is any bucket that has one.
    pub(in crate::patterns::pool) fn look_after(
        &mut self,
        ground: RuntimeId,
        b: usize,
        todo: &mut Todo<O, H, E>,
    ) {
        if !self.rules.reaps || !self.is_unkept(ground) || todo.reaper.is_some() {
            return;
        }
        let home = self.buckets[b].home.clone();
        let known = self.grounds.iter_mut().find(|g| g.id == ground);
        if let (Some(home), Some(ground)) = (home, known) {
            ground.reaper = Reaper {
                on: true,
                ..Reaper::default()
            };
            todo.reaper = Some((home, ground.runtime.clone()));
        }
    }

    /// There is something to do at `due`, on this runtime.
    #[inline]
    pub(super) fn rouse(&mut self, ground: RuntimeId, due: Option<Instant>) -> Option<Waker> {
        let due = due?;
        let known = self.grounds.iter_mut().find(|g| g.id == ground)?;
        let reaper = &mut known.reaper;
        if !reaper.on || reaper.until.is_some_and(|until| until <= due) {
            return None;
        }
        reaper.until = Some(due);
        reaper.roused = true;
        reaper.waker.take()
    }

    /// The reaper of a runtime has looked.
    pub(super) fn reaped(&mut self, here: RuntimeId, next: Option<Instant>) {
        if let Some(ground) = self.grounds.iter_mut().find(|g| g.id == here) {
            ground.reaper.until = next;
            ground.reaper.roused = false;
        }
    }

    /// What the reaper of a runtime is to do. The waker in `spare` is given back where it is not needed, or an old one.
    pub(in crate::patterns::pool) fn reaping(
        &mut self,
        here: RuntimeId,
        cx: &Context<'_>,
        spare: &mut Option<Waker>,
    ) -> Reaping {
        let known = self.grounds.iter_mut().find(|g| g.id == here);
        let Some(ground) = known.filter(|_| !self.ending) else {
            return Reaping::Ends;
        };
        let reaper = &mut ground.reaper;
        if reaper.roused {
            return Reaping::Looks;
        }
        match &reaper.waker {
            Some(old) if old.will_wake(cx.waker()) => Reaping::Sleeps,
            _ if spare.is_none() => Reaping::SleepsUnwoken,
            _ => {
                std::mem::swap(&mut reaper.waker, spare);
                Reaping::Sleeps
            }
        }
    }

    /// The reaper of a runtime has ended, well or with its runtime. The next caller that brings an object there starts
    /// another.
    pub(in crate::patterns::pool) fn reaper_ended(&mut self, here: RuntimeId) -> Option<Waker> {
        let ground = self.grounds.iter_mut().find(|g| g.id == here)?;
        std::mem::take(&mut ground.reaper).waker
    }

    /// The last handle is gone: all reapers end.
    pub(in crate::patterns::pool) fn end(&mut self, wakers: &mut Wakers) {
        self.ending = true;
        for ground in &mut self.grounds {
            wakers.add(ground.reaper.waker.take());
        }
    }
}
