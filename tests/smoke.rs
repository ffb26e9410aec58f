use regatta::runtime::{Flavor, run_on};
use regatta::{cancel, task, time};
use std::time::Duration;
const MS: Duration = Duration::from_millis(1);
fn all<F: Future<Output = ()> + Send + 'static>(f: fn() -> F) {
    for fl in Flavor::ALL.into_iter().filter(|f| f.is_available()) {
        println!("{fl}");
        run_on(fl, async move {
            match regatta::Runtime::current().try_spawn(f()) {
                Ok(h) => h.await.unwrap(),
                Err(_) => f().await,
            }
        });
    }
}
#[test]
fn basics() {
    all(|| async {
        let r = task::task_group(async |g| {
            let a = g.spawn(async {
                time::sleep(5 * MS).await;
                Ok(1)
            });
            let b = g.spawn(async { Ok::<_, String>(2) });
            g.spawn(async {});
            Ok(a.await + b.await)
        })
        .await;
        assert_eq!(r.unwrap(), 3);
        let r = task::task_group(async |g| {
            g.spawn(async {
                time::sleep(Duration::from_secs(100)).await;
                Ok(1)
            });
            g.named("x").spawn(async {
                time::sleep(2 * MS).await;
                Err::<(), _>("boom")
            });
            std::future::pending::<()>().await;
            Ok(())
        })
        .await;
        assert_eq!(r.unwrap_err().to_string(), "1 task failed: x: boom");
        let words = vec!["a".to_string(), "b".into()];
        let n = task::scope(async |g| {
            for w in &words {
                g.spawn(async {
                    time::sleep(MS).await;
                    let _ = w.len();
                    Ok::<_, ()>(())
                });
            }
            Ok(words.len())
        })
        .await;
        assert_eq!(n.unwrap(), 2);
        let late = time::timeout(
            5 * MS,
            task::task_group(async |g| {
                g.spawn(async {
                    time::sleep(Duration::from_secs(100)).await;
                    Ok::<_, ()>(())
                });
                Ok(())
            }),
        )
        .await;
        assert!(late.is_err());
        let e = task::task_group(async |g| {
            g.limit(2);
            for _ in 0..10 {
                g.spawn(async {
                    time::sleep(MS).await;
                    Ok::<_, ()>(())
                });
            }
            g.cancel_with("enough");
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(e.cancelled().unwrap().to_string(), "enough");
        let p = cancel::finally(
            async { time::timeout(MS, std::future::pending::<()>()).await },
            async { time::sleep(MS).await },
        )
        .await;
        assert!(p.is_err());
    });
}
