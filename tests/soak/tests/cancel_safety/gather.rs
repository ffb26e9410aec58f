//! Drops gathers, races and waits at every await, 100,000 times each, and looks at what is left: nothing.

use regatta::background::Background;
use regatta::task::{self, Task, When, as_completed, gather, race, race_ok, staggered_race};
use regatta::testing::{Outcome, cancel_safety_drops, settle, yield_now};
use regatta::time;
use regatta_soak::{DROPS, MS, passed};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;

/// How many futures are alive. Each counts itself from its making to its drop, polled or not.
type Alive = Rc<Cell<i32>>;

struct Counted(Alive);

impl Counted {
    fn new(alive: &Alive) -> Self {
        alive.set(alive.get() + 1);
        Counted(alive.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Yields and sleeps a little, then gives `n`.
fn job(alive: &Alive, n: u32) -> impl Future<Output = u32> + use<> {
    let counted = Counted::new(alive);
    async move {
        let _counted = counted;
        for _ in 0..n % 3 {
            yield_now().await;
        }
        if n.is_multiple_of(2) {
            time::sleep(MS * n).await;
        }
        n
    }
}

async fn nothing_left<T>(alive: Alive, _outcome: Outcome<T>) -> Result<(), String> {
    settle().await;
    match alive.get() {
        0 => Ok(()),
        n => Err(format!("{n} futures are still there")),
    }
}

#[test]
fn gather_leaves_nothing() {
    let op = |alive: Alive| async move {
        let jobs: Vec<_> = (0..4).map(|n| job(&alive, n)).collect();
        gather(jobs).limit(3).settled().await
    };
    passed(&cancel_safety_drops(
        DROPS,
        async || Alive::default(),
        op,
        nothing_left,
    ));
}

#[test]
fn a_failing_gather_leaves_nothing() {
    let op = |alive: Alive| async move {
        let jobs: Vec<_> = (0..4).map(|n| job(&alive, n)).collect();
        gather(
            jobs.into_iter()
                .map(|job| async { if job.await == 2 { Err("two") } else { Ok(()) } }),
        )
        .await
    };
    passed(&cancel_safety_drops(
        DROPS,
        async || Alive::default(),
        op,
        nothing_left,
    ));
}

#[test]
fn a_gather_on_the_runtime_leaves_nothing() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
    struct Sent(Arc<AtomicI32>);
    impl Drop for Sent {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
    let op = |alive: Arc<AtomicI32>| async move {
        let jobs: Vec<_> = (0..3u32)
            .map(|n| {
                alive.fetch_add(1, SeqCst);
                let sent = Sent(alive.clone());
                async move {
                    let _sent = sent;
                    if n == 1 {
                        time::sleep(MS).await;
                    } else {
                        yield_now().await;
                    }
                    n
                }
            })
            .collect();
        gather(jobs).limit(2).settled().on_runtime().await.unwrap()
    };
    let report = cancel_safety_drops(
        DROPS,
        async || Arc::new(AtomicI32::new(0)),
        op,
        |alive, _| async move {
            settle().await;
            match alive.load(SeqCst) {
                0 => Ok(()),
                n => Err(format!("{n} tasks are still there")),
            }
        },
    );
    passed(&report);
}

/// What a dropped wait for the next output would have given comes with the next wait.
#[test]
fn as_completed_gives_every_output_once() {
    type World = (
        Alive,
        Rc<RefCell<task::AsCompleted<Jobs, Job, u32>>>,
        Rc<RefCell<Vec<u32>>>,
    );
    type Jobs = std::vec::IntoIter<Job>;
    type Job = std::pin::Pin<Box<dyn Future<Output = u32>>>;
    let setup = async || -> World {
        let alive = Alive::default();
        let jobs: Vec<std::pin::Pin<Box<dyn Future<Output = u32>>>> =
            (0..4).map(|n| Box::pin(job(&alive, n)) as _).collect();
        (
            alive,
            Rc::new(RefCell::new(as_completed(jobs).limit(3))),
            Rc::default(),
        )
    };
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "nobody else is there while it is held"
    )]
    let op = |(_, stream, seen): World| async move {
        for _ in 0..2 {
            let next = stream.borrow_mut().next().await;
            seen.borrow_mut().extend(next);
        }
    };
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "nobody else is there while it is held"
    )]
    let verify = |(alive, stream, seen): World, _| async move {
        while let Some(n) = { stream.borrow_mut().next().await } {
            seen.borrow_mut().push(n);
        }
        seen.borrow_mut().sort_unstable();
        match (seen.borrow().as_slice(), alive.get()) {
            ([0, 1, 2, 3], 0) => Ok(()),
            (seen, alive) => Err(format!("seen {seen:?}, {alive} alive")),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

#[test]
fn races_leave_nothing() {
    let op = |alive: Alive| async move {
        race((1..4).map(|n| job(&alive, n)).collect::<Vec<_>>()).await
    };
    passed(&cancel_safety_drops(
        DROPS,
        async || Alive::default(),
        op,
        nothing_left,
    ));
    let op = |alive: Alive| async move {
        let tries: Vec<_> = (1..4).map(|n| job(&alive, n)).collect();
        race_ok(
            tries
                .into_iter()
                .map(|job| async { if job.await == 2 { Ok(()) } else { Err("no") } }),
        )
        .await
    };
    passed(&cancel_safety_drops(
        DROPS,
        async || Alive::default(),
        op,
        nothing_left,
    ));
    let op = |alive: Alive| async move {
        let starters = (1..4).map(|n| {
            let alive = alive.clone();
            move || async move {
                if job(&alive, n * 2).await == 4 {
                    Ok(())
                } else {
                    Err("no")
                }
            }
        });
        staggered_race(MS, starters.collect::<Vec<_>>()).await
    };
    passed(&cancel_safety_drops(
        DROPS,
        async || Alive::default(),
        op,
        nothing_left,
    ));
}

/// A dropped `wait` leaves every task in the list, with its value.
#[test]
fn wait_leaves_every_task_in_the_list() {
    type World = (
        task::TaskGroup<'static, Infallible>,
        Rc<RefCell<Vec<Task<u32>>>>,
        Rc<RefCell<Vec<u32>>>,
    );
    let setup = async || -> World {
        let (send, receive) = async_channel::bounded(1);
        // The group lives in a task of its own, as long as its body waits.
        let host = task::task_group(async move |g| {
            send.send(g).await.unwrap();
            send.closed().await;
            Ok::<_, Infallible>(())
        });
        drop(regatta::Runtime::current().try_spawn(host).unwrap());
        let g: task::TaskGroup<'static, Infallible> = receive.recv().await.unwrap();
        let tasks = [2u32, 0, 1].map(|n| {
            g.spawn(async move {
                time::sleep(MS * n).await;
                Ok(n)
            })
        });
        (g, Rc::new(RefCell::new(tasks.into())), Rc::default())
    };
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "nobody else is there while it is held"
    )]
    let op = |(_, tasks, seen): World| async move {
        let done = task::wait(&mut tasks.borrow_mut(), When::FirstCompleted).await;
        for mut task in done {
            seen.borrow_mut().extend(task.try_outcome().unwrap());
        }
    };
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "nobody else is there while it is held"
    )]
    let verify = |(_, tasks, seen): World, _| async move {
        for task in task::wait(&mut tasks.borrow_mut(), When::All).await {
            seen.borrow_mut().push(task.await);
        }
        seen.borrow_mut().sort_unstable();
        if seen.borrow().as_slice() == [0, 1, 2] {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

/// A dropped shutdown loses no task: the next one finds them all.
#[test]
fn a_dropped_shutdown_loses_no_task() {
    let setup = async || {
        let background = Background::<&str>::new(|_| {}).unwrap();
        background.spawn("quick", yield_now());
        background.spawn("slow", async { time::sleep(MS).await });
        background
    };
    let op =
        |background: Background<&'static str>| async move { background.shutdown(MS * 5).await };
    let verify = |background: Background<&'static str>, _| async move {
        let report = background.shutdown(MS * 5).await;
        match report.completed {
            2 if report.stragglers.is_empty() && background.running() == 0 => Ok(()),
            _ => Err(format!("{report:?}")),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}
