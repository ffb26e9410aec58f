//! `time`.

use crate::world::{Entry, Gate, World, entry, on_drop};
use futures::StreamExt;
use regatta::Runtime;
use regatta::time::{self, Deadline};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
/// What a sleeper waits that cannot be told to go on.
const MOMENT: Duration = Duration::from_millis(20);

const GIVES_WAY: &str = "a sleep gives way once";

/// A time that is over, or one that comes in a moment.
#[derive(Clone, Default)]
struct Late(Arc<AtomicBool>);

impl Late {
    fn moment(&self) -> Duration {
        if self.0.load(SeqCst) {
            MOMENT
        } else {
            Duration::ZERO
        }
    }

    fn later(&self) -> impl Sized + use<> {
        self.0.store(true, SeqCst);
        let late = self.clone();
        on_drop(move || late.0.store(false, SeqCst))
    }
}

fn sleeping<F>(op: impl Fn(Duration) -> F + Send + Sync + 'static) -> World
where
    F: Future<Output = ()> + 'static,
{
    World::new(
        Late::default(),
        move |late| {
            let slept = op(late.moment());
            async move {
                slept.await;
                Ok::<_, Infallible>(())
            }
        },
        Late::later,
    )
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("time::sleep", |_| {
            sleeping(time::sleep).never_at_once(GIVES_WAY)
        }),
        entry("time::sleep_until", |_| {
            sleeping(|from_now| time::sleep_until(Runtime::current().now() + from_now))
                .never_at_once(GIVES_WAY)
        }),
        entry("time::interval", |_| {
            sleeping(|from_now| {
                let start = Runtime::current().now() + from_now;
                let mut interval = time::interval_at(start, HOUR);
                async move {
                    interval.tick().await;
                }
            })
        })
        .covers(&[
            "time::interval_at",
            "time::Interval::tick",
            "time::Interval::missed_ticks",
        ]),
        entry("time::interval (as a stream)", |_| {
            sleeping(|from_now| {
                let start = Runtime::current().now() + from_now;
                let mut interval = time::interval_at(start, HOUR);
                async move {
                    interval.next().await;
                }
            })
        }),
        // A backlog: ticks that are due already, one after the other.
        entry("time::Interval::tick (a backlog)", |_| {
            let backlog = || {
                let start = Runtime::current().now();
                let start = start.checked_sub(Duration::from_secs(1)).unwrap_or(start);
                let interval = time::interval_at(start, Duration::from_micros(1));
                interval.missed_ticks(time::MissedTicks::Burst)
            };
            World::new(
                Arc::new(futures::lock::Mutex::new(None)),
                move |kept: Arc<futures::lock::Mutex<Option<time::Interval>>>| async move {
                    let mut kept = kept.try_lock().ok_or("one at a time")?;
                    let interval = kept.get_or_insert_with(backlog);
                    interval.tick().await;
                    Ok::<_, &str>(())
                },
                |_| (),
            )
            .never_waits("its ticks are long due")
            .bound("it counts from when it was made")
        }),
        entry("time::timeout", |_| {
            World::around(|gate: Gate| async move { time::timeout(HOUR, gate.pass()).await })
        })
        .covers(&["time::Timeout::named"]),
        entry("time::timeout_at", |_| {
            World::around(|gate: Gate| async move {
                time::timeout_at(Runtime::current().now() + HOUR, gate.pass()).await
            })
        }),
        entry("time::timeout_or", |_| {
            World::around(|gate: Gate| async move {
                let passed = async {
                    gate.pass().await;
                    true
                };
                match time::timeout_or(HOUR, passed, || false).await {
                    true => Ok(()),
                    false => Err("it took an hour"),
                }
            })
        }),
        entry("time::Deadline::run", |_| {
            World::around(|gate: Gate| async move { Deadline::after(HOUR).run(gate.pass()).await })
        }),
    ]
}
