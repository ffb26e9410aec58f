//! `Semaphore`: 101, 112 to 115 and 119, P04, bad input, and models.

use super::support::{Crowd, MS, Order, others, poll, spawn, until, yield_now};
use regatta::sync::{AcquireError, Permit, ResizeError, Semaphore, TryAcquireError};
use regatta::{testing, time};
use std::task::Poll;

// 112
async fn permits_are_given_in_the_order_of_arrival() {
    let semaphore = Semaphore::new(0);
    let order = Order::default();
    let mut tasks = Vec::new();
    for who in 0..10 {
        let (mine, order) = (semaphore.clone(), order.clone());
        tasks.push(spawn(async move {
            let permit = mine.acquire().await.unwrap();
            order.note(who);
            drop(permit);
        }));
        until(|| semaphore.waiting() == who + 1).await;
    }
    semaphore.add_permits(1).unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(order.seen(), (0..10).collect::<Vec<_>>());
    assert_eq!(semaphore.available(), 1);
}

// 112
async fn who_gives_back_and_asks_again_goes_behind_who_waits() {
    let semaphore = Semaphore::new(1);
    let order = Order::default();
    let mine = semaphore.acquire().await.unwrap();
    let waiter = {
        let (semaphore, order) = (semaphore.clone(), order.clone());
        spawn(async move {
            let _permit = semaphore.acquire().await.unwrap();
            order.note(1);
        })
    };
    until(|| semaphore.waiting() == 1).await;
    drop(mine);
    let _again = semaphore.acquire().await.unwrap();
    order.note(2);
    waiter.await.unwrap();
    assert_eq!(order.seen(), [1, 2]);
}

// 114
async fn a_permit_given_back_belongs_to_who_waits() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut waiter = semaphore.acquire();
    assert!(poll(&mut waiter).is_pending());
    drop(held);
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::NoPermits {
            asked: 1,
            free: 0,
            waiting: 0
        }
    );
    assert!(matches!(poll(&mut waiter), Poll::Ready(Ok(_))));
    assert_eq!(semaphore.available(), 1);
}

// 113, 115
async fn a_granted_waiter_that_is_dropped_passes_the_permit_on() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let (mut first, mut second) = (semaphore.acquire(), semaphore.acquire());
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    drop(held);
    drop(first);
    let permit = match poll(&mut second) {
        Poll::Ready(permit) => permit.unwrap(),
        Poll::Pending => panic!("the permit is lost"),
    };
    assert_eq!(semaphore.available(), 0);
    drop(permit);
    assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
}

/// A first that wanted many leaves: those behind it, who want few, go on.
async fn who_leaves_lets_those_behind_go_on() {
    let semaphore = Semaphore::new(3);
    let held = semaphore.try_acquire_many(2).unwrap();
    let (mut many, mut few) = (semaphore.acquire_many(3), semaphore.acquire());
    assert!(poll(&mut many).is_pending() && poll(&mut few).is_pending());
    drop(many);
    assert!(matches!(poll(&mut few), Poll::Ready(Ok(_))));
    drop(held);
    assert_eq!(semaphore.available(), 3);
}

