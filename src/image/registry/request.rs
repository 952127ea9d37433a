//! One request, with all that may be needed to get its answer: TLS or not, who asks, waiting, being led on.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use ureq::http::{Method, Request, StatusCode, header};
use ureq::{Agent, SendBody};

use super::address::{Address, Url, lead};
use super::answer::Answer;
use super::{Client, locked, transport};
use crate::error::{ImageError, Problem};
use crate::progress::{Event, Watch};

/// How often a registry that does not answer, or cannot now, is asked once more.
const TRIES: u32 = 5;
/// How long is waited at first; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest wait that a registry may ask for. Past it, whoever waits had better know.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// How often an answer may lead on. Source: Fetch standard has 20, Go 10.
const MOST_REDIRECTS: u32 = 10;

/// What is asked of a registry.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) headers: Vec<(header::HeaderName, String)>,
    pub(super) content: Content<'a>,
    /// What it is about, for people.
    pub(super) what: String,
    /// The rights that it needs, such as `repository:library/nginx:pull`; several with blanks between.
    pub(super) scope: String,
}

/// What is sent along.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// A part of a file.
    Part {
        file: &'a File,
        from: u64,
        length: u64,
    },
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, what: impl Into<String>, scope: impl Into<String>) -> Self {
        Self { method, headers: Vec::new(), content: Content::Nothing, what: what.into(), scope: scope.into() }
    }

    pub(super) fn with(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn sending(mut self, content: Content<'a>) -> Self {
        self.content = content;
        self
    }
}

impl Client {
    /// Asks for a path of a registry.
    pub(super) fn ask(&self, address: &Address, path: &str, ask: &Ask<'_>, watch: &Watch<'_>) -> Result<Answer, ImageError> {
        let base = self.base(address, watch)?;
        let url = Url::parse(&format!("{base}{path}"))
            .ok_or_else(|| transport(&address.name, &ask.what, format!("{base}{path} is no address")))?;
        self.ask_url(address, url, ask, watch)
    }

    /// Asks for an address that a registry gave.
    pub(super) fn ask_url(&self, address: &Address, url: Url, ask: &Ask<'_>, watch: &Watch<'_>) -> Result<Answer, ImageError> {
        self.patiently(address, ask, watch, || self.authorized(address, &url, ask, watch))
    }

    /// Asks whoever gives tokens, who is told who asks by the request itself.
    pub(super) fn ask_for_token(&self, address: &Address, url: Url, ask: &Ask<'_>, watch: &Watch<'_>) -> Result<Answer, ImageError> {
        self.patiently(address, ask, watch, || self.led(address, &url, ask, None))
    }

    fn patiently(
        &self,
        address: &Address,
        ask: &Ask<'_>,
        watch: &Watch<'_>,
        once: impl Fn() -> Result<Answer, ImageError>,
    ) -> Result<Answer, ImageError> {
        let mut pause = PAUSE;
        let mut tries = 0;
        loop {
            watch.go_on()?;
            tries += 1;
            let (why, wait) = match once() {
                Ok(answer) => match answer.status().as_u16() {
                    429 => {
                        let wait = answer.retry_after().unwrap_or(pause * 4);
                        if tries >= TRIES || wait > LONGEST_WAIT {
                            return Err(answer.problem(&address.name, &ask.what));
                        }
                        ("it limits the rate of requests".to_owned(), wait)
                    }
                    status @ (500 | 502 | 503 | 504) if tries < TRIES => {
                        (format!("it answered {status}"), answer.retry_after().unwrap_or(pause).min(LONGEST_WAIT))
                    }
                    _ => return Ok(answer),
                },
                Err(error) if tries < TRIES && is_passing(&error) => (error.problem(), pause),
                Err(error) => return Err(error),
            };
            watch.tell(Event::Again { registry: address.name.clone(), why, wait });
            watch.wait(wait)?;
            pause *= 2;
        }
    }

    /// Asks, and once more with a token where that is wanted.
    fn authorized(&self, address: &Address, url: &Url, ask: &Ask<'_>, watch: &Watch<'_>) -> Result<Answer, ImageError> {
        let known = self.known_token(address, &ask.scope);
        let first = self.led(address, url, ask, known.as_deref())?;
        if first.status() != StatusCode::UNAUTHORIZED || first.url.host != url.host {
            return Ok(first);
        }
        match self.token(address, &ask.scope, &first, watch)? {
            Some(token) => self.led(address, url, ask, Some(&token)),
            None => Ok(first),
        }
    }

