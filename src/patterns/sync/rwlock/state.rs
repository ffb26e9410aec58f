//! Who reads, who writes, who waits: without a future in sight.
//!
//! As in a mutex, the value itself moves. A writer has it in a box of its own; readers share it, and the lock counts them. A reader lets
//! go of its share *before* it is counted out, so that at zero nobody but the lock has one, and the box can be had back. The `Arc` around the box
//! is made by the first reader after a writer and kept until the next writer: only turns between the two allocate.

use crate::internal::line::{Line, Place, Spare, Wakers};
use std::mem;
use std::sync::Arc;
use std::task::{Context, Waker};

pub(super) type Shared<T> = Arc<Box<T>>;

pub(super) struct State<T> {
    value: Value<T>,
    line: Line<Turn<T>>,
}

enum Value<T> {
    Free(Box<T>),
    /// With the number of readers, which may be 0.
    Shared(Shared<T>, usize),
    /// A writer has it.
    Out,
}

/// What somebody wants.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Read,
    Write,
}

/// What somebody got.
pub(super) enum Got<T> {
    Read(Shared<T>),
    Write(Box<T>),
}

/// What a waiter sees.
pub(super) enum Look<T> {
    Got(Got<T>),
    Waits,
    /// It has to bring one, and to look again.
    NeedsWaker,
}

enum Turn<T> {
    Wants(Mode),
    Got(Got<T>),
}

impl<T> State<T> {
    pub(super) fn new(value: T) -> Self {
        State {
            value: Value::Free(Box::new(value)),
            line: Line::new(),
        }
    }

    /// Now, if nobody is in the way and nobody waits.
    pub(super) fn take(&mut self, mode: Mode) -> Option<Got<T>> {
        if self.line.is_empty() {
            self.take_past_the_line(mode)
        } else {
            None
        }
    }

    fn take_past_the_line(&mut self, mode: Mode) -> Option<Got<T>> {
        match (mem::replace(&mut self.value, Value::Out), mode) {
            (Value::Free(value), Mode::Read) => Some(Got::Read(self.share(value))),
            (Value::Shared(value, readers), Mode::Read) => {
                self.value = Value::Shared(value.clone(), readers + 1);
                Some(Got::Read(value))
            }
            (Value::Free(value), Mode::Write) => Some(Got::Write(value)),
            (Value::Shared(value, 0), Mode::Write) => match Arc::try_unwrap(value) {
                Ok(value) => Some(Got::Write(value)),
                Err(_) => unreachable!("readers let go of their share before they are counted out"),
            },
            (other, _) => {
                self.value = other;
                None
            }
        }
    }

    /// To its first reader.
    fn share(&mut self, value: Box<T>) -> Shared<T> {
        let value = Arc::new(value);
        self.value = Value::Shared(value.clone(), 1);
        value
    }

    pub(super) fn enter(&mut self, mode: Mode, waker: Waker) -> Place {
        self.line.enter(Turn::Wants(mode), waker)
    }

    /// How a waiter stands; its place is gone when it has got something.
    pub(super) fn look(&mut self, place: Place, cx: &Context<'_>, spare: &mut Spare) -> Look<T> {
        if self.line.is_waiting(place) {
            return match self.line.renew(place, cx, spare) {
                true => Look::Waits,
                false => Look::NeedsWaker,
            };
        }
        match self.line.leave(place) {
            Some((Turn::Got(got), _)) => Look::Got(got),
            _ => unreachable!("who was served has got something"),
        }
    }

    /// A waiter goes. Gives what it had got, its waker, and who can go on now.
    pub(super) fn leave(&mut self, place: Place) -> (Option<Got<T>>, Option<Waker>, Wakers) {
        let was_first = self.line.is_first(place);
        match self.line.leave(place) {
            Some((Turn::Got(got), waker)) => (Some(got), waker, Wakers::new()),
            Some((_, waker)) if was_first => (None, waker, self.serve()),
            Some((_, waker)) => (None, waker, Wakers::new()),
            None => (None, None, Wakers::new()),
        }
    }

    /// A reader, who has let go of his share, is done.
    pub(super) fn end_read(&mut self) -> Wakers {
        match &mut self.value {
            Value::Shared(_, readers) => {
                *readers -= 1;
                if *readers == 0 {
                    return self.serve();
                }
            }
            Value::Free(_) | Value::Out => unreachable!("there is a reader"),
        }
        Wakers::new()
    }

    /// A writer is done.
    pub(super) fn end_write(&mut self, value: Box<T>) -> Wakers {
        self.value = Value::Free(value);
        self.serve()
    }

    /// A writer goes on as a reader, with those readers who are first in line.
    pub(super) fn downgrade(&mut self, value: Box<T>) -> (Shared<T>, Wakers) {
        let mine = self.share(value);
        (mine, self.serve())
    }

    /// The first in line, and everybody behind who can go on with it.
    fn serve(&mut self) -> Wakers {
        let mut wakers = Wakers::new();
        while let Some(&Turn::Wants(mode)) = self.line.front() {
            let Some(got) = self.take_past_the_line(mode) else {
                break;
            };
            wakers.extend(self.line.serve_front(|turn| *turn = Turn::Got(got)));
        }
        wakers
    }

    pub(super) fn readers(&self) -> usize {
        match self.value {
            Value::Shared(_, readers) => readers,
            Value::Free(_) | Value::Out => 0,
        }
    }

    pub(super) fn has_writer(&self) -> bool {
        matches!(self.value, Value::Out)
    }

    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }
}
