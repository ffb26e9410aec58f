//! One value, from one task to another; whoever goes is missed.

use super::until;
use futures::FutureExt;
use regatta::queue::{SenderGone, oneshot};
use regatta::{Runtime, time};
use std::sync::Arc;

async fn a_value_arrives_before_and_after_it_is_waited_for() {
    let (sender, receiver) = oneshot();
    sender.send(1).unwrap();
    assert_eq!(receiver.await, Ok(1));
    let (sender, receiver) = oneshot();
    let waits = Runtime::current().try_spawn(receiver).unwrap();
    time::sleep(super::MS).await;
    sender.send(2).unwrap();
    assert_eq!(waits.await.unwrap(), Ok(2));
}

/// After that the value cannot come any more, although its sender is still there.
#[test]
fn a_receiver_that_was_closed_does_not_say_that_a_value_may_come() {
    let (sender, mut receiver) = oneshot::<u32>();
    receiver.close();
    assert_eq!(receiver.try_recv(), Err(SenderGone));
    assert!(sender.send(1).is_err());
}

async fn a_sender_that_goes_is_told_to_the_receiver() {
    let (sender, receiver) = oneshot::<u8>();
    let waits = Runtime::current().try_spawn(receiver).unwrap();
    time::sleep(super::MS).await;
    drop(sender);
    assert_eq!(waits.await.unwrap(), Err(SenderGone));
    let (sender, mut receiver) = oneshot::<u8>();
    assert_eq!(receiver.try_recv(), Ok(None));
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(SenderGone));
    assert_eq!(receiver.await, Err(SenderGone));
}

async fn a_receiver_that_goes_is_told_to_the_sender() {
    for closes in [false, true] {
        let (mut sender, receiver) = oneshot::<u8>();
        assert!(!sender.is_closed());
        let waits = Runtime::current().try_spawn(async move {
            sender.closed().await;
            assert!(sender.is_closed());
            // Asked again, it is still so.
            sender.closed().await;
            sender.send(3).unwrap_err().into_inner()
        });
        time::sleep(super::MS).await;
        let mut receiver = Some(receiver);
        match closes {
            true => receiver.as_mut().unwrap().close(),
            false => receiver = None,
        }
        assert_eq!(waits.unwrap().await.unwrap(), 3);
        if let Some(receiver) = receiver {
            assert_eq!(receiver.await, Err(SenderGone));
        }
    }
}

async fn what_was_sent_survives_its_sender_and_a_close() {
    let (sender, mut receiver) = oneshot();
    sender.send(4).unwrap();
    receiver.close();
    assert_eq!((&mut receiver).await, Ok(4));
    assert_eq!(receiver.await, Err(SenderGone), "there is but one");
}

/// A look that is dropped takes nothing with it; the receiver does.
async fn a_dropped_look_loses_nothing() {
    let (sender, mut receiver) = oneshot();
    assert!((&mut receiver).now_or_never().is_none());
    let value = Arc::new(());
    sender.send(value.clone()).unwrap();
    assert_eq!(Arc::strong_count(&value), 2);
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);
    let (mut sender, receiver) = oneshot::<u8>();
    assert!(sender.closed().now_or_never().is_none());
    drop(receiver);
    until(|| sender.is_closed()).await;
}

regatta::matrix! {
    a_value_arrives_before_and_after_it_is_waited_for;
    a_sender_that_goes_is_told_to_the_receiver;
    a_receiver_that_goes_is_told_to_the_sender;
    what_was_sent_survives_its_sender_and_a_close;
    a_dropped_look_loses_nothing;
}

#[test]
fn its_errors_say_who_is_gone() {
    let (sender, receiver) = oneshot();
    drop(receiver);
    let error: Box<dyn std::error::Error> = Box::new(sender.send(1).unwrap_err());
    assert!(
        error.to_string().contains("the receiver is gone"),
        "{error}"
    );
    assert!(SenderGone.to_string().contains("no value will come"));
}

/// Every interleaving of one that sends, one that waits and one that gives up.
#[test]
fn a_small_program_is_right_in_every_interleaving() {
    let report = regatta::testing::explore_all(100_000, async || {
        let (mut sender, receiver) = oneshot();
        let sends = Runtime::current().try_spawn(async move {
            futures_lite::future::yield_now().await;
            match sender.is_closed() {
                true => sender.closed().await,
                false => drop(sender.send(1)),
            }
        });
        let waits = Runtime::current().try_spawn(futures_lite::future::or(
            async { Some(receiver.await) },
            async {
                futures_lite::future::yield_now().await;
                None
            },
        ));
        sends.unwrap().await.unwrap();
        assert!(matches!(waits.unwrap().await.unwrap(), None | Some(Ok(1))));
    });
    report.unwrap();
    assert!(report.complete && report.runs > 5, "{report}");
}