    /// Asks, and goes where the answer leads.
    fn led(&self, address: &Address, url: &Url, ask: &Ask<'_>, authorization: Option<&str>) -> Result<Answer, ImageError> {
        let mut at = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            // Who asks is nobody else's business.
            let is_asked = at.host == url.host && at.scheme == url.scheme;
            let authorization = authorization.filter(|_| is_asked);
            let agent = self.agent(&at.scheme, &at.host)?;
            let answer = send(&agent, &at, ask, authorization, is_asked).map_err(|error| transport(&address.name, &ask.what, error))?;
            let leads = answer.status().is_redirection() && answer.status() != StatusCode::NOT_MODIFIED;
            let answer = Answer { response: answer, url: at.clone(), logged_in: authorization.is_some() };
            if !leads || !matches!(ask.method, Method::GET | Method::HEAD) {
                return Ok(answer);
            }
            let Some(to) = answer.header(header::LOCATION) else {
                return Ok(answer);
            };
            let next = lead(&address.name, &at, to)?;
            if next.scheme == "http" && at.scheme == "https" && !self.may_be_plain(&next.host) {
                return Err(ImageError::registry(&address.name, Problem::Redirect { to: next.text(), why: "away from TLS" }));
            }
            at = next;
        }
        Err(ImageError::registry(&address.name, Problem::Redirects { what: ask.what.clone(), limit: MOST_REDIRECTS }))
    }

    /// Returns scheme and host of a registry, found out once for those that may do without TLS.
    fn base(&self, address: &Address, watch: &Watch<'_>) -> Result<String, ImageError> {
        let host = &address.host;
        if let Some(scheme) = &address.scheme {
            if scheme == "http" && !self.may_be_plain(host) {
                let why = "it is to be spoken to without TLS; allow that with --insecure-registry";
                return Err(transport(&address.name, "connecting", why));
            }
            return Ok(format!("{scheme}://{host}"));
        }
        if !self.may_be_plain(host) {
            return Ok(format!("https://{host}"));
        }
        if let Some(base) = locked(&self.bases).get(host) {
            return Ok(base.clone());
        }
        let base = self.find_out(address, watch)?;
        locked(&self.bases).insert(host.clone(), base.clone());
        Ok(base)
    }

    fn find_out(&self, address: &Address, watch: &Watch<'_>) -> Result<String, ImageError> {
        // On this machine an open line is the rule; elsewhere it is what was allowed if all else fails.
        let order = if super::address::is_loopback(&address.host) {
            ["http", "https"]
        } else {
            ["https", "http"]
        };
        let ask = Ask::new(Method::GET, "the registry", "");
        let mut first = None;
        for scheme in order {
            watch.go_on()?;
            let base = format!("{scheme}://{}", address.host);
            let url = Url::parse(&format!("{base}{}", address.path("")))
                .ok_or_else(|| transport(&address.name, "connecting", "its name is no address"))?;
            let agent = self.agent(scheme, &address.host)?;
            match send(&agent, &url, &ask, None, true) {
                // What a server of TLS says to who speaks without. Source: Go `net/http`, nginx.
                Ok(answer) if scheme == "http" && answer.status() == StatusCode::BAD_REQUEST => {}
                Ok(_) => return Ok(base),
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        match first {
            Some(error) => Err(transport(&address.name, "connecting", error)),
            None => Err(transport(&address.name, "connecting", "it speaks neither with TLS nor without")),
        }
    }
}

fn send(
    agent: &Agent,
    url: &Url,
    ask: &Ask<'_>,
    authorization: Option<&str>,
    is_asked: bool,
) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    let mut request = Request::builder().method(ask.method.clone()).uri(url.text());
    for (name, value) in ask.headers.iter().filter(|(name, _)| is_asked || name != header::AUTHORIZATION) {
        request = request.header(name, value);
    }
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    match ask.content {
        Content::Nothing if matches!(ask.method, Method::GET | Method::HEAD) => agent.run(request.body(())?),
        Content::Nothing => agent.run(request.body(&[][..])?),
        Content::Bytes(bytes) => agent.run(request.body(bytes)?),
        Content::Part { file, from, length } => {
            let mut file = file;
            file.seek(SeekFrom::Start(from))?;
            let mut part = file.take(length);
            agent.run(request.header(header::CONTENT_LENGTH, length).body(SendBody::from_reader(&mut part))?)
        }
    }
}

/// Tells whether another try may help.
fn is_passing(error: &ImageError) -> bool {
    let ImageError::Registry { problem, .. } = error else {
        return false;
    };
    let Problem::Transport { source, .. } = &**problem else {
        return false;
    };
    match source.downcast_ref::<ureq::Error>() {
        // A certificate that nobody vouches for stays one; so does a name that is none.
        Some(ureq::Error::Io(error)) => !matches!(error.kind(), std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::InvalidData),
        Some(ureq::Error::Timeout(_) | ureq::Error::Protocol(_) | ureq::Error::ConnectionFailed) => true,
        _ => false,
    }
}

/// Writes an error with its causes.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        text = format!("{text}: {cause}");
        at = cause.source();
    }
    text
}
