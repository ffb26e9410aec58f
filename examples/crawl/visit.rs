//! Visits one address: asks for it, reads it, and says where it leads.

use crate::ask::Answer;
use crate::facts::{Outcome, Target, Trouble, Visit};
use crate::fetch::{Fetched, Fetcher};
use crate::parse;
use regatta::blocking::{CpuPool, JobError};
use regatta::integrations::http::Method;
use std::collections::BTreeSet;
use url::Url;

/// Visits addresses; a clone is the same.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) fetcher: Fetcher,
    pub(crate) cores: CpuPool,
}

impl Visitor {
    /// # Errors
    ///
    /// When the parser panicked.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the visit did not happen; the server may have answered.
    pub(crate) async fn visit(&self, target: Target) -> Result<Visit, JobError> {
        let Target { id, url } = target;
        let mut fetched = match looks_like_a_page(&url) {
            true => self.fetcher.fetch(Method::GET, &url).await,
            false => self.fetcher.fetch(Method::HEAD, &url).await,
        };
        // Some servers know no HEAD. They are asked for all of it, which is not read.
        if let Ok(Answer::Refused(405)) | Err(Trouble::Busy(501)) = fetched.answer {
            let before = fetched.requests;
            fetched = self.fetcher.fetch(Method::GET, &url).await;
            fetched.requests += before;
        }
        let Fetched {
            answer,
            requests,
            took,
        } = fetched;
        let mut links = BTreeSet::new();
        let outcome = match answer {
            Ok(Answer::Page(html)) => {
                let bytes = html.len() as u64;
                let read = self.cores.run(move || parse::page(&html, &url)).await?;
                links = read.links;
                let title = read.title;
                Outcome::Page { bytes, title }
            }
            Ok(Answer::File) => Outcome::File,
            Ok(Answer::Redirect(location)) => match url.join(location.trim_ascii()) {
                Ok(mut next) => {
                    next.set_fragment(None);
                    Outcome::Redirect(next.into())
                }
                Err(_) => Outcome::Failed(Trouble::Unreadable),
            },
            Ok(Answer::Refused(status)) | Err(Trouble::Busy(status)) => Outcome::Refused(status),
            Err(trouble) => Outcome::Failed(trouble),
        };
        Ok(Visit {
            id,
            outcome,
            links,
            requests,
            took,
        })
    }
}

/// By its name: pages are read, of everything else it is enough to know that it is there.
fn looks_like_a_page(url: &Url) -> bool {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        None => true,
        Some((_, extension)) => matches!(
            extension.to_ascii_lowercase().as_str(),
            "html" | "htm" | "xhtml" | "php" | "asp" | "aspx" | "jsp"
        ),
    }
}
