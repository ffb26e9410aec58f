//! The workers as tasks: hired, retired, ended.

use super::job::Unclaimed;
use super::shared::{Live, Settings, Shared};
use super::state::State;
use crate::cancel::{CancelToken, Reason};
use crate::internal::lock::Lock;
use crate::internal::shutdown::Shutdown;
use crate::queue::Queue;
use crate::runtime::{JoinHandle, NoRuntime, Runtime, Site};
use crate::task::{self, ErrorGroup, TaskGroup};
use std::convert::Infallible;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Dropped with the last handle.
pub(super) struct Inner<J, T, E> {
    pub(super) shared: Arc<Shared<J, T, E>>,
    group: TaskGroup<'static, Infallible>,
    host: JoinHandle<Result<(), ErrorGroup<Infallible>>>,
    /// Cancelled: the host's body ends, and the host waits for the workers.
    closing: CancelToken,
    pub(super) name: Arc<str>,
    crew: Lock<Crew>,
}

/// The workers that were asked for.
#[derive(Default)]
struct Crew {
    /// One for each: cancelled, it ends after the job it has.
    retire: Vec<CancelToken>,
    hired: u64,
}

impl<J, T, E> Drop for Inner<J, T, E> {
    fn drop(&mut self) {
        // The host is dropped, and takes the workers with it.
        self.host.cancel();
        self.shared.set_aside();
    }
}

impl<J, T, E> Inner<J, T, E> {
    pub(super) fn close(&self) {
        self.shared.close();
        self.closing.cancel_with(Reason::Shutdown);
    }

    /// Closes, and waits for the end.
    pub(super) async fn end(&self, how: Shutdown) {
        self.close();
        let shared = &self.shared;
        let ask = || {
            shared.set_aside();
            self.group.cancel_with(Reason::Shutdown);
        };
        if !how.run(shared.all_gone.cancelled(), ask).await {
            // Named first: once the host is gone they go, too, one by one, and a report that looked then would name
            // some of them by chance.
            let now = shared.runtime.now();
            shared.state.lock().leave_behind(now);
            self.host.cancel();
        }
        // Workers that were dropped by their runtime leave theirs.
        shared.set_aside();
    }
}

/// Lies in the task of the host: dropped with it, when all is done, or when the runtime ends.
struct Ending<J, T, E>(Arc<Shared<J, T, E>>);

impl<J, T, E> Drop for Ending<J, T, E> {
    fn drop(&mut self) {
        self.0.runtime_ended();
    }
}

impl<J, T, E> Inner<J, T, E>
where
    J: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    #[track_caller]
    pub(super) fn start(
        runtime: Runtime,
        queue: usize,
        name: Arc<str>,
        mut settings: Settings<J, T, E>,
    ) -> Result<Self, NoRuntime> {
        let closing = CancelToken::new();
        let close = closing.cancelled();
        let (group, host) = task::detached(runtime.clone(), async move {
            close.await;
            Ok(())
        });
        let unclaimed = Arc::new(Unclaimed {
            count: AtomicU64::new(0),
            sink: settings.unclaimed.take(),
        });
        let shared = Arc::new(Shared {
            runtime: runtime.clone(),
            queue: Queue::bounded(queue),
            state: Lock::new(State::new(settings.restart)),
            settings,
            unclaimed,
            next_id: AtomicU64::new(0),
            all_gone: CancelToken::new(),
        });
        let ending = Ending(shared.clone());
        let host = runtime.try_spawn(async move {
            let _ending = ending;
            host.await
        })?;
        Ok(Inner {
            shared,
            group,
            host,
            closing,
            name,
            crew: Lock::default(),
        })
    }

    #[track_caller]
    pub(super) fn resize(&self, workers: usize) {
        let at = Location::caller();
        let mut crew = self.crew.lock();
        let stay = crew.retire.len().min(workers);
        let retired = crew.retire.split_off(stay);
        while crew.retire.len() < workers {
            // After the end there is no place.
            let Some(place) = self.group.reserve() else {
                break;
            };
            crew.hired += 1;
            let name = Some(format!("{} {}", self.name, crew.hired).into());
            let retire = CancelToken::new();
            crew.retire.push(retire.clone());
            let worker = Live::new(self.shared.clone()).serve(retire, self.closing.clone());
            self.group.spawn_reserved(place, Site { name, at }, worker);
        }
        drop(crew);
        for retire in retired {
            retire.cancel();
        }
    }
}
