//! Scripted async functions, on every runtime.

use crate::support::{MS, sleep, spawn};
use futures_lite::future::or;
use regatta::testing::{self, CallEnd, Mock};

async fn a_script_is_played_in_order() {
    let get = Mock::new("get")
        .err("down")
        .err("down")
        .ok(7)
        .otherwise(|x: &u32| Ok(*x));
    let mut answers = vec![];
    for i in 0..5 {
        answers.push(get.call(i).await);
    }
    assert_eq!(answers, [Err("down"), Err("down"), Ok(7), Ok(3), Ok(4)]);
}

async fn every_ending_is_remembered() {
    let get = Mock::<u32, u32, &str>::new("get")
        .latency(MS..=MS * 5)
        .err("down")
        .hangs()
        .panics("a bug")
        .ok(1);
    assert_eq!(get.call(0).await, Err("down"));
    let patience = async {
        sleep(MS * 20).await;
        Err("too late")
    };
    assert_eq!(or(get.call(1), patience).await, Err("too late"));
    let panicked = spawn(get.call(2)).await.unwrap_err();
    assert_eq!(panicked.to_string(), "the task panicked: a bug");
    drop(get.call(3));
    assert_eq!(get.call(4).await, Ok(1));
    let ends: Vec<_> = get.calls().into_iter().map(|call| call.end).collect();
    let ok_after_all = [CallEnd::NotAwaited, CallEnd::Ok];
    assert_eq!(
        ends[..3],
        [CallEnd::Err, CallEnd::Cancelled, CallEnd::Panicked]
    );
    assert_eq!(ends[3..], ok_after_all);
    for call in get.calls() {
        let took = call.ended.zip(call.started).map(|(end, start)| end - start);
        assert!(took.is_none_or(|took| took >= MS), "{call:?}");
    }
}

async fn called_is_not_awaited() {
    let put = Mock::<_, (), ()>::new("put").otherwise(|_| Ok(()));
    let later = put.call("a");
    put.call("b").await.unwrap();
    put.assert_called(2);
    put.assert_awaited(1);
    later.await.unwrap();
    put.assert_awaited(2);
    put.assert_awaited_with(&"a");
    put.assert_awaited_each(&["b", "a"]);
}

async fn a_claim_that_does_not_hold_is_explained() {
    let put = Mock::<_, (), ()>::new("put").ok(());
    drop(put.call("a"));
    put.assert_awaited(1);
}

async fn a_mock_without_an_answer_says_so() {
    let put = Mock::<_, (), ()>::new("put");
    put.call("a").await.unwrap();
}

async fn the_peak_is_how_many_ran_at_once() {
    let get = Mock::<_, (), ()>::new("get")
        .latency(MS * 10..=MS * 10)
        .otherwise(|_| Ok(()));
    let tasks: Vec<_> = (0..3).map(|i| spawn(get.call(i))).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    get.call(3).await.unwrap();
    assert_eq!((get.peak(), get.running()), (3, 0));
}

async fn failing_at_a_rate() {
    let get = Mock::new("get")
        .fail_rate(0.5, || "flaky")
        .otherwise(|_| Ok(()));
    let mut failed = 0;
    for i in 0..1000 {
        failed += u32::from(get.call(i).await == Err("flaky"));
    }
    assert!((350..650).contains(&failed), "{failed}");
}

regatta::matrix! {
    a_script_is_played_in_order;
    every_ending_is_remembered;
    called_is_not_awaited;
    #[should_panic(expected = "mock `put` was awaited 0 times instead of 1 (and called 1 times)")]
    a_claim_that_does_not_hold_is_explained;
    #[should_panic(expected = "mock `put` has no answer left")] a_mock_without_an_answer_says_so;
    the_peak_is_how_many_ran_at_once;
    failing_at_a_rate [sim];
}

#[test]
fn latencies_come_from_the_seed() {
    let root = async || {
        let get = Mock::<_, (), ()>::new("get").latency(MS..=MS * 1000).ok(());
        get.call(()).await.unwrap();
        testing::now()
    };
    let once = testing::run(root);
    assert_eq!(testing::run(root), once);
    assert!(once > MS && once < MS * 1000);
}
