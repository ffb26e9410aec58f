//! `runtime::net`: each runtime's own sockets, and the ones in memory.
#![cfg(feature = "net")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]
#![cfg_attr(
    not(any(feature = "tokio", feature = "smol")),
    allow(
        clippy::drop_non_drop,
        reason = "without a runtime there are no sockets to drop"
    )
)]

#[path = "support/ground.rs"]
mod ground;

use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures_lite::future::{poll_once, yield_now};
use ground::{Hand, MS, now, panic_of, spawn};
use regatta::runtime::net::memory::{self, Network};
use regatta::runtime::net::{NoNetwork, TcpListener, TcpStream, resolve};
use regatta::{Runtime, task, time};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// More than the buffers of a socket hold.
const MUCH: usize = 4 << 20;

fn here() -> std::net::SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(here()).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap());
    let near = near.await.unwrap();
    let (far, from) = listener.accept().await.unwrap();
    assert_eq!(near.local_addr().unwrap(), from);
    assert_eq!(
        near.peer_addr().unwrap(),
        listener.local_addr().unwrap(),
        "they are the two ends of one connection"
    );
    near.set_nodelay(true).unwrap();
    (near, far)
}

fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i / 7 + i) as u8).collect()
}

/// Sends much through one end while the other answers with it, then both see the end.
async fn all_arrives<S>(near: S, far: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let echo = spawn(async move {
        let (from, mut to) = far.split();
        futures::io::copy(from, &mut to).await.unwrap();
        to.close().await.unwrap();
    });
    let (mut from, mut to) = near.split();
    let sending = spawn(async move {
        to.write_all(&pattern(MUCH)).await.unwrap();
        to.close().await.unwrap();
        to
    });
    let mut back = Vec::new();
    let mut part = [0; 8192];
    while let n @ 1.. = from.read(&mut part).await.unwrap() {
        back.extend_from_slice(&part[..n]);
    }
    assert!(back == pattern(MUCH), "what came back is what was sent");
    sending.await.unwrap();
    echo.await.unwrap();
}

async fn much_goes_through_tcp_and_back() {
    let (near, far) = tcp().await;
    all_arrives(near, far).await;
}

async fn much_goes_through_memory_and_back() {
    let (near, far) = memory::pair(1000);
    all_arrives(near, far).await;
}

#[cfg(unix)]
async fn much_goes_through_a_unix_socket_and_back() {
    use regatta::runtime::net::{UnixListener, UnixStream};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let near = UnixStream::connect(&path).await.unwrap();
    let far = listener.accept().await.unwrap();
    all_arrives(near, far).await;
    assert!(UnixListener::bind(&path).is_err(), "something is there");
    drop(listener);
    let error = UnixStream::connect(&path).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

/// A thousand small questions and answers: each wait ends by a readiness of its own.
async fn every_answer_is_noticed() {
    let (mut near, mut far) = tcp().await;
    let answers = spawn(async move {
        let mut byte = [0];
        while far.read(&mut byte).await.unwrap() == 1 {
            if byte[0].is_multiple_of(3) {
                time::sleep(Duration::ZERO).await;
            }
            far.write_all(&byte).await.unwrap();
        }
    });
    for n in 0..1000_u32 {
        let mut back = [0];
        near.write_all(&[n as u8]).await.unwrap();
        near.read_exact(&mut back).await.unwrap();
        assert_eq!(back[0], n as u8);
    }
    drop(near);
    answers.await.unwrap();
}

/// What came while nobody was reading is there: "would block" is not remembered too long.
async fn a_read_that_was_given_up_misses_nothing() {
    let (mut near, mut far) = tcp().await;
    let mut buf = [0; 4];
    for _ in 0..50 {
        let waiting = time::timeout(MS / 10, near.read(&mut buf));
        assert!(waiting.await.is_err(), "nothing has been sent");
        far.write_all(b"late").await.unwrap();
        near.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"late");
    }
}

