//! What a pool does in tasks of its own: it makes objects, closes them, and looks after those that no caller takes or
//! returns.

use super::error::ConnectError;
use super::manager::Manager;
use super::observer::Event;
use super::reaper;
use super::shared::{Home, Shared, Thing, text_of};
use super::state::{Close, Connect, Slot};
use crate::internal::caught::{caught, discard, quietly};
use crate::internal::lock::Lock;
use crate::runtime::Instant;
use crate::runtime::{Runtime, Site};
use crate::time;
use std::sync::Arc;

/// Has a runtime run a task. One that has stopped drops it, and so does one whose `spawn` panics.
fn spawn<M: Manager>(
    shared: &Shared<M>,
    runtime: &Runtime,
    what: &str,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let site = Site {
        name: Some(format!("{}: {what}", shared.settings.name).into()),
        at: shared.settings.at,
    };
    quietly(|| runtime.spawn_at(site, task));
}

pub(super) fn open<M: Manager>(connect: Connect<Home<M>>) {
    let Connect {
        home,
        record,
        runtime,
    } = connect;
    let shared = home.shared.clone();
    let opening = Opening {
        core: home,
        record: Some(record),
        object: None,
        pauses: false,
    };
    spawn(&shared, &runtime, "connect", opening.run());
}

/// Starts the reaper that looks after the objects of a runtime.
pub(super) fn look_after<M: Manager>(core: &Home<M>, runtime: &Runtime) {
    let shared = &core.shared;
    let reaper = reaper::run(shared.clone(), runtime.id());
    spawn(shared, runtime, "reaper", reaper);
}

/// A connect under way. Dropped before it has ended, the runtime has stopped.
struct Opening<M: Manager> {
    core: Home<M>,
    /// Kept as long as code of others runs, which may panic.
    record: Option<usize>,
    /// What was made, while the hook has it. Whatever becomes of that, it is closed as all others are.
    object: Option<M::Object>,
    /// No other connect is made for the sake of `min_idle`, until this is over.
    pauses: bool,
}

impl<M: Manager> Opening<M> {
    async fn run(mut self) {
        let core = self.core.clone();
        let (shared, settings) = (&core.shared, &core.shared.settings);
        if shared.lock().is_closed(core.bucket) {
            return self.give_up();
        }
        let start = shared.now();
        let object = &mut self.object;
        let attempt = async {
            let connecting = core.manager.connect();
            let object = object.insert(connecting.await.map_err(ConnectError::Failed)?);
            if let Some(hook) = &settings.after_connect {
                hook(object).await.map_err(ConnectError::Failed)?;
            }
            Ok(())
        };
        let limited = time::timeout(settings.connect_timeout, attempt);
        let ended = core.closing.run(caught(limited)).await;
        let error = match ended {
            Err(_closed) => return self.give_up(),
            Ok(Ok(Ok(Ok(())))) => return self.succeed(start),
            Ok(Ok(Ok(Err(error)))) => error,
            Ok(Ok(Err(_elapsed))) => ConnectError::TimedOut(settings.connect_timeout),
            Ok(Err(payload)) => ConnectError::Panicked(text_of(payload)),
        };
        shared.tell(&Event::ConnectFailed { error: &error });
        let text = quietly(|| error.to_string().into());
        let (Some(record), made) = self.end() else {
            return;
        };
        let pause = shared.change(|state, todo| state.failed(record, made, error, text, todo));
        if let Some(pause) = pause {
            self.pauses = true;
            // Not all the clients of a server that comes back at once.
            let pause = pause.mul_f64(0.5 + 0.5 * fastrand::f64());
            let _closed = core.closing.run(time::sleep(pause)).await;
        }
    }

    /// Its record, and what was made.
    fn end(&mut self) -> (Option<usize>, Option<Thing<M>>) {
        let record = self.record.take();
        let object = self.object.take();
        let made = object.zip(record).map(|(object, record)| {
            let now = self.core.shared.now();
            self.core.item(object, record, now)
        });
        (record, made)
    }

    fn succeed(mut self, start: Instant) {
        let shared = self.core.shared.clone();
        let now = shared.now();
        let took = now.saturating_duration_since(start);
        shared.tell(&Event::Connected { took });
        if let (_, Some(item)) = self.end() {
            shared.change(|state, todo| state.opened(item, Some(now), todo));
        }
    }

    fn give_up(mut self) {
        if let (Some(record), made) = self.end() {
            let shared = &self.core.shared;
            shared.change(|state, todo| state.gave_up(record, made, todo));
        }
    }
}

