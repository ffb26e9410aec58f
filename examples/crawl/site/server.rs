//! A small HTTP server, as much of one as it takes to misbehave. It runs over sockets, and in memory for tests in virtual time.

use super::faults::{Deed, Faults, Flapping};
use super::tree::{Found, Tree};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use regatta::blocking::ThreadPool;
use regatta::runtime::net::{TcpListener, TcpStream, memory};
use regatta::task::{ErrorGroup, task_group};
use regatta::{Runtime, time};
use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::sync::Arc;

/// Longer requests are refused.
const LONGEST_HEAD: usize = 16 * 1024;
/// Connections at once.
const MOST_GUESTS: usize = 1024;

/// Where guests come from.
pub(crate) trait Door: Send + Sync + 'static {
    type Wire: Wire;
    fn accept(&self) -> impl Future<Output = io::Result<Self::Wire>> + Send;
}

/// A connection.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Cuts it, with a request on it that was not read to its end.
    fn cut(self);
}

impl Door for TcpListener {
    type Wire = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (guest, _) = TcpListener::accept(self).await?;
        guest.set_nodelay(true)?;
        Ok(guest)
    }
}

impl Wire for TcpStream {
    /// The system says "reset" when it closes what somebody has not read.
    fn cut(self) {}
}

impl Door for memory::Listener {
    type Wire = memory::Stream;

    async fn accept(&self) -> io::Result<memory::Stream> {
        memory::Listener::accept(self).await
    }
}

impl Wire for memory::Stream {
    fn cut(self) {
        self.reset();
    }
}

/// What is served under one name. A clone is the same.
#[derive(Clone)]
pub(crate) struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    tree: Arc<Tree>,
    faults: Faults,
    files: ThreadPool,
}

impl Host {
    /// Serves a tree.
    pub(crate) fn new(tree: Tree, faults: Faults) -> Self {
        Host {
            inner: Arc::new(Inner {
                tree: Arc::new(tree),
                faults,
                files: ThreadPool::builder().thread_name("files").build(),
            }),
        }
    }

    /// Serves a small site that is away now and then.
    pub(crate) fn flapping() -> Self {
        Host::new(Flapping::tree(), Faults::flapping())
    }
}

/// Serves until it is cancelled.
pub(crate) async fn serve(host: Host, door: impl Door) -> Result<(), ErrorGroup<Infallible>> {
    task_group(async |group| {
        group.limit(MOST_GUESTS);
        loop {
            match door.accept().await {
                Ok(guest) => {
                    let host = host.clone();
                    // Who goes away in the middle is no trouble of ours.
                    let talk = async move { drop(host.talk(guest).await) };
                    drop(group.spawn_when_free(talk).await);
                }
                // Too many files are open, for instance: it may pass.
                Err(_) => time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    })
    .await
}

/// The first line of a request.
struct Asked {
    is_head: bool,
    path: String,
}

impl Host {
    /// Answers what one guest asks, one after the other.
    async fn talk<W: Wire>(&self, mut wire: W) -> io::Result<()> {
        let mut read = Vec::new();
        loop {
            // In small steps: a request that is to be cut off must not have been read to its end.
            let Some(line) = until(&mut wire, &mut read, b"\r\n", 32).await? else {
                return Ok(());
            };
            let Some(asked) = Asked::read(&read[..line]) else {
                return wire.write_all(&answer("400 Bad Request", &[], b"")).await;
            };
            let deed = self
                .inner
                .faults
                .deed(&asked.path, Runtime::current().now());
            if deed == Deed::Reset {
                wire.cut();
                return Ok(());
            }
            let Some(head) = until(&mut wire, &mut read, b"\r\n\r\n", 4096).await? else {
                return Ok(());
            };
            read.drain(..head);
            let mut whole = match deed {
                Deed::Silent => pending().await,
                Deed::Status(status, after) => {
                    let after = after.map(|s| format!("retry-after: {s}"));
                    let headers: Vec<&str> = after.iter().map(String::as_str).collect();
                    answer(&format!("{status} Fault"), &headers, b"so it is")
                }
                Deed::Moved(ref to) => answer("302 Found", &[&format!("location: {to}")], b""),
                Deed::After(pause) => {
                    time::sleep(pause).await;
                    self.answer(&asked).await
                }
                Deed::Answer | Deed::CutShort | Deed::Reset => self.answer(&asked).await,
            };
            if deed == Deed::CutShort && !asked.is_head {
                whole.truncate(whole.len() - 1);
                return wire.write_all(&whole).await;
            }
            wire.write_all(&whole).await?;
        }
    }

    /// The answer of a server that is well.
    async fn answer(&self, asked: &Asked) -> Vec<u8> {
        let Inner {
            tree,
            faults,
            files,
        } = &*self.inner;
        let path = asked.path.clone();
        let found = match faults.page(&path) {
            Some(page) => Ok(Found::File {
                kind: "text/html; charset=utf-8",
                body: page.into_bytes(),
            }),
            None => {
                let tree = tree.clone();
                files.run(move || tree.look_up(&path)).await
            }
        };
        let mut whole = match found {
            Ok(Found::File { kind, mut body }) => {
                if asked.path == "/" {
                    body.extend_from_slice(faults.signpost().as_bytes());
                }
                answer("200 OK", &[&format!("content-type: {kind}")], &body)
            }
            Ok(Found::Folder) => {
                let to = format!("location: {}/", asked.path);
                answer("301 Moved Permanently", &[&to], b"")
            }
            Ok(Found::Nothing) => answer("404 Not Found", &[], b"there is no such page"),
            Err(_) => answer("500 Internal Server Error", &[], b"a thread was lost"),
        };
        if asked.is_head
            && let Some(end) = find(&whole, b"\r\n\r\n")
        {
            whole.truncate(end);
        }
        whole
    }
}

impl Asked {
    fn read(line: &[u8]) -> Option<Asked> {
        let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
        let is_head = match words.next()? {
            "GET" => false,
            "HEAD" => true,
            _ => return None,
        };
        let path = words.next()?.split('?').next()?;
        let path = path.starts_with('/').then(|| path.to_owned())?;
        Some(Asked { is_head, path })
    }
}

/// Reads on until `mark` has come, and says where it ends; `None`: the guest has gone.
async fn until<W: Wire>(
    wire: &mut W,
    read: &mut Vec<u8>,
    mark: &[u8],
    step: usize,
) -> io::Result<Option<usize>> {
    loop {
        if let Some(end) = find(read, mark) {
            return Ok(Some(end));
        }
        if read.len() > LONGEST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let before = read.len();
        read.resize(before + step, 0);
        let n = wire.read(&mut read[before..]).await?;
        read.truncate(before + n);
        if n == 0 {
            return Ok(None);
        }
    }
}

/// Where `mark` ends.
fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    let at = bytes.windows(mark.len()).position(|part| part == mark)?;
    Some(at + mark.len())
}

fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut whole = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    for header in headers {
        whole.push_str(header);
        whole.push_str("\r\n");
    }
    whole.push_str("\r\n");
    let mut whole = whole.into_bytes();
    whole.extend_from_slice(body);
    whole
}
