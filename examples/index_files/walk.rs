//! Finds what is below a folder. Plain blocking code that hands out one entry at a time, so a tree may have millions.

use crate::count::Trouble;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Build output and the store of git: not what somebody means who asks for this crate.
const NOT_OURS: [&str; 2] = ["target", ".git"];

/// What to read.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    skip: &'static [&'static str],
    /// The report: written while it would be read.
    report: Option<PathBuf>,
}

/// An entry of the tree that is no folder.
#[derive(Debug)]
pub(crate) enum Found {
    File(PathBuf),
    /// Not followed: what it points to is found where it is, or is not below the folder.
    Symlink(PathBuf),
    /// It cannot be read; known without opening it.
    Trouble(PathBuf, Trouble),
}

impl Tree {
    /// The folder `dir`, all of it. `None` is the checkout of this crate in the current folder, without `target` and `.git`.
    ///
    /// # Errors
    ///
    /// What is wrong with the folder.
    pub(crate) fn open(dir: Option<PathBuf>) -> Result<Tree, String> {
        let (root, skip): (_, &[_]) = match dir {
            Some(dir) => (dir, &[]),
            None if is_checkout() => (PathBuf::from("."), &NOT_OURS),
            None => {
                return Err(
                    "no DIR given, and the current folder is no checkout of regatta: name the folder to read"
                        .into(),
                );
            }
        };
        let mut entries = fs::read_dir(&root).map_err(|e| refusal(&root, &e))?;
        if entries.next().is_none() {
            return Err(format!("{}: the folder is empty", root.display()));
        }
        Ok(Tree {
            root,
            skip,
            report: None,
        })
    }

    /// The same tree without the report, in case it lies in there.
    pub(crate) fn without(mut self, report: &Path) -> Tree {
        if let (Ok(root), Ok(report)) = (self.root.canonicalize(), report.canonicalize()) {
            self.report = report.strip_prefix(root).ok().map(|p| self.root.join(p));
        }
        self
    }

    /// Hands out entries until there are no more, or `give` says it wants no more. True when it saw the whole tree.
    pub(crate) fn walk(&self, mut give: impl FnMut(Found) -> bool) -> bool {
        let skipped = |entry: &walkdir::DirEntry| {
            let name = entry.file_name();
            entry.depth() > 0 && self.skip.iter().any(|s| name == *s)
        };
        WalkDir::new(&self.root)
            .into_iter()
            .filter_entry(|entry| !skipped(entry))
            .filter(|entry| !entry.as_ref().is_ok_and(|e| e.file_type().is_dir()))
            .map(|entry| match entry {
                Ok(entry) => found(entry),
                Err(e) => {
                    let path = e.path().unwrap_or(&self.root).to_path_buf();
                    Found::Trouble(path, io::Error::from(e).into())
                }
            })
            .filter(|found| !matches!(found, Found::File(p) if Some(p) == self.report.as_ref()))
            .all(&mut give)
    }
}

fn is_checkout() -> bool {
    let name = format!("name = \"{}\"", env!("CARGO_PKG_NAME"));
    fs::read_to_string("Cargo.toml").is_ok_and(|text| text.lines().any(|line| line == name))
}

fn refusal(root: &Path, error: &io::Error) -> String {
    let root = root.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("{root}: no such folder"),
        io::ErrorKind::NotADirectory => format!("{root}: not a folder; name the folder it is in"),
        _ => format!("{root}: the folder cannot be read: {error}"),
    }
}

fn found(entry: walkdir::DirEntry) -> Found {
    let kind = entry.file_type();
    let path = entry.into_path();
    if kind.is_file() {
        Found::File(path)
    } else if kind.is_symlink() {
        Found::Symlink(path)
    } else {
        Found::Trouble(path, Trouble::NoFile(special(kind)))
    }
}

#[cfg(unix)]
fn special(kind: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn special(_: fs::FileType) -> &'static str {
    "no regular file"
}
