//! Streams from async code that yields.
//!
//! The code and the stream share a [place](super::place) for one item. The stream takes the item out in the same poll
//! in which the code has put it there, so the place is empty whenever the code runs, unless the code puts several items
//! at once; those wait for each other.
//!
//! The code has a box of its own, so that the stream can be moved, and its items be taken without pinning it.

use super::Turn;
use super::place::{Key, Owned, Place};
use super::yielder::{Yielder, name};
use futures_core::{FusedStream, Stream};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

/// Turns async code into a stream: what it [puts](Yielder::put) are the items. Python's `async def` with `yield`.
///
/// Take the items with [`next`](Generate::next), or with whatever takes a [`Stream`].
///
/// Nothing runs until the stream is polled, and the code never runs ahead: it goes on when the next item is asked for. It may borrow what is
/// around it, await anything, and use loops and `?` (with [`try_generate`]). It runs on the task that polls the stream: no runtime is needed, and
/// cancel scopes and deadlines around the consumer reach it.
///
/// Use [`then_stage`](super::StreamOps::then_stage) behind it to have it run ahead.
///
/// # Cancel safety
///
/// Dropping the stream drops the code where it waits: guards and destructors run, async cleanup ([`finally`](crate::cancel::finally)) is skipped, as
/// in every drop from outside. Dropping a `next` that waits loses nothing.
///
/// # Examples
///
/// ```
/// use regatta::{stream::generate, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let words = vec!["ready", "steady", "go"];
///     let mut countdown = generate(async |y| {
///         for word in &words {
///             y.put(*word).await;
///             time::sleep(Duration::from_secs(1)).await;
///         }
///     });
///     let mut heard = vec![];
///     while let Some(word) = countdown.next().await {
///         heard.push(word);
///     }
///     assert_eq!(heard, ["ready", "steady", "go"]);
///     assert_eq!(words.len(), 3, "they were only borrowed");
/// });
/// ```
pub fn generate<T, F, Fut>(code: F) -> Generate<T, Fut>
where
    F: FnOnce(Yielder<T>) -> Fut,
    Fut: Future<Output = ()>,
{
    let (key, place) = Place::new();
    let code = code(Yielder::new(place.clone()));
    Generate {
        code: Some(Box::pin(code)),
        last: None,
        turn: Turn::default(),
        key,
        place: Owned(place),
    }
}

/// [`generate`] for code that can fail: what it puts comes out as `Ok`, and an error it ends with as the last item, `Err`.
///
/// # Errors
///
/// The code's own, as the last item of the stream.
///
/// # Cancel safety
///
/// As [`generate`].
///
/// # Examples
///
/// The pages of an API, asked for one after the other and only as far as they are read:
///
/// ```
/// use futures::StreamExt;
/// use regatta::stream::try_generate;
///
/// /// The entries of a page, and the number of the next.
/// async fn fetch(page: u32) -> Result<(Vec<u32>, Option<u32>), String> {
///     match page {
///         1 => Ok((vec![10, 11], Some(2))),
///         2 => Ok((vec![20], Some(3))),
///         _ => Err(format!("no page {page}")),
///     }
/// }
///
/// regatta::testing::run(async || {
///     let entries = try_generate(async |y| {
///         let mut next = Some(1);
///         while let Some(page) = next {
///             let (entries, more) = fetch(page).await?;
///             for entry in entries {
///                 y.put(entry).await;
///             }
///             next = more;
///         }
///         Ok(())
///     });
///     let all: Vec<Result<u32, String>> = entries.collect().await;
///     assert_eq!(all, [Ok(10), Ok(11), Ok(20), Err("no page 3".into())]);
/// });
/// ```
pub fn try_generate<T, E, F, Fut>(code: F) -> TryGenerate<T, Fut>
where
    F: FnOnce(Yielder<T>) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    let (key, place) = Place::new();
    let code = code(Yielder::new(place.clone()));
    TryGenerate {
        inner: Generate {
            code: Some(Box::pin(code)),
            last: None,
            turn: Turn::default(),
            key,
            place: Owned(place),
        },
    }
}

/// A stream of what async code puts; made by [`generate`].
#[must_use = "streams do nothing unless polled"]
pub struct Generate<T, Fut>
where
    Fut: Future,
{
    /// `None` after its end.
    code: Option<Pin<Box<Fut>>>,
    /// What it ended with, while an item from before that is still to be given.
    last: Option<Fut::Output>,
    turn: Turn,
    key: Key,
    /// Dropped after the code, whose own puts do not see the end of the stream.
    place: Owned<T>,
}

