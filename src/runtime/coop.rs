//! One cooperative budget for everything that can be ready at once: tokio's in a task of tokio, our own elsewhere.
//!
//! A task that only ever meets free permits and full queues would never give its thread back. So each public operation
//! that is ready at once spends from the budget of the running poll, and when that is used up, the task goes round its
//! executor once. Two rules follow, for every caller of [`poll_spend`]:
//!
//! * **A yield is not a refusal.** An operation that has a place in a line, or a value, keeps it in its future while it
//!   gives way, and answers at the next poll without spending again. (What has no line of its own spends before it
//!   begins.)
//! * **Who gives up because time is over asks [`take_gave_way`] first.** If the operation only gave way, it gets one
//!   more poll.
//!
//! One operation in sixteen asks the budget below, so that the others cost one thread-local count: a task of tokio
//! gives way after two thousand of them, some ten to a hundred microseconds. Our own budget is refilled at each poll of
//! a task that we start ([`refill`]), and whenever it is used up: a task of a foreign executor may give way early, and
//! that is all.

use std::cell::Cell;
use std::task::{Context, Poll, Waker};

/// Operations that are counted here before the budget below is asked.
pub(crate) const BATCH: u8 = 16;

/// Batches of our own budget: 256 operations.
const BATCHES: u8 = 16;

struct Coop {
    left: Cell<u8>,
    batches: Cell<u8>,
    gave_way: Cell<bool>,
    /// The same, whatever the budget below says: see [`give_way`] and [`note_gave_way`].
    known: Cell<bool>,
}

thread_local! {
    static COOP: Coop = const {
        Coop {
            left: Cell::new(BATCH),
            batches: Cell::new(BATCHES),
            gave_way: Cell::new(false),
            known: Cell::new(false),
        }
    };
}

/// Spends for one operation that is ready. `Pending`: the task has been woken again and is to give way; what the
/// operation has got by now stays in its future.
#[inline]
pub(crate) fn poll_spend(cx: &mut Context<'_>) -> Poll<()> {
    if spend_from_batch() {
        Poll::Ready(())
    } else {
        ask(cx)
    }
}

/// The usual case of [`poll_spend`], which runs no code of others: for those who need not put away first what they have
/// got. False: nothing was spent.
#[inline]
pub(crate) fn spend_from_batch() -> bool {
    // `with` is not inlined, `try_with` is.
    let counted = COOP.try_with(|coop| match coop.left.get() {
        0 => false,
        left => {
            coop.left.set(left - 1);
            true
        }
    });
    counted.unwrap_or(true)
}

/// Spends for [`BATCH`] operations at once: for a loop that counts them by itself, which costs less.
pub(crate) fn poll_spend_batch(cx: &mut Context<'_>) -> Poll<()> {
    ask(cx)
}

#[cold]
fn ask(cx: &mut Context<'_>) -> Poll<()> {
    // A waker without data belongs to nobody (`Waker::noop`, `now_or_never`): there is no second poll.
    let fair = cx.waker().data().is_null() || budget_is_left(cx);
    COOP.with(|coop| {
        // One of them is being spent.
        coop.left.set(BATCH - 1);
        if fair {
            return Poll::Ready(());
        }
        coop.left.set(BATCH);
        coop.batches.set(BATCHES);
        coop.gave_way.set(true);
        Poll::Pending
    })
}

/// False: the waker was woken.
fn budget_is_left(cx: &mut Context<'_>) -> bool {
    #[cfg(feature = "tokio")]
    match super::tokio::poll_budget(cx) {
        Poll::Pending => return false,
        Poll::Ready(()) if super::tokio::in_task() => return true,
        Poll::Ready(()) => {}
    }
    let left = COOP.with(|coop| {
        let left = coop.batches.get().saturating_sub(1);
        coop.batches.set(left);
        left
    });
    if left == 0 {
        wake(cx.waker());
    }
    left > 0
}

fn wake(waker: &Waker) {
    waker.wake_by_ref();
}