async fn a_dropped_accept_takes_no_connection() {
    let listener = TcpListener::bind(here()).unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..20 {
        let mut guest = {
            let hand = Hand::new();
            let mut accept = pin!(listener.accept());
            assert!(hand.poll(accept.as_mut()).is_pending());
            TcpStream::connect(address).await.unwrap()
        };
        let (mut host, _) = listener.accept().await.unwrap();
        guest.write_all(b"!").await.unwrap();
        let mut byte = [0];
        host.read_exact(&mut byte).await.unwrap();
    }
}

async fn nobody_there_is_an_error() {
    let listener = TcpListener::bind(here()).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

async fn names_are_resolved() {
    let found = resolve("localhost", 81).await.unwrap();
    assert!(found.iter().all(|a| a.ip().is_loopback() && a.port() == 81));
    // The name cannot be one (RFC 6761).
    let error = resolve("nowhere.invalid", 81).await.unwrap_err();
    assert!(error.to_string().contains("nowhere.invalid"), "{error}");
}

async fn virtual_time_has_no_network_and_says_what_to_do() {
    let error = TcpStream::connect(here()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.get_ref().unwrap().is::<NoNetwork>());
    assert!(error.to_string().contains("memory::Network"), "{error}");
    assert!(TcpListener::bind(here()).is_err());
    let error = resolve("localhost", 80).await.unwrap_err();
    assert!(error.to_string().contains("no network"), "{error}");
    assert_eq!(resolve("127.0.0.1", 80).await.unwrap().len(), 1);
}

#[test]
fn the_neutral_runtime_has_no_network() {
    let ask = Runtime::neutral().within(TcpStream::connect(here()));
    let error = futures::executor::block_on(ask).unwrap_err();
    assert!(
        error.to_string().starts_with("no network on the neutral"),
        "{error}"
    );
}

/// A socket keeps to the runtime it was made for, whoever polls it.
#[cfg(unix)]
async fn a_handle_connects_from_a_foreign_executor() {
    let runtime = Runtime::current();
    let listener = TcpListener::bind(here()).unwrap();
    let address = listener.local_addr().unwrap();
    let guest = std::thread::spawn(move || {
        let talk = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"from afar").await.unwrap();
            stream.close().await.unwrap();
        };
        futures::executor::block_on(runtime.within(talk));
    });
    let (mut host, _) = listener.accept().await.unwrap();
    let mut said = String::new();
    host.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "from afar");
    guest.join().unwrap();
}

/// Who only ever finds bytes, room and guests goes round its executor now and then, and loses nothing by it.
async fn memory_gives_way_now_and_then() {
    let (mut near, mut far) = memory::pair(1000);
    let network = Network::new();
    let door = network.listen("a").unwrap();
    let (mut yields, mut got) = (0, 0u32);
    for n in 0..3_000u32 {
        let _guest = network.connect("a").unwrap();
        let passes = async {
            near.write_all(&n.to_be_bytes()).await.unwrap();
            let mut bytes = [0; 4];
            far.read_exact(&mut bytes).await.unwrap();
            assert_eq!(u32::from_be_bytes(bytes), n);
            door.accept().await.unwrap();
            got += 1;
        };
        let mut passes = pin!(passes);
        while poll_once(passes.as_mut()).await.is_none() {
            yields += 1;
            yield_now().await;
        }
    }
    assert_eq!(got, 3_000);
    assert!((1..1_000).contains(&yields), "{yields}");
}

/// A waker may do anything when it is cloned, woken or dropped.
struct Meddles {
    stream: Arc<Mutex<Option<memory::Stream>>>,
}

impl Wake for Meddles {
    fn wake(self: Arc<Self>) {
        // Reads from the very stream that is being written to.
        if let Some(stream) = &mut *self.stream.lock().unwrap() {
            let mut byte = [0];
            let mut cx = Context::from_waker(Waker::noop());
            let _ = Pin::new(stream).poll_read(&mut cx, &mut byte);
        }
        std::panic::resume_unwind(Box::new("a waker"));
    }
}

impl Drop for Meddles {
    fn drop(&mut self) {
        let _stays = self.stream.try_lock().map(|stream| stream.is_some());
        std::panic::resume_unwind(Box::new("a waker's destructor"));
    }
}

