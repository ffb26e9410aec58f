//! One test body on every runtime.

use super::check;
use crate::runtime::BoxFuture;
use crate::runtime::matrix::run_test;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

#[doc(hidden)]
pub use crate::runtime::matrix::Ground;

/// How many schedules a test in virtual time gets, unless `REGATTA_SEEDS` says otherwise.
const SEEDS: u64 = 16;

/// What a test body may return: nothing, or a `Result` whose error is shown.
#[doc(hidden)]
pub trait Verdict: Send + 'static {
    /// The error as text.
    fn verdict(self) -> Result<(), String>;
}

impl Verdict for () {
    fn verdict(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Debug + Send + 'static> Verdict for Result<(), E> {
    fn verdict(self) -> Result<(), String> {
        self.map_err(|e| format!("the test returned an error: {e:?}"))
    }
}

#[track_caller]
fn pass(verdict: Result<(), String>) {
    if let Err(why) = verdict {
        panic!("{why}");
    }
}

// Bodies are boxed, so that simulations and runtimes are compiled once, and not again for each of a thousand tests.
type LocalBox<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

#[doc(hidden)]
#[track_caller]
pub fn __sim<Fut: Future<Output: Verdict>>(body: impl Fn() -> Fut) {
    in_virtual_time(SEEDS, &|| Box::pin(async { pass(body().await.verdict()) }));
}

/// For a body of one task, or a long one.
#[doc(hidden)]
#[track_caller]
pub fn __sim_once<Fut: Future<Output: Verdict>>(body: impl Fn() -> Fut) {
    in_virtual_time(1, &|| Box::pin(async { pass(body().await.verdict()) }));
}

#[track_caller]
fn in_virtual_time<'a>(seeds: u64, body: &'a dyn Fn() -> LocalBox<'a>) {
    check(seeds, body).unwrap();
}

#[doc(hidden)]
#[track_caller]
pub fn __real<Fut>(ground: Ground, test: &str, body: impl FnOnce() -> Fut)
where
    Fut: Future<Output: Verdict> + Send + 'static,
{
    let body = body();
    let boxed: BoxFuture<'static, Result<(), String>> =
        Box::pin(async move { body.await.verdict() });
    pass(run_test(ground, test, boxed));
}

/// Turns `async fn`s into tests on virtual time, tokio and smol.
///
/// Each name becomes a module with the tests `sim`, `tokio_current`, `tokio_multi` (two workers) and `smol`; those of runtimes that are not
/// compiled into regatta are left out. The bodies stay ordinary functions beside the macro, without arguments, that return `()`
/// or `Result<(), E>`. Attributes before a name (`#[should_panic]`, `#[ignore]`) go to each of its tests, and a
/// list in brackets after it says which runtimes it is for.
///
/// `sim` runs [`check`](crate::testing::check) over 16 seeds (`REGATTA_SEEDS`). In its place a list may have `sim_once`, with one seed: for a
/// body of a single task, whose schedule is always the same, and for a long one. On real runtimes the body is a spawned task, and a
/// test that is still running after a minute fails by name. Assert exact times in virtual time only.
///
/// # Examples
///
/// ```
/// use regatta::Runtime;
/// use std::time::Duration;
///
/// async fn sleeping_takes_time() {
///     let start = Runtime::current().now();
///     Runtime::current().sleep(Duration::from_millis(2)).await;
///     assert!(Runtime::current().now() - start >= Duration::from_millis(2));
/// }
///
/// async fn so_does_a_day() {
///     Runtime::current().sleep(Duration::from_secs(86_400)).await;
/// }
///
/// async fn numbers_parse() -> Result<(), std::num::ParseIntError> {
///     "42".parse::<u8>().map(drop)
/// }
///
/// async fn letters_do_not() {
///     "x".parse::<u8>().expect("a number");
/// }
///
/// regatta::matrix! {
///     sleeping_takes_time;
///     so_does_a_day [sim_once];
///     numbers_parse;
///     #[should_panic(expected = "a number")] letters_do_not;
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! matrix {
    () => {};
    (@tests $attributes:tt $name:ident $($ground:ident)+) => {
        mod $name {
            // Where none of the runtimes is compiled in, the body still counts as used.
            const _: () = { let _ = super::$name; };
            $($crate::__matrix_test!($ground, $name, $attributes);)+
        }
    };
    ($(#[$attribute:meta])* $name:ident [$($ground:ident),+ $(,)?] $(; $($rest:tt)*)?) => {
        $crate::matrix! { @tests [$(#[$attribute])*] $name $($ground)+ }
        $($crate::matrix! { $($rest)* })?
    };
    ($(#[$attribute:meta])* $name:ident $(; $($rest:tt)*)?) => {
        $crate::matrix! { @tests [$(#[$attribute])*] $name sim tokio_current tokio_multi smol }
        $($crate::matrix! { $($rest)* })?
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __matrix_test {
    (sim, $name:ident, [$($attribute:tt)*]) => {
        #[test]
        $($attribute)*
        fn sim() {
            $crate::testing::__sim(super::$name);
        }
    };
    (sim_once, $name:ident, [$($attribute:tt)*]) => {
        #[test]
        $($attribute)*
        fn sim() {
            $crate::testing::__sim_once(super::$name);
        }
    };
    (tokio_current, $name:ident, $attributes:tt) => {
        $crate::__with_tokio! { $crate::__matrix_real!(tokio_current, TokioCurrent, $name, $attributes); }
    };
    (tokio_multi, $name:ident, $attributes:tt) => {
        $crate::__with_tokio! { $crate::__matrix_real!(tokio_multi, TokioMulti, $name, $attributes); }
    };
    (smol, $name:ident, $attributes:tt) => {
        $crate::__with_smol! { $crate::__matrix_real!(smol, Smol, $name, $attributes); }
    };
    ($other:ident, $name:ident, $attributes:tt) => {
        compile_error!(concat!(
            "`", stringify!($other), "` is none of `sim`, `sim_once`, `tokio_current`, `tokio_multi`, `smol`"
        ));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __matrix_real {
    ($test:ident, $ground:ident, $name:ident, [$($attribute:tt)*]) => {
        #[test]
        $($attribute)*
        fn $test() {
            $crate::testing::__real($crate::testing::Ground::$ground, module_path!(), super::$name);
        }
    };
}
