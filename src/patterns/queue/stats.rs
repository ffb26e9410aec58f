//! Figures of a queue.

/// What a queue has done and holds; from [`Queue::stats`](super::Queue::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Items put, those that were dropped for want of room later included.
    pub puts: u64,
    /// Items handed out; one that came back and was handed out again counts twice.
    pub gets: u64,
    /// Items dropped or displaced for want of room.
    pub dropped: u64,
    /// Dead letters dropped because more came than are kept.
    pub dead_letters_dropped: u64,
    /// Dead letters that wait to be read.
    pub dead_letters: usize,
    /// Items in the queue now.
    pub len: usize,
    /// The most there ever were.
    pub high_water: usize,
    /// Items not acknowledged: in the queue, or out.
    pub open: usize,
    /// How many wait to put.
    pub waiting_puts: usize,
    /// How many wait to get.
    pub waiting_gets: usize,
}
