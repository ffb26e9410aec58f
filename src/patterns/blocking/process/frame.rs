//! What goes between the processes: frames with a fixed head, so that garbage is seen as such.
//!
//! Every frame is `MAGIC, kind: u8, number: u64, length: u32` (little endian) and `length` bytes. A request's bytes are the length of
//! the name (`u16`), the name, and the input.

use crate::runtime::Instant;
use crate::runtime::Runtime;
use std::io::{self, Read, Write};
use std::time::Duration;

const MAGIC: [u8; 4] = *b"RGT\x01";
pub(super) const HEAD: usize = 17;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A worker reports for duty.
    Hello = 1,
    Request,
    Value,
    Failed,
    Panicked,
    Unknown,
}

impl Kind {
    fn parse(byte: u8) -> Option<Kind> {
        use Kind::*;
        [Hello, Request, Value, Failed, Panicked, Unknown]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) length: u32,
}

impl Head {
    pub(super) fn to_bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.kind as u8;
        bytes[5..13].copy_from_slice(&self.number.to_le_bytes());
        bytes[13..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    pub(super) fn parse(bytes: [u8; HEAD]) -> Result<Head, &'static str> {
        let [m0, m1, m2, m3, kind, rest @ ..] = bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err("bytes that are no frame");
        }
        let [n0, n1, n2, n3, n4, n5, n6, n7, l0, l1, l2, l3] = rest;
        Ok(Head {
            kind: Kind::parse(kind).ok_or("a frame of no known kind")?,
            number: u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
            length: u32::from_le_bytes([l0, l1, l2, l3]),
        })
    }
}

/// A stream whose reads and writes can be given up.
pub(super) trait Patient: Read + Write {
    fn read_for(&mut self, limit: Option<Duration>) -> io::Result<()>;
    fn write_for(&mut self, limit: Option<Duration>) -> io::Result<()>;
}

fn real_now() -> Instant {
    // Processes live in real time, whatever clock the caller's runtime has.
    Runtime::neutral().now()
}

/// When a wait that starts now is over.
pub(super) fn until(limit: Duration) -> Option<Instant> {
    real_now().checked_add(limit)
}

fn remaining(until: Option<Instant>) -> io::Result<Option<Duration>> {
    let Some(at) = until else {
        return Ok(None);
    };
    match at.saturating_duration_since(real_now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(Some(left)),
    }
}

/// What an expired socket timeout is called depends on the system.
fn timed(e: io::Error) -> io::Error {
    match e.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => e,
    }
}

/// `read_exact` with an end.
pub(super) fn read(
    stream: &mut impl Patient,
    mut bytes: &mut [u8],
    until: Option<Instant>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.read_for(remaining(until)?)?;
        match stream.read(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => bytes = &mut std::mem::take(&mut bytes)[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(timed(e)),
        }
    }
    Ok(())
}

/// `write_all` with an end.
pub(super) fn write(
    stream: &mut impl Patient,
    mut bytes: &[u8],
    until: Option<Instant>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.write_for(remaining(until)?)?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(timed(e)),
        }
    }
    Ok(())
}

/// Reads `length` bytes without believing in `length` before they are there.
pub(super) fn read_body(
    stream: &mut impl Patient,
    length: u32,
    until: Option<Instant>,
) -> io::Result<Vec<u8>> {
    const STEP: usize = 1 << 20;
    let length = length as usize;
    let mut body = Vec::new();
    while body.len() < length {
        let from = body.len();
        body.resize(length.min(from + STEP), 0);
        read(stream, &mut body[from..], until)?;
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_the_way() {
        let head = Head {
            kind: Kind::Failed,
            number: 0x0123_4567_89AB_CDEF,
            length: 77,
        };
        assert_eq!(Head::parse(head.to_bytes()), Ok(head));
    }

    #[test]
    fn garbage_is_no_head() {
        assert!(Head::parse(*b"hello, I am print").is_err());
        let mut head = Head {
            kind: Kind::Hello,
            number: 0,
            length: 0,
        }
        .to_bytes();
        head[4] = 99;
        assert!(Head::parse(head).is_err());
    }
}
