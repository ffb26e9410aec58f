//! The bugs of the guides, which cannot be written here.

use super::MS;
use regatta::queue::Queue;
use regatta::{task, time};
use std::convert::Infallible;

/// 000 and 001: one `None` for several consumers, and all but one hang.
async fn every_consumer_sees_the_end() {
    let queue = Queue::bounded(2);
    let total: u32 = task::task_group(async |g| {
        let consumers: Vec<_> = (0..5)
            .map(|_| {
                let queue = queue.clone();
                g.spawn(async move {
                    let mut sum = 0;
                    while let Some(n) = queue.take().await {
                        sum += n;
                    }
                    Ok::<_, Infallible>(sum)
                })
            })
            .collect();
        for n in 0..20 {
            queue.put(n).await.unwrap();
        }
        queue.close();
        let mut total = 0;
        for consumer in consumers {
            total += consumer.await;
        }
        Ok(total)
    })
    .await
    .unwrap();
    assert_eq!(total, 190);
}

/// All of them: `wait_for(queue.get())` loses the item that arrives as the time runs out.
async fn a_get_that_times_out_takes_nothing_with_it() {
    let queue = Queue::bounded(4);
    let got = task::task_group(async |g| {
        let puts = queue.clone();
        g.spawn(async move {
            for n in 0..50 {
                time::sleep(MS).await;
                puts.put(n).await.unwrap();
            }
            puts.close();
            Ok::<_, Infallible>(())
        });
        let mut got = Vec::new();
        loop {
            match time::timeout(MS, queue.take()).await {
                Ok(Some(n)) => got.push(n),
                Ok(None) => break Ok(got),
                Err(_) => {}
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(got, (0..50).collect::<Vec<_>>());
}

/// 003: an error skips `task_done`, and `join` hangs.
async fn an_error_acknowledges_all_the_same() {
    let queue = Queue::bounded(20);
    for n in 0..20 {
        queue.put(n).await.unwrap();
    }
    let work = async {
        let one = || async {
            let item = queue.get().await.ok_or("the end")?;
            if *item % 3 == 0 {
                Err("no good")
            } else {
                Ok(())
            }
        };
        while one().await != Err("the end") {}
    };
    let joined = async {
        queue.join().await;
        queue.close();
    };
    futures_lite::future::zip(work, joined).await;
    assert_eq!(queue.stats().open, 0);
}

/// 003: `stop()` leaves queued jobs behind.
async fn stopping_drains() {
    let queue = Queue::bounded(20);
    for n in 0..20 {
        queue.put(n).await.unwrap();
    }
    queue.close();
    let mut got = Vec::new();
    while let Some(item) = queue.get().await {
        got.push(item.into_inner());
    }
    assert_eq!(got.len(), 20);
}

regatta::matrix! {
    every_consumer_sees_the_end;
    a_get_that_times_out_takes_nothing_with_it;
    an_error_acknowledges_all_the_same;
    stopping_drains;
}
