//! Load shedders in a `static`, and loops around one.

use super::in_a_row::{World, at_once, in_a_row, run_in};
use super::{MS, SECOND};
use futures_lite::future::{or, poll_once, yield_now};
use futures_util::FutureExt;
use regatta::load_shed::LoadShed;
use regatta::{Runtime, time};
use std::pin::pin;
use std::sync::LazyLock;
use std::time::Duration;

#[test]
fn one_that_measures_is_used_by_all_runtimes() {
    static SHED: LazyLock<LoadShed> = LazyLock::new(|| {
        let build = LoadShed::builder().max_lag(60 * SECOND).measure_every(MS);
        build.max_in_flight(100).max_age(60 * SECOND).build()
    });
    async fn enters(_: World) {
        for _ in 0..5 {
            let came = Runtime::current().now();
            let pass = SHED.enter().await.unwrap();
            time::sleep(2 * MS).await;
            SHED.check_age(came).unwrap();
            drop(pass);
        }
    }
    in_a_row(enters);
    at_once(enters);
    assert_eq!(SHED.stats().in_flight, 0);
    assert_eq!(SHED.stats().refused, 0);
}

/// A measure that is under way says nothing about what passes on other clocks.
#[test]
fn an_hour_elsewhere_is_no_lag() {
    static SHED: LazyLock<LoadShed> = LazyLock::new(|| LoadShed::builder().max_lag(SECOND).build());
    run_in(World::Simulation, |_| async {
        let mut measures = pin!(SHED.enter());
        assert!(poll_once(&mut measures).await.is_none());
        run_in(World::Simulation, |_| async {
            drop(SHED.try_enter().unwrap());
            time::sleep(Duration::from_secs(3600)).await;
            assert_eq!(SHED.stats().lag, Duration::ZERO);
            drop(SHED.try_enter().unwrap());
        });
        assert_eq!(SHED.stats().lag, Duration::ZERO);
        time::sleep(2 * SECOND).await;
        assert_eq!(SHED.stats().lag, 2 * SECOND);
        assert!(measures.await.is_err());
    });
    // What was measured counts for what is left of its time.
    run_in(World::Simulation, |_| async {
        assert!(SHED.try_enter().is_err());
        time::sleep(SECOND).await;
        assert!(SHED.try_enter().is_ok());
    });
}

async fn gives_way(forever: impl Future<Output = ()>) {
    or(forever, async {
        for _ in 0..3 {
            yield_now().await;
        }
    })
    .await;
}

async fn a_loop_around_it_gives_way() {
    let shed = LoadShed::builder().max_in_flight(1).build();
    gives_way(async {
        loop {
            drop(shed.enter().await.unwrap());
        }
    })
    .await;
    gives_way(async {
        loop {
            shed.call(async { Ok::<_, &str>(()) }).await.unwrap();
        }
    })
    .await;
    let pass = shed.enter().await.unwrap();
    gives_way(async {
        loop {
            assert!(shed.enter().await.is_err());
        }
    })
    .await;
    drop(pass);
    assert_eq!(shed.stats().in_flight, 0);
}

async fn who_asks_only_once_gets_its_answer() {
    let shed = LoadShed::builder().max_lag(SECOND).build();
    for _ in 0..1000 {
        let answer = shed.enter().now_or_never();
        drop(answer.expect("it does not measure").unwrap());
    }
}

/// A yield is no refusal: what can be had at once can be had in no time, also by who measures.
async fn what_is_free_can_be_had_in_no_time() {
    let build = LoadShed::builder().max_lag(60 * SECOND);
    for shed in [
        build.clone().build(),
        build.measure_every(Duration::from_nanos(1)).build(),
        LoadShed::builder().max_in_flight(1).build(),
    ] {
        for n in 0..3000 {
            let entered = time::timeout(Duration::ZERO, shed.enter()).await;
            assert!(entered.is_ok(), "{n}");
        }
    }
}

regatta::matrix! {
    a_loop_around_it_gives_way;
    who_asks_only_once_gets_its_answer;
    what_is_free_can_be_had_in_no_time;
}
