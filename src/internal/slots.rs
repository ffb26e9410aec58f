//! Many futures polled in place by one task, without an allocation per future.
//!
//! A slot (a pinned place and a waker) is made once and used again. A wake sets a bit; a sweep takes 64 bits at a time, and finds the
//! words that have any in a second bitmap above, so polling costs what was woken, not what is there. Idea: futures-buffered; the bitmaps
//! are our own.
//!
//! Invariants:
//! * A bit goes from "none set in this word" to "one set" only together with setting the word's bit above; that, from "none" to "one", only
//!   together with a wake of the parent task. The parent registers itself before it takes bits, from above to below.
//! * In `Taken`, a word has bits if and only if its bit above is set, and none of those lies before `cursor`.

use super::atomic::{AtomicU64, AtomicWaker, Ordering};
use super::caught::quietly;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

const BITS: usize = u64::BITS as usize;

/// Says which of 64 words have bits set.
struct Above {
    ready: AtomicU64,
    parent: Arc<AtomicWaker>,
}

struct Word {
    ready: AtomicU64,
    /// Its bit above.
    bit: u64,
    above: Arc<Above>,
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
        let word = &*self.word;
        if word.ready.fetch_or(self.bit, Ordering::AcqRel) == 0
            && word.above.ready.fetch_or(word.bit, Ordering::AcqRel) == 0
        {
            word.above.parent.wake();
        }
    }
}

/// What the sweep that is going on still has to poll.
#[derive(Default)]
struct Taken {
    words: Vec<u64>,
    above: Vec<u64>,
    cursor: usize,
}

impl Taken {
    fn add(&mut self, word: usize, bits: u64) {
        self.words[word] |= bits;
        self.above[word / BITS] |= 1 << (word % BITS);
        self.cursor = self.cursor.min(word / BITS);
    }

    fn is_empty(&self) -> bool {
        let left = self.above.get(self.cursor..).unwrap_or_default();
        left.iter().all(|above| *above == 0)
    }

    /// Takes one slot out, lowest first.
    #[inline]
    fn pop(&mut self) -> Option<usize> {
        while let Some(above) = self.above.get_mut(self.cursor) {
            if *above == 0 {
                self.cursor += 1;
                continue;
            }
            let w = self.cursor * BITS + above.trailing_zeros() as usize;
            let bits = &mut self.words[w];
            let slot = w * BITS + bits.trailing_zeros() as usize;
            *bits &= *bits - 1;
            if *bits == 0 {
                *above &= *above - 1;
            }
            return Some(slot);
        }
        None
    }
}

struct Slot<F> {
    future: Pin<Box<Option<F>>>,
    waker: Waker,
}

/// No slot.
const NONE: usize = usize::MAX;

/// With a slot: its future is being polled for the first time.
const FRESH: usize = 1 << (usize::BITS - 1);

/// A set of futures; gives their outputs in the order they end, with the number of the slot each was in.
pub(crate) struct Slots<F> {
    slots: Vec<Slot<F>>,
    free: Vec<usize>,
    /// The slot that is being polled. Between two calls: the one whose future has panicked, which nobody is to wait
    /// for.
    polling: usize,
    words: Vec<Arc<Word>>,
    above: Vec<Arc<Above>>,
    taken: Taken,
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
            polling: NONE,
            words: Vec::new(),
            above: Vec::new(),
            taken: Taken::default(),
            parent: Arc::default(),
        }
    }
}

impl<F> Slots<F> {
    /// How many futures have not ended.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// To be called before anything else in a poll: after a panic that was caught, the future that panicked is still
    /// here, and nobody is to wait for it. Gives the slot it was in, if it was polled for more than the first time.
    #[inline]
    pub(crate) fn mend(&mut self) -> Option<usize> {
        if self.polling == NONE {
            return None;
        }
        self.bury()
    }

