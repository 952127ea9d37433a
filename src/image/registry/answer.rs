//! Answers of a registry.

use std::io::Read;
use std::time::Duration;

use serde::Deserialize;
use ureq::Body;
use ureq::http::{Response, StatusCode, header};

use super::address::Url;
use super::transport;
use crate::error::{ImageError, Problem};

/// The most bytes of an answer that is not a blob or manifest: an error, a token.
const LARGEST_ANSWER: u64 = 1 << 20;
/// The longest text of a registry that is shown.
const LONGEST_WORDS: usize = 300;

/// An answer, and from where it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<Body>,
    pub(crate) url: Url,
    /// Whether it was told who asks.
    pub(crate) logged_in: bool,
}

/// Source: distribution spec, "Error Codes".
#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Entry>,
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Reads how long is to be waited: seconds, or a date. Source: RFC 9110, `Retry-After`.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.header(header::RETRY_AFTER)?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(Duration::try_from(date.timestamp().duration_since(jiff::Timestamp::now())).unwrap_or_default())
    }

    /// Reads a small body.
    pub(crate) fn small(self, registry: &str, what: &str) -> Result<Vec<u8>, ImageError> {
        self.bytes(registry, what, LARGEST_ANSWER)
    }

    /// Reads a body of at most so many bytes.
    pub(crate) fn bytes(self, registry: &str, what: &str, most: u64) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        let mut reader = self.response.into_body().into_reader().take(most + 1);
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| transport(registry, &format!("reading {what}"), error))?;
        if bytes.len() as u64 > most {
            return Err(ImageError::registry(
                registry,
                Problem::Length { what: what.to_owned(), expected: most, found: bytes.len() as u64 },
            ));
        }
        Ok(bytes)
    }

    /// Makes an error of an answer that is none of those expected.
    pub(crate) fn problem(self, registry: &str, what: &str) -> ImageError {
        let (status, logged_in) = (self.status(), self.logged_in);
        let wait = self.retry_after();
        let details = words(&self.small(registry, what).unwrap_or_default());
        let what = what.to_owned();
        ImageError::registry(
            registry,
            match status.as_u16() {
                404 => Problem::NotFound { what, details },
                401 | 403 => Problem::Denied { what, details, logged_in },
                429 => Problem::RateLimited { seconds: wait.map_or(60, |it| it.as_secs()) },
                status => Problem::Status { status, what, details },
            },
        )
    }
}

/// Takes what a person may read out of an error's body.
fn words(body: &[u8]) -> String {
    let Ok(errors) = serde_json::from_slice::<Errors>(body) else {
        return String::new();
    };
    let said = errors.errors.into_iter().map(|it| if it.message.is_empty() { it.code } else { it.message });
    let text = said.chain(errors.details).collect::<Vec<_>>().join("; ");
    // No control characters: this is shown on a terminal.
    text.chars().filter(|it| !it.is_control()).take(LONGEST_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_put_in_one_line() {
        let body = br#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository\u001b[31m unknown","detail":{}},{"code":"X"}]}"#;
        assert_eq!(words(body), "repository[31m unknown; X");
        assert_eq!(words(b"<html>"), "");
    }
}
