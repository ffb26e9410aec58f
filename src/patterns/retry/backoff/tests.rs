//! Delays against the formulas that were published, computed anew.

use super::*;

const MS: Duration = Duration::from_millis(1);

fn millis(backoff: Backoff) -> Vec<u128> {
    backoff.into_iter().map(|d| d.as_millis()).collect()
}

#[test]
fn delays_follow_their_formulas() {
    let many = |b: Backoff| millis(b.max_attempts(9));
    assert_eq!(many(Backoff::constant(7 * MS)), [7; 8]);
    assert_eq!(
        many(Backoff::exponential(MS)),
        [1, 2, 4, 8, 16, 32, 64, 128]
    );
    assert_eq!(
        many(Backoff::exponential(10 * MS).factor(1.5)),
        [10, 15, 22, 33, 50, 75, 113, 170]
    );
    assert_eq!(many(Backoff::fibonacci(MS)), [1, 1, 2, 3, 5, 8, 13, 21]);
    assert_eq!(
        many(Backoff::exponential(MS).max_delay(10 * MS)),
        [1, 2, 4, 8, 10, 10, 10, 10]
    );
    assert_eq!(
        millis(Backoff::constant(MS).max_attempts(1)),
        [] as [u128; 0]
    );
    assert_eq!(millis(Backoff::constant(MS)).len(), 4);
    let custom = Backoff::custom(|| [9 * MS, 4 * MS, 1 * MS]);
    assert_eq!(millis(custom.clone()), [9, 4, 1]);
    assert_eq!(millis(custom.max_attempts(3).max_delay(5 * MS)), [5, 4]);
}

#[test]
fn nobody_waits_less_than_was_asked_for_where_no_limit_was_set() {
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    let list = |b: Backoff| b.delays().map(|d| d.as_secs()).collect::<Vec<_>>();
    assert_eq!(list(Backoff::constant(hour)), [3600; 4]);
    assert_eq!(
        list(Backoff::exponential(5 * minute)),
        [300, 600, 1200, 2400]
    );
    assert_eq!(list(Backoff::exponential(minute)), [60, 120, 240, 480]);
    assert_eq!(
        list(Backoff::fibonacci(Duration::from_secs(90))),
        [90, 90, 180, 270]
    );
    assert_eq!(
        list(Backoff::custom(move || [hour, 2 * hour])),
        [3600, 7200]
    );
    // Endless attempts that began close together stay within a minute of each other.
    let endless = Backoff::exponential(Duration::from_secs(1)).max_attempts(u32::MAX);
    assert_eq!(endless.delays().nth(5), Some(32 * MS * 1000));
    assert!(endless.delays().skip(6).take(1000).all(|d| d == minute));
    // What was set counts, whatever the first delay.
    assert_eq!(list(Backoff::constant(hour).max_delay(minute)), [60; 4]);
    let longer = Backoff::exponential(Duration::from_secs(40)).max_delay(hour);
    assert_eq!(list(longer), [40, 80, 160, 320]);
}

#[test]
fn huge_delays_stay_at_the_cap() {
    let most = Duration::MAX;
    for backoff in [
        Backoff::exponential(most).factor(1e300),
        Backoff::fibonacci(most),
        Backoff::constant(most).jitter(Jitter::Decorrelated),
        Backoff::exponential(most).jitter(Jitter::Equal),
    ] {
        let backoff = backoff.max_attempts(100).max_delay(Duration::from_secs(3));
        assert!(backoff.delays().all(|d| d <= Duration::from_secs(3)));
        let endless = backoff.max_delay(most).max_attempts(u32::MAX);
        assert_eq!(endless.delays().take(500).count(), 500);
    }
}

/// The delays of 2000 calls with this jitter, by their place.
fn drawn(jitter: Jitter) -> Vec<Vec<Duration>> {
    let backoff = Backoff::exponential(100 * MS)
        .max_attempts(5)
        .max_delay(500 * MS)
        .jitter(jitter);
    let mut by_place = vec![Vec::new(); 4];
    for seed in 0..2000 {
        for (place, delay) in backoff.clone().seed(seed).into_iter().enumerate() {
            by_place[place].push(delay);
        }
    }
    by_place
}

fn range_and_mean(delays: &[Duration]) -> (Duration, Duration, Duration) {
    let (least, most) = (delays.iter().min(), delays.iter().max());
    let sum: Duration = delays.iter().sum();
    (
        *least.expect("some"),
        *most.expect("some"),
        sum / delays.len() as u32,
    )
}

