//! What an entry of the catalogue is: one operation on one object, which is ready, or waits until it may go on.

use crate::user::{self, User, Value};
use std::any::Any;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What an operation gives, or what keeps others waiting: given back when dropped.
pub(crate) type Held = Box<dyn Any>;
/// An operation on its way. What it gives is held until dropped; an error is told as text.
pub(crate) type Op = Pin<Box<dyn Future<Output = Result<Held, String>>>>;
type Make = Box<dyn Fn() -> Op + Send + Sync>;
type Block = Box<dyn Fn() -> Held + Send + Sync>;
type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// One public operation (or a few that are the same), with everything that a harness needs to know.
pub(crate) struct Entry {
    /// As [`sources`](crate::sources) names it.
    pub(crate) name: &'static str,
    /// Other names of the sources that it stands for: they lead to the same future.
    pub(crate) covers: &'static [&'static str],
    pub(crate) build: fn(&User) -> World,
}

pub(crate) const fn entry(name: &'static str, build: fn(&User) -> World) -> Entry {
    Entry {
        name,
        covers: &[],
        build,
    }
}

impl Entry {
    pub(crate) const fn covers(mut self, covers: &'static [&'static str]) -> Self {
        self.covers = covers;
        self
    }
}

/// An object with its operation.
pub(crate) struct World {
    make: Make,
    block: Block,
    check: Check,
    /// Why it cannot be ready at its first poll: it always takes a timer or another task.
    pub(crate) never_at_once: Option<&'static str>,
    /// Why it never waits.
    pub(crate) never_waits: Option<&'static str>,
    /// Exclusive, and first come, first served.
    pub(crate) in_line: bool,
    /// Why it is not used by a simulation and another thread at once: the simulation would wait for the other thread, which it cannot.
    pub(crate) one_thread: Option<&'static str>,
    /// Why it may not stand in a `static`: it belongs to one runtime.
    pub(crate) bound: Option<&'static str>,
    /// Why it never gives way of itself: what is inside does.
    pub(crate) transparent: Option<&'static str>,
    /// Why it cannot run in virtual time.
    pub(crate) outside: Option<&'static str>,
}

impl World {
    /// `op` waits while what `block` gave is held.
    pub(crate) fn new<O, F, T, E, B>(
        object: O,
        op: impl Fn(O) -> F + Send + Sync + 'static,
        block: impl Fn(&O) -> B + Send + Sync + 'static,
    ) -> World
    where
        O: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + 'static,
        T: 'static,
        E: Debug,
        B: 'static,
    {
        let blocked = object.clone();
        World {
            make: Box::new(move || {
                let future = op(object.clone());
                Box::pin(async move {
                    match future.await {
                        Ok(value) => Ok(Box::new(value) as Held),
                        Err(error) => Err(format!("{error:?}")),
                    }
                })
            }),
            block: Box::new(move || Box::new(block(&blocked))),
            check: Box::new(|| Ok(())),
            never_at_once: None,
            never_waits: None,
            in_line: false,
            one_thread: None,
            bound: None,
            transparent: None,
            outside: None,
        }
    }

