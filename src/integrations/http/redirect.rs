//! What a redirect leads to: the decision, without a connection.

use super::address::{self, Origin};
use super::error::{ErrorKind, HttpError};
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};
use url::Url;

/// What is meant for one origin and not for whom that points to.
const CREDENTIALS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    header::WWW_AUTHENTICATE,
];

/// What describes a body that is not sent any more.
const OF_THE_BODY: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
];

/// Where a request has been.
pub(super) struct Trail {
    most: usize,
    seen: Vec<(Method, Url)>,
}

/// How to go on.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) method: Method,
    pub(super) url: Url,
    /// The body is sent again.
    pub(super) with_body: bool,
}

impl Trail {
    /// Follows at most so many.
    pub(super) fn new(most: usize) -> Self {
        let seen = Vec::new();
        Trail { most, seen }
    }

    /// What to ask next. `None`: it is an answer.
    pub(super) fn next(
        &mut self,
        status: StatusCode,
        answer: &HeaderMap,
        method: &Method,
        url: &Url,
    ) -> Result<Option<Next>, HttpError> {
        let follows = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = answer.get(header::LOCATION) else {
            return Ok(None);
        };
        if !follows || self.most == 0 {
            return Ok(None);
        }
        let refuse = |why: String| HttpError::new(ErrorKind::Redirect, why);
        if self.seen.len() == self.most {
            return Err(refuse(format!(
                "more than {} redirects: the last one leads to {location:?}; `redirects(n)` sets how many are followed",
                self.most
            )));
        }
        let text = std::str::from_utf8(location.as_bytes()).map_err(|e| {
            refuse(format!("a redirect to {location:?}, which is no text")).because(e)
        })?;
        let mut target = address::parse(text, Some(url))
            .map_err(|e| refuse(format!("a redirect that cannot be followed: {e}")).because(e))?;
        if target.fragment().is_none() {
            target.set_fragment(url.fragment());
        }
        // As browsers do: what was posted is not posted elsewhere, unless the server says so.
        let (method, with_body) = match status.as_u16() {
            303 if *method != Method::HEAD => (Method::GET, false),
            301 | 302 if *method == Method::POST => (Method::GET, false),
            _ => (method.clone(), true),
        };
        self.seen.push((method.clone(), url.clone()));
        if self.seen.iter().any(|(m, u)| *m == method && *u == target) {
            return Err(refuse(format!("redirected in a circle: back to {target}")));
        }
        Ok(Some(Next {
            method,
            url: target,
            with_body,
        }))
    }
}

/// Takes out of the headers what is not for the next server.
pub(super) fn strip(headers: &mut HeaderMap, from: &Origin, to: &Origin, with_body: bool) {
    if from != to {
        for name in &CREDENTIALS {
            headers.remove(name);
        }
        headers.remove(header::HOST);
    }
    if !with_body {
        for name in &OF_THE_BODY {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn to(location: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, location.parse().unwrap());
        headers
    }

    fn go(status: u16, method: Method, location: &str) -> Option<Next> {
        let status = StatusCode::from_u16(status).unwrap();
        let at = url("http://a.example/x/y?q#f");
        let next = Trail::new(5).next(status, &to(location), &method, &at);
        next.unwrap()
    }

    #[test]
    fn the_method_changes_as_in_browsers() {
        let becomes = |status, method| {
            let next = go(status, method, "/z").unwrap();
            (next.method, next.with_body)
        };
        assert_eq!(becomes(301, Method::POST), (Method::GET, false));
        assert_eq!(becomes(302, Method::POST), (Method::GET, false));
        assert_eq!(becomes(302, Method::PUT), (Method::PUT, true));
        assert_eq!(becomes(303, Method::DELETE), (Method::GET, false));
        assert_eq!(becomes(303, Method::HEAD), (Method::HEAD, true));
        assert_eq!(becomes(307, Method::POST), (Method::POST, true));
        assert_eq!(becomes(308, Method::PATCH), (Method::PATCH, true));
    }

    #[test]
    fn what_is_no_redirect_is_an_answer() {
        for status in [200, 201, 300, 304, 305, 404] {
            assert!(go(status, Method::GET, "/z").is_none(), "{status}");
        }
        let at = url("http://a.example/");
        let nowhere = Trail::new(5).next(StatusCode::FOUND, &HeaderMap::new(), &Method::GET, &at);
        assert!(nowhere.unwrap().is_none());
        let off = Trail::new(0).next(StatusCode::FOUND, &to("/z"), &Method::GET, &at);
        assert!(off.unwrap().is_none());
    }

    #[test]
    fn targets_are_read_below_the_address() {
        let target = |location| go(302, Method::GET, location).unwrap().url.to_string();
        assert_eq!(target("z"), "http://a.example/x/z#f");
        assert_eq!(target("//b.example/#g"), "http://b.example/#g");
        assert_eq!(target("?r"), "http://a.example/x/y?r#f");
        assert_eq!(target("/with space"), "http://a.example/with%20space#f");
    }

    #[test]
    fn a_target_that_is_none_is_refused() {
        for location in ["ftp://a.example/", "http://", "http://a.example:99999/"] {
            let at = url("http://a.example/");
            let next = Trail::new(5).next(StatusCode::FOUND, &to(location), &Method::GET, &at);
            assert_eq!(next.unwrap_err().kind(), ErrorKind::Redirect, "{location}");
        }
    }

    #[test]
    fn circles_and_long_trails_end() {
        let at = |n: usize| url(&format!("http://a.example/{n}"));
        let mut trail = Trail::new(3);
        let mut step = |n: usize, to_n: usize| {
            let to = to(&format!("/{to_n}"));
            trail.next(StatusCode::FOUND, &to, &Method::GET, &at(n))
        };
        assert!(step(1, 2).is_ok());
        assert!(step(2, 1).unwrap_err().to_string().contains("circle"));
        let mut trail = Trail::new(3);
        for n in 0..3 {
            let to = to(&format!("/{}", n + 1));
            let next = trail.next(StatusCode::FOUND, &to, &Method::GET, &at(n));
            assert!(next.unwrap().is_some());
        }
        let next = trail.next(StatusCode::FOUND, &to("/4"), &Method::GET, &at(3));
        assert!(next.unwrap_err().to_string().contains("more than 3"));
    }
}
