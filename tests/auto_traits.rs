//! Which types may cross threads, be moved after a poll, and outlive what they came from. Losing one of these breaks users.
#![allow(dead_code, reason = "what is checked here is checked by the compiler")]

use regatta::cancel::{self, CancelOnDrop, CancelToken, Cancelled, Reason, WaitCancelled};
use regatta::runtime::{self, Entered, Flavor, JoinError, JoinHandle, NoRuntime, UnknownFlavor};
use regatta::time::{self, Deadline, Elapsed, Interval, InvalidSeconds, MissedTicks, Sleep};
use regatta::{Runtime, testing};
use std::cell::Cell;
use std::future::Ready;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}
fn lives<T: 'static>() {}

/// A value that everybody may have.
fn free<T: Send + Sync + Unpin + 'static>() {}
fn error<T: std::error::Error + Send + Sync + Unpin + 'static>() {}

/// Fails to compile when `$t` has `$trait`: then both implementations apply, and the inference of `_` is ambiguous.
macro_rules! assert_not {
    ($t:ty: $trait:path) => {
        const _: fn() = || {
            trait Ambiguous<A> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Both;
            impl<T: ?Sized + $trait> Ambiguous<Both> for T {}
            let _ = <$t as Ambiguous<_>>::check;
        };
    };
}

type SendOnly = Ready<Cell<u8>>;
type Local = Ready<std::rc::Rc<u8>>;
type Pinned = async_channel::Recv<'static, ()>;

#[test]
fn handles_and_data_are_free() {
    free::<Runtime>();
    free::<Flavor>();
    free::<CancelToken>();
    free::<CancelOnDrop>();
    free::<Reason>();
    free::<Deadline>();
    free::<MissedTicks>();
    free::<Interval>();
    error::<Cancelled>();
    error::<Elapsed>();
    error::<InvalidSeconds>();
    error::<UnknownFlavor>();
    error::<NoRuntime>();
    error::<JoinError>();
}

#[test]
fn a_handle_needs_no_more_than_a_value_that_moves() {
    free::<JoinHandle<u8>>();
    send::<JoinHandle<Cell<u8>>>();
    sync::<JoinHandle<Cell<u8>>>();
}

#[test]
fn an_entered_runtime_stays_on_its_thread() {
    assert_not!(Entered: Send);
    assert_not!(Entered: Sync);
    lives::<Entered>();
}

/// Futures are what their inner future is.
macro_rules! follows_its_inner {
    ($($name:ident: $($future:ident)::+ $([$cleanup:ident])?;)+) => {$(
        #[test]
        fn $name() {
            send::<$($future)::+<Ready<u8> $(, $cleanup<()>)?>>();
            lives::<$($future)::+<Ready<u8> $(, $cleanup<()>)?>>();
            sync::<$($future)::+<Ready<u8> $(, $cleanup<()>)?>>();
            send::<$($future)::+<SendOnly $(, $cleanup<()>)?>>();
            assert_not!($($future)::+<Local $(, $cleanup<()>)?>: Send);
            assert_not!($($future)::+<Pinned $(, $cleanup<()>)?>: Unpin);
        }
    )+};
}

follows_its_inner! {
    a_timeout_follows_its_inner_future: time::Timeout;
    a_deadlines_run_follows_its_inner_future: time::Bounded;
    a_tokens_run_follows_its_inner_future: cancel::Run;
    a_shield_follows_its_inner_future: cancel::Shielded;
    a_shield_for_a_time_follows_its_inner_future: cancel::ShieldedFor;
    a_cleanup_follows_its_inner_future: cancel::Cleanup [Ready];
    within_follows_its_inner_future: runtime::Within;
}

#[test]
fn what_waits_for_a_token_holds_no_borrow() {
    send::<WaitCancelled>();
    lives::<WaitCancelled>();
    send::<cancel::AmbientCancelled>();
    lives::<cancel::AmbientCancelled>();
    send::<Sleep>();
    sync::<Sleep>();
    lives::<Sleep>();
    fn detached() -> impl Future<Output = Reason> + Send + 'static {
        CancelToken::new().cancelled()
    }
    drop(detached());
}

#[test]
fn a_tick_is_unpin_and_sendable() {
    send::<time::Tick<'static>>();
    unpin::<time::Tick<'static>>();
}

/// The calls as a library's author writes them: inside an `async fn` whose future must be `Send`, with borrows.
#[test]
fn everything_together_can_be_spawned() {
    async fn job(token: &CancelToken, text: &str) -> usize {
        let mut ticks = time::interval(Duration::from_millis(1));
        ticks.tick().await;
        let deadline = Deadline::after(Duration::from_secs(1));
        let body = async {
            time::sleep(Duration::from_millis(1)).await;
            cancel::shield(async { text.len() }).await
        };
        let inner = deadline.run(cancel::finally(body, async {
            time::sleep(Duration::ZERO).await
        }));
        let timed = time::timeout(Duration::from_secs(2), inner).named("job");
        let run = token.run_graceful(Duration::from_secs(1), timed);
        let or = time::timeout_or(Duration::from_secs(3), run, || Ok(Ok(Ok(0))));
        or.await.unwrap().unwrap().unwrap()
    }
    fn spawnable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    let length = testing::run(async || {
        let token = CancelToken::new();
        let job = spawnable(async move { job(&token, "four").await });
        Runtime::current().try_spawn(job).unwrap().await.unwrap()
    });
    assert_eq!(length, 4);
}

#[test]
fn tokens_and_runtimes_may_be_caught_up_in_a_panic() {
    fn calm<T: UnwindSafe + RefUnwindSafe>() {}
    calm::<CancelToken>();
    calm::<Deadline>();
    calm::<Reason>();
}
