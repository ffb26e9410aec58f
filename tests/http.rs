//! `integrations::http`: a client, and a server that misbehaves on command.
#![cfg(feature = "http")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[path = "http/bodies.rs"]
mod bodies;
#[path = "http/connections.rs"]
mod connections;
#[path = "support/ground.rs"]
mod ground;
#[cfg(feature = "http2")]
#[path = "http/http2.rs"]
mod http2;
#[path = "http/policies.rs"]
mod policies;
#[path = "http/redirects.rs"]
mod redirects;
#[path = "http/requests.rs"]
mod requests;
#[path = "http/server.rs"]
mod server;
#[cfg(all(feature = "tokio", feature = "smol"))]
#[path = "http/statics.rs"]
mod statics;
#[path = "http/times.rs"]
mod times;
#[path = "http/tls.rs"]
mod tls;
