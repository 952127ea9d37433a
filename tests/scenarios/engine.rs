//! The engine's own word on what is there, past everything that is tested.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;

/// Returns the engine's socket.
pub(crate) fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    PathBuf::from(host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock"))
}

/// The one that answers.
pub(crate) struct Engine;

impl Engine {
    /// Replicas may have one port of the host in common.
    pub(crate) const SHARES_PORTS: bool = false;
    /// By how much what is due may be seen too early and too late (seconds). A start takes long here, of the first one more than of the next.
    pub(crate) const SLACK: [f64; 2] = [0.6, 5.0];

    /// Finds it; nothing where none answers. Where one must, panics.
    #[expect(clippy::print_stderr, reason = "who runs the tests must know what was left out")]
    pub(crate) fn find() -> Option<Self> {
        let answers = UnixStream::connect(socket()).is_ok();
        let required = std::env::var_os("RCOMPOSE_REQUIRE_ENGINE").is_some();
        assert!(answers || !required, "no engine answers at {}", socket().display());
        if !answers {
            eprintln!("left out: no engine answers at {}", socket().display());
        }
        answers.then_some(Self)
    }

    /// What a command needs in its environment to find it.
    pub(crate) fn variables(&self) -> [(String, String); 1] {
        [("RCOMPOSE_ENGINE".to_owned(), "docker".to_owned())]
    }

    /// A project's objects of one kind (`containers`, `networks`, `volumes`).
    pub(crate) fn list(&self, kind: &str, project: &str) -> Vec<Value> {
        let filters = format!("%7B%22label%22%3A%5B%22com.docker.compose.project%3D{project}%22%5D%7D");
        let all = if kind == "containers" { "all=1&" } else { "" };
        let answer = get(&format!("/v1.41/{kind}{}?{all}filters={filters}", if kind == "containers" { "/json" } else { "" }));
        let list = if kind == "volumes" { answer["Volumes"].clone() } else { answer };
        list.as_array().cloned().unwrap_or_default()
    }

    /// A container's inspection, by name.
    pub(crate) fn inspect(&self, name: &str) -> Value {
        get(&format!("/v1.41/containers/{name}/json"))
    }
}

/// Returns the answer to a GET; HTTP/1.0, so that it comes in one piece.
fn get(path: &str) -> Value {
    let mut stream = UnixStream::connect(socket()).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or(Value::Null)
}
