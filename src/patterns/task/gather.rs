//! [`gather`]: many futures, their outputs in order.

use super::error::{ErrorGroup, Fault};
use super::in_order::InOrder;
use super::spawned::Spawnable;
use crate::internal::caught::{discard, quietly};
use crate::internal::label;
use crate::internal::member::{Member, dismiss};
use crate::internal::scope;
use crate::internal::slots::Slots;
use crate::runtime::coop;
use pin_project_lite::pin_project;
use std::any::Any;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

/// How far a [`gather`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many futures have ended.
    pub done: usize,
    /// How many there are, when the iterator knows.
    pub total: Option<usize>,
}

/// Runs futures side by side, and gives their outputs in the order of the futures; awaited, or [built up](Gather) first.
///
/// In place, on the calling task: concurrent, not parallel; futures may borrow, and need neither `Send` nor a runtime. With a
/// [`limit`](Gather::limit) the iterator is drawn as slots get free, without an allocation per future.
///
/// * `gather(futures).await` is for `Result`s: `Ok(Vec<T>)`, or after the first error every error there was ([`ErrorGroup`]): the
///   others are cancelled and waited for, cleanup included. Python's `gather`, without the siblings that run on.
/// * [`.settled()`](Gather::settled) waits for all and gives every output, errors too: `return_exceptions=True`.
/// * [`.on_runtime()`](Gather::on_runtime) runs them on tasks of the runtime: parallel.
///
/// # Errors
///
/// [`ErrorGroup`], when a future failed.
///
/// # Panics
///
/// A panic of a future goes on in the caller, when the others have been cancelled and waited for, cleanup included.
///
/// # Cancel safety
///
/// Dropping it drops the futures at once, without their async cleanup. Cancelled by a scope around it, it starts no
/// more of them, and does not return unless all have ended: there is no part of a result.
///
/// # Examples
///
/// ```
/// use regatta::{task::gather, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let words = ["regatta", "race", "row"];
///     let lengths = gather(words.iter().map(|word| async move {
///         time::sleep(Duration::from_secs(word.len() as u64)).await;
///         if word.is_empty() { Err("empty") } else { Ok(word.len()) }
///     }));
///     assert_eq!(lengths.limit(2).await.expect("no word is empty"), [7, 4, 3]);
/// });
/// ```
pub fn gather<I>(futures: I) -> Gather<I::IntoIter>
where
    I: IntoIterator,
    I::Item: IntoFuture,
{
    Gather {
        futures: futures.into_iter(),
        limit: usize::MAX,
        mode: FailFast(()),
        observer: None,
    }
}

/// Stops at the first error; the mode of a plain [`gather`].
#[derive(Debug)]
pub struct FailFast(());

/// Waits for all; the mode after [`Gather::settled`].
#[derive(Debug)]
pub struct Settled(());

/// What to do with the outputs `O`.
pub trait GatherMode<O> {
    /// What the whole gives.
    type Output;
    #[doc(hidden)]
    type Collector: Collector<O, Output = Self::Output> + Default;
}

/// Keeps outputs. Public only because [`GatherMode`] mentions it.
pub trait Collector<O> {
    type Output;
    /// What the future with this number gave. True: the rest is not wanted any more.
    fn put(&mut self, number: usize, output: O) -> bool;
    fn finish(&mut self) -> Self::Output;
}

#[derive(Debug)]
pub struct FailFastCollector<T, E> {
    values: InOrder<T>,
    faults: Vec<Fault<E>>,
}

impl<T, E> Default for FailFastCollector<T, E> {
    fn default() -> Self {
        FailFastCollector {
            values: InOrder::default(),
            faults: Vec::new(),
        }
    }
}

impl<T, E> Collector<Result<T, E>> for FailFastCollector<T, E> {
    type Output = Result<Vec<T>, ErrorGroup<E>>;

    #[inline]
    fn put(&mut self, number: usize, output: Result<T, E>) -> bool {
        match output {
            Ok(value) => self.values.put(number, value),
            Err(error) => self.faults.push(Fault::Leaf(None, error)),
        }
        !self.faults.is_empty()
    }

    fn finish(&mut self) -> Self::Output {
        if self.faults.is_empty() {
            return Ok(self.values.take());
        }
        Err(ErrorGroup::new(None, std::mem::take(&mut self.faults)))
    }
}

impl<T, E> GatherMode<Result<T, E>> for FailFast {
    type Output = Result<Vec<T>, ErrorGroup<E>>;
    type Collector = FailFastCollector<T, E>;
}

#[derive(Debug)]
pub struct SettledCollector<O>(InOrder<O>);

impl<O> Default for SettledCollector<O> {
    fn default() -> Self {
        SettledCollector(InOrder::default())
    }
}

impl<O> Collector<O> for SettledCollector<O> {
    type Output = Vec<O>;

