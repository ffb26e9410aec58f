//! Where requests go: addresses, and the origin that connections are kept by.

use super::error::HttpError;
use http::HeaderValue;
use http::uri::{PathAndQuery, Uri};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use url::{Position, Url};

/// A scheme, host and port: what a connection leads to. A cheap clone.
#[derive(Clone)]
pub struct Origin {
    data: Arc<Data>,
}

struct Data {
    tls: bool,
    host: String,
    port: u16,
    /// As in the `Host` header.
    header: HeaderValue,
}

impl Origin {
    pub(super) fn of(url: &Url) -> Result<Origin, HttpError> {
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            other => {
                return Err(HttpError::bad(format!(
                    "cannot ask by `{other}`: use http or https"
                )));
            }
        };
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(HttpError::bad("the address names no host"));
        };
        let header = &url[Position::BeforeHost..Position::AfterPort];
        let header = HeaderValue::from_str(header)
            .map_err(|e| HttpError::bad(format!("the host cannot be sent: {e}")).because(e))?;
        Ok(Origin {
            data: Arc::new(Data {
                tls,
                host: host.to_owned(),
                port,
                header,
            }),
        })
    }

    /// Whether `url` leads here.
    pub(super) fn covers(&self, url: &Url) -> bool {
        (url.scheme() == "https") == self.data.tls
            && url.host_str() == Some(&self.data.host)
            && url.port_or_known_default() == Some(self.data.port)
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.data.header.clone()
    }

    /// The host, in lower case and Punycode; an IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        &self.data.host
    }

    /// The port, also where the address left it out.
    pub fn port(&self) -> u16 {
        self.data.port
    }

    /// Whether it is spoken to by TLS.
    pub fn is_https(&self) -> bool {
        self.data.tls
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.data, &*other.data);
        Arc::ptr_eq(&self.data, &other.data)
            || (a.port == b.port && a.tls == b.tls && a.host == b.host)
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.data.port.hash(state);
        self.data.tls.hash(state);
        self.data.host.hash(state);
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.data.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.data.host, self.data.port)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

/// Reads an address, alone or below `base`.
pub(super) fn parse(text: &str, base: Option<&Url>) -> Result<Url, HttpError> {
    // Browsers drop line breaks; here they are more likely an attempt to write a header.
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        return Err(HttpError::bad(format!(
            "the address {text:?} contains {c:?}: percent-encode it"
        )));
    }
    let parsed = match base {
        Some(base) => base.join(text),
        None => Url::parse(text),
    };
    let url = parsed.map_err(|e| {
        let advice = match e {
            url::ParseError::RelativeUrlWithoutBase => {
                ": write it in full, as in `http://host/path`, or give the client a base_url"
            }
            _ => "",
        };
        HttpError::bad(format!("{text:?} is no address: {e}{advice}")).because(e)
    })?;
    Origin::of(&url).map_err(|e| e.at(&url))?;
    Ok(url)
}

/// What stands in the first line of the request.
pub(super) fn target(url: &Url) -> Result<Uri, HttpError> {
    let text = &url[Position::BeforePath..Position::AfterQuery];
    let target = PathAndQuery::try_from(text)
        .map_err(|e| HttpError::bad(format!("the path {text:?} cannot be sent: {e}")).because(e))?;
    Ok(Uri::from(target))
}