/// A task of ours begins a poll: what those before it spent on this thread is not its own. Not for tasks of tokio,
/// whose budget is tokio's.
#[inline]
pub(crate) fn refill() {
    COOP.with(|coop| {
        coop.left.set(BATCH);
        coop.batches.set(BATCHES);
        coop.gave_way.set(false);
    });
}

/// Before polling something about which [`take_gave_way`] is to be asked afterwards.
#[inline]
pub(crate) fn forget_gave_way() {
    COOP.with(|coop| {
        coop.gave_way.set(false);
        coop.known.set(false);
    });
}

/// Whether what was just polled may have been pending for want of budget alone, so that another poll, with a new
/// budget, is owed to it before it is given up. The caller wakes its task, and grants that poll once: a loop that uses
/// up each budget would have no end otherwise.
///
/// May be true without need, when something else on this thread gave way before; that costs a poll.
pub(crate) fn take_gave_way() -> bool {
    let (ours, known) = COOP.with(|coop| (coop.gave_way.replace(false), coop.known.replace(false)));
    if known {
        return true;
    }
    #[cfg(feature = "tokio")]
    if super::tokio::in_task() {
        // Exact: the budget of this very poll. Our mark may be that of another task, for nobody refills ours in tasks
        // of tokio.
        return !super::tokio::has_budget();
    }
    #[cfg(feature = "tokio")]
    let ours = ours || !super::tokio::has_budget();
    ours
}

/// What [`take_gave_way`] has told holds for those further out as well, who are about to ask.
#[cold]
pub(crate) fn note_gave_way() {
    COOP.with(|coop| coop.known.set(true));
}

/// [`take_gave_way`], for those who grant that poll, and are pending until then: their task is woken, and those further
/// out, who may be about to give them up, hear of it as well.
pub(crate) fn grant_a_poll(cx: &Context<'_>) -> bool {
    let owed = take_gave_way();
    if owed {
        note_gave_way();
        wake(cx.waker());
    }
    owed
}

/// For an operation that is pending for a reason of its own, and only gives way, as one that measures how long its
/// turn takes: wakes the task, and has it [known](take_gave_way).
pub(crate) fn give_way(cx: &mut Context<'_>) {
    note_gave_way();
    wake(cx.waker());
}

/// [`poll_spend`] as a future: for `async fn`s, before they begin. Dropped, it has done nothing.
pub(crate) async fn spend() {
    let mut gave_way = false;
    std::future::poll_fn(|cx| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        poll_spend(cx)
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicU32);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn free_in_a_row(waker: &Waker, most: u32) -> u32 {
        let mut cx = Context::from_waker(waker);
        (0..most)
            .take_while(|_| poll_spend(&mut cx).is_ready())
            .count() as u32
    }

    #[test]
    fn a_task_gives_way_after_its_budget_and_is_woken() {
        refill();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        for round in 1..4 {
            let free = free_in_a_row(&waker, 10_000);
            assert!((200..300).contains(&free), "{free}");
            assert_eq!(count.0.load(Ordering::Relaxed), round);
            assert!(take_gave_way() && !take_gave_way());
        }
    }

    #[test]
    fn a_new_poll_of_ours_has_the_whole_budget() {
        refill();
        let waker = Waker::from(Arc::new(Count::default()));
        for _ in 0..100 {
            assert_eq!(free_in_a_row(&waker, 200), 200);
            refill();
        }
    }

    #[test]
    fn who_has_given_way_does_not_pay_again() {
        refill();
        let waker = Waker::from(Arc::new(Count::default()));
        let all = free_in_a_row(&waker, 10_000);
        let mut spends = std::pin::pin!(spend());
        for ready in [false, true] {
            assert_eq!(free_in_a_row(&waker, all), all);
            let polled = spends.as_mut().poll(&mut Context::from_waker(&waker));
            assert_eq!(polled.is_ready(), ready);
        }
    }

    #[test]
    fn who_cannot_be_woken_does_not_give_way() {
        refill();
        assert_eq!(free_in_a_row(Waker::noop(), 10_000), 10_000);
    }
}
