//! TLS: who is trusted, and who is not.

use super::ground::spawn;
use super::server::{Stream, answer, read, serving};
use futures::io::AsyncWriteExt;
use futures_rustls::TlsAcceptor;
use futures_rustls::rustls::ServerConfig;
use futures_rustls::rustls::crypto::ring;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use regatta::integrations::http::{Builder, ErrorKind, HttpClient};
use regatta::runtime::net::memory::Network;
use std::sync::Arc;

pub(crate) struct Authority {
    pub(crate) der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let issuer = Issuer::new(params, key);
        Authority { der, issuer }
    }

    fn server(&self, names: &[&str], until: i32) -> TlsAcceptor {
        self.server_of(names, until, &[])
    }

    /// What a server for `names` shows, until the end of a year, and the protocols that it chooses from.
    pub(crate) fn server_of(&self, names: &[&str], until: i32, offers: &[&[u8]]) -> TlsAcceptor {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = key.serialize_der().try_into().unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = offers.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

async fn talk(stream: Stream, acceptor: TlsAcceptor) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    talk_in_private(Box::new(stream)).await;
}

pub(crate) async fn talk_in_private(mut stream: Stream) {
    while let Some(asked) = read(&mut stream).await {
        let page = answer("200 OK", "", asked.path().as_bytes());
        if stream.write_all(&page).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// A server, and a client that reaches it as `a.example` and as `127.0.0.1`.
fn world(acceptor: TlsAcceptor) -> (Builder, String) {
    let serve = move |stream| talk(stream, acceptor.clone());
    serving(&["a.example:443", "127.0.0.1:443"], serve)
}

async fn who_is_vouched_for_is_trusted() {
    let authority = Authority::new("ours");
    let (builder, port) = world(authority.server(&["a.example", "127.0.0.1"], 4000));
    let client = builder
        .root_certificate(authority.der)
        .only_own_roots()
        .build()
        .unwrap();
    for host in ["a.example", "127.0.0.1"] {
        for path in ["/one", "/two"] {
            let page = client
                .get(&format!("https://{host}{port}{path}"))
                .await
                .unwrap();
            assert_eq!(page.text().await.unwrap(), path);
        }
    }
    assert_eq!(client.connections(), 2, "they were used again");
}

async fn refused(acceptor: TlsAcceptor, root: Vec<u8>, what: &str) {
    let (builder, port) = world(acceptor);
    let client = builder.root_certificate(root).build().unwrap();
    let url = format!("https://a.example{port}/");
    let error = client.get(&url).bearer("secret").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.is_unsent());
    let text = error.to_string();
    assert!(
        text.contains("no TLS with https://a.example") && text.contains(what),
        "{text}"
    );
}

async fn what_has_expired_is_refused() {
    let authority = Authority::new("ours");
    let acceptor = authority.server(&["a.example"], 2002);
    refused(acceptor, authority.der, "expired").await;
}

async fn another_host_is_refused() {
    let authority = Authority::new("ours");
    let acceptor = authority.server(&["b.example"], 4000);
    refused(acceptor, authority.der, "not valid for").await;
}

async fn an_unknown_issuer_is_refused() {
    let acceptor = Authority::new("theirs").server(&["a.example"], 4000);
    refused(acceptor, Authority::new("ours").der, "UnknownIssuer").await;
}

/// A server that speaks no TLS at all.
async fn plain_text_is_refused() {
    let network = Network::new();
    let listener = network.listen("a.example:443").unwrap();
    drop(spawn(async move {
        let mut guest = listener.accept().await.unwrap();
        let what = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        guest.write_all(what).await.unwrap();
        futures::future::pending::<()>().await;
    }));
    let client = HttpClient::builder().transport(network).build().unwrap();
    let error = client.get("https://a.example/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
}

regatta::matrix! {
    who_is_vouched_for_is_trusted;
    what_has_expired_is_refused;
    another_host_is_refused;
    an_unknown_issuer_is_refused;
    plain_text_is_refused;
}
