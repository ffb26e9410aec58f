//! [`ErrorGroup`]: every error of a group, with the names of the tasks.

use crate::internal::reason::Reason;
use std::fmt;
use std::sync::Arc;

/// One entry of an [`ErrorGroup`]. Public only because a sealed trait mentions it; no path leads here.
#[derive(Clone)]
pub enum Fault<E> {
    /// The error of one task, and its name.
    Leaf(Option<Arc<str>>, E),
    /// The errors of a group inside.
    Group(ErrorGroup<E>),
}

impl<E> Fault<E> {
    /// The reason, when this is a group that was cancelled on request and where nothing else happened.
    pub(super) fn into_cancellation(self) -> Result<Reason, Self> {
        match self {
            Fault::Group(ErrorGroup {
                faults,
                cancelled: Some(reason),
                stragglers,
                ..
            }) if faults.is_empty() && stragglers.is_empty() && reason != Reason::Shutdown => {
                Ok(reason)
            }
            other => Err(other),
        }
    }
}

/// Every error of a [task group](super::task_group), as a tree: groups inside groups stay together. No cancellation is among them.
///
/// `{}` prints one line, `{:#}` a tree. Take it apart with [`into_first`](ErrorGroup::into_first), [`iter`](ErrorGroup::iter),
/// [`split`](ErrorGroup::split) (by a test) and [`extract`](ErrorGroup::extract) (by type, Python's `except*`).
///
/// A group that was [cancelled](super::TaskGroup::cancel) on request, where something was cut short and nothing failed, gives one without
/// an error, which says so: [`cancelled`](ErrorGroup::cancelled). So does one whose runtime stopped, with the reason
/// [`Shutdown`](crate::cancel::Reason::Shutdown).
///
/// # Examples
///
/// ```
/// use regatta::task::{self, ErrorGroup};
///
/// regatta::testing::run(async || {
///     let result: Result<(), ErrorGroup<String>> = task::task_group(async |g| {
///         g.named("disk").spawn(async { Err::<(), _>("full".to_string()) });
///         std::future::pending().await
///     })
///     .await;
///     let errors = result.expect_err("the disk is full");
///     assert_eq!(errors.to_string(), "1 task failed: disk: full");
///     assert_eq!(errors.into_first().as_deref(), Some("full"));
/// });
/// ```
#[derive(Clone)]
pub struct ErrorGroup<E> {
    label: Option<Arc<str>>,
    faults: Vec<Fault<E>>,
    cancelled: Option<Reason>,
    stragglers: Vec<String>,
}

impl<E> ErrorGroup<E> {
    pub(crate) fn new(label: Option<Arc<str>>, faults: Vec<Fault<E>>) -> Self {
        ErrorGroup {
            label,
            faults,
            cancelled: None,
            stragglers: Vec::new(),
        }
    }

    pub(crate) fn from_fault(fault: Fault<E>) -> Self {
        ErrorGroup::new(None, vec![fault])
    }

    pub(crate) fn with_cancelled(mut self, reason: Option<Reason>) -> Self {
        self.cancelled = reason;
        self
    }

    pub(crate) fn with_stragglers(mut self, names: Vec<String>) -> Self {
        self.stragglers = names;
        self
    }

    /// Gives the group a name if it has none.
    pub(crate) fn labelled(mut self, label: Option<Arc<str>>) -> Self {
        self.label = self.label.or(label);
        self
    }

    /// The name of the group.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// How many errors there are, in the whole tree.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether no task failed: the group was cancelled, or left stragglers behind.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Why the group was cancelled, if somebody asked for it.
    pub fn cancelled(&self) -> Option<&Reason> {
        self.cancelled.as_ref()
    }

    /// The tasks that had not ended when the group's [close deadline](super::TaskGroup::close_within) passed.
    pub fn stragglers(&self) -> &[String] {
        &self.stragglers
    }

