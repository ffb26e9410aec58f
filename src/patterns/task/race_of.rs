//! [`race_of`]: a race of a few futures of different types.

use crate::internal::label;
use crate::internal::member::Member;
use crate::runtime::coop;
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The winner of [`race_of`]: the letter is its place in the tuple. A tuple of two has no `C`, and no `match` has to
/// name one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the places of a tuple")]
pub enum OneOf<
    A,
    B,
    C = Infallible,
    D = Infallible,
    E = Infallible,
    F = Infallible,
    G = Infallible,
    H = Infallible,
> {
    A(A),
    B(B),
    C(C),
    D(D),
    E(E),
    F(F),
    G(G),
    H(H),
}

/// A tuple of two to eight futures.
#[diagnostic::on_unimplemented(
    message = "`race_of` takes a tuple of two to eight futures, not `{Self}`",
    note = "futures of one type race in a list: `race([a, b])`"
)]
pub trait Team {
    /// What the winner gives.
    type Winner;
    #[doc(hidden)]
    type Members: Members<Self::Winner>;
    #[doc(hidden)]
    fn enter(self) -> Self::Members;
}

/// The futures of a [`Team`], each in a scope of its own. Public only because [`Team`] mentions it.
pub trait Members<W> {
    const COUNT: usize;
    /// `Ready(None)`: it is gone.
    fn poll(self: Pin<&mut Self>, number: usize, cx: &mut Context<'_>) -> Poll<Option<W>>;
    fn dismiss(self: Pin<&mut Self>);
}

macro_rules! team {
    ($members:ident, $count:literal: $($F:ident $f:ident $number:literal),+) => {
        pin_project! {
            pub struct $members<$($F),+> {
                $(#[pin] $f: Member<$F>,)+
            }
        }

        impl<$($F: IntoFuture),+> Team for ($($F,)+) {
            type Winner = OneOf<$($F::Output),+>;
            type Members = $members<$($F::IntoFuture),+>;

            fn enter(self) -> Self::Members {
                let ($($f,)+) = self;
                $members { $($f: Member::new($f.into_future())),+ }
            }
        }

        impl<$($F: Future),+> Members<OneOf<$($F::Output),+>> for $members<$($F),+> {
            const COUNT: usize = $count;

            fn poll(
                self: Pin<&mut Self>,
                number: usize,
                cx: &mut Context<'_>,
            ) -> Poll<Option<OneOf<$($F::Output),+>>> {
                let this = self.project();
                match number {
                    $($number => this.$f.poll(cx).map(|output| output.map(OneOf::$F)),)+
                    _ => Poll::Ready(None),
                }
            }

            fn dismiss(self: Pin<&mut Self>) {
                let this = self.project();
                $(this.$f.dismiss();)+
            }
        }
    };
}

team!(Two, 2: A a 0, B b 1);
team!(Three, 3: A a 0, B b 1, C c 2);
team!(Four, 4: A a 0, B b 1, C c 2, D d 3);
team!(Five, 5: A a 0, B b 1, C c 2, D d 3, E e 4);
team!(Six, 6: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5);
team!(Seven, 7: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6);
team!(Eight, 8: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7);

/// [`race`](super::race) of a few futures of different types, in a tuple: the first that ends counts, and says which
/// it was.
///
/// The losers are cancelled and waited for: their [cleanup](crate::cancel::finally) runs, and nothing is left, unlike
/// `select!`, which drops them where they stand. To keep a loser, lend it as `&mut`. Of several that are ready in the
/// same poll the first in the tuple wins, and those behind it that were not polled yet never start.
///
/// # Panics
///
/// A panic of a future goes on in the caller.
///
/// # Cancel safety
///
/// Dropping it drops the futures at once, without their async cleanup.
///
/// # Examples
///
/// ```
/// use regatta::queue::Queue;
/// use regatta::task::{OneOf, race_of};
/// use regatta::{cancel::CancelToken, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let (orders, stop) = (Queue::<u32>::bounded(8), CancelToken::new());
///     orders.put(7).await.expect("it is open");
///     let mut seen = Vec::new();
///     loop {
///         match race_of((orders.get(), stop.cancelled(), time::sleep(Duration::from_secs(60)))).await {
///             OneOf::A(order) => seen.push(order.expect("it is open").into_inner()),
///             OneOf::B(_reason) => break,
///             OneOf::C(()) => stop.cancel_with("a minute without an order"),
///         }
///     }
///     assert_eq!(seen, [7]);
/// });
/// ```
pub fn race_of<T: Team>(futures: T) -> RaceOf<T::Members, T::Winner> {
    RaceOf {
        members: futures.enter(),
        winner: None,
        stage: Stage::Fresh,
        granted: false,
        poll: run,
    }
}

pin_project! {
    /// A race of a few futures; made by [`race_of`].
    // `poll` is a pointer for the reason given at `Gathering`.
    #[must_use = "futures do nothing unless polled"]
    pub struct RaceOf<M, W> {
        #[pin]
        members: M,
        winner: Option<(usize, W)>,
        stage: Stage,
        // Who only gave way had one more poll before it was given up.
        granted: bool,
        poll: fn(Pin<&mut RaceOf<M, W>>, &mut Context<'_>) -> Poll<W>,
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Fresh,
    Running,
    /// The losers are on their way out.
    Leaving,
    Over,
}

impl<M, W> fmt::Debug for RaceOf<M, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaceOf")
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl<M, W> Future for RaceOf<M, W> {
    type Output = W;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W> {
        (self.poll)(self, cx)
    }
}

fn run<M: Members<W>, W>(race: Pin<&mut RaceOf<M, W>>, cx: &mut Context<'_>) -> Poll<W> {
    let mut this = race.project();
    assert!(
        *this.stage != Stage::Over,
        "a race was polled after it ended"
    );
    if *this.stage == Stage::Fresh {
        *this.stage = Stage::Running;
        ready!(coop::poll_spend(cx));
    }
    if *this.stage == Stage::Running {
        // Those before somebody who waits to be the winner may have been passed over because they gave way.
        let end = this.winner.as_ref().map_or(M::COUNT, |(number, _)| *number);
        coop::forget_gave_way();
        for number in 0..end {
            if let Poll::Ready(Some(output)) = this.members.as_mut().poll(number, cx) {
                *this.winner = Some((number, output));
                break;
            }
        }
        let decided = this.winner.is_some();
        if decided && !*this.granted && coop::grant_a_poll(cx) {
            *this.granted = true;
            return Poll::Pending;
        }
        if !decided {
            label::set("the first of a race");
            return Poll::Pending;
        }
        *this.stage = Stage::Leaving;
        this.members.as_mut().dismiss();
    }
    let mut gone = true;
    for number in 0..M::COUNT {
        // What a loser ends with is nobody's.
        gone &= this.members.as_mut().poll(number, cx).is_ready();
    }
    match this.winner.take() {
        Some((_, value)) if gone => {
            *this.stage = Stage::Over;
            Poll::Ready(value)
        }
        waiting => {
            *this.winner = waiting;
            label::set("the losers of a race");
            Poll::Pending
        }
    }
}
