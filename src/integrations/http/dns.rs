//! Addresses of hosts: kept for a while, asked for once at a time, and not too many.

use crate::internal::lock::Lock;
use crate::internal::timeline::Timeline;
use crate::runtime::Instant;
use crate::runtime::{BoxFuture, Runtime};
use crate::sync::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Asks for the addresses of a host and port.
pub(super) type Resolver =
    dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

/// A failure is remembered so long, so that those who waited for the same question hear it too.
const FAILED_FOR: Duration = Duration::from_secs(1);

type Key = (String, u16);

#[derive(Clone)]
struct Answer {
    /// On the timeline.
    until: Instant,
    found: Result<Vec<SocketAddr>, (io::ErrorKind, String)>,
}

/// Whoever asks holds the lock; the others wait for it, and find the answer.
type Slot = Mutex<Option<Answer>>;

struct Entry {
    slot: Slot,
    asked: u64,
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<Key, Entry>,
    /// Counts the questions: which entry was asked for longest ago.
    clock: u64,
}

/// The addresses that are known.
pub(super) struct Dns {
    resolver: Box<Resolver>,
    ttl: Duration,
    capacity: usize,
    entries: Lock<Entries>,
    /// Each runtime that asks has a clock of its own.
    timeline: Lock<Timeline>,
}

impl Dns {
    pub(super) fn new(resolver: Box<Resolver>, ttl: Duration, capacity: usize) -> Self {
        Dns {
            resolver,
            ttl,
            capacity,
            entries: Lock::new(Entries::default()),
            timeline: Lock::new(Timeline::new()),
        }
    }

    fn now(&self, runtime: &Runtime) -> Instant {
        let (clock, at) = Timeline::read(runtime);
        self.timeline.lock().now(clock, at)
    }

    pub(super) async fn look_up(
        &self,
        runtime: &Runtime,
        host: &str,
        port: u16,
    ) -> io::Result<Vec<SocketAddr>> {
        if let Ok(digits) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(digits, port)]);
        }
        let slot = self.slot((host.to_owned(), port));
        let mut known = slot.lock().await;
        let now = self.now(runtime);
        let answer = match &*known {
            Some(answer) if now < answer.until => answer.clone(),
            _ => {
                let found = (self.resolver)(host.to_owned(), port).await;
                let kept = if found.is_ok() { self.ttl } else { FAILED_FOR };
                let now = self.now(runtime);
                let answer = Answer {
                    until: now.checked_add(kept).unwrap_or(now),
                    found: found.map_err(|e| (e.kind(), e.to_string())),
                };
                known.insert(answer).clone()
            }
        };
        answer
            .found
            .map_err(|(kind, text)| io::Error::new(kind, text))
    }

    fn slot(&self, key: Key) -> Slot {
        let mut entries = self.entries.lock();
        entries.clock += 1;
        let asked = entries.clock;
        if let Some(entry) = entries.by_key.get_mut(&key) {
            entry.asked = asked;
            return entry.slot.clone();
        }
        let mut old = None;
        if entries.by_key.len() >= self.capacity {
            let oldest = entries.by_key.iter().min_by_key(|(_, e)| e.asked);
            old = oldest
                .map(|(key, _)| key.clone())
                .and_then(|key| entries.by_key.remove(&key));
        }
        let slot = Slot::default();
        let entry = Entry {
            slot: slot.clone(),
            asked,
        };
        entries.by_key.insert(key, entry);
        drop(entries);
        drop(old);
        slot
    }
}
