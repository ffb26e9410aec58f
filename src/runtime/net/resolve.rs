//! Names to addresses.

use super::NoNetwork;
use crate::runtime::{Kind, Runtime};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// The addresses of a host, from the system's resolver, on a thread that may block. An address in digits, also in
/// brackets, is read at once.
///
/// Nothing is kept: the system may cache, this does not.
///
/// # Errors
///
/// What the resolver says, with the name; [`NotFound`](io::ErrorKind::NotFound) when a name has no address;
/// [`NoNetwork`].
///
/// # Cancel safety
///
/// Dropping it gives up on the answer. The system's call cannot be cut short, and occupies its thread until it ends.
///
/// # Examples
///
/// ```
/// use regatta::runtime::net::resolve;
///
/// futures::executor::block_on(async {
///     let found = resolve("[::1]", 80).await.expect("digits need no network");
///     assert_eq!(found, ["[::1]:80".parse().expect("an address")]);
/// });
/// ```
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    resolve_on(&Runtime::current(), host, port).await
}

/// The same on a given runtime.
pub(crate) async fn resolve_on(
    runtime: &Runtime,
    host: &str,
    port: u16,
) -> io::Result<Vec<SocketAddr>> {
    if let Ok(digits) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(digits, port)]);
    }
    if matches!(*runtime.0, Kind::Neutral(_) | Kind::Custom(_)) {
        return Err(NoNetwork::on(runtime));
    }
    let name = host.to_owned();
    let ask = move || -> io::Result<Vec<SocketAddr>> {
        Ok((name.as_str(), port).to_socket_addrs()?.collect())
    };
    let asked = runtime.try_spawn_blocking(ask).map_err(io::Error::other)?;
    match asked.await {
        Ok(Ok(found)) if found.is_empty() => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("`{host}` has no address"),
        )),
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(io::Error::new(
            error.kind(),
            format!("cannot resolve `{host}`: {error}"),
        )),
        Err(gone) => Err(io::Error::other(gone)),
    }
}
