//! `time`.

use crate::ground::{Count, HOUR, MS, now};
use crate::probe::{Probe, rival, same, survives, until};
use async_channel::Receiver;
use regatta::Runtime;
use regatta::testing::{self, Outcome};
use regatta::time::{self, Deadline, Interval};
use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A rival that sleeps to the same moment.
async fn sleepers() -> (Probe, Count, Instant) {
    let at = now() + MS;
    (Probe::default(), rival(time::sleep_until(at)), at)
}

async fn the_rival_wakes<T>(
    (probe, rival, _): (Probe, Count, Instant),
    _: Outcome<T>,
) -> Result<(), String> {
    probe.is_alone()?;
    until(1).await;
    same("rivals that woke", rival.get(), 1)
}

survives!(sleep: sleepers, |(probe, ..)| async move { probe.watch(time::sleep(MS)).await }, the_rival_wakes);

survives!(a_sleep_of_nothing: sleepers, |(probe, ..)| async move {
    probe.watch(time::sleep(std::time::Duration::ZERO)).await;
}, the_rival_wakes);

survives!(sleep_until: sleepers, |(probe, _, at)| async move { probe.watch(time::sleep_until(at)).await }, the_rival_wakes);

survives!(the_sleep_of_a_runtime: sleepers, |(probe, _, at)| async move {
    probe.watch(Runtime::current().sleep(MS)).await;
    probe.watch(Runtime::current().sleep_until(at)).await;
}, the_rival_wakes);

/// An item that comes in the tick of the deadline of who waits for it.
#[derive(Clone)]
struct Post {
    probe: Probe,
    items: Receiver<u32>,
    deadline: Instant,
    late: Count,
}

async fn post() -> Post {
    let (tx, items) = async_channel::bounded(1);
    drop(rival(async move {
        time::sleep(MS).await;
        tx.send(7).await.unwrap();
        // Stays open.
        pending::<()>().await
    }));
    Post {
        probe: Probe::default(),
        items,
        deadline: now() + MS,
        late: rival(async { drop(time::timeout(MS, pending::<()>()).await) }),
    }
}

async fn the_item_is_somewhere(post: Post, outcome: Outcome<Option<u32>>) -> Result<(), String> {
    post.probe.is_alone()?;
    until(2).await;
    let got = match outcome {
        Outcome::Completed(got) => got,
        _ => None,
    };
    same(
        "the item",
        got.or_else(|| post.items.try_recv().ok()),
        Some(7),
    )?;
    same("rivals that timed out", post.late.get(), 1)
}

survives!(timeout: post, |post| async move {
    let timed = time::timeout(MS, post.items.recv());
    post.probe.watch(timed).await.ok().map(Result::unwrap)
}, the_item_is_somewhere);

survives!(a_named_timeout: post, |post| async move {
    let timed = time::timeout(MS, post.items.recv()).named("post");
    post.probe.watch(timed).await.ok().map(Result::unwrap)
}, the_item_is_somewhere);

survives!(timeout_at: post, |post| async move {
    let timed = time::timeout_at(post.deadline, post.items.recv());
    post.probe.watch(timed).await.ok().map(Result::unwrap)
}, the_item_is_somewhere);

survives!(timeout_or: post, |post| async move {
    let item = async { post.items.recv().await.ok() };
    post.probe.watch(time::timeout_or(MS, item, || None)).await
}, the_item_is_somewhere);

survives!(a_timeout_in_a_timeout: post, |post| async move {
    let inner = async { time::timeout(MS, post.items.recv()).await };
    let outer = time::timeout(MS, inner);
    post.probe.watch(outer).await.ok()?.ok().map(Result::unwrap)
}, the_item_is_somewhere);

/// A deadline that is moved while three work under it: the operation, and two rivals.
#[derive(Clone)]
struct Shared {
    probe: Probe,
    deadline: Deadline,
    rivals: [Count; 2],
}

survives!(the_run_of_a_deadline: async || {
    let deadline = Deadline::after(HOUR);
    let works = || {
        let deadline = deadline.clone();
        rival(async move { drop(deadline.run(pending::<()>()).await) })
    };
    let rivals = [works(), works()];
    let mover = deadline.clone();
    drop(rival(async move {
        time::sleep(MS).await;
        mover.move_to_after(2 * MS).unwrap();
    }));
    Shared { probe: Probe::default(), deadline, rivals }
}, |shared| async move {
    shared.probe.watch(shared.deadline.run(pending::<()>())).await.unwrap_err();
    testing::now()
}, |shared, outcome| async move {
    shared.probe.is_alone()?;
    if let Outcome::Completed(ended) = outcome {
        same("the end", ended, 3 * MS)?;
    }
    until(3).await;
    same("rivals that ended", shared.rivals.map(|r| r.get()), [1, 1])
});

/// An interval, and when its ticks were due.
#[derive(Clone)]
struct Ticks {
    probe: Probe,
    interval: Arc<async_lock::Mutex<Interval>>,
    due: Arc<Mutex<Vec<u128>>>,
    start: Instant,
}

impl Ticks {
    /// Takes a tick and notes it.
    fn tick(&self) -> impl Future<Output = ()> + use<> {
        let me = self.clone();
        async move {
            let mut interval = me.interval.try_lock().unwrap();
            let due = interval.tick().await - me.start;
            me.due.lock().unwrap().push(due.as_millis());
        }
    }
}

survives!(the_tick_of_an_interval: async || Ticks {
    probe: Probe::default(),
    interval: Arc::new(async_lock::Mutex::new(time::interval(MS))),
    due: Arc::default(),
    start: now(),
}, |ticks: Ticks| async move {
    for _ in 0..3 {
        ticks.probe.watch(ticks.tick()).await;
    }
}, |ticks, _| async move {
    while ticks.due.lock().unwrap().len() < 4 {
        ticks.tick().await;
    }
    // None is missing, none came twice.
    same("ticks", &**ticks.due.lock().unwrap(), &[0, 1, 2, 3])?;
    let Ticks { probe, interval, .. } = ticks;
    drop(interval);
    probe.is_alone()
});
