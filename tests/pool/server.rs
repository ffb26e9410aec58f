//! A server to connect to, which misbehaves on command and counts what is open.

use crate::ground::MS;
use regatta::pool::{Manager, Metrics, Pool};
use regatta::{testing, time};
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};

pub(crate) fn pool_of(max_size: usize, server: &Server) -> Pool<Server> {
    let builder = Pool::builder(server.clone()).max_size(max_size);
    builder.build().unwrap()
}

/// How a call of the manager ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Good,
    Fails,
    Panics,
    Hangs,
    /// After a millisecond.
    Slow,
    /// Any of these, mostly good.
    Stormy,
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) connect: Mood,
    pub(crate) check: Mood,
    pub(crate) close: Mood,
    /// Whether objects in flight are said to be clean.
    pub(crate) all_clean: bool,
    /// Objects that live.
    pub(crate) open: usize,
    pub(crate) peak: usize,
    pub(crate) made: usize,
    /// Connects that were begun.
    pub(crate) begun: usize,
    pub(crate) checked: usize,
    /// Ended by `Manager::close`, as against dropped.
    pub(crate) closed: usize,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Server(Arc<Mutex<Figures>>);

impl Server {
    pub(crate) fn new() -> Self {
        Server::default()
    }

    pub(crate) fn set(&self, set: impl FnOnce(&mut Figures)) {
        set(&mut self.0.lock().unwrap());
    }

    pub(crate) fn get<T>(&self, get: impl FnOnce(&Figures) -> T) -> T {
        get(&self.0.lock().unwrap())
    }

    pub(crate) fn open(&self) -> usize {
        self.get(|f| f.open)
    }

    async fn suffer(
        &self,
        mood: impl FnOnce(&Figures) -> Mood,
        what: &'static str,
    ) -> Result<(), Sorry> {
        let mut mood = self.get(mood);
        if mood == Mood::Stormy {
            mood = match fastrand::u32(0..1000) {
                0..20 => Mood::Fails,
                20..25 => Mood::Panics,
                25..27 => Mood::Hangs,
                27..37 => Mood::Slow,
                _ => Mood::Good,
            };
        }
        match mood {
            Mood::Good | Mood::Stormy => Ok(()),
            Mood::Fails => Err(Sorry(what)),
            // Without the panic hook.
            Mood::Panics => std::panic::resume_unwind(Box::new(what)),
            Mood::Hangs => pending().await,
            Mood::Slow => {
                time::sleep(MS).await;
                Ok(())
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sorry(pub(crate) &'static str);

impl fmt::Display for Sorry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Sorry {}

/// A connection: its number, and whether half an answer is in it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) number: usize,
    pub(crate) dirty: bool,
    server: Server,
}

impl Connection {
    /// Asks, and reads the answer after some turns.
    pub(crate) async fn ask(&mut self, turns: usize) -> Result<usize, Sorry> {
        assert!(!self.dirty, "the answer to somebody else's question");
        self.dirty = true;
        for _ in 0..turns {
            futures_lite::future::yield_now().await;
        }
        self.dirty = false;
        Ok(self.number)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.server.set(|f| f.open -= 1);
    }
}

impl Manager for Server {
    type Object = Connection;
    type Error = Sorry;

    async fn connect(&self) -> Result<Connection, Sorry> {
        self.set(|f| f.begun += 1);
        self.suffer(|f| f.connect, "wrong password").await?;
        let mut figures = self.0.lock().unwrap();
        figures.open += 1;
        figures.made += 1;
        figures.peak = figures.peak.max(figures.open);
        Ok(Connection {
            number: figures.made,
            dirty: false,
            server: self.clone(),
        })
    }

    async fn check(&self, connection: &mut Connection, _: &Metrics) -> Result<(), Sorry> {
        assert!(!connection.dirty, "a dirty connection lay in the pool");
        self.set(|f| f.checked += 1);
        self.suffer(|f| f.check, "the check").await
    }

    fn is_clean(&self, _: &mut Connection) -> bool {
        self.get(|f| f.all_clean)
    }

    async fn close(&self, connection: Connection) {
        let _ = self.suffer(|f| f.close, "the close").await;
        self.set(|f| f.closed += 1);
        drop(connection);
    }
}

/// Until what other tasks do has come so far, on any runtime.
pub(crate) async fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        if testing::in_simulation() {
            testing::advance(MS).await;
        } else {
            futures_lite::future::yield_now().await;
        }
    }
}
