//! One request, and what its answer means.

use crate::facts::Trouble;
use regatta::integrations::http::{
    Builder, Bytes, ErrorKind, HttpClient, HttpError, Method, Response,
};
use std::time::Duration;
use url::Url;

/// The body of what is no page is read up to here, so that its connection can be used again.
const WORTH_READING: u64 = 64 * 1024;

/// A page of more bytes is not read.
const LARGEST_PAGE: u64 = 32 << 20;

/// A client as the crawl wants it: redirects are answers, since where they lead is looked at here before anybody is asked; limits in time are the policy's.
pub(crate) fn client(jobs: usize) -> Builder {
    HttpClient::builder()
        .redirects(0)
        .limit(2 * jobs)
        .limit_per_host(jobs)
        .max_body(LARGEST_PAGE)
        .timeout(Duration::MAX)
        .read_timeout(Duration::MAX)
        .header(
            "user-agent",
            concat!("regatta-crawl/", env!("CARGO_PKG_VERSION")),
        )
}

/// What a server said.
#[derive(Debug)]
pub(crate) enum Answer {
    Page(Bytes),
    File,
    Redirect(String),
    Refused(u16),
}

/// Makes one request.
pub(crate) async fn ask(client: &HttpClient, method: Method, url: &Url) -> Result<Answer, Problem> {
    let is_get = method == Method::GET;
    let response = client.request(method, url.as_str()).send().await;
    let response = response.map_err(|e| Problem::of(&e, Trouble::BrokenOff))?;
    let status = response.status();
    let redirect = location(&response).filter(|_| status.is_redirection());
    let read = is_get && status.is_success() && is_html(&response);
    let retry_after = response.retry_after();
    let body = match read
        || response
            .content_length()
            .is_some_and(|n| n <= WORTH_READING)
    {
        true => response.bytes().await,
        false => Ok(Bytes::new()),
    };
    let body = body.map_err(|e| Problem::of(&e, Trouble::CutShort))?;
    match (status.as_u16(), redirect) {
        (status @ (429 | 500..), _) => Err(Problem {
            trouble: Trouble::Busy(status),
            retry_after,
        }),
        (status @ 400.., _) => Ok(Answer::Refused(status)),
        (_, Some(location)) => Ok(Answer::Redirect(location)),
        _ if read => Ok(Answer::Page(body)),
        _ => Ok(Answer::File),
    }
}

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) trouble: Trouble,
    /// When the server wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
}

impl Problem {
    fn of(error: &HttpError, broken: Trouble) -> Self {
        let trouble = match error.kind() {
            ErrorKind::Connect => Trouble::NoConnection,
            ErrorKind::TimedOut(_) => Trouble::TooSlow,
            ErrorKind::Protocol => broken,
            ErrorKind::TooLarge => Trouble::TooLarge,
            _ => Trouble::Unreadable,
        };
        Problem {
            trouble,
            retry_after: None,
        }
    }
}

fn is_html(response: &Response) -> bool {
    let kind = response.headers().get("content-type");
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml")
}

fn location(response: &Response) -> Option<String> {
    let location = response.headers().get("location")?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}
