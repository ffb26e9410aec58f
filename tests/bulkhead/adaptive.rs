//! Adaptive limits in front of servers whose right limit is known, by Little's law.

use regatta::bulkhead::{Aimd, Bulkhead, Gradient, Limit};
use regatta::sync::Semaphore;
use regatta::{task, time};
use std::convert::Infallible;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// Five hundred clients without a pause before a server with so many workers, each of which takes 10 ms: the limit
/// after half a minute.
async fn after_thirty_seconds(limit: impl Into<Limit>, workers: usize) -> usize {
    let bulkhead = Bulkhead::builder(limit).queue(500).build();
    let server = Semaphore::new(workers);
    let clients = task::scope(async |g| {
        for _ in 0..500 {
            g.spawn(async {
                loop {
                    let call = bulkhead.call(async {
                        let _worker = server.acquire().await;
                        time::sleep(10 * MS).await;
                        Ok::<_, Infallible>(())
                    });
                    let _ = call.await;
                }
            });
        }
        Ok::<_, Infallible>(())
    });
    let ended = time::timeout(Duration::from_secs(30), clients).await;
    assert!(ended.is_err(), "they go on for ever");
    bulkhead.stats().limit
}

#[track_caller]
fn within_a_quarter(found: usize, right: usize) {
    let near = right - right / 4..=right + right / 4;
    assert!(near.contains(&found), "{found} where {right} are right");
}

async fn a_gradient_limit_finds_what_a_server_works_on() {
    let found = after_thirty_seconds(Gradient::new(1, 20, 400), 32).await;
    within_a_quarter(found, 32);
}

async fn an_aimd_limit_finds_where_calls_become_too_slow() {
    // Twenty calls at once take 20 ms with ten workers.
    let limit = Aimd::new(1, 1, 400).too_slow(20 * MS);
    within_a_quarter(after_thirty_seconds(limit, 10).await, 20);
}

async fn a_gradient_limit_grows_only_where_it_is_what_holds_calls_back() {
    let bulkhead = Bulkhead::builder(Gradient::new(2, 20, 300)).build();
    for at_once in [5, 20] {
        for _ in 0..500 {
            let calls = (0..at_once).map(|_| {
                bulkhead.call(async {
                    time::sleep(10 * MS).await;
                    Ok::<_, Infallible>(())
                })
            });
            task::gather(calls).settled().await;
        }
        let limit = bulkhead.stats().limit;
        // At 0.8 a second.
        let right = if at_once == 5 { 20..=20 } else { 22..=24 };
        assert!(right.contains(&limit), "{limit} with {at_once} at once");
    }
}

regatta::matrix! {
    a_gradient_limit_finds_what_a_server_works_on [sim_once];
    an_aimd_limit_finds_where_calls_become_too_slow [sim_once];
    a_gradient_limit_grows_only_where_it_is_what_holds_calls_back [sim];
}
