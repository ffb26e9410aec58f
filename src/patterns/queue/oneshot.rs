//! One value from one task to another.

use super::error::SendError;
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Spare, wake};
use crate::internal::lock::Lock;
use crate::runtime::coop;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

const GONE: &str = "send: the receiver is gone, or was closed: nobody will see the value";

struct State<T> {
    value: Option<T>,
    sender: Option<Waker>,
    receiver: Option<Waker>,
    sender_gone: bool,
    receiver_gone: bool,
}

type Shared<T> = Lock<State<T>>;

/// A sender and a receiver for one value.
///
/// When either is dropped the other is told: the receiver by an error, the sender by [`closed`](OneshotSender::closed),
/// or when it sends. A value that was sent is there for the receiver whatever happens to the sender, and is dropped
/// with the receiver. For more than one value see [`Queue`](super::Queue).
///
/// # Examples
///
/// ```
/// use regatta::{queue::oneshot, task};
///
/// regatta::testing::run(async || {
///     let (answer, question) = oneshot();
///     task::task_group(async |g| {
///         g.spawn(async move { drop(answer.send(6 * 7)) });
///         Ok::<_, std::convert::Infallible>(())
///     })
///     .await
///     .expect("nothing fails");
///     assert_eq!(question.await, Ok(42));
///
///     let (answer, question) = oneshot::<u8>();
///     drop(answer);
///     assert!(question.await.is_err(), "it will never be sent");
/// });
/// ```
pub fn oneshot<T>() -> (OneshotSender<T>, OneshotReceiver<T>) {
    let shared = Arc::new(Lock::new(State {
        value: None,
        sender: None,
        receiver: None,
        sender_gone: false,
        receiver_gone: false,
    }));
    let sender = OneshotSender {
        shared: shared.clone(),
    };
    let receiver = OneshotReceiver {
        shared,
        step: Step::Fresh,
    };
    (sender, receiver)
}

/// Sends one value; made by [`oneshot`].
pub struct OneshotSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> OneshotSender<T> {
    /// Sends the value; never waits.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value, when the receiver is gone or was closed.
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        let mut state = self.shared.lock();
        if state.receiver_gone {
            drop(state);
            return Err(SendError::new(value, GONE));
        }
        // The drop that follows tells the receiver.
        state.value = Some(value);
        Ok(())
    }

    /// Whether the receiver is gone or was closed: the value need not be made any more.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().receiver_gone
    }

    /// Waits until the receiver is gone or was closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves nothing behind.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::FutureExt;
    /// use regatta::queue::oneshot;
    ///
    /// regatta::testing::run(async || {
    ///     let (mut sender, receiver) = oneshot::<u8>();
    ///     assert!(sender.closed().now_or_never().is_none());
    ///     drop(receiver);
    ///     sender.closed().await;
    ///     assert!(sender.send(1).is_err());
    /// });
    /// ```
    pub fn closed(&mut self) -> OneshotClosed<'_, T> {
        OneshotClosed {
            shared: &self.shared,
            step: Step::Fresh,
        }
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.sender_gone = true;
        let wakers = (state.receiver.take(), state.sender.take());
        drop(state);
        wakers.0.into_iter().for_each(wake);
        discard(wakers.1);
    }
}

impl<T> fmt::Debug for OneshotSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneshotSender")
            .field("closed", &self.is_closed())
            .finish()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Fresh,
    /// It waits, or has given way to other tasks.
    Spent,
    /// It has given its answer.
    Over,
}

/// Waits until the receiver is gone; made by [`OneshotSender::closed`].
#[must_use = "futures do nothing unless polled"]
pub struct OneshotClosed<'a, T> {
    shared: &'a Shared<T>,
    step: Step,
}

impl<T> Future for OneshotClosed<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let gives_way = this.step == Step::Fresh && coop::poll_spend(cx).is_pending();
        this.step = Step::Spent;
        let mut spare = Spare::none();
        loop {
            let mut state = this.shared.lock();
            if state.receiver_gone {
                match gives_way {
                    true => return Poll::Pending,
                    false => return Poll::Ready(()),
                }
            }
            if spare.renew(&mut state.sender, cx) {
                drop(state);
                label::set("the end of the receiver of a oneshot");
                return Poll::Pending;
            }
            drop(state);
            spare.fill(cx);
        }
    }
}

impl<T> Drop for OneshotClosed<'_, T> {
    fn drop(&mut self) {
        if self.step == Step::Spent {
            let waker = self.shared.lock().sender.take();
            discard(waker);
        }
    }
}

impl<T> fmt::Debug for OneshotClosed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneshotClosed").finish_non_exhaustive()
    }
}

/// Waits for the value of a [`oneshot`]; it is a future itself. Polled again after it has given the value, it says that
/// the sender is gone.
///
/// # Cancel safety
///
/// Awaited by reference (`(&mut receiver).await`) and dropped, that loses nothing. The receiver itself takes the value
/// with it.
#[must_use = "futures do nothing unless polled"]
pub struct OneshotReceiver<T> {
    shared: Arc<Shared<T>>,
    step: Step,
}

impl<T> OneshotReceiver<T> {
    /// The value, if it is there: `Ok(None)` when it may still come.
    ///
    /// # Errors
    ///
    /// [`SenderGone`].
    pub fn try_recv(&mut self) -> Result<Option<T>, SenderGone> {
        let mut state = self.shared.lock();
        match state.value.take() {
            Some(value) => Ok(Some(value)),
            None if state.sender_gone || state.receiver_gone => Err(SenderGone),
            None => Ok(None),
        }
    }

    /// Takes no value any more, and tells the sender. A value that was sent before is still there.
    pub fn close(&mut self) {
        let mut state = self.shared.lock();
        state.receiver_gone = true;
        let waker = state.sender.take();
        drop(state);
        waker.into_iter().for_each(wake);
    }
}

impl<T> Future for OneshotReceiver<T> {
    type Output = Result<T, SenderGone>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let gives_way = this.step == Step::Fresh && coop::poll_spend(cx).is_pending();
        if this.step == Step::Fresh {
            this.step = Step::Spent;
        }
        let mut spare = Spare::none();
        loop {
            let mut state = this.shared.lock();
            let there = state.value.is_some() || state.sender_gone || state.receiver_gone;
            if there && gives_way {
                return Poll::Pending;
            }
            if there {
                let value = state.value.take();
                drop(state);
                this.step = Step::Over;
                return Poll::Ready(value.ok_or(SenderGone));
            }
            if spare.renew(&mut state.receiver, cx) {
                drop(state);
                label::set("the value of a oneshot");
                return Poll::Pending;
            }
            drop(state);
            spare.fill(cx);
        }
    }
}

impl<T> Drop for OneshotReceiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.receiver_gone = true;
        let sender = state.sender.take();
        let left = (state.value.take(), state.receiver.take());
        drop(state);
        sender.into_iter().for_each(wake);
        discard(left.0);
        discard(left.1);
    }
}

impl<T> fmt::Debug for OneshotReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneshotReceiver")
            .field("over", &(self.step == Step::Over))
            .finish_non_exhaustive()
    }
}

/// The sender of a [`oneshot`] was dropped, or the receiver closed, before a value was sent; or the value was received
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderGone;

impl fmt::Display for SenderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("receive: the sender of the oneshot is gone, so no value will come")
    }
}

impl std::error::Error for SenderGone {}
