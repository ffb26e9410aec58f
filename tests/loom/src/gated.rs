//! Models of a lock with a turnstile before it.

use crate::internal::gated::{Account, Books, Gated, Period};
use crate::support::{Guarded, check};
use loom::sync::Arc;
use loom::thread;

/// As a bulkhead has them, for one that may be in.
#[derive(Default)]
struct Room {
    running: usize,
    entered: u64,
    /// Somebody stands in line, and was not served yet.
    waiting: bool,
    served: bool,
    period: Period,
    /// Who left by the turnstile, in this period and in earlier ones.
    left: u64,
    left_before: u64,
}

impl Books for Room {
    fn take_over(&mut self, Account { running, left }: Account) {
        self.entered += left + running as u64;
        self.entered -= self.running as u64;
        self.running = running;
        self.left += left;
    }

    fn opens(&self) -> Option<(usize, Period)> {
        (!self.waiting).then_some((self.running, self.period))
    }
}

impl Room {
    fn leave(&mut self) {
        self.running -= 1;
        if self.waiting {
            (self.waiting, self.served) = (false, true);
            self.running += 1;
            self.entered += 1;
        }
    }
}

const LIMIT: usize = 1;

/// In, if there is room.
fn try_enter(room: &Gated<Room>) -> Option<Period> {
    room.enter(LIMIT).or_else(|| {
        let mut books = room.lock();
        let free = !books.waiting && books.running < LIMIT;
        if free {
            books.running += 1;
            books.entered += 1;
        }
        free.then_some(books.period)
    })
}

fn leave(room: &Gated<Room>, period: Period) {
    if !room.leave(period) {
        room.lock().leave();
    }
}

#[test]
fn no_more_are_in_than_may_and_their_memory_is_in_order() {
    check(|| {
        let room = Arc::new((Gated::new(Room::default()), Guarded::new()));
        let goes_in = |tries: u32| {
            let room = room.clone();
            move || {
                let mut entered = 0;
                for _ in 0..tries {
                    if let Some(period) = try_enter(&room.0) {
                        entered += 1;
                        room.1.add();
                        leave(&room.0, period);
                    }
                }
                entered
            }
        };
        let other = thread::spawn(goes_in(2));
        let entered = goes_in(2)() + other.join().expect("no panic");
        let books = room.0.lock();
        assert_eq!((books.running, books.entered), (0, entered));
        assert!(room.1.get() as u64 == entered && entered >= 2);
    });
}

#[test]
fn who_looks_under_the_lock_loses_nothing() {
    check(|| {
        let room = Arc::new(Gated::new(Room::default()));
        let goes_in = {
            let room = room.clone();
            move || {
                let period = try_enter(&room).expect("nobody else comes");
                leave(&room, period);
            }
        };
        let other = thread::spawn(goes_in);
        for _ in 0..2 {
            let books = room.lock();
            assert!(books.entered <= 1 && books.running as u64 <= books.entered);
        }
        other.join().expect("no panic");
        let books = room.lock();
        assert_eq!((books.running, books.entered), (0, 1));
    });
}

#[test]
fn a_place_is_given_to_who_waits_for_it() {
    check(|| {
        let room = Arc::new(Gated::new(Room::default()));
        let period = try_enter(&room).expect("nobody is there");
        let leaves = {
            let room = room.clone();
            thread::spawn(move || leave(&room, period))
        };
        let at_once = room.enter(LIMIT).is_some() || {
            let mut books = room.lock();
            let free = books.running < LIMIT;
            match free {
                true => {
                    books.running += 1;
                    books.entered += 1;
                }
                false => books.waiting = true,
            }
            free
        };
        leaves.join().expect("no panic");
        let books = room.lock();
        assert!(at_once || books.served, "the place was lost");
        assert_eq!((books.running, books.entered), (1, 2));
    });
}

#[test]
fn who_came_before_a_change_is_not_counted_after_it() {
    check(|| {
        let room = Arc::new(Gated::new(Room::default()));
        let call = {
            let room = room.clone();
            thread::spawn(move || {
                let came = room.enter(LIMIT);
                came.map(|period| (period, room.leave(period)))
            })
        };
        let changed = {
            let mut books = room.lock();
            books.period = books.period.next();
            books.left_before = std::mem::take(&mut books.left);
            books.period
        };
        let ended = call.join().expect("no panic");
        let books = room.lock();
        let counted = match ended {
            Some((period, true)) if period == changed => (0, 1),
            Some((_, true)) => (1, 0),
            _ => (0, 0),
        };
        assert_eq!((books.left_before, books.left), counted);
        // Who left in another period is still to be told to the books.
        let told = matches!(ended, Some((_, false)));
        assert_eq!(books.running, usize::from(told));
    });
}