#[test]
fn wakers_that_come_back_and_panic_harm_no_stream() {
    let (near, mut far) = memory::pair(10);
    let stream = Arc::new(Mutex::new(Some(near)));
    for round in 0..3 {
        let meddles = Waker::from(Arc::new(Meddles {
            stream: stream.clone(),
        }));
        let mut cx = Context::from_waker(&meddles);
        let mut byte = [0];
        let mut near = stream.lock().unwrap().take().unwrap();
        assert!(
            Pin::new(&mut near)
                .poll_read(&mut cx, &mut byte)
                .is_pending()
        );
        *stream.lock().unwrap() = Some(near);
        let mut quiet = Context::from_waker(Waker::noop());
        let written = Pin::new(&mut far).poll_write(&mut quiet, b"x");
        assert!(matches!(written, Poll::Ready(Ok(1))), "{round}");
        assert_eq!(panic_of(|| drop(meddles)), "a waker's destructor");
    }
}

async fn memory_is_as_strict_as_a_network() {
    let network = Network::new();
    let error = network.connect("a:1").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let listener = network.listen("a:1").unwrap();
    assert_eq!(
        network.listen("a:1").unwrap_err().kind(),
        io::ErrorKind::AddrInUse
    );
    let mut near = network.connect("a:1").unwrap();
    let mut far = listener.accept().await.unwrap();
    // What was sent before the end arrives, and then there is the end.
    near.write_all(b"bye").await.unwrap();
    drop(near);
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"bye");
    let error = far.write_all(b"?").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    // A reset takes away what was under way.
    let mut near = network.connect("a:1").unwrap();
    let far = listener.accept().await.unwrap();
    near.write_all(b"lost").await.unwrap();
    far.reset();
    let error = near.read_to_end(&mut said).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let error = near.write_all(b"?").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    // What nobody accepted is closed with its listener.
    let mut waiting = network.connect("a:1").unwrap();
    drop(listener);
    assert_eq!(waiting.read(&mut [0; 8]).await.unwrap(), 0);
    assert!(network.connect("a:1").is_err());
    assert!(network.listen("a:1").is_ok(), "the name is free again");
}

async fn a_backlog_has_an_end() {
    let network = Network::new();
    let listener = network.listen("a:1").unwrap();
    let guests: Vec<_> = (0..128).map(|_| network.connect("a:1").unwrap()).collect();
    assert!(network.connect("a:1").is_err());
    drop(listener.accept().await.unwrap());
    assert!(network.connect("a:1").is_ok());
    drop(guests);
}

async fn a_full_stream_holds_its_writer_back() {
    let (mut near, mut far) = memory::pair(10);
    let start = now();
    let both = task::task_group(async |group| {
        group.spawn(async move { near.write_all(&[7; 30]).await });
        time::sleep(MS * 5).await;
        let mut all = Vec::new();
        far.read_to_end(&mut all).await?;
        Ok::<_, io::Error>(all)
    });
    assert_eq!(both.await.unwrap(), [7; 30]);
    assert_eq!(now() - start, MS * 5);
}

#[test]
#[should_panic(expected = "no byte could ever be written")]
fn a_stream_without_room_is_refused() {
    drop(memory::pair(0));
}

regatta::matrix! {
    much_goes_through_tcp_and_back [tokio_current, tokio_multi, smol];
    much_goes_through_memory_and_back [tokio_current, tokio_multi, smol];
    every_answer_is_noticed [tokio_current, tokio_multi, smol];
    a_read_that_was_given_up_misses_nothing [tokio_current, tokio_multi, smol];
    a_dropped_accept_takes_no_connection [tokio_current, tokio_multi, smol];
    nobody_there_is_an_error [tokio_current, tokio_multi, smol];
    names_are_resolved [tokio_current, tokio_multi, smol];
    virtual_time_has_no_network_and_says_what_to_do [sim];
    memory_gives_way_now_and_then;
    memory_is_as_strict_as_a_network;
    a_backlog_has_an_end;
    a_full_stream_holds_its_writer_back [sim];
}

#[cfg(unix)]
regatta::matrix! {
    much_goes_through_a_unix_socket_and_back [tokio_current, tokio_multi, smol];
    a_handle_connects_from_a_foreign_executor [tokio_current, tokio_multi, smol];
}
