//! Drops from outside, which cannot wait: cleanup is skipped, and counted.

use crate::ground::{Count, HOUR, Hand, MS};
use regatta::cancel::{self, CancelToken, skipped_cleanups};
use regatta::{testing, time};
use std::future::pending;
use std::sync::Mutex;

/// The count is for the whole process, so who reads it goes alone; other tests of this program skip none.
fn skipped(f: impl FnOnce()) -> u64 {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let before = skipped_cleanups();
    f();
    skipped_cleanups() - before
}

#[test]
fn a_foreign_drop_skips_the_cleanup_and_counts_it() {
    let (cleaned, gone) = (Count::new(), Count::new());
    let count = skipped(|| {
        testing::run(async || {
            let guard = gone.on_drop();
            let body = async move {
                let _guard = guard;
                pending::<()>().await
            };
            let work = cancel::finally(body, async { cleaned.up() });
            futures_lite::future::or(work, time::sleep(MS)).await;
            assert_eq!(gone.get(), 1, "dropped at once");
        });
    });
    assert_eq!((count, cleaned.get()), (1, 0));
}

#[test]
fn what_was_never_polled_has_nothing_to_clean_up() {
    assert_eq!(skipped(|| drop(cancel::finally(async {}, async {}))), 0);
    assert_eq!(skipped(|| drop(cancel::on_cancel(async {}, async {}))), 0);
}

#[test]
fn a_cleanup_that_is_cut_half_way_counts_as_skipped() {
    let count = skipped(|| {
        let token = CancelToken::new();
        let mut run = Box::pin(token.run(cancel::finally(pending::<()>(), pending())));
        token.cancel();
        assert!(Hand::new().poll(run.as_mut()).is_pending());
        drop(run);
    });
    assert_eq!(count, 1);
}

#[test]
fn each_of_nested_cleanups_counts() {
    let count = skipped(|| {
        let nested = cancel::finally(cancel::on_cancel(pending::<()>(), async {}), async {});
        let mut nested = Box::pin(nested);
        assert!(Hand::new().poll(nested.as_mut()).is_pending());
    });
    assert_eq!(count, 2);
}

#[test]
fn a_cleanup_that_was_not_wanted_is_not_skipped() {
    let count = skipped(|| {
        let mut work = Box::pin(cancel::on_cancel(async { 1 }, pending()));
        assert!(Hand::new().poll(work.as_mut()).is_ready());
    });
    assert_eq!(count, 0);
}

#[test]
fn a_scope_that_is_dropped_from_outside_leaves_its_token_alone() {
    testing::run(async || {
        let token = CancelToken::new();
        let work = token.run(async {
            cancel::shield(time::sleep(HOUR)).await;
        });
        assert!(
            futures_lite::future::or(
                async {
                    drop(work.await);
                    false
                },
                async {
                    time::sleep(MS).await;
                    true
                }
            )
            .await
        );
        assert!(!token.is_cancelled());
        // Nothing holds a later scope of the same token back.
        token.cancel();
        assert!(token.run(pending::<()>()).await.is_err());
        assert_eq!(testing::now(), MS);
    });
}