    /// An operation around another future, which waits at a gate.
    pub(crate) fn around<F, T, E>(op: impl Fn(Gate) -> F + Send + Sync + 'static) -> World
    where
        F: Future<Output = Result<T, E>> + 'static,
        T: 'static,
        E: Debug,
    {
        let gate = Gate(Arc::default(), user::here());
        let seen = gate.clone();
        World::new(gate, op, Gate::close)
            .check(move || same("waiting at the gate", seen.waiting(), 0))
    }

    /// What holds when nobody has anything and nobody waits.
    pub(crate) fn check(
        mut self,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> World {
        self.check = Box::new(check);
        self
    }

    pub(crate) fn never_at_once(mut self, why: &'static str) -> World {
        self.never_at_once = Some(why);
        self
    }

    pub(crate) fn never_waits(mut self, why: &'static str) -> World {
        self.never_waits = Some(why);
        self
    }

    pub(crate) fn in_line(mut self) -> World {
        self.in_line = true;
        self
    }

    pub(crate) fn one_thread(mut self, why: &'static str) -> World {
        self.one_thread = Some(why);
        self
    }

    pub(crate) fn bound(mut self, why: &'static str) -> World {
        self.bound = Some(why);
        self
    }

    pub(crate) fn transparent(mut self, why: &'static str) -> World {
        self.transparent = Some(why);
        self
    }

    pub(crate) fn outside(mut self, why: &'static str) -> World {
        self.outside = Some(why);
        self
    }

    pub(crate) fn op(&self) -> Op {
        (self.make)()
    }

    /// Makes the operation wait until the value is dropped.
    pub(crate) fn block(&self) -> Held {
        (self.block)()
    }

    pub(crate) fn is_quiet(&self) -> Result<(), String> {
        (self.check)()
    }
}

pub(crate) fn same<T: PartialEq + Debug>(what: &str, got: T, want: T) -> Result<(), String> {
    if got == want {
        return Ok(());
    }
    Err(format!("{what}: {got:?} instead of {want:?}"))
}

/// Runs a closure when dropped.
pub(crate) struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

pub(crate) fn on_drop<F: FnMut()>(f: F) -> OnDrop<F> {
    OnDrop(f)
}

/// Open, or closed by somebody: what futures and servers of the catalogue wait at. Not of regatta's making.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<State>>, User);

#[derive(Default)]
struct State {
    closed: usize,
    last: u64,
    waiting: Vec<(u64, Waker)>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn close(&self) -> OnDrop<impl FnMut() + use<>> {
        self.lock().closed += 1;
        let gate = self.clone();
        on_drop(move || {
            let mut state = gate.lock();
            state.closed -= 1;
            let woken = if state.closed == 0 {
                std::mem::take(&mut state.waiting)
            } else {
                Vec::new()
            };
            drop(state);
            for (_, waker) in woken {
                drop(quietly(|| waker.wake()));
            }
        })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().closed == 0
    }

    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    pub(crate) fn pass(&self) -> Pass {
        Pass {
            gate: self.clone(),
            id: 0,
            value: Some(self.1.value()),
        }
    }
}

/// Ready when the gate is open.
pub(crate) struct Pass {
    gate: Gate,
    id: u64,
    /// Dropped with the future, or before it is ready.
    value: Option<Value>,
}

impl Future for Pass {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.gate.is_open() {
            self.gate.1.call();
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let mut old = None;
        let gate = self.gate.clone();
        let mut state = gate.lock();
        let open = state.closed == 0;
        if !open {
            if self.id == 0 {
                state.last += 1;
                self.id = state.last;
            }
            let id = self.id;
            match state.waiting.iter_mut().find(|(other, _)| *other == id) {
                Some((_, kept)) => old = Some(std::mem::replace(kept, waker)),
                None => state.waiting.push((id, waker)),
            }
        }
        drop(state);
        drop(old);
        if open { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let id = self.id;
        let mut state = self.gate.lock();
        let at = state.waiting.iter().position(|(other, _)| *other == id);
        let old = at.map(|at| state.waiting.swap_remove(at));
        drop(state);
        drop(old);
        drop(self.value.take());
    }
}

/// A stream whose items come while the gate is open.
pub(crate) struct Source(pub(crate) Pass, pub(crate) u32);

impl Gate {
    /// Numbers from 1 to `last`, each when the gate is open.
    pub(crate) fn source(&self, last: u32) -> Source {
        Source(self.pass(), last)
    }
}

impl futures::Stream for Source {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
        if self.1 == 0 {
            return Poll::Ready(None);
        }
        std::task::ready!(Pin::new(&mut self.0).poll(cx));
        self.1 -= 1;
        Poll::Ready(Some(self.1))
    }
}

/// The world, made on a plain thread. `None`: what it is about needs a runtime to be made, and a plain thread of this
/// build has none.
pub(crate) fn made_outside(build: fn(&User) -> World) -> Option<World> {
    if cfg!(feature = "smol") {
        return Some(build(&User::default()));
    }
    quietly(|| build(&User::default())).ok()
}

/// Calls, and lets no panic out.
pub(crate) fn quietly<R>(call: impl FnOnce() -> R) -> Result<R, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        text.unwrap_or_else(|| String::from("(no text)"))
    })
}

/// Polls once, with a waker that nobody hears.
pub(crate) fn poll_once(op: &mut Op) -> Poll<Result<Held, String>> {
    op.as_mut()
        .poll(&mut Context::from_waker(&Waker::from(Arc::new(Deaf))))
}

/// Not `Waker::noop`, which stands for a caller who never polls again.
struct Deaf;

impl std::task::Wake for Deaf {
    fn wake(self: Arc<Self>) {}
}

/// One undisturbed run of everything that the entry can do.
pub(crate) async fn behaves(
    build: fn(&User) -> World,
    in_virtual_time: bool,
    user: User,
) -> Result<(), String> {
    let world = build(&user);
    if in_virtual_time && world.outside.is_some() {
        return Ok(());
    }
    drop(
        world
            .op()
            .await
            .map_err(|e| format!("the first time: {e}"))?,
    );
    world.is_quiet_soon().await?;
    if world.never_at_once.is_none() {
        match poll_once(&mut world.op()) {
            Poll::Ready(ended) => drop(ended.map_err(|e| format!("at once: {e}"))?),
            Poll::Pending => return Err("it is not ready at its first poll".into()),
        }
        world.is_quiet_soon().await?;
    }
    if world.never_waits.is_none() {
        let block = world.block();
        let mut op = world.op();
        if poll_once(&mut op).is_ready() {
            return Err("it does not wait".into());
        }
        // Dropped while it waits; and another one goes on.
        let other = world.op();
        drop(op);
        let other = async {
            let mut other = other;
            drop(poll_once(&mut other));
            other.await
        };
        let later = async {
            regatta::testing::yield_now().await;
            drop(block);
        };
        let (ended, ()) = futures::join!(other, later);
        drop(ended.map_err(|e| format!("after it has waited: {e}"))?);
        world.is_quiet_soon().await?;
    }
    drop(
        world
            .op()
            .await
            .map_err(|e| format!("the last time: {e}"))?,
    );
    world.is_quiet_soon().await
}

impl World {
    /// What it owns may need a few turns to end.
    pub(crate) async fn is_quiet_soon(&self) -> Result<(), String> {
        let mut quiet = self.is_quiet();
        for _ in 0..200 {
            if quiet.is_ok() {
                break;
            }
            regatta::time::sleep(std::time::Duration::from_millis(5)).await;
            quiet = self.is_quiet();
        }
        quiet.map_err(|why| format!("left behind: {why}"))
    }
}