    #[inline]
    fn put(&mut self, number: usize, output: O) -> bool {
        self.0.put(number, output);
        false
    }

    fn finish(&mut self) -> Vec<O> {
        self.0.take()
    }
}

impl<O> GatherMode<O> for Settled {
    type Output = Vec<O>;
    type Collector = SettledCollector<O>;
}

/// A [`gather`] that is being set up; await it to run it.
#[must_use = "it runs when it is awaited"]
pub struct Gather<I, M = FailFast, P = fn(Progress)> {
    pub(super) futures: I,
    pub(super) limit: usize,
    pub(super) mode: M,
    pub(super) observer: Option<P>,
}

impl<I, M: fmt::Debug, P> fmt::Debug for Gather<I, M, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather")
            .field("limit", &self.limit)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl<I, M, P> Gather<I, M, P> {
    /// Runs at most `n` at once; the iterator is drawn as they end. Default: all at once.
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    pub fn limit(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "gather(..).limit(0): no future would ever run; use at least 1"
        );
        self.limit = n;
        self
    }

    /// Waits for all, and gives every output, errors too. The outputs need not be `Result`s.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::task::gather;
    ///
    /// regatta::testing::run(async || {
    ///     let jobs = [Ok(1), Err("broken"), Ok(3)].map(|r| async move { r });
    ///     assert_eq!(gather(jobs).settled().await, [Ok(1), Err("broken"), Ok(3)]);
    /// });
    /// ```
    pub fn settled(self) -> Gather<I, Settled, P> {
        Gather {
            futures: self.futures,
            limit: self.limit,
            mode: Settled(()),
            observer: self.observer,
        }
    }

    /// Calls `observer` each time a future has ended.
    pub fn progress<Q: FnMut(Progress)>(self, observer: Q) -> Gather<I, M, Q> {
        Gather {
            futures: self.futures,
            limit: self.limit,
            mode: self.mode,
            observer: Some(observer),
        }
    }

    /// Runs the futures on tasks of the current runtime, in a [task group](super::task_group): parallel. Without a runtime
    /// they run in place.
    ///
    /// There are as many tasks as futures may run at once. One that has ended its future draws the next from the iterator, so with a
    /// [`limit`](Gather::limit) a short future costs no task of its own; the iterator runs on whichever task draws, one at a time.
    ///
    /// # Errors
    ///
    /// When the runtime stops under its tasks: an [`ErrorGroup`] that says so ([`cancelled`](ErrorGroup::cancelled)),
    /// or, when it is [`settled`](Gather::settled), which has no errors of its own,
    /// [`Cancelled`](crate::cancel::Cancelled).
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::task::gather;
    ///
    /// regatta::testing::run(async || {
    ///     let squares = gather((1..=4).map(|n| async move { Ok::<u32, String>(n * n) })).limit(2).on_runtime();
    ///     assert_eq!(squares.await.expect("no overflow"), [1, 4, 9, 16]);
    /// });
    /// ```
    pub fn on_runtime(self) -> Spawnable<I, M, P> {
        Spawnable { plan: self }
    }
}

/// What a future from this iterator gives.
type OutputOf<I> = <<I as Iterator>::Item as IntoFuture>::Output;

impl<I, M, P> IntoFuture for Gather<I, M, P>
where
    I: Iterator<Item: IntoFuture>,
    M: GatherMode<OutputOf<I>>,
    P: FnMut(Progress),
{
    type Output = M::Output;
    type IntoFuture = Gathering<I, <I::Item as IntoFuture>::IntoFuture, M::Collector, P, M::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let total = match self.futures.size_hint() {
            (low, Some(high)) if low == high => Some(high),
            _ => None,
        };
        Gathering {
            futures: Some(self.futures),
            limit: self.limit,
            members: Slots::default(),
            numbers: Vec::new(),
            drawn: 0,
            outputs: M::Collector::default(),
            progress: Progress { done: 0, total },
            observer: self.observer,
            stopped: false,
            turn: Turn::default(),
            panic: None,
            poll: run,
        }
    }
}

pin_project! {
    /// A [`gather`] that is running in place: the futures `F` of the iterator `I`, whose outputs go to `C`, and make
    /// `O` in the end.
    // `F`, `C` and `O` stand here although `I` and the mode say what they are, and `poll` is a pointer: inside a
    // spawned future the compiler has to prove anew whatever a type needs to be `Send`. That an iterator with a
    // closure that takes a reference is an iterator it cannot prove there ("not general enough"), nor that the
    // lifetimes in `I` and `F` are the same. So nothing about this type depends on either.
    #[must_use = "futures do nothing unless polled"]
    pub struct Gathering<I, F, C, P, O> {
        // `None` when it is drawn dry.
        futures: Option<I>,
        limit: usize,
        members: Slots<Member<F>>,
        // Of the futures in the slots.
        numbers: Vec<usize>,
        drawn: usize,
        outputs: C,
        progress: Progress,
        observer: Option<P>,
        stopped: bool,
        turn: Turn,
        // What one of them panicked with; it goes on when all are gone.
        // Never locked: a payload is `Send` only, and would keep the future from being `Sync`.
        panic: Option<Mutex<Box<dyn Any + Send>>>,
        poll: fn(Pin<&mut Gathering<I, F, C, P, O>>, &mut Context<'_>) -> Poll<O>,
    }
}

/// Where a call stands with the task's budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    New,
    /// It has given way, and owes nothing.
    GaveWay,
    Begun,
    Over,
}

