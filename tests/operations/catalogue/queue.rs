//! `queue`.

use crate::user::Value;
use crate::world::{Entry, Held, World, entry, on_drop, same};
use futures::StreamExt;
use regatta::queue::{Broadcast, OnDrop, OneshotReceiver, OneshotSender, Queue, oneshot};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Room for one item, and the item to put there (or where it is).
#[derive(Clone)]
struct One {
    queue: Queue<Value>,
    item: Value1,
}

/// Makes values.
type Value1 = Arc<dyn Fn() -> Value + Send + Sync>;

fn empty(user: &crate::user::User) -> One {
    let user = user.clone();
    One {
        queue: Queue::builder(1).on_drop(OnDrop::Requeue).build(),
        item: Arc::new(move || user.value()),
    }
}

fn full(user: &crate::user::User) -> One {
    let one = empty(user);
    one.queue.try_put((one.item)()).expect("there is room");
    one
}

impl One {
    /// Takes the item that was put, when dropped.
    fn taken_later(&self) -> Held {
        let queue = self.queue.clone();
        Box::new(on_drop(move || drop(queue.try_take())))
    }

    /// Puts it there.
    fn fill(&self) -> Held {
        self.queue.try_put((self.item)()).expect("there is room");
        self.taken_later()
    }

    /// Puts it back, when dropped.
    fn put_later(&self, item: Value) -> Held {
        let queue = self.queue.clone();
        let mut item = Some(item);
        Box::new(on_drop(move || {
            if let Some(item) = item.take() {
                queue
                    .try_put(item)
                    .map_err(|_| ())
                    .expect("its room is still there");
            }
        }))
    }

    fn empty_it(&self) -> Held {
        self.put_later(self.queue.try_take().expect("there is an item"))
    }
}

fn putting<F, T, E>(
    user: &crate::user::User,
    op: impl Fn(One) -> F + Send + Sync + 'static,
) -> World
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: std::fmt::Debug,
{
    let one = empty(user);
    let seen = one.queue.clone();
    World::new(one, op, One::fill)
        .check(move || {
            let now = seen.stats();
            same(
                "items and waiting",
                (seen.len(), now.waiting_puts, now.waiting_gets),
                (0, 0, 0),
            )
        })
        .in_line()
}

