//! Sockets of whatever runtime is below, as [`futures::io`](https://docs.rs/futures-io) streams. Feature `net`.
//!
//! Use them to write a protocol once for tokio and smol. For HTTP there is a client (feature `http`). For tests in
//! virtual time, where the world outside cannot be waited for, [`memory`] has streams and listeners without a network.
//!
//! # Example
//!
//! ```
//! # #[cfg(any(feature = "tokio", feature = "smol"))]
//! regatta::run(async {
//!     use futures::io::{AsyncReadExt, AsyncWriteExt};
//!     use regatta::{runtime::net::{TcpListener, TcpStream}, task};
//!
//!     let listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
//!     let address = listener.local_addr()?;
//!     let said = task::task_group(async |group| {
//!         group.spawn(async move {
//!             let (mut guest, _) = listener.accept().await?;
//!             guest.write_all(b"welcome").await?;
//!             guest.close().await
//!         });
//!         let mut said = String::new();
//!         TcpStream::connect(address).await?.read_to_string(&mut said).await?;
//!         Ok(said)
//!     });
//!     assert_eq!(said.await.expect("nothing failed"), "welcome");
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! })
//! # .unwrap();
//! # #[cfg(not(any(feature = "tokio", feature = "smol")))]
//! # fn main() {}
//! ```
//!
//! # How it behaves
//!
//! A socket belongs to the runtime that was current when it was made, and to its reactor: tokio's own under tokio,
//! async-io's under smol. (The latter under tokio reaches a third of the speed.) It may be used from other tasks and
//! threads. Where the runtime has none (neutral, virtual time, a [`Backend`](super::Backend) of your own), the answer
//! is [`NoNetwork`], as an [`io::Error`](std::io::Error).
//!
//! Closing (`poll_close`) ends what is sent, and leaves what is received; dropping ends both. `split` of futures'
//! `AsyncReadExt` gives two halves.

mod error;
pub mod memory;
mod resolve;
#[cfg(feature = "smol")]
mod smol;
mod socket;
mod tcp;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(unix)]
mod unix;

pub use error::NoNetwork;
pub use resolve::resolve;
#[cfg(feature = "http")]
pub(crate) use resolve::resolve_on;
pub use tcp::{TcpListener, TcpStream};
#[cfg(unix)]
pub use unix::{UnixListener, UnixStream};
