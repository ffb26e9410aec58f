//! Counts one file. Plain blocking code: `job.rs` runs it on a thread that may block.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::AddAssign;
use std::path::Path;

/// Where git looks for a NUL byte to tell binary files from text.
const PROBE: usize = 8 * 1024;
/// How much is read between two looks at the clock.
const BLOCK: usize = 64 * 1024;

/// What `wc` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counts {
    pub(crate) lines: u64,
    pub(crate) words: u64,
    pub(crate) bytes: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.lines += other.lines;
        self.words += other.words;
        self.bytes += other.bytes;
    }
}

/// Why a file has no counts.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A NUL byte near its start.
    Binary,
    /// It was not read in time.
    Deadline,
    /// A FIFO, a socket or a device: reading it may block for ever, or never end.
    NoFile(&'static str),
    /// The system said no.
    Io(io::Error),
    /// Nobody waits for the counts any more.
    Stopped,
}

impl Trouble {
    /// The kind, for counting.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Trouble::Binary => "binary",
            Trouble::Deadline => "deadline",
            Trouble::NoFile(_) => "no regular file",
            Trouble::Io(e) if e.kind() == ErrorKind::NotFound => "vanished",
            Trouble::Io(_) => "unreadable",
            Trouble::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Binary => f.write_str("a NUL byte in the first 8 KiB"),
            Trouble::Deadline => f.write_str("not read within its deadline"),
            Trouble::NoFile(what) => write!(f, "{what}, which is not read"),
            Trouble::Io(e) => e.fmt(f),
            Trouble::Stopped => f.write_str("stopped"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(e: io::Error) -> Self {
        Trouble::Io(e)
    }
}

/// Counts the file at `path`. Asks `go_on` before every block, so that a file that is too large or too slow can be left.
pub(crate) fn file(
    path: &Path,
    mut go_on: impl FnMut() -> Result<(), Trouble>,
) -> Result<Counts, Trouble> {
    go_on()?;
    let mut file = open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Trouble::NoFile("no regular file any more"));
    }
    // Most files are small. One byte more than the length, so that the end shows in a second, empty read.
    let length = usize::try_from(about.len()).unwrap_or(BLOCK);
    let mut block = vec![0; length.saturating_add(1).clamp(PROBE, BLOCK)];
    let mut counter = Counter::default();
    loop {
        go_on()?;
        let n = match file.read(&mut block) {
            Ok(0) => return Ok(counter.counts),
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(e.into()),
        };
        // What is left of the probe: a read may bring less than was asked for.
        let seen = usize::try_from(counter.counts.bytes).unwrap_or(PROBE);
        let probe = n.min(PROBE.saturating_sub(seen));
        if block[..probe].contains(&0) {
            return Err(Trouble::Binary);
        }
        counter.feed(&block[..n]);
    }
}

/// Opens without following a link and without waiting for the other end of a FIFO: between the walk and this call the
/// file may have become either.
#[cfg(unix)]
fn open(path: &Path) -> Result<File, Trouble> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    Ok(file)
}

#[cfg(not(unix))]
fn open(path: &Path) -> Result<File, Trouble> {
    Ok(File::open(path)?)
}

/// What a byte does to a word, in `wc`'s C locale.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// White space ends a word.
    Space,
    /// A printable ASCII character begins a word, or goes on with one.
    Print,
    /// Control characters and everything beyond ASCII do neither: `é` alone is no word, `né` is one.
    Other,
}

const CLASS: [Class; 256] = {
    let mut table = [Class::Other; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = Class::Print;
        byte += 1;
    }
    let spaces = *b" \t\n\x0b\x0c\r";
    let mut i = 0;
    while i < spaces.len() {
        table[spaces[i] as usize] = Class::Space;
        i += 1;
    }
    table
};

/// Counts text that comes in pieces.
///
/// The rules are those of GNU `wc` (coreutils 9.1) with `LC_ALL=C`, which looks at bytes: the counts of UTF-8 text need no decoding.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    pub(crate) counts: Counts,
    in_word: bool,
}

impl Counter {
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        let (mut lines, mut words, mut in_word) = (0, 0, self.in_word);
        for &byte in piece {
            let class = CLASS[usize::from(byte)];
            words += u64::from(class == Class::Print && !in_word);
            in_word = class == Class::Print || (in_word && class == Class::Other);
            lines += u64::from(byte == b'\n');
        }
        self.in_word = in_word;
        self.counts += Counts {
            lines,
            words,
            bytes: piece.len() as u64,
        };
    }
}
