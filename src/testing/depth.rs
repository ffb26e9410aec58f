//! What scopes inside each other cost. Counted, without a clock: visits of scopes and nodes, links between them, and the polls of each level.

use crate::cancel::{self, CancelToken};
use crate::internal::effort;
use crate::time::Deadline;
use crate::{task, testing, time};
use futures_util::future::BoxFuture;
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// When the scope around a nest, or, in [`equal`] ones, each scope of it ends.
const LIMIT: Duration = Duration::from_secs(60);

type Nest = BoxFuture<'static, ()>;
/// One level of a nest. It is given a number that is higher further out, and the token around it.
type Wrap = fn(usize, Nest) -> Nest;

/// Longer further out, and all longer than the scope around the nest lives.
fn hours(level: usize) -> Duration {
    SECOND * (3_600 + u32::try_from(level).unwrap_or(0))
}

fn timeouts(level: usize, inner: Nest) -> Nest {
    Box::pin(async move { drop(time::timeout(hours(level), inner).await) })
}

fn equal(_: usize, inner: Nest) -> Nest {
    Box::pin(async move { drop(time::timeout(LIMIT, inner).await) })
}

fn deadlines(level: usize, inner: Nest) -> Nest {
    Box::pin(async move { drop(Deadline::after(hours(level)).run(inner).await) })
}

fn finallys(_: usize, inner: Nest) -> Nest {
    Box::pin(cancel::finally(inner, async {}))
}

fn slow_finallys(_: usize, inner: Nest) -> Nest {
    Box::pin(cancel::finally(inner, time::sleep(SECOND)))
}

fn timeouts_of_finallys(level: usize, inner: Nest) -> Nest {
    timeouts(level, finallys(level, inner))
}

fn equal_of_finallys(level: usize, inner: Nest) -> Nest {
    equal(level, finallys(level, inner))
}

fn shields(_: usize, inner: Nest) -> Nest {
    Box::pin(cancel::shield(inner))
}

fn timeouts_of_shields(level: usize, inner: Nest) -> Nest {
    timeouts(level, shields(level, inner))
}

fn ended_shields(level: usize, inner: Nest) -> Nest {
    let shielded = cancel::shield_for(hours(level), inner);
    Box::pin(async move { drop(shielded.await) })
}

fn tokens(_: usize, inner: Nest) -> Nest {
    Box::pin(async move { drop(CancelToken::new().run(inner).await) })
}

fn graceful(_: usize, inner: Nest) -> Nest {
    Box::pin(async move { drop(CancelToken::new().run_graceful(SECOND, inner).await) })
}

fn followers(_: usize, inner: Nest) -> Nest {
    Box::pin(async move {
        let ended: Result<(), task::ErrorGroup<Infallible>> = task::scope(async |group| {
            // Each asks about what is around it, which are the scopes as far as the next group.
            let token = cancel::current();
            drop(group);
            drop(token.run(inner).await);
            Ok(())
        })
        .await;
        drop(ended);
    })
}

fn scopes(_: usize, inner: Nest) -> Nest {
    Box::pin(async move {
        let ended: Result<(), task::ErrorGroup<Infallible>> = task::scope(async |_| {
            inner.await;
            Ok(())
        })
        .await;
        drop(ended);
    })
}

fn groups(_: usize, inner: Nest) -> Nest {
    Box::pin(async move {
        let ended: Result<(), task::ErrorGroup<Infallible>> = task::task_group(async |_| {
            inner.await;
            Ok(())
        })
        .await;
        drop(ended);
    })
}

fn timeouts_of_scopes(level: usize, inner: Nest) -> Nest {
    timeouts(level, scopes(level, inner))
}

fn all(level: usize, inner: Nest) -> Nest {
    equal(
        level,
        finallys(level, tokens(level, groups(level, deadlines(level, inner)))),
    )
}