async fn a_request_for_many_is_not_starved_by_small_ones() {
    let semaphore = Semaphore::new(4);
    let crowd = Crowd::default();
    let small = |semaphore: Semaphore, crowd: Crowd| async move {
        for _ in 0..50 {
            let _permit = semaphore.acquire().await.unwrap();
            let _inside = crowd.enter(1);
            yield_now().await;
        }
    };
    let tasks: Vec<_> = (0..8)
        .map(|_| spawn(small(semaphore.clone(), crowd.clone())))
        .collect();
    for _ in 0..5 {
        let all = semaphore.acquire_many(4).await.unwrap();
        assert_eq!(crowd.now(), 0, "{} permits", all.count());
        drop(all);
        yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(crowd.most() <= 4);
    assert_eq!(semaphore.available(), 4);
}

// P04
async fn never_more_than_the_permits_are_inside() {
    let semaphore = Semaphore::new(3);
    let crowd = Crowd::default();
    let tasks: Vec<_> = (0..30)
        .map(|n| {
            let (semaphore, crowd) = (semaphore.clone(), crowd.clone());
            spawn(async move {
                let _permit = semaphore.acquire().await.unwrap();
                let _inside = crowd.enter(1);
                for _ in 0..n % 4 {
                    yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(crowd.most() <= 3 && crowd.most() > 0);
    assert_eq!((semaphore.available(), semaphore.waiting()), (3, 0));
}

async fn closing_wakes_who_waits_and_leaves_permits_valid() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.acquire().await.unwrap();
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let semaphore = semaphore.clone();
            spawn(async move { semaphore.acquire().await.map(drop) })
        })
        .collect();
    until(|| semaphore.waiting() == 3).await;
    semaphore.close();
    semaphore.close();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Err(AcquireError::Closed));
    }
    assert_eq!(semaphore.acquire().await.unwrap_err(), AcquireError::Closed);
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::Closed
    );
    // Giving back after the close is fine; adding is not.
    drop(held);
    assert_eq!(semaphore.available(), 1);
    assert_eq!(semaphore.add_permits(1), Err(ResizeError::Closed));
    assert_eq!(semaphore.resize(9), Err(ResizeError::Closed));
    assert!(semaphore.is_closed());
}

/// What was granted before the close is kept: it happened.
async fn a_grant_wins_over_a_close() {
    let semaphore = Semaphore::new(0);
    let mut waiter = semaphore.acquire();
    assert!(poll(&mut waiter).is_pending());
    semaphore.add_permits(1).unwrap();
    semaphore.close();
    assert!(matches!(poll(&mut waiter), Poll::Ready(Ok(_))));
}

// 119, for permits
async fn resizing_below_use_revokes_nothing_and_grants_nothing() {
    let semaphore = Semaphore::new(3);
    let mut held: Vec<Permit> = Vec::new();
    for _ in 0..3 {
        held.push(semaphore.acquire().await.unwrap());
    }
    semaphore.resize(1).unwrap();
    assert_eq!((semaphore.total(), semaphore.available()), (1, 0));
    let mut waiter = semaphore.acquire();
    assert!(poll(&mut waiter).is_pending());
    held.pop();
    held.pop();
    assert!(poll(&mut waiter).is_pending());
    held.pop();
    assert!(matches!(poll(&mut waiter), Poll::Ready(Ok(_))));
    assert_eq!(semaphore.available(), 1);
}

// 119, for permits
async fn raising_wakes_as_many_as_there_is_room_for_in_order() {
    let semaphore = Semaphore::new(0);
    let mut waiters: Vec<_> = (0..4).map(|_| semaphore.acquire()).collect();
    assert!(waiters.iter_mut().all(|w| poll(w).is_pending()));
    semaphore.resize(2).unwrap();
    let granted: Vec<_> = waiters.iter_mut().map(|w| poll(w).is_ready()).collect();
    // The permits of the first two were dropped when they were looked at, so that the last two have them now.
    assert_eq!(granted, [true, true, true, true]);
    assert_eq!(semaphore.available(), 2);
}

/// Size 0 is a pause, not a size: requests for many wait.
async fn a_semaphore_of_size_0_is_paused() {
    let semaphore = Semaphore::new(3);
    semaphore.resize(0).unwrap();
    let mut waiter = semaphore.acquire_many(3);
    assert!(poll(&mut waiter).is_pending());
    assert!(semaphore.try_acquire().is_err());
    semaphore.resize(3).unwrap();
    assert!(matches!(poll(&mut waiter), Poll::Ready(Ok(_))));
}