    /// The errors, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.iter_named().map(|(_, e)| e)
    }

    /// The errors with the names of their tasks.
    pub fn iter_named(&self) -> impl Iterator<Item = (Option<&str>, &E)> {
        // A stack instead of nested iterators: trees may be deep.
        let mut stack = vec![self.faults.iter()];
        std::iter::from_fn(move || {
            loop {
                match stack.last_mut()?.next() {
                    Some(Fault::Leaf(name, e)) => return Some((name.as_deref(), e)),
                    Some(Fault::Group(g)) => stack.push(g.faults.iter()),
                    None => {
                        stack.pop();
                    }
                }
            }
        })
    }

    /// The error that came first.
    pub fn first(&self) -> Option<&E> {
        self.iter().next()
    }

    /// Takes the error that came first. `None` when no task failed.
    pub fn into_first(self) -> Option<E> {
        self.into_iter().next()
    }

    /// Splits by a test; both halves keep the shape of the tree. What was cancelled or left behind stays with the second half.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::task::{self, OnFailure};
    ///
    /// regatta::testing::run(async || {
    ///     let errors = task::task_group(async |g| {
    ///         g.on_failure(OnFailure::Collect);
    ///         for n in [3, -1, 5, -2] {
    ///             g.spawn(async move { if n < 0 { Err(n) } else { Ok(n) } });
    ///         }
    ///         Ok(())
    ///     })
    ///     .await
    ///     .expect_err("two are negative");
    ///     let (low, rest) = errors.split(|n| *n < -1);
    ///     assert_eq!(low.and_then(|l| l.into_first()), Some(-2));
    ///     assert_eq!(rest.and_then(|r| r.into_first()), Some(-1));
    /// });
    /// ```
    pub fn split(self, mut test: impl FnMut(&E) -> bool) -> (Option<Self>, Option<Self>) {
        let (hits, rest) = self.split_with(&mut test);
        (hits.some(), rest.some())
    }

    /// Takes out what `pick` accepts, for example `|e| e.downcast::<io::Error>()`: Python's `except*`. The rest keeps its shape.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::task;
    /// use std::{error::Error, io};
    ///
    /// regatta::testing::run(async || {
    ///     type BoxError = Box<dyn Error + Send + Sync>;
    ///     let errors = task::task_group::<(), BoxError, _, _>(async |g| {
    ///         g.spawn(async { Err::<(), BoxError>(io::Error::other("disk").into()) });
    ///         std::future::pending().await
    ///     })
    ///     .await
    ///     .expect_err("the disk failed");
    ///     let (io_errors, rest) = errors.extract(|e| e.downcast::<io::Error>());
    ///     assert_eq!(io_errors.len(), 1);
    ///     assert!(rest.is_none());
    /// });
    /// ```
    pub fn extract<T>(self, mut pick: impl FnMut(E) -> Result<T, E>) -> (Vec<T>, Option<Self>) {
        let mut taken = Vec::new();
        let rest = self.drain(&mut |e| match pick(e) {
            Ok(t) => {
                taken.push(t);
                None
            }
            Err(e) => Some(e),
        });
        (taken, rest.some())
    }

    /// The same tree with other errors.
    pub fn map<U>(self, mut f: impl FnMut(E) -> U) -> ErrorGroup<U> {
        self.map_with(&mut f)
    }

    /// All errors side by side, without the groups inside.
    pub fn flatten(self) -> Self {
        let mut flat = Vec::new();
        let mut stack = vec![self.faults.into_iter()];
        while let Some(level) = stack.last_mut() {
            match level.next() {
                Some(Fault::Group(g)) => stack.push(g.faults.into_iter()),
                Some(leaf) => flat.push(leaf),
                None => {
                    stack.pop();
                }
            }
        }
        ErrorGroup {
            label: self.label,
            faults: flat,
            cancelled: self.cancelled,
            stragglers: self.stragglers,
        }
    }

    /// `None` when there is nothing in it.
    pub(super) fn some(self) -> Option<Self> {
        let anything =
            !self.faults.is_empty() || self.cancelled.is_some() || !self.stragglers.is_empty();
        anything.then_some(self)
    }

    fn map_with<U>(self, f: &mut dyn FnMut(E) -> U) -> ErrorGroup<U> {
        let map = |fault| match fault {
            Fault::Leaf(name, e) => Fault::Leaf(name, f(e)),
            Fault::Group(g) => Fault::Group(g.map_with(f)),
        };
        let faults = self.faults.into_iter().map(map).collect();
        ErrorGroup {
            label: self.label,
            faults,
            cancelled: self.cancelled,
            stragglers: self.stragglers,
        }
    }

    fn split_with(self, test: &mut dyn FnMut(&E) -> bool) -> (Self, Self) {
        let (mut hits, mut rest) = (Vec::new(), Vec::new());
        for fault in self.faults {
            match fault {
                Fault::Leaf(name, e) => {
                    if test(&e) { &mut hits } else { &mut rest }.push(Fault::Leaf(name, e))
                }
                Fault::Group(g) => {
                    let (h, r) = g.split_with(test);
                    hits.extend(h.some().map(Fault::Group));
                    rest.extend(r.some().map(Fault::Group));
                }
            }
        }
        let hits = ErrorGroup::new(self.label.clone(), hits);
        (
            hits,
            ErrorGroup {
                label: self.label,
                faults: rest,
                cancelled: self.cancelled,
                stragglers: self.stragglers,
            },
        )
    }

    /// Removes what `keep` does not give back.
    fn drain(self, keep: &mut dyn FnMut(E) -> Option<E>) -> Self {
        let kept = |fault| match fault {
            Fault::Leaf(name, e) => keep(e).map(|e| Fault::Leaf(name, e)),
            Fault::Group(g) => g.drain(keep).some().map(Fault::Group),
        };
        let faults = self.faults.into_iter().filter_map(kept).collect();
        ErrorGroup {
            label: self.label,
            faults,
            cancelled: self.cancelled,
            stragglers: self.stragglers,
        }
    }
}

