//! `runtime::net`.

use crate::world::{Entry, Gate, World, entry};
use regatta::runtime::net::memory::Network;
use regatta::runtime::net::{TcpListener, TcpStream, resolve};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

const OUTSIDE: &str = "sockets are outside of virtual time";
const SYSTEM: &str = "it asks the system";

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("runtime::Listener::accept", |_| {
            World::around(|gate: Gate| async move {
                let network = Network::new();
                let listener = network.listen("here")?;
                let connects = async {
                    gate.pass().await;
                    network.connect("here")
                };
                let (accepted, connected) = futures::join!(listener.accept(), connects);
                io::Result::Ok((accepted?, connected?))
            })
            .never_at_once("it is there before the connection")
        }),
        entry("runtime::TcpListener::accept", |_| {
            World::around(|gate: Gate| async move {
                let listener = TcpListener::bind(loopback())?;
                let address = listener.local_addr()?;
                let connects = async {
                    gate.pass().await;
                    TcpStream::connect(address).await
                };
                let (accepted, connected) = futures::join!(listener.accept(), connects);
                io::Result::Ok((accepted?, connected?))
            })
            .never_at_once(SYSTEM)
            .outside(OUTSIDE)
        })
        .covers(&["runtime::TcpStream::connect"]),
        #[cfg(unix)]
        entry("runtime::UnixListener::accept", |_| {
            use regatta::runtime::net::{UnixListener, UnixStream};
            World::around(|gate: Gate| async move {
                let folder = tempfile::tempdir()?;
                let path = folder.path().join("socket");
                let listener = UnixListener::bind(&path)?;
                let connects = async {
                    gate.pass().await;
                    UnixStream::connect(&path).await
                };
                let (accepted, connected) = futures::join!(listener.accept(), connects);
                io::Result::Ok((accepted?, connected?))
            })
            .never_at_once(SYSTEM)
            .outside(OUTSIDE)
        })
        .covers(&["runtime::UnixStream::connect"]),
        entry("runtime::resolve", |_| {
            World::around(|gate: Gate| async move {
                gate.pass().await;
                resolve("127.0.0.1", 80).await
            })
            .never_at_once(SYSTEM)
            .outside(OUTSIDE)
        }),
    ]
}
