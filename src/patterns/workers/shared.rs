//! What the handles and the workers share, and the life of a job on a worker.

use super::error::{JobError, SubmitError};
use super::job::{Slot, Unclaimed};
use super::policy::{Attempt, Restart, Retry, Sink};
use super::state::State;
use crate::cancel::{CancelToken, Reason};
use crate::internal::caught::{caught, discard};
use crate::internal::lock::Lock;
use crate::internal::scope;
use crate::queue::{Item, Queue};
use crate::runtime::{BoxFuture, Runtime, panic_text};
use crate::time;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) type Handler<J, T, E> = dyn Fn(J) -> BoxFuture<'static, Result<T, E>> + Send + Sync;

/// What the user chose, as far as a job is concerned.
pub(super) struct Settings<J, T, E> {
    pub(super) handler: Box<Handler<J, T, E>>,
    pub(super) job_timeout: Option<Duration>,
    pub(super) restart: Restart,
    pub(super) retry: Option<Retry<J, E>>,
    pub(super) unclaimed: Option<Arc<Sink<E>>>,
}

/// A job on its way to a worker. Dropped on the way, it tells its handle.
pub(super) struct Order<J, T, E> {
    pub(super) input: Option<J>,
    pub(super) slot: Arc<Slot<T, E>>,
}

impl<J, T, E> Drop for Order<J, T, E> {
    fn drop(&mut self) {
        if self.input.is_some() {
            self.slot.end(Err(JobError::NeverRan));
        }
    }
}

pub(super) struct Shared<J, T, E> {
    pub(super) runtime: Runtime,
    pub(super) queue: Queue<Order<J, T, E>>,
    pub(super) settings: Settings<J, T, E>,
    pub(super) state: Lock<State<J>>,
    pub(super) unclaimed: Arc<Unclaimed<E>>,
    pub(super) next_id: AtomicU64,
    /// Cancelled when nothing more is taken, and every worker is gone.
    pub(super) all_gone: CancelToken,
}

impl<J, T, E> Shared<J, T, E> {
    pub(super) fn order(&self, input: J) -> Order<J, T, E> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        Order {
            input: Some(input),
            slot: Slot::new(id, self.unclaimed.clone()),
        }
    }

    pub(super) fn refusal(&self, mut order: Order<J, T, E>, full: bool) -> SubmitError<J> {
        let input = order.input.take();
        let input = input.expect("it is taken out by a worker alone, or here");
        if full {
            return SubmitError::Full(input);
        }
        let state = self.state.lock();
        if state.gave_up {
            SubmitError::GaveUp(input)
        } else if state.lost {
            SubmitError::RuntimeEnded(input)
        } else {
            SubmitError::Closed(input)
        }
    }

    /// Takes no more jobs.
    pub(super) fn close(&self) {
        self.queue.close();
        self.change(|state| state.closed = true);
    }

    /// The runtime has taken the workers with it.
    pub(super) fn runtime_ended(&self) {
        self.change(|state| {
            state.lost |= !state.closed;
            state.closed = true;
        });
        self.set_aside();
    }

    fn change(&self, how: impl FnOnce(&mut State<J>)) {
        let mut state = self.state.lock();
        how(&mut state);
        let gone = state.are_all_gone();
        drop(state);
        if gone {
            self.all_gone.cancel();
        }
    }

    /// Takes no more jobs; those that wait never run, and are kept for the report.
    pub(super) fn set_aside(&self) {
        let mut orders = self.queue.close_now();
        // Those that were given to a worker which was dropped before it took them.
        orders.extend(self.queue.dead_letters());
        let mut dropped = Vec::new();
        let mut state = self.state.lock();
        for order in &mut orders {
            // One that its handle has cancelled has ended before.
            if order.slot.begin() {
                state.ended.never_ran += 1;
                dropped.extend(order.input.take());
            } else {
                state.ended.cancelled += 1;
            }
        }
        state.dropped.append(&mut dropped);
        drop(state);
        for order in &orders {
            order.slot.end(Err(JobError::NeverRan));
        }
    }
}

/// A job that runs. Its end is told and counted also when the worker is dropped in the middle.
struct Running<'a, J, T, E> {
    shared: &'a Shared<J, T, E>,
    item: Option<Item<Order<J, T, E>>>,
    slot: Arc<Slot<T, E>>,
    key: usize,
    settled: bool,
}

impl<J, T, E> Running<'_, J, T, E> {
    /// True when this was one panic too many.
    fn settle(&mut self, end: Result<T, JobError<E>>) -> bool {
        self.settled = true;
        let now = self.shared.runtime.now();
        let mut state = self.shared.state.lock();
        state.ended(self.key, &end);
        let gives_up = matches!(end, Err(JobError::Panicked(_))) && state.panicked(now);
        drop(state);
        // Whoever is told finds the job counted, and `join` waits until it was told.
        self.slot.end(end);
        if let Some(item) = self.item.take() {
            item.done();
        }
        gives_up
    }
}

