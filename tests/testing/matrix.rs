//! One body, every runtime.

use crate::support::{MS, sleep, spawn};
use regatta::Runtime;
use regatta::testing;
use std::time::Duration;

async fn a_body_runs_as_a_task_that_can_spawn() {
    let runtime = Runtime::current().name();
    let child = spawn(async { Runtime::current().name() });
    assert_eq!(child.await.unwrap(), runtime);
}

async fn time_passes_at_least() {
    let start = Runtime::current().now();
    sleep(MS * 3).await;
    assert!(Runtime::current().now() - start >= MS * 3);
}

async fn a_body_may_return_a_result() -> Result<(), std::num::ParseIntError> {
    assert_eq!("7".parse::<u8>()?, 7);
    Ok(())
}

async fn an_error_fails_the_test() -> Result<(), std::num::ParseIntError> {
    "seven".parse::<u8>().map(drop)
}

async fn a_panic_keeps_its_message() {
    testing::yield_now().await;
    panic!("kaboom");
}

async fn a_whole_day() {
    sleep(Duration::from_secs(86_400)).await;
    assert_eq!(testing::now(), Duration::from_secs(86_400));
}

async fn only_real_time() {
    assert!(!testing::in_simulation());
}

regatta::matrix! {
    a_body_runs_as_a_task_that_can_spawn;
    time_passes_at_least;
    a_body_may_return_a_result;
    #[should_panic(expected = "the test returned an error: ParseIntError")] an_error_fails_the_test;
    #[should_panic(expected = "kaboom")] a_panic_keeps_its_message;
    a_whole_day [sim];
    only_real_time [tokio_current, tokio_multi, smol];
}

mod gates {
    //! The gates follow regatta's features: this file has no `cfg`.
    regatta::__with_tokio! {
        #[test]
        fn tokio_is_compiled_in() {
            assert!(regatta::runtime::Flavor::Tokio.is_available());
        }
    }
    regatta::__with_smol! {
        #[test]
        fn smol_is_compiled_in() {
            assert!(regatta::runtime::Flavor::Smol.is_available());
        }
    }
}
