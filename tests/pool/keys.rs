//! Keys that come back to the pools they are used in, or panic.

use crate::server::Server;
use regatta::pool::{Keyed, Manager};
use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const KEYS: u32 = 150;

/// What each call of a key's own code does.
#[derive(Clone, Copy)]
enum Does {
    Nothing,
    ComesBack,
    /// The call of this number, counted down.
    Panics(u32),
}

thread_local! {
    static DOES: Cell<Does> = const { Cell::new(Does::Nothing) };
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static POOLS: Cell<Option<Keyed<Key, Server>>> = const { Cell::new(None) };
}

fn call(key: u32) {
    match DOES.replace(Does::Nothing) {
        Does::Nothing => {}
        Does::ComesBack => {
            CALLS.set(CALLS.get() + 1);
            if let Some(pools) = POOLS.take() {
                let next = Key((key + 1) % KEYS);
                let other = pools.pool(&next);
                assert!(pools.stats(&next).is_some());
                assert!(pools.keys() > 0 && other.stats().idle <= 1);
                POOLS.set(Some(pools));
            }
            DOES.set(Does::ComesBack);
        }
        Does::Panics(0) => panic!("a key"),
        Does::Panics(n) => DOES.set(Does::Panics(n - 1)),
    }
}

struct Key(u32);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        call(self.0);
        // Only a few, so that they collide.
        (self.0 % 2).hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        call(self.0);
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Clone for Key {
    fn clone(&self) -> Self {
        call(self.0);
        Key(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        call(self.0);
    }
}

fn pools() -> Keyed<Key, Server> {
    let server = Server::new();
    let builder = Keyed::builder(move |_: &Key| server.clone());
    builder.max_size(3).build().unwrap()
}

/// Fails if it takes too long: a lock that is taken twice is never free again.
fn in_time(f: impl FnOnce() + Send + 'static) {
    let (ended, hears) = mpsc::channel();
    let runs = thread::spawn(move || {
        f();
        let _ = ended.send(());
    });
    let hangs = hears.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout);
    assert!(!hangs, "it hangs");
    runs.join().unwrap();
}

#[test]
fn keys_may_use_the_very_pools() {
    in_time(|| {
        regatta::testing::run(async || {
            let pools = pools();
            POOLS.set(Some(pools.clone()));
            DOES.set(Does::ComesBack);
            for n in 0..600 {
                let key = Key(n % KEYS);
                let guard = pools.get(&key).await.unwrap();
                assert_eq!(pools.stats(&key).unwrap().in_use, 1);
                drop(guard);
            }
            DOES.set(Does::Nothing);
            POOLS.set(None);
            assert!(CALLS.get() > 1000);
            assert!(pools.keys() <= KEYS as usize, "{}", pools.keys());
            pools.close(Duration::MAX).await;
        });
    });
}

#[test]
fn keys_that_collide_have_pools_of_their_own() {
    regatta::testing::run(async || {
        let pools = pools();
        let one = pools.get(&Key(1)).await.unwrap();
        let three = pools.get(&Key(3)).await.unwrap();
        let in_use = |key| pools.stats(&Key(key)).map(|stats| stats.in_use);
        assert_eq!([in_use(1), in_use(3), in_use(5)], [Some(1), Some(1), None]);
        drop((one, three));
        assert_eq!(pools.keys(), 2);
    });
}

/// Wherever it panics.
#[test]
fn a_key_that_panics_costs_nothing_but_that_call() {
    regatta::testing::run(async || {
        for at in 0..100 {
            let pools = pools();
            let kept = [pools.pool(&Key(1)), pools.pool(&Key(3))];
            DOES.set(Does::Panics(at));
            let ended = catch_unwind(AssertUnwindSafe(|| pools.pool(&Key(5))));
            let panicked = matches!(DOES.replace(Does::Nothing), Does::Nothing);
            drop(ended);
            assert!((2..=3).contains(&pools.keys()));
            let guards = [
                pools.get(&Key(1)).await.unwrap(),
                pools.get(&Key(3)).await.unwrap(),
                pools.get(&Key(5)).await.unwrap(),
            ];
            assert_eq!(kept.map(|pool| pool.stats().in_use), [1, 1]);
            assert_eq!(pools.keys(), 3);
            drop(guards);
            assert!(pools.close(Duration::MAX).await.is_complete());
            if !panicked {
                assert!(at > 4, "a hash, two comparisons, a clone, a drop");
                return;
            }
        }
        panic!("it has no end");
    });
}

/// Two panics at once would end the process.
#[test]
fn keys_and_managers_whose_destructors_panic_are_forgotten_all_the_same() {
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Bomb(u32);
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a key");
        }
    }
    struct Refuses;
    impl Manager for Refuses {
        type Object = ();
        type Error = &'static str;
        async fn connect(&self) -> Result<(), &'static str> {
            Err("refused")
        }
    }
    impl Drop for Refuses {
        fn drop(&mut self) {
            panic!("a manager");
        }
    }
    regatta::testing::run(async || {
        let pools = Keyed::builder(|_: &Bomb| Refuses).build().unwrap();
        for n in 0..300 {
            let key = ManuallyDrop::new(Bomb(n));
            assert!(pools.get(&key).await.is_err());
        }
        assert!(pools.keys() < 150, "{}", pools.keys());
    });
}
