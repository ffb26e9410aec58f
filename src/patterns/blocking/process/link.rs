//! The way between a pool and a worker process.
//!
//! On Unix the worker's standard input is one end of a socket pair, which goes both ways. So standard output and error stay what they are:
//! whatever a function prints, it cannot corrupt an answer, and a full pipe cannot block one. When either process ends, the other reads the end of
//! the stream. Elsewhere a socket cannot be a standard handle; there the worker dials back to a port on the loopback, and shows a
//! secret that it has read from its standard input.

use super::frame::Patient;
use std::io;
use std::process::{Child, Command};
use std::time::Duration;

#[cfg(unix)]
pub(super) use socket_pair::{Link, accept, start};

#[cfg(not(unix))]
pub(super) use loopback::{Link, accept, start};

macro_rules! patient {
    ($stream:ty) => {
        impl Patient for $stream {
            fn read_for(&mut self, limit: Option<Duration>) -> io::Result<()> {
                self.set_read_timeout(limit)
            }

            fn write_for(&mut self, limit: Option<Duration>) -> io::Result<()> {
                self.set_write_timeout(limit)
            }
        }
    };
}

#[cfg(unix)]
mod socket_pair {
    use super::*;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixStream;

    pub(in super::super) type Link = UnixStream;
    patient!(UnixStream);

    /// Starts a worker, in the pool.
    pub(in super::super) fn start(
        command: &mut Command,
        _limit: Duration,
    ) -> io::Result<(Child, Link)> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = command.stdin(OwnedFd::from(theirs)).spawn();
        // The command keeps its end, and the end of the stream would never come.
        command.stdin(std::process::Stdio::null());
        Ok((child?, ours))
    }

    /// Finds the pool, in the worker.
    pub(in super::super) fn accept() -> io::Result<Link> {
        Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
    }
}

#[cfg(any(test, not(unix)))]
#[cfg_attr(
    unix,
    allow(dead_code, reason = "compiled and tested everywhere, used elsewhere")
)]
mod loopback {
    use super::super::frame::{read, until};
    use super::*;
    use std::hash::{BuildHasher, RandomState};
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
    use std::process::Stdio;

    pub(in super::super) type Link = TcpStream;
    patient!(TcpStream);

    const SECRET: usize = 32;

    pub(super) fn secret() -> [u8; SECRET] {
        let mut bytes = [0; SECRET];
        for chunk in bytes.chunks_mut(8) {
            // The one source of the system's randomness in the standard library.
            let word = RandomState::new().hash_one(0u8);
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(in super::super) fn start(
        command: &mut Command,
        limit: Duration,
    ) -> io::Result<(Child, Link)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (port, secret) = (listener.local_addr()?.port(), secret());
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let told = child.stdin.take().map_or(Ok(()), |mut stdin| {
            stdin.write_all(&port.to_le_bytes())?;
            stdin.write_all(&secret)
        });
        let met = told.and_then(|()| meet(&listener, &secret, limit));
        if met.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        Ok((child, met?))
    }

    /// Waits for the one that knows the secret.
    pub(super) fn meet(
        listener: &TcpListener,
        secret: &[u8; SECRET],
        limit: Duration,
    ) -> io::Result<Link> {
        let end = until(limit);
        listener.set_nonblocking(true)?;
        loop {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nonblocking(false)?;
                    stream.set_nodelay(true)?;
                    let mut shown = [0; SECRET];
                    if read(&mut stream, &mut shown, until(Duration::from_secs(1))).is_ok()
                        && shown == *secret
                    {
                        return Ok(stream);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::park_timeout(Duration::from_millis(1))
                }
                Err(e) => return Err(e),
            }
            if end.is_some_and(|end| Some(end) <= until(Duration::ZERO)) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    pub(in super::super) fn accept() -> io::Result<Link> {
        dial(&mut io::stdin().lock())
    }

    pub(super) fn dial(told: &mut impl Read) -> io::Result<Link> {
        let (mut port, mut secret) = ([0; 2], [0; SECRET]);
        told.read_exact(&mut port)?;
        told.read_exact(&mut secret)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::from_le_bytes(port)));
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.write_all(&secret)?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::loopback;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    #[test]
    fn the_loopback_lets_in_who_knows_the_secret() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let secret = loopback::secret();
        let mut told = port.to_le_bytes().to_vec();
        told.extend(secret);
        let mut stranger = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stranger.write_all(&[7; 32]).unwrap();
        let worker = std::thread::spawn(move || {
            let mut link = loopback::dial(&mut &told[..]).unwrap();
            link.write_all(b"hello").unwrap();
        });
        let mut link = loopback::meet(&listener, &secret, Duration::from_secs(20)).unwrap();
        let mut hello = String::new();
        link.read_to_string(&mut hello).unwrap();
        assert_eq!(hello, "hello");
        worker.join().unwrap();
    }

    #[test]
    fn secrets_differ() {
        assert_ne!(loopback::secret(), loopback::secret());
    }
}
