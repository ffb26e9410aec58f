//! The word alone; `tests/loom` has its models.

use super::word::{Anchor, DUE, Scale, Word};
use std::time::Duration;

const SCALE: Scale = Scale {
    permits: 3,
    per: 10,
    burst: 40,
};

const ANCHOR: Anchor = Anchor {
    ahead: 0,
    passed: Duration::ZERO,
};

fn open(scale: Scale, due: u128) -> Word {
    let word = Word::new(scale);
    word.open(due, ANCHOR);
    word
}

fn take(word: &Word, nanos: u64, n: u32) -> bool {
    word.take(word.see(), Duration::from_nanos(nanos), n)
}

#[test]
fn it_gives_the_burst_and_then_the_rate() {
    let word = open(SCALE, 0);
    assert!(take(&word, 0, 3) && take(&word, 0, 1) && !take(&word, 0, 1));
    // A permit every three and a third nanoseconds.
    assert!(!take(&word, 3, 1) && take(&word, 4, 1));
    let account = word.close(ANCHOR).expect("it was open");
    assert_eq!((account.due, account.granted), (50, 5));
    assert!(word.close(ANCHOR).is_none() && !take(&word, 1000, 1));
    word.open(account.due, ANCHOR);
    assert!(take(&word, 1000, 4) && !take(&word, 1000, 1));
    assert_eq!(
        word.close(ANCHOR).map(|a| (a.due, a.granted)),
        Some((3040, 4))
    );
}

#[test]
fn what_does_not_fit_is_left_to_the_lock() {
    let word = open(SCALE, 0);
    assert!(!take(&word, u64::MAX, 1), "the product");
    assert!(!take(&word, DUE, 1), "too far from the base");
    assert!(!take(&open(SCALE, u128::MAX), 0, 1) && !take(&open(SCALE, 1 << 63), 0, 1));
    let many = Scale {
        per: 0,
        burst: 0,
        ..SCALE
    };
    let word = open(many, 0);
    assert!(take(&word, 0, (1 << 14) - 1), "as many as can be counted");
    assert!(!take(&word, 0, 1), "one more");
    assert!(!take(&open(SCALE, 0), 0, u32::MAX));
}

#[test]
fn epochs_go_round() {
    let word = open(SCALE, 0);
    for n in 0..1000 {
        let now = 100 * n;
        assert!(take(&word, now, 1));
        let account = word.close(ANCHOR).expect("it is open");
        assert_eq!(
            (account.due, account.granted),
            (u128::from(now) * 3 + 10, 1)
        );
        word.open(account.due, ANCHOR);
    }
}

/// On a clock that is 20 nanoseconds behind the timeline.
#[test]
fn a_timeline_that_is_ahead_of_the_clock_is_kept_to() {
    let word = Word::new(SCALE);
    for passed in [0, 10] {
        let behind = Anchor {
            ahead: 20,
            passed: Duration::from_nanos(passed),
        };
        // On the timeline all is paid for at 30 nanoseconds, so it is at 10 on the clock.
        word.open(90, behind);
        assert!(take(&word, 10, 4) && !take(&word, 10, 1));
        let account = word.close(behind).expect("it was open");
        assert_eq!((account.due, account.granted), (130, 4));
    }
    let ahead = Anchor {
        ahead: -20,
        passed: Duration::from_nanos(30),
    };
    // At 10 on the timeline, it is 30 on the clock.
    word.open(30, ahead);
    assert!(take(&word, 30, 4) && !take(&word, 30, 1));
    let account = word.close(ahead).expect("it was open");
    assert_eq!((account.due, account.granted), (70, 4));
}

#[test]
fn it_is_out_of_date_after_a_second() {
    let word = open(SCALE, 0);
    let second = 1_000_000_000;
    assert!(take(&word, second, 1) && !take(&word, second + 1, 1));
    word.close(ANCHOR);
    let later = Anchor {
        passed: Duration::from_secs(5),
        ..ANCHOR
    };
    word.open(0, later);
    assert!(take(&word, 6 * second, 1) && !take(&word, 6 * second + 1, 1));
}
