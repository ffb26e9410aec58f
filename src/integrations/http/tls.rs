//! TLS: which servers to trust. `ring`, handed over and never installed for the whole process, so that the application
//! may use another.

use super::address::Origin;
use super::error::{ErrorKind, HttpError};
use super::io::Duplex;
use futures_rustls::TlsConnector;
use futures_rustls::pki_types::{CertificateDer, ServerName};
use futures_rustls::rustls::crypto::{CryptoProvider, ring};
use futures_rustls::rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::{Arc, LazyLock};

/// The authorities that browsers trust; made once for all clients, as is what computes.
static USUAL: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut store = RootCertStore::empty();
    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Arc::new(store)
});

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(ring::default_provider()));

/// The names of the protocols in TLS (RFC 7301).
pub(super) const HTTP1: &[u8] = b"http/1.1";
pub(super) const HTTP2: &[u8] = b"h2";

/// Authorities that are trusted, as far as they are chosen.
#[derive(Clone, Default)]
pub(super) struct Roots {
    pub(super) extra: Vec<Vec<u8>>,
    pub(super) without_the_usual: bool,
}

/// Reads the certificates, and makes ready.
///
/// `protocols` are offered to servers, the first one first.
pub(super) fn connector(roots: &Roots, protocols: &[&[u8]]) -> Result<TlsConnector, HttpError> {
    let trusted = if roots.extra.is_empty() && !roots.without_the_usual {
        USUAL.clone()
    } else {
        Arc::new(chosen(roots)?)
    };
    let config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| HttpError::bad(format!("TLS cannot be set up: {e}")).because(e))?;
    let mut config = config.with_root_certificates(trusted).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn chosen(roots: &Roots) -> Result<RootCertStore, HttpError> {
    let mut store = RootCertStore::empty();
    if !roots.without_the_usual {
        store.roots.extend_from_slice(&USUAL.roots);
    }
    for der in &roots.extra {
        let added = store.add(CertificateDer::from(der.as_slice()).into_owned());
        added.map_err(|e| {
            HttpError::bad(format!(
                "a root certificate cannot be used: {e}; give it in DER"
            ))
            .because(e)
        })?;
    }
    Ok(store)
}

/// Makes a stream private; and whether the server has chosen HTTP/2.
pub(super) async fn wrap(
    connector: &TlsConnector,
    origin: &Origin,
    stream: Box<dyn Duplex>,
) -> io::Result<(Box<dyn Duplex>, bool)> {
    let host = origin.host().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let stream = connector.connect(name, stream).await?;
    let chosen = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
    Ok((Box::new(stream), chosen))
}

/// What the handshake said, with advice.
pub(super) fn failed(origin: &Origin, error: io::Error) -> HttpError {
    HttpError::new(ErrorKind::Connect, format!("no TLS with {origin}: {error}")).because(error)
}
