//! Drops protected calls at every await, 100,000 times, and counts what is left: every permit and place once, no probe, no attempt, nobody in flight.

use regatta::Runtime;
use regatta::bulkhead::Bulkhead;
use regatta::circuit_breaker::{CircuitBreaker, OnDrop};
use regatta::load_shed::LoadShed;
use regatta::policy::{Failure, Policy};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::Backoff;
use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::time;
use regatta_soak::{DROPS, MS, passed};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

#[derive(Clone)]
struct Ground {
    shed: LoadShed,
    bulkhead: Bulkhead,
    limiter: RateLimiter,
    breaker: CircuitBreaker,
    running: Arc<AtomicUsize>,
    policy: Policy,
}

/// Counts a call down.
struct Ends(Arc<AtomicUsize>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

type Ended = Result<(), Failure<&'static str>>;

impl Ground {
    /// All layers, each of which has to be waited for now and then; a rival uses them, too.
    async fn new() -> Self {
        let shed = LoadShed::builder()
            .max_in_flight(4)
            .max_lag(50 * MS)
            .measure_every(MS)
            .build();
        let bulkhead = Bulkhead::builder(2).queue(5).max_wait(40 * MS).build();
        let limiter = RateLimiter::new(Quota::new(2, 4 * MS));
        let breaker = CircuitBreaker::builder()
            .on_drop(OnDrop::Ignore)
            .min_calls(100)
            .build();
        let policy = Policy::new()
            .load_shed(shed.clone())
            .timeout(60 * MS)
            .retry(Backoff::constant(MS).max_attempts(4))
            .hedge(2 * MS)
            .bulkhead(bulkhead.clone())
            .rate_limit(limiter.clone())
            .circuit_breaker(breaker.clone())
            .attempt_timeout(3 * MS)
            .measured();
        let ground = Ground {
            shed,
            bulkhead,
            limiter,
            breaker,
            running: Arc::default(),
            policy,
        };
        let rival = ground.clone();
        drop(Runtime::current().try_spawn(async move { drop(rival.call(1).await) }));
        ground
    }

    /// Every third call takes too long, and the others fail.
    async fn call(&self, mut n: u32) -> Ended {
        let call = || {
            n += 1;
            let takes = MS * if n.is_multiple_of(3) { 9 } else { 1 };
            let running = self.running.clone();
            async move {
                running.fetch_add(1, SeqCst);
                let _ends = Ends(running);
                time::sleep(takes).await;
                Err::<(), _>("down")
            }
        };
        self.policy.run(call).await
    }

    async fn leaves_nothing(self) -> Result<(), String> {
        time::sleep(100 * MS).await;
        let (shed, bulkhead) = (self.shed.stats(), self.bulkhead.stats());
        let (limiter, breaker) = (self.limiter.stats(), self.breaker.stats());
        let left = shed.in_flight + bulkhead.running + bulkhead.waiting;
        let left = left + limiter.waiting + breaker.running + self.running.load(SeqCst);
        if left != 0 {
            return Err(format!("{shed:?} {bulkhead:?} {limiter:?} {breaker:?}"));
        }
        self.limiter
            .try_acquire(2)
            .map_err(|e| format!("permits were lost: {e}"))?;
        let stats = self.policy.stats().ok_or("it is measured")?;
        let ended = stats.succeeded + stats.failed + stats.dropped;
        // The rival's call, and ours if it began.
        if ended != stats.calls.count() || ended > 2 || stats.succeeded > 0 {
            return Err(format!("{stats:?}"));
        }
        self.breaker
            .try_enter()
            .map(|pass| pass.ignored())
            .map_err(|e| e.to_string())
    }
}

#[test]
fn a_dropped_call_leaves_nothing_in_any_layer() {
    let op = |ground: Ground| async move { ground.call(0).await };
    let verify = |ground: Ground, _: Outcome<Ended>| ground.leaves_nothing();
    let report = cancel_safety_drops(DROPS, Ground::new, op, verify);
    passed(&report);
}
