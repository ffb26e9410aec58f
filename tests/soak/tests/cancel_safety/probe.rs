//! How the operations are watched.

use crate::ground::{Count, MS, spawn};
use regatta::testing;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Drops an operation at every await, often enough.
macro_rules! drop_everywhere {
    ($setup:expr, $op:expr, $verify:expr $(,)?) => {{
        let real = regatta::Runtime::neutral();
        let start = real.now();
        let report =
            regatta::testing::cancel_safety_drops(regatta_soak::DROPS, $setup, $op, $verify);
        println!("{:?}: {report}", real.now() - start);
        regatta_soak::passed(&report);
    }};
}
pub(crate) use drop_everywhere;

/// The same as a test.
macro_rules! survives {
    ($name:ident: $($all:tt)+) => {
        #[test]
        fn $name() {
            $crate::probe::drop_everywhere!($($all)+);
        }
    };
}
pub(crate) use survives;

/// Hands an operation wakers that can be counted, a new one for each poll.
#[derive(Clone, Default, Debug)]
pub(crate) struct Probe(Arc<()>);

struct Forward {
    to: Waker,
    _probe: Probe,
}

impl Wake for Forward {
    fn wake(self: Arc<Self>) {
        self.to.wake_by_ref();
    }
}

impl Probe {
    pub(crate) fn watch<F: Future>(&self, future: F) -> Probed<F> {
        Probed {
            probe: self.clone(),
            future: Box::pin(future),
        }
    }

    /// Whether anybody but this one holds on to what the operation left.
    pub(crate) fn is_alone(&self) -> Result<(), String> {
        same("wakers left behind", Arc::strong_count(&self.0) - 1, 0)
    }
}

pub(crate) struct Probed<F> {
    probe: Probe,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Probed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let forward = Forward {
            to: cx.waker().clone(),
            _probe: self.probe.clone(),
        };
        let waker = Waker::from(Arc::new(forward));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

pub(crate) fn same<T: PartialEq + Debug>(what: &str, got: T, want: T) -> Result<(), String> {
    if got == want {
        return Ok(());
    }
    Err(format!("{what}: {got:?} instead of {want:?}"))
}

/// Counts up when `future` has ended.
pub(crate) fn rival<F>(future: F) -> Count
where
    F: Future + Send + 'static,
{
    let count = Count::new();
    let up = count.clone();
    drop(spawn(async move {
        future.await;
        up.up();
    }));
    count
}

/// Lets everybody run until `ms` virtual milliseconds have passed since the beginning.
pub(crate) async fn until(ms: u32) {
    let left = (ms * MS).saturating_sub(testing::now());
    testing::advance(left).await;
}
