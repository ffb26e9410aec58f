//! Figures of a pool: how it does, and how it ended.

use crate::runtime::Instant;
use std::fmt;
use std::panic::Location;

/// Figures of a [`Pool`](super::Pool), all of the same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Most objects that there may be.
    pub max_size: usize,
    /// How many there are: idle, in use, connecting or closing. Above `max_size` only after a
    /// [`resize`](super::Pool::resize).
    pub size: usize,
    /// How many lie idle.
    pub idle: usize,
    /// How many are in use.
    pub in_use: usize,
    /// How many are being made.
    pub connecting: usize,
    /// How many are being closed.
    pub closing: usize,
    /// How many wait.
    pub waiting: usize,
    /// How often an object was handed out.
    pub taken: u64,
    /// How many objects were made.
    pub connected: u64,
    /// How many attempts to make one failed.
    pub connect_failed: u64,
    /// How many waited as long as they may.
    pub timed_out: u64,
    /// Why objects were closed.
    pub closed: Closed,
}

/// How many objects were closed, and why; see [`Why`](super::Why).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// In flight when they came back.
    pub in_flight: u64,
    /// By hand.
    pub discarded: u64,
    /// Did not pass the check.
    pub check: u64,
    /// By a hook.
    pub hook: u64,
    /// Too old.
    pub lifetime: u64,
    /// Idle for too long.
    pub idle: u64,
    /// Too many after a resize.
    pub surplus: u64,
    /// To make room for another key, or another runtime.
    pub evicted: u64,
    /// To be [replaced](super::Pool::expire).
    pub expired: u64,
    /// Half made, with their runtime.
    pub dropped: u64,
    /// With the pool.
    pub pool_closed: u64,
}

/// An object that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Where it was taken: the line of the `get`.
    pub at: &'static Location<'static>,
    /// Since when; known with [`leak_after`](super::Builder::leak_after) only.
    pub since: Option<Instant>,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "taken at {}", self.at)
    }
}

/// How a pool ended; returned by [`Pool::close`](super::Pool::close).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Objects that did not come back in time, and where they were taken. They are closed when they do.
    pub held: Vec<Held>,
    /// How many were still being closed, or made.
    pub busy: usize,
}

impl Report {
    /// Whether every object was closed in time.
    pub fn is_complete(&self) -> bool {
        self.held.is_empty() && self.busy == 0
    }
}