impl<E> IntoIterator for ErrorGroup<E> {
    type Item = E;
    type IntoIter = IntoIter<E>;

    /// The errors, in the order they came.
    fn into_iter(self) -> IntoIter<E> {
        IntoIter {
            faults: self.flatten().faults.into_iter(),
        }
    }
}

/// The errors of an [`ErrorGroup`], by value.
#[derive(Debug)]
pub struct IntoIter<E> {
    faults: std::vec::IntoIter<Fault<E>>,
}

impl<E> Iterator for IntoIter<E> {
    type Item = E;

    fn next(&mut self) -> Option<E> {
        self.faults.find_map(|fault| match fault {
            Fault::Leaf(_, e) => Some(e),
            Fault::Group(_) => None,
        })
    }
}

impl<E: fmt::Debug> fmt::Debug for Fault<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Leaf(Some(name), e) => write!(f, "{name}: {e:?}"),
            Fault::Leaf(None, e) => e.fmt(f),
            Fault::Group(g) => g.fmt(f),
        }
    }
}

impl<E> ErrorGroup<E> {
    fn fmt_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = &self.label {
            write!(f, "{label}: ")?;
        }
        let mut said = false;
        let mut and = |f: &mut fmt::Formatter<'_>| {
            if std::mem::replace(&mut said, true) {
                f.write_str(", ")
            } else {
                Ok(())
            }
        };
        match self.len() {
            0 => {}
            1 => {
                and(f)?;
                f.write_str("1 task failed")?;
            }
            n => {
                and(f)?;
                write!(f, "{n} tasks failed")?;
            }
        }
        if let Some(reason) = &self.cancelled {
            and(f)?;
            write!(f, "cancelled: {reason}")?;
        }
        if !self.stragglers.is_empty() {
            and(f)?;
            write!(f, "not ended in time: {}", self.stragglers.join(", "))?;
        }
        // Only groups inside have something to say: they were shut down, or left tasks behind.
        for fault in &self.faults {
            if let Fault::Group(g) = fault
                && g.is_empty()
            {
                and(f)?;
                g.fmt_head(f)?;
            }
        }
        if said {
            Ok(())
        } else {
            f.write_str("nothing failed")
        }
    }

    fn fmt_tree(
        &self,
        f: &mut fmt::Formatter<'_>,
        indent: &str,
        leaf: &FmtLeaf<'_, E>,
    ) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            let (branch, below) = if i + 1 == self.faults.len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            write!(f, "\n{indent}{branch}")?;
            match fault {
                Fault::Leaf(name, e) => {
                    if let Some(name) = name {
                        write!(f, "{name}: ")?;
                    }
                    leaf(e, f)?;
                }
                Fault::Group(g) => {
                    g.fmt_head(f)?;
                    g.fmt_tree(f, &format!("{indent}{below}"), leaf)?;
                }
            }
        }
        Ok(())
    }
}

type FmtLeaf<'a, E> = dyn Fn(&E, &mut fmt::Formatter<'_>) -> fmt::Result + 'a;

impl<E: fmt::Display> fmt::Display for ErrorGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_head(f)?;
        if f.alternate() {
            return self.fmt_tree(f, "", &|e, f| write!(f, "{e:#}"));
        }
        for (i, (name, e)) in self.iter_named().enumerate() {
            f.write_str(if i == 0 { ": " } else { "; " })?;
            if let Some(name) = name {
                write!(f, "{name}: ")?;
            }
            write!(f, "{e}")?;
        }
        Ok(())
    }
}

impl<E: fmt::Debug> fmt::Debug for ErrorGroup<E> {
    /// The tree, as `{:#}` prints it: this is what `unwrap` and a failing test show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_head(f)?;
        self.fmt_tree(f, "", &|e, f| write!(f, "{e:?}"))
    }
}

// `E` itself need not be an error: `anyhow::Error` and `Box<dyn Error>` are none.
impl<E: fmt::Debug + fmt::Display> std::error::Error for ErrorGroup<E> {}