impl<J, T, E> Drop for Running<'_, J, T, E> {
    fn drop(&mut self) {
        if !self.settled {
            let reason = self.slot.token.reason().unwrap_or(Reason::Shutdown);
            self.settle(Err(JobError::Cancelled(reason)));
        }
    }
}

/// Counts a worker for as long as it lives.
pub(super) struct Live<J, T, E>(Arc<Shared<J, T, E>>);

impl<J, T, E> Live<J, T, E> {
    pub(super) fn new(shared: Arc<Shared<J, T, E>>) -> Self {
        shared.state.lock().live += 1;
        Live(shared)
    }
}

impl<J, T, E> Drop for Live<J, T, E> {
    fn drop(&mut self) {
        // The runtime may have dropped the host first; a job that was given to this worker has only now come back.
        let lost = self.0.state.lock().lost;
        if lost {
            self.0.set_aside();
        }
        self.0.change(|state| state.live -= 1);
    }
}

/// What `f` gives, or its panic as that of a job.
fn unwound<R, E>(f: impl FnOnce() -> R) -> Result<R, JobError<E>> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| JobError::Panicked(message(payload)))
}

impl<J, E> Retry<J, E> {
    /// After which delay a job that ended like this is tried again.
    fn delay<T>(
        &self,
        job: u64,
        number: u32,
        end: &Result<T, JobError<E>>,
    ) -> Result<Option<Duration>, JobError<E>> {
        match end {
            Ok(_) | Err(JobError::Cancelled(_)) => Ok(None),
            Err(error) => unwound(|| (self.decide)(&Attempt { job, number, error })),
        }
    }
}

fn message(payload: Box<dyn Any + Send>) -> String {
    let text = panic_text(&*payload).unwrap_or("(no message)").to_owned();
    discard(payload);
    text
}

impl<J, T, E> Live<J, T, E>
where
    J: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    /// A worker: takes jobs until the end of the queue, or until it is retired.
    pub(super) async fn serve(self, retired: CancelToken, close: CancelToken) {
        let shared = &*self.0;
        while !retired.is_cancelled() {
            let Ok(Some(item)) = retired.run(shared.queue.get()).await else {
                break;
            };
            // A value, or a destructor, of the user that panics where none of the inner guards expects it.
            let gives_up = caught(shared.work(item)).await.unwrap_or_else(|payload| {
                drop(message(payload));
                shared.state.lock().panicked(shared.runtime.now())
            });
            if gives_up {
                shared.set_aside();
                close.cancel_with(Reason::Shutdown);
            }
        }
    }
}

impl<J, T, E> Shared<J, T, E>
where
    J: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    /// True when the job's panic was one too many.
    async fn work(&self, mut item: Item<Order<J, T, E>>) -> bool {
        let slot = item.slot.clone();
        let input = item.input.take();
        let begins = slot.begin();
        let mut input = match input {
            Some(input) if begins => input,
            cancelled => {
                self.state.lock().ended.cancelled += 1;
                item.done();
                discard(cancelled);
                return false;
            }
        };
        let since = self.runtime.now();
        let key = self.state.lock().begun(slot.id, since);
        let mut running = Running {
            shared: self,
            item: Some(item),
            slot: slot.clone(),
            key,
            settled: false,
        };
        let mut number = 1;
        loop {
            let (end, again) = match &self.settings.retry {
                None => (self.attempt(&slot, input).await, None),
                Some(retry) => {
                    let end = match unwound(|| (retry.clone)(&input)) {
                        Ok(copy) => self.attempt(&slot, copy).await,
                        Err(panicked) => Err(panicked),
                    };
                    // Nothing begins any more for a job that is cancelled, by its handle or with the workers.
                    if slot.token.is_cancelled() || scope::reason().is_some() {
                        discard(input);
                        return running.settle(end);
                    }
                    match retry.delay(slot.id, number, &end) {
                        Ok(delay) => (end, delay.map(|delay| (delay, input))),
                        Err(panicked) => (Err(panicked), None),
                    }
                }
            };
            let Some((delay, same)) = again else {
                return running.settle(end);
            };
            discard(end);
            input = same;
            number = number.saturating_add(1);
            if let Err(cancelled) = slot.token.run(time::sleep(delay)).await {
                return running.settle(Err(JobError::Cancelled(cancelled.into_reason())));
            }
            self.state.lock().retries += 1;
        }
    }

    async fn attempt(&self, slot: &Slot<T, E>, input: J) -> Result<T, JobError<E>> {
        let job = caught(async { (self.settings.handler)(input).await });
        let ended = match self.settings.job_timeout {
            None => slot.token.run(job).await.map(Ok),
            Some(limit) => slot.token.run(time::timeout(limit, job)).await,
        };
        match ended {
            Ok(Ok(Ok(Ok(value)))) => Ok(value),
            Ok(Ok(Ok(Err(error)))) => Err(JobError::Failed(error)),
            Ok(Ok(Err(payload))) => Err(JobError::Panicked(message(payload))),
            Ok(Err(elapsed)) => Err(JobError::TimedOut(elapsed.limit().unwrap_or_default())),
            Err(cancelled) => Err(JobError::Cancelled(cancelled.into_reason())),
        }
    }
}