pin_project! {
    /// Counts its polls.
    struct Counted<F> {
        #[pin]
        future: F,
        polls: Arc<AtomicUsize>,
    }
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.polls.fetch_add(1, Ordering::Relaxed);
        this.future.poll(cx)
    }
}

/// How a nest comes to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    ByItself,
    Timeout,
    /// A token around it, with a grace.
    Graceful,
    /// It loses a race.
    Race,
    /// The timeout around it passes while what is innermost is shielded, and waits some more times.
    Shielded,
}

/// Steps and polls.
type Cost = (usize, usize);

fn cost(wrap: Wrap, depth: usize, end: End) -> Cost {
    let polls = Arc::new(AtomicUsize::new(0));
    let count = |future: Nest| -> Nest {
        let polls = polls.clone();
        Box::pin(Counted { future, polls })
    };
    let before = effort::steps();
    testing::run(async || {
        let innermost = async move {
            testing::yield_now().await;
            time::sleep(SECOND).await;
            match end {
                End::ByItself => {}
                End::Shielded => cancel::shield(async { time::sleep(2 * LIMIT).await }).await,
                End::Timeout | End::Graceful | End::Race => pending::<()>().await,
            }
        };
        let mut nest = count(Box::pin(innermost));
        for level in 0..depth {
            nest = count(wrap(level, nest));
        }
        match end {
            End::ByItself => nest.await,
            End::Timeout | End::Shielded => drop(time::timeout(LIMIT, nest).await),
            End::Graceful => {
                let token = CancelToken::new().child_for(LIMIT);
                drop(token.run_graceful(SECOND, nest).await);
            }
            End::Race => {
                let ready: Nest = Box::pin(time::sleep(LIMIT));
                task::race([ready, nest]).await;
            }
        }
    });
    (effort::steps() - before, polls.load(Ordering::Relaxed))
}

const KINDS: [(&str, Wrap); 17] = [
    ("timeout", timeouts),
    ("timeout of the same length", equal),
    ("Deadline::run", deadlines),
    ("finally", finallys),
    ("finally that waits", slow_finallys),
    ("timeout(finally)", timeouts_of_finallys),
    ("equal timeout(finally)", equal_of_finallys),
    ("shield", shields),
    ("timeout(shield)", timeouts_of_shields),
    ("shield_for", ended_shields),
    ("run", tokens),
    ("run_graceful", graceful),
    ("current().run in a group", followers),
    ("scope", scopes),
    ("task_group", groups),
    ("timeout(scope)", timeouts_of_scopes),
    ("all", all),
];

const ENDS: [End; 5] = [
    End::ByItself,
    End::Timeout,
    End::Graceful,
    End::Race,
    End::Shielded,
];

#[test]
fn scopes_inside_each_other_cost_their_depth_and_not_its_square() {
    // A nest of this depth wants more stack than a test has.
    let thread = std::thread::Builder::new().stack_size(256 << 20);
    let counted = thread.spawn(|| {
        let mut wrong = Vec::new();
        for (name, wrap) in KINDS {
            for end in ENDS {
                let waits = name == "finally that waits";
                let hides = name.contains("shield");
                if hides && end != End::ByItself {
                    // Never ends.
                    continue;
                }
                let (shallow, deep) = (cost(wrap, 50, end), cost(wrap, 100, end));
                // Cleanups that wait one after the other are polled through all levels around each.
                let most = if waits { 4 } else { 2 } * shallow.1;
                // A task of many levels gives way now and then while it begins.
                let linear = deep.1 <= most + 100
                    && 10 * deep.0 * shallow.1 <= 11 * deep.1 * (shallow.0 + 10);
                println!(
                    "{name}, {end:?}: {shallow:?} {deep:?}{}",
                    if linear { "" } else { "  !" }
                );
                if !linear {
                    wrong.push(format!("{name}, {end:?}: {shallow:?} {deep:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
    if let Err(payload) = counted.expect("a thread").join() {
        std::panic::resume_unwind(payload);
    }
}