    #[cold]
    #[inline(never)]
    fn bury(&mut self) -> Option<usize> {
        let polling = std::mem::replace(&mut self.polling, NONE);
        let slot = polling & !FRESH;
        self.free.push(slot);
        quietly(|| self.slots[slot].future.set(None));
        (polling & FRESH == 0).then_some(slot)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `f` with every future that has not ended, and has it polled in the next sweep.
    pub(crate) fn for_each(&mut self, mut f: impl FnMut(usize, Pin<&mut F>)) {
        self.mend();
        for (i, slot) in self.slots.iter_mut().enumerate() {
            if let Some(future) = slot.future.as_mut().as_pin_mut() {
                f(i, future);
                self.taken.add(i / BITS, 1 << (i % BITS));
            }
        }
    }

    #[inline]
    fn vacant(&mut self) -> usize {
        match self.free.pop() {
            Some(i) => i,
            None => self.grow(),
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> usize {
        let i = self.slots.len();
        if i.is_multiple_of(BITS * BITS) {
            self.above.push(Arc::new(Above {
                ready: AtomicU64::new(0),
                parent: self.parent.clone(),
            }));
            self.taken.above.push(0);
        }
        if i.is_multiple_of(BITS) {
            let w = i / BITS;
            self.words.push(Arc::new(Word {
                ready: AtomicU64::new(0),
                bit: 1 << (w % BITS),
                above: self.above[w / BITS].clone(),
            }));
            self.taken.words.push(0);
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
        self.taken.add(i / BITS, 1 << (i % BITS));
        i
    }
}

impl<F> Drop for Slots<F> {
    fn drop(&mut self) {
        // A future that has panicked may panic again when it is dropped.
        self.mend();
    }
}

impl<F: Future> Slots<F> {
    /// Takes the future in and polls it at once: one that is ready never occupies its slot. It is made in its slot, for a move of what was
    /// just written waits until it is.
    #[inline(always)]
    pub(crate) fn insert_polled(&mut self, make: impl FnOnce() -> F) -> Result<usize, F::Output> {
        let i = self.vacant();
        self.polling = i | FRESH;
        self.slots[i].future.set(Some(make()));
        match self.poll_polling(i) {
            Some(output) => Err(output),
            None => Ok(i),
        }
    }

    #[inline(always)]
    fn poll_slot(&mut self, i: usize) -> Option<F::Output> {
        self.polling = i;
        self.poll_polling(i)
    }

    /// Polls the future in the slot that is being polled.
    #[inline(always)]
    fn poll_polling(&mut self, i: usize) -> Option<F::Output> {
        let slot = &mut self.slots[i];
        let Some(future) = slot.future.as_mut().as_pin_mut() else {
            self.polling = NONE;
            return None;
        };
        let polled = future.poll(&mut Context::from_waker(&slot.waker));
        self.polling = NONE;
        match polled {
            Poll::Ready(output) => {
                // First, for the destructor of the future may panic.
                self.free.push(i);
                slot.future.set(None);
                Some(output)
            }
            Poll::Pending => None,
        }
    }

    /// Polls one future whether or not it was woken. `None`: it waits, or its slot is empty.
    #[cold]
    pub(crate) fn poll_one(&mut self, slot: usize) -> Option<F::Output> {
        self.poll_slot(slot)
    }

    /// The next output. `Ready(None)`: every future has ended. One call polls each future at most once, so one that
    /// always wakes itself does not keep the task from giving way.
    #[inline]
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, F::Output)>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        let fresh = self.taken.is_empty();
        if fresh {
            self.collect(cx);
        }
        if let Some(found) = self.next_collected() {
            return Poll::Ready(Some(found));
        }
        if !fresh {
            // These had been collected before; what was woken since waits for the next call.
            self.parent.register(cx.waker());
            if self
                .above
                .iter()
                .any(|a| a.ready.load(Ordering::Acquire) != 0)
            {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// Has the task woken by the futures from here on, and notes which were woken up to here.
    #[inline(never)]
    pub(crate) fn collect(&mut self, cx: &Context<'_>) {
        self.parent.register(cx.waker());
        for (a, above) in self.above.iter().enumerate() {
            if above.ready.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut words = above.ready.swap(0, Ordering::AcqRel);
            while words != 0 {
                let w = a * BITS + words.trailing_zeros() as usize;
                words &= words - 1;
                let bits = self.words[w].ready.swap(0, Ordering::AcqRel);
                // None: they were taken together with earlier ones, before their wake got to the bit above.
                if bits != 0 {
                    self.taken.add(w, bits);
                }
            }
        }
    }

    /// Polls what is collected or was inserted, until one ends.
    // Inlined, as is what it calls: an output that is handed on through memory costs as much as the poll.
    #[inline]
    pub(crate) fn next_collected(&mut self) -> Option<(usize, F::Output)> {
        while let Some(i) = self.taken.pop() {
            if let Some(output) = self.poll_slot(i) {
                return Some((i, output));
            }
        }
        None
    }
}