#[test]
fn jitter_stays_in_its_range_and_fills_it() {
    for (place, base) in [100, 200, 400, 500].into_iter().enumerate() {
        let base = base * MS;
        let (least, most, mean) = range_and_mean(&drawn(Jitter::Full)[place]);
        assert!(least < base / 50 && most <= base && most > base * 49 / 50);
        assert!(mean > base * 9 / 20 && mean < base * 11 / 20);
        let (least, most, mean) = range_and_mean(&drawn(Jitter::Equal)[place]);
        assert!(least >= base / 2 && least < base * 26 / 50 && most <= base);
        assert!(mean > base * 7 / 10 && mean < base * 8 / 10);
    }
    for (place, most_of) in [300, 500, 500, 500].into_iter().enumerate() {
        let (least, most, _) = range_and_mean(&drawn(Jitter::Decorrelated)[place]);
        assert!(least >= 100 * MS && most <= most_of * MS && most > most_of * MS * 9 / 10);
    }
}

/// The formulas of the article, in nanoseconds, with the same numbers from the generator.
#[test]
fn jittered_delays_are_those_of_the_published_formulas() {
    let between = |rng: &mut Rng, least: u64, most: u64| rng.u64(0..=most - least) + least;
    for seed in 0..500 {
        let mut dice = Rng::with_seed(seed + 10_000);
        let (base, cap) = (dice.u64(1..2_000_000_000), dice.u64(1..20_000_000_000));
        let backoff = Backoff::exponential(Duration::from_nanos(base))
            .max_delay(Duration::from_nanos(cap))
            .max_attempts(20)
            .seed(seed);
        let delays = |jitter| -> Vec<u64> {
            let delays = backoff.clone().jitter(jitter).delays();
            delays.map(|d| d.as_nanos() as u64).collect()
        };
        let grown = |n: u32| cap.min(base << n);
        assert_eq!(delays(Jitter::None), (0..19).map(grown).collect::<Vec<_>>());
        // sleep = random_between(0, min(cap, base * 2 ** attempt))
        let mut rng = Rng::with_seed(seed);
        let full = (0..19).map(|n| between(&mut rng, 0, grown(n)));
        assert_eq!(delays(Jitter::Full), full.collect::<Vec<_>>());
        // temp = min(cap, base * 2 ** attempt); sleep = temp / 2 + random_between(0, temp / 2)
        let mut rng = Rng::with_seed(seed);
        let equal = (0..19).map(|n| between(&mut rng, grown(n) / 2, grown(n)));
        assert_eq!(delays(Jitter::Equal), equal.collect::<Vec<_>>());
        // sleep = min(cap, random_between(base, sleep * 3))
        let (mut rng, mut sleep) = (Rng::with_seed(seed), base);
        let decorrelated = (0..19).map(|_| {
            sleep = cap.min(between(&mut rng, base, base.max(sleep * 3)));
            sleep
        });
        assert_eq!(
            delays(Jitter::Decorrelated),
            decorrelated.collect::<Vec<_>>()
        );
    }
}

#[test]
fn growth_is_exact_for_whole_factors_and_to_a_nanosecond_a_step_for_others() {
    let first = Duration::new(1, 7);
    let without_cap = |b: Backoff| b.max_delay(Duration::MAX).max_attempts(41).delays();
    for factor in [1_u32, 2, 3] {
        let delays = without_cap(Backoff::exponential(first).factor(f64::from(factor)));
        for (n, delay) in delays.take(30).enumerate() {
            let expected = first.as_nanos() * u128::from(factor).pow(n as u32);
            assert_eq!(delay.as_nanos(), expected, "{factor}, {n}");
        }
    }
    let (mut before, mut now) = (Duration::ZERO, first);
    for delay in without_cap(Backoff::fibonacci(first)) {
        assert_eq!(delay, now);
        (before, now) = (now, now + before);
    }
    let delays = without_cap(Backoff::exponential(first).factor(1.5));
    for (n, delay) in delays.enumerate() {
        let expected = first.as_secs_f64() * 1.5_f64.powi(n as i32);
        let off = (delay.as_secs_f64() - expected).abs();
        assert!(off <= expected * 1e-8, "{n}: {delay:?}, {expected}");
    }
}

#[test]
fn a_seed_gives_the_same_delays_and_no_seed_others() {
    let backoff = Backoff::constant(Duration::from_secs(1)).jitter(Jitter::Full);
    let seeded = backoff.clone().seed(4);
    assert!(seeded.delays().eq(seeded.delays()));
    assert!(!backoff.delays().eq(backoff.delays()));
    fastrand::seed(1);
    let first: Vec<_> = backoff.delays().collect();
    fastrand::seed(1);
    assert!(backoff.delays().eq(first));
}

#[test]
#[should_panic(expected = "finite number of at least 1.0")]
fn a_factor_that_is_no_number() {
    let _ = Backoff::exponential(MS).factor(f64::NAN);
}

#[test]
#[should_panic(expected = "0 attempts would never call anything: use at least 1")]
fn no_attempts() {
    let _ = Backoff::exponential(MS).max_attempts(0);
}
