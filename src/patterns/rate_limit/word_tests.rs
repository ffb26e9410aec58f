//! The word alone; `tests/loom` has its models.

use super::word::{DUE, Scale, Word};

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

#[test]
fn it_gives_the_burst_and_then_the_rate() {
    let word = open(SCALE, 0);
    assert!(word.take(word.see(), 0, 3) && word.take(word.see(), 0, 1) && !word.take(word.see(), 0, 1));
    // A permit every three and a third nanoseconds.
    assert!(!word.take(word.see(), 3, 1) && word.take(word.see(), 4, 1));
    let account = word.close().expect("it was open");
    assert_eq!((account.due, account.granted), (50, 5));
    assert!(word.close().is_none() && !word.take(word.see(), 1000, 1));
    word.open(account.due.into());
    assert!(word.take(word.see(), 1000, 4) && !word.take(word.see(), 1000, 1));
    assert_eq!(word.close().map(|a| (a.due, a.granted)), Some((3040, 4)));
}

#[test]
fn what_does_not_fit_is_left_to_the_lock() {
    let word = open(SCALE, 0);
    assert!(!word.take(word.see(), u64::MAX, 1), "the product");
    assert!(!word.take(word.see(), DUE, 1), "too far from the base");
    assert!(!open(SCALE, u128::MAX).take(0, 1) && !open(SCALE, 1 << 63).take(0, 1));
    let many = Scale {
        per: 0,
        burst: 0,
        ..SCALE
    };
    let word = open(many, 0);
    assert!(word.take(word.see(), 0, (1 << 14) - 1), "as many as can be counted");
    assert!(!word.take(word.see(), 0, 1), "one more");
    assert!(!open(SCALE, 0).take(0, u32::MAX));
}

#[test]
fn epochs_go_round() {
    let word = open(SCALE, 0);
    for n in 0..1000 {
        let now = 100 * n;
        assert!(word.take(word.see(), now, 1));
        let account = word.close().expect("it is open");
        assert_eq!((account.due, account.granted), (now * 3 + 10, 1));
        word.open(account.due.into());
    }
}
