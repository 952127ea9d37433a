//! What goes over the wire, seen by an engine that only listens.
#![cfg(unix)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use rcompose_docker::{Connection, Docker, Endpoint};
use rcompose_engine_adapter::{Engine, ErrorKind, Images, LogOptions, PullSpec, Scope, Streams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// An engine that answers `/version`, says 404 to all else, and keeps every head it saw.
struct Ear {
    folder: tempfile::TempDir,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Ear {
    fn of_version(version: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("a socket");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Self { folder, heard: Arc::clone(&heard) };
        tokio::spawn(async move {
            while let Ok((wire, _)) = listener.accept().await {
                tokio::spawn(answer(wire, version, Arc::clone(&heard)));
            }
        });
        ear
    }

    fn connection(&self, config: Option<PathBuf>) -> Connection {
        Connection { endpoint: Endpoint::Unix(self.folder.path().join("docker.sock")), config }
    }

    /// Returns the request lines, without the one that settles the version.
    fn lines(&self) -> Vec<String> {
        let heard = self.heard.lock().expect("unpoisoned");
        heard.iter().skip(1).map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

async fn answer(mut wire: UnixStream, version: &str, heard: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if wire.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (status, body) = if head.starts_with("GET /version ") {
        ("200 OK", format!(r#"{{"Version":"x","ApiVersion":"{version}","MinAPIVersion":"1.12","Os":"linux"}}"#))
    } else {
        ("404 Not Found", r#"{"message":"nothing here"}"#.to_owned())
    };
    heard.lock().expect("unpoisoned").push(head);
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    wire.write_all(text.as_bytes()).await.expect("writable");
}

#[tokio::test]
async fn the_version_settled_leads_every_request_and_names_stay_in_their_place() {
    let ear = Ear::of_version("1.43");
    let docker = Docker::connect(&ear.connection(None)).await.expect("connected");
    assert_eq!(docker.info().api, "1.43");
    docker.remove_container(&"../images/a?b#c".into(), false).await.expect("absent is success");
    docker.remove_image(&"host:5000/a/../b:1".into()).await.expect("absent is success");
    let error = docker
        .logs(&"x".into(), &LogOptions::default())
        .next()
        .await
        .expect("an answer")
        .expect_err("absent");
    assert_eq!(error.kind, ErrorKind::NotFound);
    let expected = [
        "DELETE /v1.43/containers/..%2Fimages%2Fa%3Fb%23c?force=1&v=0 HTTP/1.1",
        "DELETE /v1.43/images/host:5000/a/%2E%2E/b:1 HTTP/1.1",
        "GET /v1.43/containers/x/json HTTP/1.1",
    ];
    assert_eq!(ear.lines(), expected);
}

#[tokio::test]
async fn an_old_engine_is_told_what_to_do() {
    let ear = Ear::of_version("1.40");
    let error = Docker::connect(&ear.connection(None)).await.expect_err("too old");
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.message.contains("1.40") && error.message.contains("1.41"), "{error}");
}

#[tokio::test]
async fn credentials_go_to_their_registry_only() {
    let ear = Ear::of_version("1.41");
    let config = tempfile::tempdir().expect("a folder");
    // The password is one whose encoding differs between base64's two alphabets.
    let text = r#"{"auths": {"host:5000": {"username": "me", "password": "~~~???>>>"}}}"#;
    std::fs::write(config.path().join("config.json"), text).expect("a file");
    let docker = Docker::connect(&ear.connection(Some(config.path().to_owned()))).await.expect("connected");
    for image in ["host:5000/a:1", "other/b"] {
        let last = docker.pull(&PullSpec { image: image.into(), platform: Some("linux/arm64".into()) }).next().await;
        assert_eq!(last.expect("an answer").expect_err("absent").kind, ErrorKind::ImageMissing);
    }
    let heads = ear.heard.lock().expect("unpoisoned").clone();
    let header = |head: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix("x-registry-auth: ")).expect("a header").to_owned();
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE, line).expect("base64");
        String::from_utf8(bytes).expect("text")
    };
    assert!(
        heads[1].starts_with("POST /v1.41/images/create?fromImage=host%3A5000%2Fa&tag=1&platform=linux%2Farm64 "),
        "{}",
        heads[1]
    );
    assert_eq!(header(&heads[1]), r#"{"username":"me","password":"~~~???>>>","serveraddress":"host:5000"}"#);
    assert_eq!(header(&heads[2]), "{}");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_from_one_that_does_not_listen() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("docker.sock");
    let connection = Connection { endpoint: Endpoint::Unix(path.clone()), config: None };
    let absent = Docker::connect(&connection).await.expect_err("absent");
    assert_eq!(absent.kind, ErrorKind::Unreachable);
    assert!(
        absent.message.contains(&path.display().to_string()) && absent.message.contains("there is no engine"),
        "{absent}"
    );
    drop(UnixListener::bind(&path).expect("a socket"));
    let deaf = Docker::connect(&connection).await.expect_err("deaf");
    assert_eq!(deaf.kind, ErrorKind::Unreachable);
    assert!(deaf.message.contains("nothing listens") && deaf.message.contains("start"), "{deaf}");
}

#[tokio::test]
async fn an_engine_that_goes_away_is_unreachable() {
    let ear = Ear::of_version("1.41");
    let docker = Docker::connect(&ear.connection(None)).await.expect("connected");
    std::fs::remove_file(ear.folder.path().join("docker.sock")).expect("removable");
    let error = docker.observe(&Scope::project("p")).await.expect_err("gone");
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
}

#[tokio::test]
async fn copies_ask_for_the_archive_of_a_path() {
    let ear = Ear::of_version("1.41");
    let docker = Docker::connect(&ear.connection(None)).await.expect("connected");
    let absent = docker.stat(&"x".into(), "/a b").await.expect_err("the container is absent too");
    assert_eq!(absent.kind, ErrorKind::NotFound);
    let error = docker.pack(&"x".into(), "/a/.").next().await.expect("an answer").expect_err("absent");
    assert_eq!(error.kind, ErrorKind::NotFound);
    let pieces = [Ok(bytes::Bytes::from_static(b"tar")), Ok(bytes::Bytes::from_static(b"ball"))];
    let error = docker.unpack(&"x".into(), "/b", futures::stream::iter(pieces).boxed()).await.expect_err("absent");
    assert!(error.kind == ErrorKind::NotFound && error.message.contains("cannot copy into /b of container x"), "{error}");
    let expected = [
        "HEAD /v1.41/containers/x/archive?path=%2Fa%20b HTTP/1.1",
        "GET /v1.41/containers/x/json HTTP/1.1",
        "GET /v1.41/containers/x/archive?path=%2Fa%2F. HTTP/1.1",
        "PUT /v1.41/containers/x/archive?path=%2Fb&noOverwriteDirNonDir=true HTTP/1.1",
    ];
    assert_eq!(ear.lines(), expected);
}
