//! `stream`, and `pipeline`.

use crate::user::User;
use crate::world::{Entry, Gate, World, entry, same};
use futures::{Stream, StreamExt};
use regatta::pipeline::{Pipeline, Stage};
use regatta::stream::{StreamOps, generate, try_generate};
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const SPAWNED: &str = "its stages are tasks of the runtime";
const TIMED: &str = "it looks at the clock first";

/// All items of what `of` makes from a source of three.
fn all<S: Stream + 'static>(
    n: usize,
    of: impl Fn(crate::world::Source) -> S + Send + Sync + 'static,
) -> World {
    World::around(move |gate: Gate| {
        let stream = of(gate.source(3));
        async move { same("items", stream.count().await, n) }
    })
}

fn results(source: crate::world::Source) -> impl Stream<Item = Result<u32, &'static str>> {
    source.map(|n| if n == 1 { Err("one is wrong") } else { Ok(n) })
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("stream::generate", |_| {
            World::around(|gate: Gate| async move {
                let stream = generate(async move |y| {
                    for n in 0..3 {
                        gate.pass().await;
                        y.put(n).await;
                    }
                });
                same("items", stream.count().await, 3)
            })
        })
        .covers(&["stream::Yielder::put"]),
        entry("stream::try_generate", |_| {
            World::around(|gate: Gate| async move {
                let stream = try_generate(async move |y| {
                    gate.pass().await;
                    y.put(1).await;
                    Err("it fails")
                });
                same("items", stream.count().await, 2)
            })
        }),
        entry("stream::Yielder::put (from another task)", |_| {
            World::around(|gate: Gate| async move {
                let stream = generate(async move |y| {
                    let three = (0..3).map(|n| {
                        let (y, gate) = (&y, &gate);
                        async move {
                            gate.pass().await;
                            y.put(n).await;
                        }
                    });
                    futures::future::join_all(three).await;
                });
                same("items", stream.count().await, 3)
            })
        }),
        entry("stream::Generate::next", |_| {
            World::around(|gate: Gate| async move {
                let mut stream = generate(async move |y| {
                    for n in 0..3 {
                        gate.pass().await;
                        y.put(n).await;
                    }
                });
                let mut items = 0;
                while stream.next().await.is_some() {
                    items += 1;
                }
                same("items", items, 3)
            })
        }),
        entry("stream::TryGenerate::next", |_| {
            World::around(|gate: Gate| async move {
                let mut stream = try_generate(async move |y| {
                    gate.pass().await;
                    y.put(1).await;
                    Err("it fails")
                });
                let mut items = 0;
                while stream.next().await.is_some() {
                    items += 1;
                }
                same("items", items, 2)
            })
        }),
        entry("stream::Yielder::offer", |_| {
            World::around(|gate: Gate| async move {
                let stream = generate(async move |y| {
                    gate.pass().await;
                    while y.offer(1).await.is_ok() {}
                });
                same("items", stream.take(3).count().await, 3)
            })
        }),
        entry("stream::StreamOps::map_concurrent", |user| {
            let user = user.clone();
            all(3, move |source| {
                let user = user.clone();
                source.map_concurrent(2, move |_| {
                    let value = user.value();
                    async move { value }
                })
            })
        }),
        entry("stream::MapConcurrent::unordered", |user| {
            let user = user.clone();
            all(3, move |source| {
                let user = user.clone();
                let mapped = source.map_concurrent(2, move |_| {
                    let value = user.value();
                    async move { value }
                });
                mapped.unordered()
            })
        }),
        entry("stream::StreamOps::then_stage", |_| {
            all(3, |source| source.then_stage(1)).never_at_once(SPAWNED)
        }),
        entry("stream::StreamOps::batch", |_| {
            all(2, |source| source.batch(2))
        }),
        entry("stream::StreamOps::batch_within", |_| {
            all(2, |source| source.batch_within(2, HOUR))
        }),
        entry("stream::StreamOps::batch_weighted", |user| {
            let user = user.clone();
            all(2, move |source| {
                let user = user.clone();
                source.batch_weighted(2, move |_| {
                    user.call();
                    1
                })
            })
        }),
        entry("stream::StreamOps::throttle", |_| {
            all(3, |source| source.throttle(Duration::from_nanos(1))).never_at_once(TIMED)
        }),
        entry("stream::StreamOps::debounce", |_| {
            all(1, |source| source.debounce(Duration::from_millis(1)))
        }),
        entry("stream::StreamOps::timeout_each", |_| {
            all(3, |source| source.timeout_each(HOUR))
        }),
        entry("stream::StreamOps::merge", |_| {
            all(5, |source| source.merge(futures::stream::iter(0..2)))
        }),
        entry("stream::StreamOps::zip_latest", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let value = user.value();
                async move {
                    let other = futures::stream::iter([value]);
                    let zipped = gate.source(3).zip_latest(other).count().await;
                    match zipped {
                        3 | 1 => Ok(()),
                        n => Err(format!("{n} items")),
                    }
                }
            })
        }),
        entry("stream::Broadcast::subscribe", |user| {
            let user = user.clone();
            all(3, move |source| {
                let user = user.clone();
                source.map(move |_| user.value()).broadcast(4).subscribe()
            })
        }),
        entry("stream::StreamOps::partition", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let user = user.clone();
                async move {
                    let (yes, no) = gate.source(3).partition(4, move |n| {
                        user.call();
                        n % 2 == 0
                    });
                    let counts = futures::join!(yes.count(), no.count());
                    same("both sides", counts, (2, 1))
                }
            })
        }),
        entry("stream::StreamOps::stop_on_error", |_| {
            all(2, |source| results(source).stop_on_error())
        }),
        entry("stream::StreamOps::skip_errors", |user| {
            let user = user.clone();
            all(2, move |source| {
                let user = user.clone();
                results(source).skip_errors(move |_| user.call())
            })
        }),
        entry("stream::StreamOps::collect_errors", |_| {
            World::around(|gate: Gate| async move {
                let mut stream = pin!(results(gate.source(3)).collect_errors(4));
                while stream.next().await.is_some() {}
                same("errors", stream.errors().len(), 1)
            })
        }),
        entry("stream::StreamOps::progress", |user| {
            let user = user.clone();
            all(3, move |source| {
                let user = user.clone();
                source.progress(move |_| user.call())
            })
        }),
        entry("pipeline::Assembled::run", pipeline),
    ]
}

fn pipeline(user: &User) -> World {
    let user = user.clone();
    World::around(move |gate: Gate| {
        let user = user.clone();
        async move {
            let numbers = Pipeline::from_stream("numbers", gate.source(3))
                .stage(Stage::new("value").width(2).buffer(1), move |_| {
                    let value = user.value();
                    async move { Ok::<_, Infallible>(value) }
                })
                .sink("drop", async |value| {
                    drop(value);
                    Ok(())
                });
            numbers.run().await.map(drop).map_err(|e| e.to_string())
        }
    })
    .never_at_once(SPAWNED)
}
