//! gzip and deflate, a little at a time: what comes out of one step fits into memory, whatever is claimed.

use super::error::{ErrorKind, HttpError};
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderValue;
use std::io::{self, Write};

/// Bytes taken in at a time. Deflate makes at most 1032 of one, so a step makes a megabyte at most.
const STEP: usize = 1024;

/// An encoding that can be undone.
enum Machine {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// What is called `deflate` is zlib by the standard, and bare by some servers: the first byte tells.
    Unknown,
    Deflate(Decompress),
}

pub(super) struct Decoder {
    machine: Machine,
    input: Bytes,
    /// Something came in; an empty body is no body in any encoding.
    begun: bool,
    ended: bool,
}

impl Decoder {
    /// For the `Content-Encoding` of an answer; `None`: it is handed on as it is.
    pub(super) fn for_encoding(encoding: &HeaderValue) -> Option<Decoder> {
        let name = encoding.to_str().ok()?.trim();
        let machine = if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            Machine::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
        } else if name.eq_ignore_ascii_case("deflate") {
            Machine::Unknown
        } else {
            return None;
        };
        Some(Decoder {
            machine,
            input: Bytes::new(),
            begun: false,
            ended: false,
        })
    }

    /// Takes in the next part, when [`next`](Decoder::next) has nothing more of the last.
    pub(super) fn feed(&mut self, part: Bytes) {
        self.begun |= !part.is_empty();
        self.input = part;
    }

    /// The next piece; `None`: more is needed.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        while !self.input.is_empty() {
            let step = self.input.split_to(STEP.min(self.input.len()));
            let made = self.step(&step).map_err(broken)?;
            if !made.is_empty() {
                return Ok(Some(made.into()));
            }
        }
        Ok(None)
    }

    fn step(&mut self, input: &[u8]) -> io::Result<Vec<u8>> {
        if let Machine::Unknown = self.machine {
            // zlib: its method is 8, and the bit above its window size is clear.
            let zlib = input[0] & 0x8f == 0x08;
            self.machine = Machine::Deflate(Decompress::new(zlib));
        }
        match &mut self.machine {
            Machine::Gzip(gzip) => {
                gzip.write_all(input)?;
                gzip.flush()?;
                Ok(std::mem::take(gzip.get_mut()))
            }
            Machine::Deflate(_) if self.ended => Err(io::Error::other("bytes follow its end")),
            Machine::Deflate(inflate) => {
                let mut made = Vec::new();
                let before = inflate.total_in();
                loop {
                    made.reserve(4 * STEP);
                    let at = (inflate.total_in() - before) as usize;
                    let had = made.len();
                    let status =
                        inflate.decompress_vec(&input[at..], &mut made, FlushDecompress::None)?;
                    let taken = (inflate.total_in() - before) as usize;
                    if status == Status::StreamEnd {
                        self.ended = true;
                        if taken < input.len() {
                            return Err(io::Error::other("bytes follow its end"));
                        }
                        return Ok(made);
                    }
                    if taken == at && made.len() == had
                        || (taken == input.len() && made.len() < made.capacity())
                    {
                        return Ok(made);
                    }
                }
            }
            Machine::Unknown => Ok(Vec::new()),
        }
    }

    /// At the end of the body: whether it was whole. Gives what was still inside.
    pub(super) fn finish(&mut self) -> Result<Bytes, HttpError> {
        if !self.begun {
            return Ok(Bytes::new());
        }
        match &mut self.machine {
            Machine::Gzip(gzip) => {
                gzip.try_finish().map_err(broken)?;
                Ok(std::mem::take(gzip.get_mut()).into())
            }
            Machine::Deflate(_) if self.ended => Ok(Bytes::new()),
            _ => Err(broken(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

fn broken(error: io::Error) -> HttpError {
    let message = format!("the body is not what its Content-Encoding says: {error}");
    HttpError::new(ErrorKind::Decode, message).because(error)
}
