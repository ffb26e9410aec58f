//! The word alone; `tests/loom` has its models.

use super::word::{DUE, Scale, Word};
use std::time::Duration;

const SCALE: Scale = Scale {
    permits: 3,
    per: 10,
    burst: 40,
};

fn open(scale: Scale, due: u128) -> Word {
    let word = Word::new(scale);
    word.open(due);
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
    let account = word.close().expect("it was open");
    assert_eq!((account.due, account.granted), (50, 5));
    assert!(word.close().is_none() && !take(&word, 1000, 1));
    word.open(account.due.into());
    assert!(take(&word, 1000, 4) && !take(&word, 1000, 1));
    assert_eq!(word.close().map(|a| (a.due, a.granted)), Some((3040, 4)));
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
        let account = word.close().expect("it is open");
        assert_eq!((account.due, account.granted), (now * 3 + 10, 1));
        word.open(account.due.into());
    }
}
