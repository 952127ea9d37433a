//! Requests over bollard's connections.
//!
//! Bollard's own methods leave out the version of the API, escape no name, and know only the newest form of some bodies
//! (no `MacAddress`, no `CheckDuplicate`, whole seconds in `since`). So this module writes the requests, and has bollard
//! carry them: a modifier replaces the request of its one method that returns bytes as they come.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::BollardRequest;
use bollard::container::PathStatResponse;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use rcompose_engine_adapter::{EngineError, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connect::Endpoint;
use crate::error::engine_error;
use crate::hijack::{Incoming, Outgoing, hijack};
use crate::version::ApiVersion;

/// Time for answers that an engine gives at once.
const PROMPT: Duration = Duration::from_secs(120);
/// Time for answers that wait for something: as good as none, since the caller can drop the call.
const PATIENT: Duration = Duration::from_secs(365 * 24 * 3600);

/// An engine's API in one version.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: bollard::Docker,
    endpoint: Arc<Endpoint>,
    address: Arc<str>,
    version: Option<ApiVersion>,
}

/// One request.
pub(crate) struct Call {
    method: &'static str,
    path: String,
    query: String,
    headers: Vec<(&'static str, String)>,
    body: Body,
    limit: Duration,
}

/// What a request carries.
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// These bytes.
    Whole(Bytes),
    /// Bytes as they come.
    Streamed(BoxStream<'static, std::io::Result<Bytes>>),
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn head(path: impl Into<String>) -> Self {
        Self::new("HEAD", path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    pub(crate) fn put(path: impl Into<String>) -> Self {
        Self::new("PUT", path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path)
    }

    fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: String::new(),
            headers: Vec::new(),
            body: Body::Empty,
            limit: PROMPT,
        }
    }

    /// Adds a parameter.
    pub(crate) fn query(mut self, key: &str, value: &str) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        self.query.push_str(key);
        self.query.push('=');
        self.query.push_str(&escape(value, ""));
        self
    }

    /// Adds a parameter that is JSON, such as filters.
    pub(crate) fn query_json(self, key: &str, value: &impl Serialize) -> Self {
        let text = serde_json::to_string(value).unwrap_or_default();
        self.query(key, &text)
    }

    pub(crate) fn header(mut self, key: &'static str, value: String) -> Self {
        self.headers.push((key, value));
        self
    }

    /// Sets a JSON body.
    pub(crate) fn json(self, body: &impl Serialize) -> Self {
        let text = serde_json::to_vec(body).unwrap_or_default();
        self.header("content-type", "application/json".to_owned()).body(Body::Whole(text.into()))
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Waits as long as it takes.
    pub(crate) fn patient(self) -> Self {
        self.within(PATIENT)
    }

    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Turns the call into a request; its address still lacks the engine's.
    fn into_request(self, version: Option<ApiVersion>) -> (BollardRequest, String) {
        let body = match self.body {
            Body::Empty => bollard::body_full(Bytes::new()),
            Body::Whole(bytes) => bollard::body_full(bytes),
            Body::Streamed(stream) => bollard::body_try_stream(stream),
        };
        let mut request = BollardRequest::new(body);
        if let Ok(method) = self.method.parse() {
            *request.method_mut() = method;
        }
        for (key, value) in self.headers {
            if let Ok(value) = value.parse() {
                request.headers_mut().insert(key, value);
            }
        }
        (request, versioned(version, &self.path) + &self.query)
    }
}

impl Api {
    pub(crate) fn new(client: bollard::Docker, endpoint: Endpoint) -> Self {
        let address = endpoint.to_text().into();
        Self { client, endpoint: Arc::new(endpoint), address, version: None }
    }

    pub(crate) fn set_version(&mut self, version: ApiVersion) {
        self.version = Some(version);
    }

    /// Returns the version spoken.
    pub(crate) fn version(&self) -> ApiVersion {
        self.version.unwrap_or(ApiVersion::OLDEST)
    }

    /// Returns the engine's address, for messages.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a call and returns its answer as it comes.
    pub(crate) fn stream(&self, call: Call) -> impl Stream<Item = Result<Bytes>> + Send + Unpin + 'static + use<> {
        let client = self.carrier(call);
        let address = Arc::clone(&self.address);
        Box::pin(client.export_image("_").map_err(move |error| engine_error(&address, error)))
    }

    /// Sends a HEAD about a path in a container; its answer is a header, which bollard's method for it reads.
    pub(crate) async fn path_stat(&self, call: Call) -> Result<PathStatResponse> {
        let found = self.carrier(call).get_container_archive_info("_", None).await;
        found.map_err(|error| engine_error(&self.address, error))
    }

