//! Streams: async code that yields, and operators that work on any stream.
//!
//! [`generate`] and [`try_generate`] turn async code into a stream. [`StreamOps`] adds to every [`Stream`](futures_core::Stream), whichever crate it
//! comes from, what neither `futures` nor `tokio-stream` has in this form. For a whole run from a source to a sink, with figures per stage, see
//! [`pipeline`](crate::pipeline); for tasks that hand work to other tasks, [`queue`](crate::queue).
//!
//! | you want | take |
//! |---|---|
//! | items from async code with loops, borrows and `?` | [`generate`], [`try_generate`] |
//! | work on several items at once, results in order or as they come | [`map_concurrent`](StreamOps::map_concurrent) |
//! | what is above to work on while the consumer is busy | [`then_stage`](StreamOps::then_stage) |
//! | several items at a time | [`batch`](StreamOps::batch), [`batch_within`](StreamOps::batch_within), [`batch_weighted`](StreamOps::batch_weighted) |
//! | fewer items in a time | [`throttle`](StreamOps::throttle) makes them wait, [`debounce`](StreamOps::debounce) drops what is outdated |
//! | a limit on the wait for each item | [`timeout_each`](StreamOps::timeout_each) |
//! | one stream out of two | [`merge`](StreamOps::merge), [`zip_latest`](StreamOps::zip_latest) |
//! | several streams out of one | [`broadcast`](StreamOps::broadcast), [`partition`](StreamOps::partition) |
//! | to go on after errors, or not | [`stop_on_error`](StreamOps::stop_on_error), [`skip_errors`](StreamOps::skip_errors), [`collect_errors`](StreamOps::collect_errors) |
//! | to see how far it is | [`progress`](StreamOps::progress) |
//!
//! # Example
//!
//! ```
//! use futures::StreamExt;
//! use regatta::{stream::{StreamOps, generate}, time};
//! use std::{pin::pin, time::Duration};
//!
//! const SECOND: Duration = Duration::from_secs(1);
//!
//! regatta::testing::run(async || {
//!     let pages = generate(async |y| {
//!         for page in 1..=10u32 {
//!             time::sleep(SECOND).await; // ask the server
//!             y.put(page).await;
//!         }
//!     });
//!     let parsed = pages.then_stage(2).map_concurrent(4, async |page| {
//!         time::sleep(3 * SECOND).await; // parse it
//!         page * 100
//!     });
//!     let mut batches = pin!(parsed.batch(4));
//!     assert_eq!(batches.next().await, Some(vec![100, 200, 300, 400]));
//!     assert_eq!(batches.next().await, Some(vec![500, 600, 700, 800]));
//!     assert_eq!(batches.next().await, Some(vec![900, 1000])); // the rest
//!     assert_eq!(regatta::testing::now(), 13 * SECOND);
//! });
//! ```
//!
//! # How it behaves
//!
//! **Bounds.** Every operator that keeps items says how many: a slow consumer holds up the source, and memory does not grow with the length of the
//! stream. Room is taken as it is needed, not beforehand: `batch(usize::MAX)` allocates nothing.
//!
//! **In place.** Operators work when they are polled, on the task that polls them, need no runtime and may borrow. While the consumer is busy with an item,
//! nothing above it moves, timers included; [`then_stage`](StreamOps::then_stage) is the exception, and the remedy.
//!
//! **Cancel safety.** What an operator has taken from above and not given yet stays in the operator: dropping a `next` that waits loses nothing, for each
//! of them. Dropping the stream drops what is inside, and what is above.
//!
//! **Panics** of closures, futures and streams go on in whoever polls.

mod alarm;
mod batch;
mod broadcast;
mod errors;
mod fork;
mod generate;
mod join;
mod map;
mod ops;
mod pace;
mod partition;
mod place;
mod progress;
mod stage;
mod yielder;

use crate::runtime::coop;
use std::task::{Context, Poll, ready};

pub use batch::{Batch, Each, Weigh};
pub use broadcast::{Broadcast, Subscriber};
pub use errors::{CollectErrors, SkipErrors, StopOnError};
pub use generate::{Generate, TryGenerate, generate, try_generate};
pub use join::{Merge, ZipLatest};
pub use map::{MapConcurrent, Ordered, Unordered};
pub use ops::StreamOps;
pub use pace::{Debounce, Throttle, TimeoutEach};
pub use partition::Partition;
pub use progress::{Progress, WithProgress};
pub use stage::Stage;
pub use yielder::{Offer, OfferError, Put, Yielder};

/// Items that are taken in one poll and give nothing to the consumer, before [`poll_more`] is asked.
const BUDGET: u32 = 128;

/// Ready: the task may take as many again. `Pending`: it gives way to others first, and is woken.
fn poll_more(cx: &mut Context<'_>) -> Poll<()> {
    for _ in 0..16 {
        ready!(coop::poll_spend(cx));
    }
    Poll::Ready(())
}

/// When an operator that is ready again and again gives way to other tasks: every so many polls it spends from the
/// budget of its task, before it asks above.
#[derive(Default)]
struct Turn(u8);

impl Turn {
    const POLLS: u8 = 8;

    #[inline(always)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Poll::Ready(())
            }
            None => self.spend(cx),
        }
    }

    #[cold]
    #[inline(never)]
    fn spend(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Also when it gives way: the next poll is not to do so again.
        self.0 = Self::POLLS;
        coop::poll_spend(cx)
    }
}
