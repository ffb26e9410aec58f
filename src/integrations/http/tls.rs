//! TLS: whom to trust. `ring`, handed over and never installed for the whole process, so that the application may use another.

use super::address::Origin;
use super::error::{ErrorKind, HttpError};
use super::io::Duplex;
use futures_rustls::TlsConnector;
use futures_rustls::pki_types::{CertificateDer, ServerName};
use futures_rustls::rustls::crypto::ring;
use futures_rustls::rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;

/// Authorities that are trusted, as far as they are chosen.
#[derive(Clone, Default)]
pub(super) struct Roots {
    pub(super) extra: Vec<Vec<u8>>,
    pub(super) without_the_usual: bool,
}

/// Reads the certificates, and makes ready.
pub(super) fn connector(roots: &Roots) -> Result<TlsConnector, HttpError> {
    let mut store = RootCertStore::empty();
    if !roots.without_the_usual {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
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
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| HttpError::bad(format!("TLS cannot be set up: {e}")).because(e))?;
    let mut config = config.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Makes a stream private.
pub(super) async fn wrap(
    connector: &TlsConnector,
    origin: &Origin,
    stream: Box<dyn Duplex>,
) -> io::Result<Box<dyn Duplex>> {
    let host = origin.host().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    Ok(Box::new(connector.connect(name, stream).await?))
}

/// What the handshake said, with advice.
pub(super) fn failed(origin: &Origin, error: io::Error) -> HttpError {
    HttpError::new(ErrorKind::Connect, format!("no TLS with {origin}: {error}")).because(error)
}