impl<M: Manager> Drop for Opening<M> {
    fn drop(&mut self) {
        let (record, made) = self.end();
        let bucket = self.core.bucket;
        let shared = &self.core.shared;
        if let Some(record) = record {
            if std::thread::panicking() {
                // Not the runtime: a destructor of the manager's.
                let error = ConnectError::Panicked(String::from("(in a destructor)"));
                let pause =
                    shared.change(|state, todo| state.failed(record, made, error, None, todo));
                // Without one, it is another connect that pauses.
                self.pauses = pause.is_some();
            } else {
                shared.change(|state, todo| state.lost(record, made, todo));
            }
        }
        if self.pauses {
            shared.change(|state, todo| state.resume(bucket, todo));
        }
    }
}

/// Tells that an object is going to be closed, and has that done where it can be: on the runtime of the caller that
/// closes it, if the pool is used there, or where it was made. Where neither takes it, it is dropped.
pub(super) fn close<M: Manager>(close: Close<M::Object, Home<M>>) {
    let Close {
        home,
        item,
        why,
        runtime: own,
    } = close;
    let shared = home.shared.clone();
    let uses = item.uses;
    shared.tell(&Event::Closing { why, uses });
    let mut farewell = Farewell {
        end: End {
            core: home,
            record: item.record,
        },
        item: Some(item),
    };
    for runtime in places(&shared, own).into_iter().flatten() {
        let back = Arc::new(Lock::new(None));
        let closing = Closing {
            farewell: Some(farewell),
            back: back.clone(),
        };
        spawn(&shared, &runtime, "close", closing.run());
        let returned = back.lock().take();
        match returned {
            Some(returned) => farewell = returned,
            None => return,
        }
    }
}

/// In this order.
fn places<M: Manager>(shared: &Shared<M>, own: Option<Runtime>) -> [Option<Runtime>; 2] {
    if let Some(given) = shared.source.given() {
        return [Some(given.clone()), None];
    }
    let current = quietly(Runtime::current).filter(Runtime::can_spawn);
    let Some(current) = current else {
        return [own, None];
    };
    match own {
        Some(own) if own.id() == current.id() => [Some(own), None],
        // A thread that the pool knows nothing of may be no place for its objects.
        Some(own) if !shared.lock().knows(current.id()) => [Some(own), Some(current)],
        own => [Some(current), own],
    }
}

/// An object that is to be closed. The fields are dropped in this order: it counts until it is gone.
struct Farewell<M: Manager> {
    item: Option<Thing<M>>,
    end: End<M>,
}

impl<M: Manager> Drop for Farewell<M> {
    fn drop(&mut self) {
        // A destructor of others, in one of ours.
        discard(self.item.take());
    }
}

struct End<M: Manager> {
    core: Home<M>,
    record: usize,
}

impl<M: Manager> Drop for End<M> {
    fn drop(&mut self) {
        self.core
            .shared
            .change(|state, todo| state.closed(self.record, todo));
    }
}

/// The task that closes an object. Dropped before it has begun, it gives the object back.
struct Closing<M: Manager> {
    farewell: Option<Farewell<M>>,
    back: Arc<Lock<Option<Farewell<M>>>>,
}

impl<M: Manager> Closing<M> {
    async fn run(mut self) {
        let Some(mut farewell) = self.farewell.take() else {
            return;
        };
        let Some(item) = farewell.item.take() else {
            return;
        };
        let core = farewell.end.core.clone();
        let Slot { object, .. } = *item;
        let limit = core.shared.settings.close_timeout;
        let close = async { core.manager.close(object).await };
        match caught(time::timeout(limit, close)).await {
            Ok(Ok(())) => {}
            Ok(Err(_elapsed)) => core.shared.tell(&Event::CloseFailed { panic: None }),
            Err(payload) => {
                let text = text_of(payload);
                core.shared.tell(&Event::CloseFailed { panic: Some(&text) });
            }
        }
    }
}

impl<M: Manager> Drop for Closing<M> {
    fn drop(&mut self) {
        if let Some(farewell) = self.farewell.take() {
            *self.back.lock() = Some(farewell);
        }
    }
}

impl<M: Manager> super::shared::Core<M> {
    fn item(&self, object: M::Object, record: usize, now: Instant) -> Thing<M> {
        Box::new(Slot {
            object,
            record,
            created: now,
            expires: self.shared.settings.expiry(now),
            idle_since: None,
            uses: 0,
            stamp: 0,
            in_flight: false,
            span: None,
        })
    }
}
