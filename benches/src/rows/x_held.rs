//! Makes what row X counts, and says how many bytes are held while it waits.

use crate::allocations::live;
use futures_lite::future::{poll_once, yield_now};

/// Makes so many futures, polls each once, and says what they hold.
pub async fn in_boxes<F: Future>(n: usize, mut make: impl FnMut() -> F) -> usize {
    let mut waiters = Vec::with_capacity(n);
    let before = live();
    for _ in 0..n {
        let mut waiter = Box::pin(make());
        assert!(poll_once(&mut waiter).await.is_none(), "it waits");
        waiters.push(waiter);
    }
    live() - before
}

/// Pending children, whose handles are gone.
pub mod children {
    use super::{live, yield_now};
    use regatta::task::{TaskGroup, task_group};
    use std::convert::Infallible;
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Clone, Default)]
    struct Begun(Arc<AtomicUsize>);

    impl Begun {
        async fn child(self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            // It holds nothing while it waits.
            drop(self);
            pending().await
        }

        async fn all(&self, n: usize) {
            while self.0.load(Ordering::Relaxed) < n {
                yield_now().await;
            }
        }
    }

    pub async fn group(n: usize) -> usize {
        let mut held = 0;
        let end = task_group(async |g: TaskGroup<'static, Infallible>| {
            let (begun, before) = (Begun::default(), live());
            for _ in 0..n {
                g.spawn(begun.clone().child());
            }
            begun.all(n).await;
            held = live() - before;
            g.cancel_children();
            Ok(())
        });
        end.await.expect("no child fails");
        held
    }

    pub async fn join_set(n: usize) -> usize {
        let mut set = tokio::task::JoinSet::new();
        let (begun, before) = (Begun::default(), live());
        for _ in 0..n {
            set.spawn(begun.clone().child());
        }
        begun.all(n).await;
        let held = live() - before;
        set.shutdown().await;
        held
    }

    pub async fn raw(n: usize) -> usize {
        let mut tasks = Vec::with_capacity(n);
        let (begun, before) = (Begun::default(), live());
        for _ in 0..n {
            tasks.push(tokio::spawn(begun.clone().child()));
        }
        begun.all(n).await;
        let held = live() - before;
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
        held
    }

    pub async fn smol(n: usize) -> usize {
        let mut tasks = Vec::with_capacity(n);
        let (begun, before) = (Begun::default(), live());
        for _ in 0..n {
            tasks.push(smol::spawn(begun.clone().child()));
        }
        begun.all(n).await;
        let held = live() - before;
        for task in tasks {
            task.cancel().await;
        }
        held
    }
}

/// Objects that lie in a pool.
pub mod pooled {
    use super::super::i_pool::Numbers;
    use super::live;

    pub const OBJECTS: usize = 1_000;

    /// Takes all of them, so that they are made, and gives them back.
    macro_rules! fill {
        ($before:ident, $pool:ident) => {{
            let mut taken = Vec::with_capacity(OBJECTS);
            for _ in 0..OBJECTS {
                taken.push($pool.get().await.expect("it is open"));
            }
            drop(taken);
            live() - $before
        }};
    }

    pub async fn ours() -> usize {
        let before = live();
        let pool = regatta::pool::Pool::builder(Numbers).max_size(OBJECTS);
        let pool = pool.build().expect("there is a runtime");
        fill!(before, pool)
    }

    pub async fn deadpool() -> usize {
        let before = live();
        let pool = deadpool::managed::Pool::builder(Numbers).max_size(OBJECTS);
        let pool: deadpool::managed::Pool<Numbers> = pool.build().expect("it needs no runtime");
        fill!(before, pool)
    }

    pub async fn bb8() -> usize {
        let before = live();
        let pool = bb8::Pool::builder().max_size(OBJECTS as u32);
        let pool = pool.build(Numbers).await.expect("it connects");
        fill!(before, pool)
    }
}

/// Requests that no server answers.
pub mod under_way {
    use super::live;
    use regatta::integrations::http::HttpClient;
    use std::net::{SocketAddr, TcpListener};
    use std::time::Duration;

    /// As many as the backlog of a listener takes.
    pub const REQUESTS: usize = 64;
    const SENT: Duration = Duration::from_millis(100);

    /// The kernel takes the connections, and no program reads them.
    fn silent() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        (listener, address)
    }

    async fn held<F: Future>(request: impl Fn() -> F) -> usize {
        let before = live();
        let requests = (0..REQUESTS).map(|_| Box::pin(request()));
        let mut all = futures::future::join_all(requests);
        let answered = tokio::time::timeout(SENT, &mut all).await;
        assert!(answered.is_err(), "all of them wait");
        live() - before
    }

    pub async fn ours() -> usize {
        let (_listener, address) = silent();
        let client = HttpClient::builder().limit_per_host(REQUESTS);
        let client = client.build().expect("all is in order");
        held(|| {
            let request = client.get(&format!("http://{address}/x"));
            async { request.send().await.is_ok() }
        })
        .await
    }

    pub async fn reqwest() -> usize {
        let (_listener, address) = silent();
        let client = reqwest::Client::new();
        held(|| {
            let request = client.get(format!("http://{address}/x"));
            async { request.send().await.is_ok() }
        })
        .await
    }
}
