//! What the user chooses for a stage: plain data.

use std::fmt;
use std::sync::Arc;

/// What a stage does when its function fails on an item. The item is gone either way: it is not handed on, and not tried again.
#[derive(Default)]
#[non_exhaustive]
pub enum OnError<E> {
    /// The whole pipeline stops: the other stages are cancelled, cleanup included, and the run fails with the error.
    #[default]
    Stop,
    /// The error goes here, and the stage goes on. It is called on the stage's task, and should be quick.
    Skip(Box<dyn FnMut(E) + Send>),
    /// The stage goes on and keeps up to this many errors for the [`Report`](super::Report); further ones are counted.
    Collect(usize),
}

impl<E> OnError<E> {
    /// [`OnError::Skip`], without the box.
    pub fn skip(sink: impl FnMut(E) + Send + 'static) -> Self {
        OnError::Skip(Box::new(sink))
    }
}

impl<E> fmt::Debug for OnError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnError::Stop => f.write_str("Stop"),
            OnError::Skip(_) => f.write_str("Skip(..)"),
            OnError::Collect(most) => write!(f, "Collect({most})"),
        }
    }
}

/// Name, width, buffer and error policy of a stage. A plain name will do where the defaults fit.
///
/// | setter | default |
/// |---|---|
/// | [`width`](Stage::width) | 1: one item after the other |
/// | [`buffer`](Stage::buffer) | 16 items wait before the stage |
/// | [`unordered`](Stage::unordered) | in order |
/// | [`on_error`](Stage::on_error) | [`OnError::Stop`] |
#[derive(Debug)]
#[must_use = "it describes a stage; give it to the pipeline"]
pub struct Stage<E> {
    pub(super) name: Arc<str>,
    pub(super) width: usize,
    pub(super) buffer: usize,
    pub(super) ordered: bool,
    pub(super) on_error: OnError<E>,
}

impl<E> Stage<E> {
    /// A stage of this name; it stands in statistics, errors and panics.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Stage {
            name: name.into(),
            width: 1,
            buffer: 16,
            ordered: true,
            on_error: OnError::Stop,
        }
    }

    /// How many items it works on at once: concurrently, on the stage's task. What computes goes to a [`CpuPool`](crate::blocking::CpuPool) from there.
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    #[track_caller]
    pub fn width(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "stage {:?}: a width of 0 would never work on an item; use at least 1",
            self.name
        );
        self.width = n;
        self
    }

    /// How many items may wait before it; then the stage above waits.
    ///
    /// # Panics
    ///
    /// When `n` is 0: an item passes through the buffer on its way to the stage.
    #[track_caller]
    pub fn buffer(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "stage {:?}: no item could ever pass a buffer of 0; use at least 1",
            self.name
        );
        self.buffer = n;
        self
    }

    /// Hands results on as they come, so that a slow item holds up nobody else.
    pub fn unordered(mut self) -> Self {
        self.ordered = false;
        self
    }

    /// What it does about errors.
    ///
    /// # Panics
    ///
    /// For `Collect(0)`, which keeps none.
    #[track_caller]
    pub fn on_error(mut self, policy: OnError<E>) -> Self {
        assert!(
            !matches!(policy, OnError::Collect(0)),
            "stage {:?}: OnError::Collect(0) keeps no error; use at least 1, or OnError::skip",
            self.name
        );
        self.on_error = policy;
        self
    }
}

impl<E> From<&str> for Stage<E> {
    fn from(name: &str) -> Self {
        Stage::new(name)
    }
}

impl<E> From<String> for Stage<E> {
    fn from(name: String) -> Self {
        Stage::new(name)
    }
}
