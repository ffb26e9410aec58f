//! Many futures polled in place by one task, without an allocation per future.
//!
//! A slot (a pinned place and a waker) is made once and used again. A wake sets a bit; a sweep takes 64 bits at a time, so polling
//! costs what was woken, not what is there. Idea: futures-buffered; the bitmap is the prototype's.
//!
//! Invariant: a bit goes from "none set in this word" to "one set" only together with a wake of the parent task,
//! and the parent registers itself before it takes the bits.

use futures_util::task::AtomicWaker;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

const BITS: usize = u64::BITS as usize;

struct Word {
    ready: AtomicU64,
    parent: Arc<AtomicWaker>,
}

struct SlotWaker {
    bit: u64,
    word: Arc<Word>,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.word.ready.fetch_or(self.bit, Ordering::AcqRel) == 0 {
            self.word.parent.wake();
        }
    }
}

struct Slot<F> {
    future: Pin<Box<Option<F>>>,
    waker: Waker,
}

/// A set of futures; gives their outputs in the order they end, with the number of the slot each was in.
pub(crate) struct Slots<F> {
    slots: Vec<Slot<F>>,
    free: Vec<usize>,
    words: Vec<Arc<Word>>,
    /// What this sweep still has to poll.
    taken: Vec<u64>,
    parent: Arc<AtomicWaker>,
}

impl<F> std::fmt::Debug for Slots<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slots")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl<F> Default for Slots<F> {
    fn default() -> Self {
        Slots {
            slots: Vec::new(),
            free: Vec::new(),
            words: Vec::new(),
            taken: Vec::new(),
            parent: Arc::default(),
        }
    }
}

impl<F> Slots<F> {
    /// How many futures have not ended.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `f` with every future that has not ended, and has it polled in the next sweep.
    pub(crate) fn for_each(&mut self, mut f: impl FnMut(usize, Pin<&mut F>)) {
        for (i, slot) in self.slots.iter_mut().enumerate() {
            if let Some(future) = slot.future.as_mut().as_pin_mut() {
                f(i, future);
                self.taken[i / BITS] |= 1 << (i % BITS);
            }
        }
    }

    fn vacant(&mut self) -> usize {
        if let Some(i) = self.free.pop() {
            return i;
        }
        let i = self.slots.len();
        if i.is_multiple_of(BITS) {
            self.words.push(Arc::new(Word {
                ready: AtomicU64::new(0),
                parent: self.parent.clone(),
            }));
            self.taken.push(0);
        }
        let waker = Waker::from(Arc::new(SlotWaker {
            bit: 1 << (i % BITS),
            word: self.words[i / BITS].clone(),
        }));
        self.slots.push(Slot {
            future: Box::pin(None),
            waker,
        });
        // Kept as long as `slots`, so that giving a slot back never allocates.
        self.free.reserve(self.slots.len() - self.free.len());
        i
    }

    /// Takes `future` in; it is polled for the first time in the next sweep.
    pub(crate) fn insert(&mut self, future: F) -> usize {
        let i = self.vacant();
        self.slots[i].future.set(Some(future));
        self.taken[i / BITS] |= 1 << (i % BITS);
        i
    }
}

impl<F: Future> Slots<F> {
    /// Takes `future` in and polls it at once: one that is ready never occupies its slot.
    pub(crate) fn insert_polled(&mut self, future: F) -> Result<usize, F::Output> {
        let i = self.vacant();
        self.slots[i].future.set(Some(future));
        match self.poll_slot(i) {
            Some(output) => Err(output),
            None => Ok(i),
        }
    }

    fn poll_slot(&mut self, i: usize) -> Option<F::Output> {
        let slot = &mut self.slots[i];
        let future = slot.future.as_mut().as_pin_mut()?;
        match future.poll(&mut Context::from_waker(&slot.waker)) {
            Poll::Ready(output) => {
                slot.future.set(None);
                self.free.push(i);
                Some(output)
            }
            Poll::Pending => None,
        }
    }

    /// The next output. `Ready(None)`: every future has ended. One call polls each woken future at most once, so a future that
    /// always wakes itself does not keep the task from giving way.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, F::Output)>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(found) = self.sweep() {
            return Poll::Ready(Some(found));
        }
        self.parent.register(cx.waker());
        for (taken, word) in self.taken.iter_mut().zip(&self.words) {
            if word.ready.load(Ordering::Relaxed) != 0 {
                *taken |= word.ready.swap(0, Ordering::AcqRel);
            }
        }
        match self.sweep() {
            Some(found) => Poll::Ready(Some(found)),
            None => Poll::Pending,
        }
    }

    fn sweep(&mut self) -> Option<(usize, F::Output)> {
        for w in 0..self.taken.len() {
            while self.taken[w] != 0 {
                let bit = self.taken[w].trailing_zeros() as usize;
                self.taken[w] &= self.taken[w] - 1;
                let i = w * BITS + bit;
                if let Some(output) = self.poll_slot(i) {
                    return Some((i, output));
                }
            }
        }
        None
    }
}
