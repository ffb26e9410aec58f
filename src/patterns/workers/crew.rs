//! The workers as tasks: hired, retired, ended.

use super::job::Unclaimed;
use super::shared::{Live, Settings, Shared};
use super::state::State;
use crate::cancel::{CancelToken, Reason};
use crate::internal::lock::Lock;
use crate::queue::Queue;
use crate::runtime::{JoinHandle, NoRuntime, Runtime, Site};
use crate::task::{self, ErrorGroup, TaskGroup};
use crate::time;
use std::convert::Infallible;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Dropped with the last handle.
pub(super) struct Inner<J, T, E> {
    pub(super) shared: Arc<Shared<J, T, E>>,
    group: TaskGroup<'static, Infallible>,
    host: JoinHandle<Result<(), ErrorGroup<Infallible>>>,
    /// Cancelled: the host's body ends, and the host waits for the workers.
    closing: CancelToken,
    /// Cancelled by the host when every worker is gone.
    ended: CancelToken,
    cleanup: Duration,
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
        self.shared.queue.close();
        self.closing.cancel_with(Reason::Shutdown);
    }

    /// Closes, and waits for the end: as long as `grace` for the jobs, then for the cleanup of those that are cancelled.
    pub(super) async fn end(&self, grace: Duration) {
        self.close();
        let ended = async |limit| {
            let runtime = &self.shared.runtime;
            let ended = time::timeout(limit, self.ended.cancelled());
            runtime.within(ended).await.is_ok()
        };
        if !ended(grace).await {
            self.shared.set_aside();
            self.group.cancel_with(Reason::Shutdown);
            if !ended(self.cleanup).await {
                self.host.cancel();
            }
        }
        // Workers that were dropped by their runtime leave theirs.
        self.shared.set_aside();
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
        cleanup: Duration,
        name: Arc<str>,
        mut settings: Settings<J, T, E>,
    ) -> Result<Self, NoRuntime> {
        let (closing, ended) = (CancelToken::new(), CancelToken::new());
        let close = closing.cancelled();
        let (group, host) = task::detached(runtime.clone(), async move {
            close.await;
            Ok(())
        });
        let tell = ended.cancel_on_drop();
        let host = runtime.try_spawn(async move {
            let _tell = tell;
            host.await
        })?;
        let unclaimed = Arc::new(Unclaimed {
            count: AtomicU64::new(0),
            sink: settings.unclaimed.take(),
        });
        let shared = Arc::new(Shared {
            runtime,
            queue: Queue::bounded(queue),
            state: Lock::new(State::new(settings.restart)),
            settings,
            unclaimed,
            next_id: AtomicU64::new(0),
        });
        Ok(Inner {
            shared,
            group,
            host,
            closing,
            ended,
            cleanup,
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