// The code has a pinned place of its own; nothing else is pinned.
impl<T, Fut: Future> Unpin for Generate<T, Fut> {}

impl<T, Fut: Future> Generate<T, Fut> {
    /// The next item; or, after the last, what the code ended with, once.
    #[inline]
    fn poll_code(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Option<Fut::Output>>> {
        ready!(self.turn.poll(cx));
        let place = &*self.place.0;
        let Some(code) = &mut self.code else {
            let item = place.take(&mut self.key).or_else(|| self.place.end());
            return Poll::Ready(item.ok_or_else(|| self.last.take()));
        };
        place.waker.store(name(cx), Ordering::Relaxed);
        let polled = {
            let _open = self.key.open();
            code.as_mut().poll(cx)
        };
        if let Some(item) = place.take(&mut self.key) {
            if let Poll::Ready(output) = polled {
                // A `put` that was dropped after its first poll, as by a `select!`.
                self.code = None;
                self.last = Some(output);
            }
            return Poll::Ready(Ok(item));
        }
        match polled {
            Poll::Ready(output) => {
                self.code = None;
                Poll::Ready(match self.place.end() {
                    None => Err(Some(output)),
                    Some(item) => {
                        // It came from elsewhere in this very moment.
                        self.last = Some(output);
                        Ok(item)
                    }
                })
            }
            Poll::Pending => place.wait(cx),
        }
    }
}

impl<T, Fut: Future<Output = ()>> Generate<T, Fut> {
    /// The next item; `None` after the last.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, nothing is lost: the code stays where it is.
    ///
    /// An example stands at [`generate`].
    #[expect(
        clippy::should_implement_trait,
        reason = "the name that every crate gives it on streams"
    )]
    pub fn next(&mut self) -> impl Future<Output = Option<T>> + Unpin {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx))
    }
}

impl<T, Fut: Future> fmt::Debug for Generate<T, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generate")
            .field("ended", &self.code.is_none())
            .finish_non_exhaustive()
    }
}

impl<T, Fut: Future<Output = ()>> Stream for Generate<T, Fut> {
    type Item = T;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match self.get_mut().poll_code(cx) {
            Poll::Ready(Ok(item)) => Poll::Ready(Some(item)),
            Poll::Ready(Err(_)) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T, Fut: Future<Output = ()>> FusedStream for Generate<T, Fut> {
    fn is_terminated(&self) -> bool {
        self.code.is_none() && self.last.is_none()
    }
}

/// A stream of what async code puts, with the error it ended with; made by [`try_generate`].
#[must_use = "streams do nothing unless polled"]
pub struct TryGenerate<T, Fut>
where
    Fut: Future,
{
    inner: Generate<T, Fut>,
}

impl<T, E, Fut: Future<Output = Result<(), E>>> TryGenerate<T, Fut> {
    /// The next item, or the error; `None` after the last.
    ///
    /// # Errors
    ///
    /// The code's own, as the last item.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, nothing is lost: the code stays where it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::stream::try_generate;
    ///
    /// regatta::testing::run(async || {
    ///     let mut numbers = try_generate(async |y| {
    ///         for text in ["1", "2", "x"] {
    ///             y.put(text.parse::<u32>()?).await;
    ///         }
    ///         Ok::<_, std::num::ParseIntError>(())
    ///     });
    ///     let mut sum = 0;
    ///     let error = loop {
    ///         match numbers.next().await {
    ///             Some(Ok(number)) => sum += number,
    ///             end => break end,
    ///         }
    ///     };
    ///     assert_eq!(sum, 3);
    ///     assert!(matches!(error, Some(Err(_))));
    /// });
    /// ```
    #[expect(
        clippy::should_implement_trait,
        reason = "the name that every crate gives it on streams"
    )]
    pub fn next(&mut self) -> impl Future<Output = Option<Result<T, E>>> + Unpin {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx))
    }
}

impl<T, Fut: Future> fmt::Debug for TryGenerate<T, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryGenerate")
            .field("ended", &self.inner.code.is_none())
            .finish_non_exhaustive()
    }
}

impl<T, E, Fut: Future<Output = Result<(), E>>> Stream for TryGenerate<T, Fut> {
    type Item = Result<T, E>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.get_mut().inner.poll_code(cx) {
            Poll::Ready(Ok(item)) => Poll::Ready(Some(Ok(item))),
            Poll::Ready(Err(Some(Err(error)))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Err(_)) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T, E, Fut: Future<Output = Result<(), E>>> FusedStream for TryGenerate<T, Fut> {
    fn is_terminated(&self) -> bool {
        self.inner.code.is_none() && self.inner.last.is_none()
    }
}
