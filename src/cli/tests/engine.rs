//! An engine that answers with texts from a file, over a unix socket, and remembers what it was asked to change.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

/// Answers by `METHOD path`, the path without version and query; `status` and `body`, or a body alone. A `HEAD` is about a path in a
/// container: its route ends with a blank and that path, and what it answers is what is there, in the words of Docker's API and in base64.
pub(crate) struct FakeEngine {
    path: std::path::PathBuf,
}

impl FakeEngine {
    pub(crate) fn start(path: &Path, routes: &str) -> Self {
        let routes: Arc<BTreeMap<String, Value>> = Arc::new(serde_json::from_str(routes).unwrap());
        let listener = UnixListener::bind(path).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let routes = Arc::clone(&routes);
                std::thread::spawn(move || serve(stream, &routes));
            }
        });
        Self { path: path.to_owned() }
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers requests on one connection until it is closed.
fn serve(stream: UnixStream, routes: &BTreeMap<String, Value>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 || header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let (status, mut answer) = answer(&line, routes);
        let mut stat = String::new();
        if line.starts_with("HEAD ") {
            let found = std::mem::take(&mut answer);
            if status == 200 {
                stat = format!("X-Docker-Container-Path-Stat: {}\r\n", found.trim_matches('"'));
            }
        }
        let api = routes.get("api").and_then(Value::as_str).unwrap_or("1.41");
        let head = format!(
            "HTTP/1.1 {status} x\r\nApi-Version: {api}\r\n{stat}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.as_bytes())).is_err() {
            return;
        }
    }
}

fn answer(line: &str, routes: &BTreeMap<String, Value>) -> (u64, String) {
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let path = match path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|at| &rest[at..])) {
        Some(unversioned) => unversioned,
        None => path,
    };
    let asked = target
        .split_once("?path=")
        .map_or(String::new(), |(_, asked)| format!(" {}", asked.replace("%2F", "/")));
    let asked = if method == "HEAD" { asked } else { String::new() };
    match routes.get(&format!("{method} {path}{asked}")) {
        Some(Value::Object(route)) if route.contains_key("status") => {
            let body = route.get("body").map(ToString::to_string).unwrap_or_default();
            (route["status"].as_u64().unwrap_or(500), body)
        }
        Some(body) => (200, body.to_string()),
        None => (404, format!("{{\"message\":\"no such route: {method} {path}\"}}")),
    }
}