async fn who_waits_for_more_than_there_ever_will_be_is_refused() {
    let semaphore = Semaphore::new(3);
    let held = semaphore.acquire().await.unwrap();
    let (mut many, mut few) = (semaphore.acquire_many(3), semaphore.acquire_many(2));
    assert!(poll(&mut many).is_pending() && poll(&mut few).is_pending());
    semaphore.resize(2).unwrap();
    match poll(&mut many) {
        Poll::Ready(Err(error)) => {
            assert_eq!(error, AcquireError::TooMany { asked: 3, size: 2 });
            assert_eq!(
                error.to_string(),
                "acquire_many(3): the semaphore has 2 permits in all; ask for at most 2, or `add_permits(1)` first"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(poll(&mut few).is_pending());
    drop(held);
    assert!(matches!(poll(&mut few), Poll::Ready(Ok(_))));
}

/// Refused and granted waiters who look in another order than that of their answers, and one who never looks.
async fn a_refusal_is_not_taken_for_the_grant_of_a_later_waiter() {
    let semaphore = Semaphore::new(3);
    let held = semaphore.acquire_many(2).await.unwrap();
    let (mut many, mut few) = (semaphore.acquire_many(3), semaphore.acquire_many(2));
    let (mut unseen, mut last) = (semaphore.acquire_many(3), semaphore.acquire_many(2));
    assert!(poll(&mut many).is_pending() && poll(&mut few).is_pending());
    assert!(poll(&mut unseen).is_pending() && poll(&mut last).is_pending());
    semaphore.resize(2).unwrap();
    drop(held);
    let Poll::Ready(Ok(granted)) = poll(&mut few) else {
        panic!("two are free");
    };
    assert!(poll(&mut last).is_pending());
    drop(unseen);
    let too_many = AcquireError::TooMany { asked: 3, size: 2 };
    assert!(matches!(poll(&mut many), Poll::Ready(Err(error)) if error == too_many));
    assert!(poll(&mut last).is_pending());
    drop(granted);
    assert!(matches!(poll(&mut last), Poll::Ready(Ok(_))));
    assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
}

/// The token bucket of tokio's documentation: permits are forgotten, and added by a timer.
async fn forgotten_permits_can_be_added_again() {
    let bucket = Semaphore::new(5);
    for _ in 0..5 {
        bucket.acquire().await.unwrap().forget();
    }
    assert_eq!((bucket.total(), bucket.available()), (0, 0));
    let refill = {
        let bucket = bucket.clone();
        spawn(async move {
            for _ in 0..5 {
                time::sleep(MS).await;
                bucket.add_permits(1).unwrap();
            }
        })
    };
    bucket.acquire_many(5).await.unwrap().forget();
    refill.await.unwrap();
}

async fn a_forgotten_permit_pays_what_is_owed() {
    let semaphore = Semaphore::new(2);
    let (one, two) = (
        semaphore.acquire().await.unwrap(),
        semaphore.acquire().await.unwrap(),
    );
    semaphore.resize(1).unwrap();
    one.forget();
    assert_eq!(semaphore.total(), 1);
    drop(two);
    assert_eq!(semaphore.available(), 1);
}

async fn a_loop_over_free_permits_lets_the_others_run() {
    let semaphore = Semaphore::new(1);
    let other = spawn(async { 7 });
    // Ends because the loop goes round now and then; else this test hangs.
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let setter = {
        let flag = flag.clone();
        spawn(async move { flag.store(true, std::sync::atomic::Ordering::SeqCst) })
    };
    while !flag.load(std::sync::atomic::Ordering::SeqCst) {
        drop(semaphore.acquire().await.unwrap());
    }
    setter.await.unwrap();
    assert_eq!(other.await.unwrap(), 7);
}

async fn ten_thousand_times_the_only_permit_crosses_threads() {
    let semaphore = Semaphore::new(2);
    let crowd = Crowd::default();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (semaphore, crowd) = (semaphore.clone(), crowd.clone());
            spawn(async move {
                for round in 0..5_000 {
                    let weight = 1 + (n + round) % 2;
                    let permit = semaphore.acquire_many(weight).await.unwrap();
                    let _inside = crowd.enter(weight);
                    if round % 7 == 0 {
                        yield_now().await;
                    }
                    drop(permit);
                    if round % 64 == 0 {
                        // Resized up and down while everybody is at it.
                        semaphore.resize(2 + n % 2).unwrap();
                        semaphore.resize(2).unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
}

async fn a_hundred_thousand_wait() {
    let semaphore = Semaphore::new(0);
    let mut waiters: Vec<_> = (0..100_000).map(|_| semaphore.acquire()).collect();
    assert!(waiters.iter_mut().all(|w| poll(w).is_pending()));
    assert_eq!(semaphore.waiting(), 100_000);
    // Every second one leaves, from the middle.
    let mut n = 0;
    waiters.retain(|_| {
        n += 1;
        n % 2 == 0
    });
    assert_eq!(semaphore.waiting(), 50_000);
    semaphore.add_permits(1).unwrap();
    for waiter in &mut waiters {
        assert!(matches!(poll(waiter), Poll::Ready(Ok(_))));
    }
    assert_eq!((semaphore.waiting(), semaphore.available()), (0, 1));
}

regatta::matrix! {
    permits_are_given_in_the_order_of_arrival;
    who_gives_back_and_asks_again_goes_behind_who_waits;
    a_permit_given_back_belongs_to_who_waits;
    a_granted_waiter_that_is_dropped_passes_the_permit_on;
    who_leaves_lets_those_behind_go_on;
    a_request_for_many_is_not_starved_by_small_ones;
    never_more_than_the_permits_are_inside;
    closing_wakes_who_waits_and_leaves_permits_valid;
    a_grant_wins_over_a_close;
    resizing_below_use_revokes_nothing_and_grants_nothing;
    raising_wakes_as_many_as_there_is_room_for_in_order;
    a_semaphore_of_size_0_is_paused;
    a_refusal_is_not_taken_for_the_grant_of_a_later_waiter;
    who_waits_for_more_than_there_ever_will_be_is_refused;
    forgotten_permits_can_be_added_again;
    a_forgotten_permit_pays_what_is_owed;
    a_loop_over_free_permits_lets_the_others_run;
    ten_thousand_times_the_only_permit_crosses_threads [tokio_current, tokio_multi, smol];
    a_hundred_thousand_wait [tokio_current, tokio_multi, smol];
}

/// Grants in the order of arrival, whatever the schedule, with waiters that give up in between.
#[test]
fn grants_follow_arrivals_under_every_seed() {
    testing::check(3_000, async || {
        let semaphore = Semaphore::new(2);
        let (arrived, granted) = (Order::default(), Order::default());
        let tasks: Vec<_> = (0..6)
            .map(|who| {
                let (semaphore, arrived, granted) =
                    (semaphore.clone(), arrived.clone(), granted.clone());
                spawn(async move {
                    for turn in 0..3 {
                        let id = who * 10 + turn;
                        let mut acquire = Box::pin(semaphore.acquire_many(1 + who % 2));
                        let mut came = false;
                        let mut polls = 0;
                        let got = std::future::poll_fn(|cx| {
                            if !std::mem::replace(&mut came, true) {
                                arrived.note(id);
                            }
                            let polled = acquire.as_mut().poll(cx);
                            polls += 1;
                            match polled {
                                Poll::Ready(permit) => Poll::Ready(Some(permit.unwrap())),
                                // Gives up when it is polled again for no reason.
                                Poll::Pending if polls > 1 => Poll::Ready(None),
                                Poll::Pending => Poll::Pending,
                            }
                        });
                        if let Some(permit) = got.await {
                            granted.note(id);
                            yield_now().await;
                            drop(permit);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(semaphore.available(), 2);
        // Who runs first after a grant is the schedule's choice; who is granted first is not.
        assert!(granted.seen().len() <= arrived.seen().len());
    });
}

/// Requests of all sizes, permits given back, waiters that leave and sizes that change, one after the other: after each step exactly
/// those have a permit whom a line with a pencil would have served.
#[test]
fn who_is_served_after_each_step_is_what_a_line_says() {
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut size = random.usize(1..6);
        let semaphore = Semaphore::new(size);
        let (mut held, mut waiting) = (Vec::<Permit>::new(), Vec::new());
        for step in 0..60 {
            match random.u8(..10) {
                0..4 => {
                    let asked = random.usize(1..=size);
                    waiting.push((asked, semaphore.acquire_many(asked)));
                }
                4..8 if !held.is_empty() => drop(held.swap_remove(random.usize(..held.len()))),
                8 if !waiting.is_empty() => {
                    drop(waiting.remove(random.usize(..waiting.len())));
                }
                9 => {
                    let most = waiting.iter().map(|(asked, _)| *asked).max();
                    size = random.usize(most.unwrap_or(1)..=6);
                    semaphore.resize(size).unwrap();
                }
                _ => {}
            }
            let out: usize = held.iter().map(Permit::count).sum();
            let mut free = size.saturating_sub(out);
            let mut to_be_served = 0;
            for (asked, _) in &waiting {
                if *asked > free {
                    break;
                }
                free -= asked;
                to_be_served += 1;
            }
            let mut served = Vec::new();
            for (place, (_, acquire)) in waiting.iter_mut().enumerate() {
                if let Poll::Ready(permit) = poll(acquire) {
                    served.push(place);
                    held.push(permit.unwrap());
                }
            }
            let expected: Vec<_> = (0..to_be_served).collect();
            assert_eq!(served, expected, "seed {seed}, step {step}");
            drop(waiting.drain(..to_be_served));
            assert_eq!(semaphore.available(), free, "seed {seed}, step {step}");
            assert_eq!(
                semaphore.waiting(),
                waiting.len(),
                "seed {seed}, step {step}"
            );
        }
    }
}

/// The same with one permit, where the order of the grants is the order in which they run.
#[test]
fn one_permit_goes_round_in_the_order_of_arrival() {
    testing::check(5_000, async || {
        let semaphore = Semaphore::new(1);
        let (arrived, granted) = (Order::default(), Order::default());
        let tasks: Vec<_> = (0..5)
            .map(|who| {
                let (semaphore, arrived, granted) =
                    (semaphore.clone(), arrived.clone(), granted.clone());
                spawn(async move {
                    for turn in 0..4 {
                        arrived.note(who * 10 + turn);
                        let permit = semaphore.acquire().await.unwrap();
                        granted.note(who * 10 + turn);
                        for _ in 0..(who + turn) % 3 {
                            yield_now().await;
                        }
                        drop(permit);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(arrived.seen(), granted.seen());
    });
}

/// Every interleaving of two who take one, one who takes both, and one who gives up.
#[test]
fn a_small_program_is_right_in_every_interleaving() {
    let report = testing::explore_all(2_000_000, async || {
        let semaphore = Semaphore::new(2);
        let crowd = Crowd::default();
        let task = |weight| {
            let (semaphore, crowd) = (semaphore.clone(), crowd.clone());
            spawn(async move {
                let permit = semaphore.acquire_many(weight).await.unwrap();
                let _inside = crowd.enter(weight);
                yield_now().await;
                drop(permit);
            })
        };
        let tasks = [task(1), task(2), task(1)];
        let gives_up = {
            let semaphore = semaphore.clone();
            spawn(async move {
                futures_lite::future::or(
                    async { drop(semaphore.acquire_many(2).await) },
                    yield_now(),
                )
                .await;
            })
        };
        for task in tasks.into_iter().chain([gives_up]) {
            task.await.unwrap();
        }
        assert!(crowd.most() <= 2);
        assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
    });
    report.unwrap();
    assert!(report.complete && report.runs > 1_000, "{report}");
}

#[test]
fn misuse_is_named_with_its_fix() {
    let semaphore = Semaphore::new(3);
    let none = semaphore.try_acquire_many(0).unwrap_err();
    assert_eq!(none, TryAcquireError::NoneAsked);
    assert!(none.to_string().contains("ask for at least 1"));
    let mut none = semaphore.acquire_many(0);
    assert!(matches!(
        poll(&mut none),
        Poll::Ready(Err(AcquireError::NoneAsked))
    ));
    let many = semaphore.try_acquire_many(4).unwrap_err();
    assert_eq!(many, TryAcquireError::TooMany { asked: 4, size: 3 });
    assert!(many.to_string().contains("`add_permits(1)`"));
    let most = Semaphore::MAX_PERMITS;
    for over in [most - 2, most, usize::MAX] {
        let error = semaphore.add_permits(over).unwrap_err();
        assert_eq!(
            error,
            ResizeError::Overflow {
                asked: over,
                total: 3
            }
        );
        assert!(error.to_string().contains(&most.to_string()));
    }
    assert!(semaphore.resize(usize::MAX).is_err());
    semaphore.add_permits(most - 3).unwrap();
    assert_eq!(semaphore.available(), most);
    assert!(Semaphore::new(most).try_acquire_many(most).is_ok());
}

#[test]
#[should_panic(expected = "Semaphore::new(18446744073709551615): there can be")]
#[cfg(target_pointer_width = "64")]
fn a_semaphore_of_everything_is_refused() {
    drop(Semaphore::new(usize::MAX));
}

#[test]
fn permits_are_split_and_merged() {
    let (semaphore, other) = (Semaphore::new(5), Semaphore::new(1));
    let mut permit = semaphore.try_acquire_many(4).unwrap();
    for (asked, held) in [(0, 4), (4, 4), (9, 4)] {
        let error = permit.split(asked).unwrap_err();
        assert_eq!((error.asked, error.held), (asked, held));
        assert!(error.to_string().contains("split off 1 to 3"), "{error}");
    }
    let part = permit.split(3).unwrap();
    assert_eq!((permit.count(), part.count()), (1, 3));
    let back = permit.merge(other.try_acquire().unwrap()).unwrap_err();
    assert!(back.to_string().contains("different semaphores"));
    assert_eq!(other.available(), 0);
    drop(back);
    assert_eq!(other.available(), 1);
    permit.merge(part).unwrap();
    assert_eq!((permit.count(), semaphore.available()), (4, 1));
    drop(permit);
    assert_eq!(semaphore.available(), 5);
}

#[test]
fn a_waiter_says_what_it_waits_for() {
    let report = testing::run_with(testing::Config::new(0), async || {
        Semaphore::new(0).acquire().await.map(drop)
    });
    let text = report.value.unwrap_err().to_string();
    assert!(text.contains("a permit"), "{text}");
}

#[test]
#[should_panic(expected = "polled again after it had given its answer")]
fn a_future_that_has_answered_is_not_polled_again() {
    let semaphore = Semaphore::new(1);
    let mut acquire = semaphore.acquire();
    assert!(poll(&mut acquire).is_ready());
    drop(poll(&mut acquire));
}

/// A free permit is there at once for who polls only once, also after many turns.
#[test]
fn who_polls_once_is_never_sent_round() {
    let semaphore = Semaphore::new(1);
    for _ in 0..1_000 {
        assert!(poll(&mut semaphore.acquire()).is_ready());
    }
}

/// Permits of tasks that panic come back.
async fn a_panic_gives_the_permit_back() {
    let semaphore = Semaphore::new(1);
    let task = {
        let semaphore = semaphore.clone();
        spawn(async move {
            let _permit = semaphore.acquire().await.unwrap();
            panic!("on purpose");
        })
    };
    assert!(task.await.is_err());
    others().await;
    assert_eq!(semaphore.available(), 1);
}

regatta::matrix! { a_panic_gives_the_permit_back; }