impl<I, F, C, P, O> fmt::Debug for Gathering<I, F, C, P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathering")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

impl<I, F, C, P, O> Future for Gathering<I, F, C, P, O> {
    type Output = O;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O> {
        (self.poll)(self, cx)
    }
}

fn run<I, F, C, P>(
    mut gathering: Pin<&mut Gathering<I, F, C, P, C::Output>>,
    cx: &mut Context<'_>,
) -> Poll<C::Output>
where
    I: Iterator<Item: IntoFuture<IntoFuture = F, Output = F::Output>>,
    F: Future,
    C: Collector<F::Output>,
    P: FnMut(Progress),
{
    let first = match *gathering.as_mut().project().turn {
        Turn::Begun => false,
        Turn::GaveWay => true,
        Turn::New => {
            *gathering.as_mut().project().turn = Turn::GaveWay;
            ready!(coop::poll_spend(cx));
            true
        }
        Turn::Over => panic!("`gather` polled after it ended"),
    };
    *gathering.as_mut().project().turn = Turn::Begun;
    // One net for everything of the user's that runs in here: the futures, the iterator, the observer.
    loop {
        let polled = catch_unwind(AssertUnwindSafe(|| gathering.as_mut().advance(cx, first)));
        let this = gathering.as_mut().project();
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {
                *this.turn = Turn::Over;
                if let Some(payload) = this.panic.take() {
                    resume_unwind(payload.into_inner().unwrap_or_else(PoisonError::into_inner));
                }
                return Poll::Ready(this.outputs.finish());
            }
            Err(payload) => {
                // The first one counts.
                match this.panic {
                    Some(_) => discard(payload),
                    None => *this.panic = Some(Mutex::new(payload)),
                }
                this.members.mend();
                quietly(|| *this.futures = None);
                *this.stopped = true;
                dismiss(this.members);
            }
        }
    }
}

impl<I, F, C, P, O> Gathering<I, F, C, P, O>
where
    I: Iterator<Item: IntoFuture<IntoFuture = F, Output = F::Output>>,
    F: Future,
    C: Collector<F::Output>,
    P: FnMut(Progress),
{
    /// Ready when all have ended. `first`: this is the first poll, which may be that of a caller whose time is over
    /// already.
    fn advance(self: Pin<&mut Self>, cx: &mut Context<'_>, first: bool) -> Poll<()> {
        let this = self.project();
        // Nothing starts for a caller that is cancelled, which may live on for the cleanup of one of them.
        let draws = first || (this.futures.is_some() && !scope::is_cancelled());
        let mut free = coop::BATCH;
        loop {
            let (number, output) = 'ended: {
                while draws
                    && this.members.len() < *this.limit
                    && let Some(futures) = this.futures
                {
                    let Some(future) = futures.next() else {
                        *this.futures = None;
                        break;
                    };
                    let number = *this.drawn;
                    *this.drawn += 1;
                    match this
                        .members
                        .insert_polled(|| Member::new(future.into_future()))
                    {
                        Ok(slot) => {
                            if slot >= this.numbers.len() {
                                this.numbers.resize(slot + 1, 0);
                            }
                            this.numbers[slot] = number;
                        }
                        Err(output) => break 'ended (number, output),
                    }
                }
                match this.members.poll_next(cx) {
                    Poll::Ready(Some((slot, output))) => (this.numbers[slot], output),
                    Poll::Ready(None) if this.futures.is_none() => return Poll::Ready(()),
                    // With futures left: whoever cancelled the caller drops it.
                    Poll::Ready(None) | Poll::Pending => {
                        label::set("gathered futures");
                        return Poll::Pending;
                    }
                }
            };
            if let Some(output) = output {
                let stop = this.outputs.put(number, output);
                this.progress.done += 1;
                if let Some(observer) = this.observer {
                    observer(*this.progress);
                }
                if stop && !*this.stopped {
                    *this.stopped = true;
                    *this.futures = None;
                    dismiss(this.members);
                }
            }
            free -= 1;
            if free > 0 {
                continue;
            }
            free = coop::BATCH;
            if coop::poll_spend_batch(cx).is_pending() {
                if first {
                    // It has not waited for anything: to its caller's deadline this still is the poll that it began in.
                    *this.turn = Turn::GaveWay;
                }
                return Poll::Pending;
            }
        }
    }
}