    /// A client whose next request is the call.
    fn carrier(&self, call: Call) -> bollard::Docker {
        let limit = call.limit;
        let (request, path) = call.into_request(self.version);
        let request = Mutex::new(Some(request));
        self.client.clone().with_timeout(limit).with_request_modifier(move |own: BollardRequest| {
            let taken = request.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Bollard asks once for each call; a second time there would be no body left to send.
            let Some(mut request) = taken else { return own };
            *request.uri_mut() = own.uri().clone();
            readdress(&mut request, &path);
            request
        })
    }

    /// Sends a call and takes its connection over.
    pub(crate) async fn hijack(&self, call: Call) -> Result<(Incoming, Outgoing)> {
        let body = match &call.body {
            Body::Whole(bytes) => bytes.clone(),
            Body::Empty | Body::Streamed(_) => Bytes::new(),
        };
        hijack(&self.endpoint, &(versioned(self.version, &call.path) + &call.query), &body).await
    }

    pub(crate) async fn bytes(&self, call: Call) -> Result<Bytes> {
        let mut stream = self.stream(call);
        let mut bytes = BytesMut::new();
        while let Some(piece) = stream.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    pub(crate) async fn unit(&self, call: Call) -> Result<()> {
        self.bytes(call).await.map(drop)
    }

    pub(crate) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        let what = format!("{} {}", call.method, call.path);
        let bytes = self.bytes(call).await?;
        parse(&bytes, &what)
    }

    /// Sends a call whose answer is one JSON value after another.
    pub(crate) fn values<T: DeserializeOwned + Send + 'static>(&self, call: Call) -> BoxStream<'static, Result<T>> {
        let what = format!("{} {}", call.method, call.path);
        let pieces = self.stream(call).map(Some).chain(futures::stream::iter([None]));
        let mut rest = BytesMut::new();
        pieces
            .flat_map(move |piece| {
                let values = match piece {
                    Some(Ok(piece)) => {
                        rest.extend_from_slice(&piece);
                        take_lines(&mut rest)
                    }
                    Some(Err(error)) => return futures::stream::iter(vec![Err(error)]),
                    None => vec![std::mem::take(&mut rest).freeze()],
                };
                let full = values.into_iter().filter(|line| !line.trim_ascii().is_empty());
                futures::stream::iter(full.map(|line| parse(&line, &what)).collect::<Vec<_>>())
            })
            .boxed()
    }
}

/// Takes the whole lines out of a buffer; engines put each value on a line of its own.
fn take_lines(buffer: &mut BytesMut) -> Vec<Bytes> {
    match buffer.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => {
            let whole = buffer.split_to(end + 1).freeze();
            whole.split(|byte| *byte == b'\n').map(|line| whole.slice_ref(line)).collect()
        }
        None => Vec::new(),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| EngineError::new(ErrorKind::Other, format!("the engine's answer to {what} cannot be read")).caused_by(error))
}

fn versioned(version: Option<ApiVersion>, path: &str) -> String {
    version.map_or_else(|| path.to_owned(), |version| format!("/v{version}{path}"))
}

/// Puts a path and query in place of a request's own.
fn readdress(request: &mut BollardRequest, path: &str) {
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = path.parse().ok();
    if let Ok(uri) = parts.try_into() {
        *request.uri_mut() = uri;
    }
}

/// Escapes a text for an address; `also` are characters that stay beside letters, digits and `-._~`.
pub(crate) fn escape(text: &str, also: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.as_bytes().contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Writes the path of one object: `/containers/NAME/start`. A name of dots alone must not climb.
pub(crate) fn path(kind: &str, name: &str, action: &str) -> String {
    let name = match name {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        name => escape(name, ""),
    };
    format!("/{kind}/{name}{action}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(path("containers", "a/../b?c#d e", "/json"), "/containers/a%2F..%2Fb%3Fc%23d%20e/json");
        assert_eq!(path("volumes", "..", ""), "/volumes/%2E%2E");
    }

    #[test]
    fn lines_are_whole() {
        let mut buffer = BytesMut::from(&b"{\"a\":1}\n{\"b\""[..]);
        assert_eq!(take_lines(&mut buffer), ["{\"a\":1}", ""]);
        assert_eq!(buffer, b"{\"b\""[..]);
        assert!(take_lines(&mut buffer).is_empty());
    }
}
