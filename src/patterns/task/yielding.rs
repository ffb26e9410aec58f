//! [`yield_now`] and [`boxed`]: small help for futures.

use crate::runtime::{BoxFuture, coop};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets every other task that can run go first, once.
///
/// For loops that compute: between two yields nobody else runs on this thread. What can be ready at once (locks,
/// queues, pools, and all else in this crate) gives way by itself, and needs no help. Works on every executor.
///
/// It is a suspension like any other: a cancelled scope or a deadline that has passed cuts the work here. For a loop
/// that may not be cut, ask [`cancel::check`](crate::cancel::check) where it may be.
///
/// # Cancel safety
///
/// Dropping it does nothing.
///
/// # Examples
///
/// ```
/// use regatta::{cancel::CancelToken, task};
///
/// regatta::testing::run(async || {
///     let token = CancelToken::new();
///     let sum = token.run(async {
///         let mut sum = 0_u64;
///         for n in 0..1_000_000 {
///             sum += n % 7;
///             if n % 10_000 == 0 {
///                 task::yield_now().await; // the others get their turn, and we hear that we are cancelled
///             }
///         }
///         sum
///     });
///     assert_eq!(sum.await, Ok(2_999_997));
/// });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { has_yielded: false }
}

/// Gives way once; made by [`yield_now`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct YieldNow {
    has_yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.has_yielded, true) {
            return Poll::Ready(());
        }
        // Asked for, and no operation that would be ready but for the budget.
        coop::forget_gave_way();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Puts a future in a box and forgets its type: for functions that call themselves, and for lists of different futures.
///
/// A function that calls itself, itself or through the children of a group, has to name the type it returns: the
/// compiler cannot find out whether an `async fn` is `Send` while it looks into that very function. Declare
/// [`BoxFuture`], and put the body in here.
///
/// # Examples
///
/// A tree of groups, as deep as the directories are:
///
/// ```
/// use regatta::task::{self, BoxFuture, ErrorGroup};
///
/// struct Dir(&'static str, Vec<Dir>);
///
/// fn count(dir: Dir) -> BoxFuture<'static, Result<u32, ErrorGroup<String>>> {
///     task::boxed(async move {
///         task::task_group(async |g| {
///             let below: Vec<_> = dir.1.into_iter().map(|d| g.named(d.0).spawn_nested(count(d))).collect();
///             let mut all = 1;
///             for child in below {
///                 all += child.await;
///             }
///             Ok(all)
///         })
///         .await
///     })
/// }
///
/// regatta::run(async {
///     let root = Dir("/", vec![Dir("etc", vec![]), Dir("home", vec![Dir("ann", vec![])])]);
///     assert_eq!(count(root).await.expect("nothing fails"), 4);
/// });
/// ```
pub fn boxed<'a, F>(future: F) -> BoxFuture<'a, F::Output>
where
    F: Future + Send + 'a,
{
    Box::pin(future)
}
