//! Ctrl-C on every runtime. A process of its own, which is sent the signal.
#![cfg(all(unix, feature = "signal"))]

use regatta::runtime::{Flavor, run_on, signal};
use regatta::task;
use rustix::process::{Signal, getpid, kill_process};
use std::time::Duration;

fn press() {
    kill_process(getpid(), Signal::INT).expect("a process may signal itself");
}

#[test]
fn everybody_who_waits_hears_of_it_and_nobody_of_the_one_before() {
    for flavor in Flavor::ALL.into_iter().filter(|f| f.is_available()) {
        run_on(flavor, async {
            let waiting: Vec<_> = (0..3).map(|_| signal::ctrl_c().expect("ours")).collect();
            press();
            // Polled for the first time after it was pressed, or before: they hear of it.
            task::gather(waiting).settled().await;
            let second = signal::ctrl_c().expect("ours");
            let early = regatta::time::timeout(Duration::from_millis(20), second).await;
            assert!(early.is_err(), "the first press is over");
            let third = signal::ctrl_c().expect("ours");
            let pressed = std::thread::spawn(|| {
                std::thread::yield_now();
                press();
            });
            third.await;
            pressed.join().expect("it pressed");
        });
    }
}
