//! [`Race`]: attempts side by side, without what begins them.
//!
//! The first attempt lies where its owner has it, since mostly there is no other. All else is made when it does not answer at once.

use super::delay::Delay;
use crate::internal::label;
use crate::internal::member::{Member, dismiss};
use crate::internal::scope;
use crate::internal::slots::Slots;
use crate::runtime::Instant;
use crate::runtime::{Runtime, Sleep};
use crate::time::sleep;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How it stands between the attempts; `first` is lent to every poll.
pub(crate) struct Race<F: Future> {
    /// `None`: nobody learns from how long it takes.
    began: Option<Instant>,
    rest: Option<Box<Rest<F>>>,
}

struct Rest<F: Future> {
    others: Slots<Member<F>>,
    /// With the first.
    started: u32,
    /// Until the next attempt. `None`: there is none.
    wait: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Somebody has; the others are on their way out.
    won: bool,
    /// No attempt has won, and the others, which have called nothing, are on their way out.
    idle: bool,
    /// The winner's value, or the last error.
    result: Option<F::Output>,
}

/// Who ended, and with what; `None`: it was told to go.
struct Ended<T> {
    is_first: bool,
    output: Option<T>,
}

impl<F: Future> Rest<F> {
    /// The next that ends. `Ready(None)`: there is none any more.
    fn next(
        &mut self,
        mut first: Pin<&mut Option<Member<F>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Ended<F::Output>>> {
        self.others.mend();
        let mut left = false;
        if let Some(member) = first.as_mut().as_pin_mut() {
            if let Poll::Ready(output) = member.poll(cx) {
                first.set(None);
                return Poll::Ready(Some(Ended {
                    is_first: true,
                    output,
                }));
            }
            left = true;
        }
        match self.others.poll_next(cx) {
            Poll::Ready(Some((_, output))) => {
                return Poll::Ready(Some(Ended {
                    is_first: false,
                    output,
                }));
            }
            Poll::Ready(None) => {}
            Poll::Pending => left = true,
        }
        if left {
            Poll::Pending
        } else {
            Poll::Ready(None)
        }
    }
}

impl<F, T, E> Race<F>
where
    F: Future<Output = Result<T, E>>,
{
    /// With the first attempt, which begins now.
    #[inline]
    pub(crate) fn new(delay: &Delay) -> Self {
        let learns = delay.latencies().is_some();
        Race {
            began: learns.then(|| Runtime::current().now()),
            rest: None,
        }
    }

    /// How many there were so far.
    pub(super) fn started(&self) -> u32 {
        self.rest.as_ref().map_or(1, |rest| rest.started)
    }

    /// Polls them all, and begins further ones with `begin`, which is given their number, from 2 on. Not to be called again after it was ready.
    ///
    /// `at_work` says whether any of the further ones has come to its call: one that still waits for its permission
    /// does not hold up an error of the first.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        mut first: Pin<&mut Option<Member<F>>>,
        cx: &mut Context<'_>,
        (delay, most): (&Delay, u32),
        begin: impl FnMut(u32) -> F,
        at_work: impl Fn() -> bool,
    ) -> Poll<F::Output> {
        // The usual case: nobody else is there.
        if self.rest.is_none()
            && let Some(member) = first.as_mut().as_pin_mut()
            && let Poll::Ready(output) = member.poll(cx)
        {
            first.set(None);
            return match output {
                Some(output) => {
                    if output.is_ok() {
                        delay.record(self.began);
                    }
                    Poll::Ready(output)
                }
                None => unreachable!("nobody told it to go"),
            };
        }
        self.go_on(first, cx, (delay, most), begin, at_work)
    }

    #[inline(never)]
    fn go_on(
        &mut self,
        mut first: Pin<&mut Option<Member<F>>>,
        cx: &mut Context<'_>,
        (delay, most): (&Delay, u32),
        mut begin: impl FnMut(u32) -> F,
        at_work: impl Fn() -> bool,
    ) -> Poll<F::Output> {
        // The first has just been polled.
        let mut polled = self.rest.is_none();
        let rest = self.rest.get_or_insert_with(|| {
            Box::new(Rest {
                others: Slots::default(),
                started: 1,
                wait: delay.now(),
                timer: None,
                won: false,
                idle: false,
                result: None,
            })
        });
        loop {
            let next = match std::mem::take(&mut polled) {
                true => Poll::Pending,
                false => rest.next(first.as_mut(), cx),
            };
            match next {
                Poll::Ready(Some(Ended {
                    output: Some(output),
                    ..
                })) if rest.started == 1 => {
                    if output.is_ok() {
                        delay.record(self.began);
                    }
                    return Poll::Ready(output);
                }
                Poll::Ready(Some(Ended {
                    is_first,
                    output: Some(output),
                })) if !(rest.won || rest.idle && output.is_err()) => {
                    if output.is_ok() {
                        rest.won = true;
                        rest.timer = None;
                        // Of a first attempt that loses, it is known that it takes longer than this.
                        if is_first || first.is_some() {
                            delay.record(self.began);
                        }
                        if let Some(first) = first.as_mut().as_pin_mut() {
                            first.dismiss();
                        }
                        dismiss(&mut rest.others);
                    }
                    rest.result = Some(output);
                    if !rest.won && first.is_none() && !at_work() {
                        // All that were called have failed, and a failure is not hedged. Told now: the place that has
                        // just become free is not for them.
                        rest.idle = true;
                        dismiss(&mut rest.others);
                    }
                }
                // What a loser finishes with is dropped.
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => match rest.result.take() {
                    Some(result) => return Poll::Ready(result),
                    None => unreachable!("attempts go without an output only when another has one"),
                },
                Poll::Pending => {
                    label::set("a hedged call");
                    let Some(wait) = rest
                        .wait
                        .filter(|_| !rest.won && !rest.idle && rest.started < most)
                    else {
                        return Poll::Pending;
                    };
                    if !wait.is_zero() {
                        let timer = rest.timer.get_or_insert_with(|| Box::pin(sleep(wait)));
                        // Attempts that use up the budget of each poll are hedged in time all the same.
                        ready!(timer.as_mut().poll_unbudgeted(cx));
                        rest.timer = None;
                    }
                    if scope::reason().is_some() {
                        // Cancelled: whoever runs may finish, and nobody is sent after it.
                        rest.wait = None;
                        return Poll::Pending;
                    }
                    rest.started += 1;
                    rest.others.insert(Member::new(begin(rest.started)));
                }
            }
        }
    }
}