fn getting<F, T, E>(
    user: &crate::user::User,
    op: impl Fn(One) -> F + Send + Sync + 'static,
) -> World
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: std::fmt::Debug,
{
    let one = full(user);
    let seen = one.queue.clone();
    World::new(one, op, One::empty_it).check(move || {
        let now = seen.stats();
        same(
            "items and waiting",
            (seen.len(), now.waiting_puts, now.waiting_gets),
            (1, 0, 0),
        )
    })
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("queue::Queue::put", |user| {
            putting(user, async |one: One| {
                let item = (one.item)();
                let put = one.queue.put(item).await;
                put.map(|()| one.taken_later()).map_err(|e| e.to_string())
            })
        }),
        entry("queue::Producer::put", |user| {
            putting(user, async |one: One| {
                // The last producer that goes would close the queue.
                let (producer, consumer) = one.queue.split();
                std::mem::forget((producer.clone(), consumer));
                let item = (one.item)();
                let put = producer.put(item).await;
                put.map(|()| one.taken_later()).map_err(|e| e.to_string())
            })
        }),
        entry("queue::Queue::put_timeout", |user| {
            putting(user, async |one: One| {
                let item = (one.item)();
                let put = one.queue.put_timeout(HOUR, item).await;
                put.map(|()| one.taken_later()).map_err(|e| e.to_string())
            })
        })
        .covers(&["queue::Producer::put_timeout"]),
        entry("queue::Queue::reserve", |user| {
            putting(user, async |one: One| one.queue.reserve().await)
        })
        .covers(&["queue::Producer::reserve"]),
        entry("queue::Queue::get", |user| {
            getting(user, async |one: One| {
                one.queue.get().await.ok_or("it is closed")
            })
            .in_line()
        })
        .covers(&["queue::Consumer::get"]),
        entry("queue::Queue::get_many", |user| {
            getting(user, async |one: One| {
                let mut items = Vec::new();
                match one.queue.get_many(2, &mut items).await {
                    0 => Err("it is closed"),
                    _ => Ok(items),
                }
            })
            .in_line()
        })
        .covers(&["queue::Consumer::get_many"]),
        entry("queue::Queue::take", |user| {
            getting(user, async |one: One| {
                let item = one.queue.take().await;
                item.map(|item| one.put_later(item)).ok_or("it is closed")
            })
            .in_line()
        })
        .covers(&["queue::Consumer::take"]),
        entry("queue::Queue::take_many", |user| {
            getting(user, async |one: One| {
                let mut items = Vec::new();
                one.queue.take_many(1, &mut items).await;
                let item = items.pop().ok_or("it is closed")?;
                Ok::<_, &str>(one.put_later(item))
            })
            .in_line()
        })
        .covers(&["queue::Consumer::take_many"]),
        entry("queue::Queue::items", |user| {
            getting(user, async |one: One| {
                one.queue.items().next().await.ok_or("it has ended")
            })
            .in_line()
        })
        .covers(&["queue::Consumer::items"]),
        entry("queue::Queue::join", |user| {
            let one = empty(user);
            World::new(
                one,
                async |one: One| {
                    one.queue.join().await;
                    Ok::<_, Infallible>(())
                },
                One::fill,
            )
        }),
        entry("queue::Subscriber::recv", |user| {
            let (user, later) = (user.clone(), user.clone());
            World::new(
                (Broadcast::new(2), Arc::new(AtomicBool::new(false))),
                move |(broadcast, blocked): (Broadcast<Value>, Arc<AtomicBool>)| {
                    let mut subscriber = broadcast.subscribe();
                    if !blocked.load(SeqCst) {
                        drop(broadcast.send(user.value()));
                    }
                    async move {
                        match subscriber.recv().await {
                            Some(Ok(value)) => {
                                drop(value);
                                Ok(())
                            }
                            _ => Err("something is missing"),
                        }
                    }
                },
                move |(broadcast, blocked)| {
                    blocked.store(true, SeqCst);
                    let (broadcast, blocked, user) =
                        (broadcast.clone(), blocked.clone(), later.clone());
                    on_drop(move || {
                        blocked.store(false, SeqCst);
                        drop(broadcast.send(user.value()));
                    })
                },
            )
            .one_thread("what the other thread sends pushes its items out")
        })
        .covers(&["queue::Broadcast::subscribe"]),
        entry("queue::oneshot", |user| {
            let (user, later) = (user.clone(), user.clone());
            let waits: Arc<Mutex<Option<Vec<OneshotSender<Value>>>>> = Arc::default();
            World::new(
                waits,
                move |waits: Arc<Mutex<Option<Vec<_>>>>| {
                    let (sender, receiver) = oneshot();
                    match &mut *waits.lock().expect("nobody panics under it") {
                        Some(senders) => senders.push(sender),
                        None => sender.send(user.value()).expect("the receiver is there"),
                    }
                    receiver
                },
                move |waits| {
                    *waits.lock().expect("nobody panics under it") = Some(Vec::new());
                    let (waits, user) = (waits.clone(), later.clone());
                    on_drop(move || {
                        let senders = waits.lock().expect("nobody panics under it").take();
                        for sender in senders.into_iter().flatten() {
                            drop(sender.send(user.value()));
                        }
                    })
                },
            )
        }),
        entry("queue::OneshotSender::closed", |_| {
            let waits: Arc<Mutex<Option<Vec<OneshotReceiver<u8>>>>> = Arc::default();
            World::new(
                waits,
                async |waits: Arc<Mutex<Option<Vec<_>>>>| {
                    let (mut sender, receiver) = oneshot();
                    match &mut *waits.lock().expect("nobody panics under it") {
                        Some(receivers) => receivers.push(receiver),
                        None => drop(receiver),
                    }
                    sender.closed().await;
                    Ok::<_, Infallible>(())
                },
                |waits| {
                    *waits.lock().expect("nobody panics under it") = Some(Vec::new());
                    let waits = waits.clone();
                    on_drop(move || {
                        let receivers = waits.lock().expect("nobody panics under it").take();
                        drop(receivers);
                    })
                },
            )
        }),
    ]
}
