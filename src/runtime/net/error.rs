//! [`NoNetwork`].

use crate::runtime::Runtime;
use std::{fmt, io};

/// The current runtime has no sockets. Comes inside an [`io::Error`] of kind
/// [`Unsupported`](io::ErrorKind::Unsupported).
///
/// # Examples
///
/// ```
/// use regatta::runtime::net::{NoNetwork, TcpStream};
///
/// regatta::testing::run(async || {
///     let address = "127.0.0.1:80".parse().expect("an address");
///     let error = TcpStream::connect(address).await.expect_err("virtual time has no network");
///     assert!(error.get_ref().is_some_and(|e| e.is::<NoNetwork>()));
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoNetwork {
    runtime: &'static str,
}

impl NoNetwork {
    /// For a runtime that turned out to have none.
    pub(super) fn on(runtime: &Runtime) -> io::Error {
        let runtime = runtime.name();
        io::Error::new(io::ErrorKind::Unsupported, NoNetwork { runtime })
    }
}

impl fmt::Display for NoNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no network on the {} runtime: ", self.runtime)?;
        f.write_str(match self.runtime {
            "custom" => "virtual time, or a `Backend` of your own, has no sockets; give the code under test a `runtime::net::memory::Network`",
            _ if cfg!(any(feature = "tokio", feature = "smol")) => {
                "call this inside `regatta::run` or a task, or enter a runtime (`Runtime::enter`, `Runtime::within`)"
            }
            _ => "the application enables regatta's feature `tokio` or `smol`",
        })
    }
}

impl std::error::Error for NoNetwork {}
