//! How an [`ErrorGroup`] is printed: in one line, or as a tree.

use super::error::{ErrorGroup, Fault};
use std::collections::HashMap;
use std::{fmt, mem, slice};

/// How many errors are in each group of a tree: counted once, for every line wants to know.
type Counts<E> = HashMap<*const ErrorGroup<E>, usize>;

/// How many levels of a tree are drawn as such; what lies deeper says how deep. Each level is a wider line.
const DRAWN: usize = 32;

/// How many levels of groups without an error the line of a group tells about.
const TOLD: usize = 4;

impl<E> ErrorGroup<E> {
    fn counts(&self) -> Counts<E> {
        let mut counts = HashMap::new();
        let mut open = vec![(self, self.faults.0.iter(), 0)];
        while let Some((group, rest, count)) = open.last_mut() {
            match rest.next() {
                Some(Fault::Leaf(..)) => *count += 1,
                Some(Fault::Group(g)) => open.push((g, g.faults.0.iter(), 0)),
                None => {
                    let (group, count) = (*group, *count);
                    counts.insert(std::ptr::from_ref(group), count);
                    open.pop();
                    if let Some((_, _, above)) = open.last_mut() {
                        *above += count;
                    }
                }
            }
        }
        counts
    }

    fn fmt_head(&self, f: &mut fmt::Formatter<'_>, counts: &Counts<E>, told: usize) -> fmt::Result {
        if let Some(label) = &self.label {
            write!(f, "{label}: ")?;
        }
        let mut said = false;
        let mut and = |f: &mut fmt::Formatter<'_>| {
            if mem::replace(&mut said, true) {
                f.write_str(", ")
            } else {
                Ok(())
            }
        };
        let count = |group: &Self| counts.get(&std::ptr::from_ref(group)).copied();
        match count(self).unwrap_or_default() {
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
        for fault in &self.faults.0 {
            if let Fault::Group(g) = fault
                && count(g) == Some(0)
            {
                and(f)?;
                if told == TOLD {
                    f.write_str("others further in")?;
                    break;
                }
                g.fmt_head(f, counts, told + 1)?;
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
        counts: &Counts<E>,
        leaf: &FmtLeaf<'_, E>,
    ) -> fmt::Result {
        let mut indent = String::new();
        let mut open: Vec<(slice::Iter<'_, Fault<E>>, usize)> = vec![(self.faults.0.iter(), 0)];
        loop {
            let depth = open.len();
            let Some((rest, width)) = open.last_mut() else {
                return Ok(());
            };
            let Some(fault) = rest.next() else {
                open.pop();
                continue;
            };
            indent.truncate(*width);
            let (branch, below) = if rest.as_slice().is_empty() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            write!(f, "\n{indent}{branch}")?;
            if depth > DRAWN {
                write!(f, "[{depth} levels down] ")?;
            }
            match fault {
                Fault::Leaf(name, e) => {
                    if let Some(name) = name {
                        write!(f, "{name}: ")?;
                    }
                    leaf(e, f)?;
                }
                Fault::Group(g) => {
                    g.fmt_head(f, counts, 0)?;
                    if depth < DRAWN {
                        indent.push_str(below);
                    }
                    open.push((g.faults.0.iter(), indent.len()));
                }
            }
        }
    }
}

type FmtLeaf<'a, E> = dyn Fn(&E, &mut fmt::Formatter<'_>) -> fmt::Result + 'a;

impl<E: fmt::Display> fmt::Display for ErrorGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        self.fmt_head(f, &counts, 0)?;
        if f.alternate() {
            return self.fmt_tree(f, &counts, &|e, f| write!(f, "{e:#}"));
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
        let counts = self.counts();
        self.fmt_head(f, &counts, 0)?;
        self.fmt_tree(f, &counts, &|e, f| write!(f, "{e:?}"))
    }
}

// `E` itself need not be an error: `anyhow::Error` and `Box<dyn Error>` are none.
impl<E: fmt::Debug + fmt::Display> std::error::Error for ErrorGroup<E> {}

impl<E: fmt::Debug> fmt::Debug for Fault<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Leaf(Some(name), e) => write!(f, "{name}: {e:?}"),
            Fault::Leaf(None, e) => e.fmt(f),
            Fault::Group(g) => g.fmt(f),
        }
    }
}
