//! Members side by side until one of them wins: the piece below every race.

use crate::internal::label;
use crate::internal::member::{Member, dismiss};
use crate::internal::slots::Slots;
use crate::runtime::coop;
use std::future::Future;
use std::task::{Context, Poll, ready};

/// What the output of a member comes to.
pub(super) enum Verdict<T> {
    Wins(T),
    Fails,
}

/// What has happened in a race.
pub(super) enum Event<T> {
    /// Somebody has won, and everybody is gone.
    Won(T),
    /// A member has failed; the others go on.
    Failed,
    /// Everybody is gone, and nobody has won.
    Empty,
}

/// `T`: the winner's value.
pub(super) struct Heat<F, T> {
    members: Slots<Member<F>>,
    winner: Option<(usize, T)>,
    /// The losers are on their way out.
    leaving: bool,
    has_paid: bool,
    /// Who only gave way had one more poll before it was given up.
    granted: bool,
}

impl<F, T> Heat<F, T> {
    pub(super) fn new() -> Self {
        Heat {
            members: Slots::default(),
            winner: None,
            leaving: false,
            has_paid: false,
            granted: false,
        }
    }

    pub(super) fn of(futures: impl Iterator<Item = F>) -> Self {
        let mut heat = Heat::new();
        futures.for_each(|future| heat.enter(future));
        heat
    }

    pub(super) fn enter(&mut self, future: F) {
        self.members.insert(Member::new(future));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Somebody has won.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Whether who is about to be given up may have done nothing but give way, and is owed one more poll: once in a
    /// race.
    pub(super) fn owes_a_poll(&mut self, cx: &Context<'_>) -> bool {
        let owed = !self.granted && coop::grant_a_poll(cx);
        self.granted |= owed;
        owed
    }

    fn send_home(&mut self) {
        self.leaving = true;
        dismiss(&mut self.members);
    }
}

impl<F: Future, T> Heat<F, T> {
    /// Once, before the first poll of a member: a race that is decided at once gives way now and then.
    pub(super) fn poll_pay(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.has_paid, true) {
            return Poll::Ready(());
        }
        coop::poll_spend(cx)
    }

    /// What happens next. Polls the members in the order they came, and of those that are ready in one poll the first
    /// wins.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut judge: impl FnMut(F::Output) -> Verdict<T>,
    ) -> Poll<Event<T>> {
        self.members.mend();
        ready!(self.poll_pay(cx));
        if !self.leaving && self.winner.is_some() {
            self.ask_again(&mut judge);
            self.send_home();
        }
        coop::forget_gave_way();
        loop {
            let ended = match self.members.poll_next(cx) {
                Poll::Ready(ended) => ended,
                Poll::Pending => {
                    label::set("the first of a race");
                    return Poll::Pending;
                }
            };
            match ended {
                None => {
                    return Poll::Ready(match self.winner.take() {
                        Some((_, value)) => Event::Won(value),
                        None => Event::Empty,
                    });
                }
                // What a loser ends with is nobody's.
                Some(_) if self.leaving => {}
                Some((_, None)) => {}
                Some((number, Some(output))) => match judge(output) {
                    Verdict::Fails => return Poll::Ready(Event::Failed),
                    Verdict::Wins(value) => {
                        self.winner = Some((number, value));
                        if self.owes_a_poll(cx) {
                            return Poll::Pending;
                        }
                        self.send_home();
                    }
                },
            }
        }
    }

    /// Those before the winner may have been passed over because they gave way: whoever of them is ready now was first.
    #[cold]
    fn ask_again(&mut self, judge: &mut impl FnMut(F::Output) -> Verdict<T>) {
        let before = self.winner.as_ref().map_or(0, |(number, _)| *number);
        for number in 0..before {
            if let Some(Some(output)) = self.members.poll_one(number)
                && let Verdict::Wins(value) = judge(output)
            {
                self.winner = Some((number, value));
                return;
            }
        }
    }
}
