//! A registry in this process, which answers as the test says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rcompose_image::{Client, Digest, Event, ImageError, PullOptions, Pulled, Reference, Registries, Store, Watch};
use serde_json::json;

use crate::writing::Tar;

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// So many bytes of the body are sent, and then the connection ends.
    pub(crate) cut: Option<usize>,
    /// How long it pauses after every 64 KiB.
    pub(crate) pause: Duration,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None, pause: Duration::ZERO }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn slow(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    pub(crate) fn cut(mut self, at: usize) -> Self {
        self.cut = Some(at);
        self
    }
}

type Answer = dyn Fn(&Request) -> Reply + Send + Sync;

/// A server; dropped, it ends.
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) seen: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let answer: Arc<Answer> = Arc::new(answer);
        let thread = {
            let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                    // A client that goes away in the middle is part of some tests.
                    std::thread::spawn(move || drop(serve(&stream, &seen, &*answer)));
                }
            })
        };
        Self { host, seen, stop, thread: Some(thread) }
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|it| format!("{} {}", it.method, it.path)).collect()
    }

    pub(crate) fn name(&self) -> Reference {
        format!("{}/a/b:1", self.host).parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(&self.host));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Request>>, answer: &Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = Request { method, path, headers, body };
    seen.lock().unwrap().push(request.clone());
    let reply = answer(&request);
    let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", reply.status);
    if !reply.headers.iter().any(|(name, _)| *name == "content-length") {
        head.push_str(&format!("content-length: {}\r\n", reply.body.len()));
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = stream;
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if request.method != "HEAD" {
        for piece in reply.body[..reply.cut.unwrap_or(reply.body.len()).min(reply.body.len())].chunks(64 << 10) {
            stream.write_all(piece)?;
            std::thread::sleep(reply.pause);
        }
    }
    stream.flush()
}

/// An image as a registry has it.
#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(crate) manifest: Vec<u8>,
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Digest>,
}

/// Bytes that do not compress, always the same.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Fixture {
    /// Makes an image of layers with a file each, of so many bytes.
    pub(crate) fn new(sizes: &[usize]) -> Self {
        let archives = sizes
            .iter()
            .enumerate()
            .map(|(at, size)| Tar::default().file(&format!("file{at}"), &noise(at as u64, *size)).end());
        Self::of(&archives.collect::<Vec<_>>())
    }

    pub(crate) fn of(archives: &[Vec<u8>]) -> Self {
        let compressed: Vec<Vec<u8>> = archives.iter().map(|it| gzip(it)).collect();
        Self::with_layers(archives, &compressed)
    }

    pub(crate) fn with_layers(archives: &[Vec<u8>], blobs: &[Vec<u8>]) -> Self {
        let diff_ids: Vec<String> = archives.iter().map(|it| Digest::of(it).to_string()).collect();
        let config = json!({ "architecture": "amd64", "os": "linux", "config": { "Cmd": ["x"] }, "rootfs": { "type": "layers", "diff_ids": diff_ids } });
        let config = config.to_string().into_bytes();
        let layers: Vec<Digest> = blobs.iter().map(|it| Digest::of(it)).collect();
        let described: Vec<_> = blobs
            .iter()
            .map(|it| json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": Digest::of(it).to_string(), "size": it.len() }))
            .collect();
        let manifest = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(&config).to_string(), "size": config.len() },
            "layers": described });
        let mut all: BTreeMap<Digest, Vec<u8>> = blobs.iter().map(|it| (Digest::of(it), it.clone())).collect();
        all.insert(Digest::of(&config), config.clone());
        Self { blobs: all, manifest: manifest.to_string().into_bytes(), config, layers }
    }

    pub(crate) fn id(&self) -> Digest {
        Digest::of(&self.config)
    }

    /// Answers as a registry that tells the truth, with ranges.
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let path = request.path.split('?').next().unwrap();
        if path == "/v2/" {
            return Reply::new(200, "{}");
        }
        let Some(rest) = path.strip_prefix("/v2/a/b/") else {
            return Reply::new(404, "");
        };
        if let Some(wanted) = rest.strip_prefix("manifests/") {
            if wanted == "1" || wanted == Digest::of(&self.manifest).to_string() {
                return Reply::new(200, self.manifest.clone()).with("content-type", "application/vnd.oci.image.manifest.v1+json");
            }
            return Reply::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#);
        }
        let blob = rest
            .strip_prefix("blobs/")
            .and_then(|it| it.parse().ok())
            .and_then(|it: Digest| self.blobs.get(&it));
        let Some(blob) = blob else { return Reply::new(404, "") };
        match request
            .header("range")
            .and_then(|it| it.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
        {
            Some(from) => {
                Reply::new(206, blob[from..].to_vec()).with("content-range", format!("bytes {from}-{}/{}", blob.len() - 1, blob.len()))
            }
            None => Reply::new(200, blob.clone()).with("content-type", "application/octet-stream"),
        }
    }

    /// Starts a registry that answers so but where the test has another answer.
    pub(crate) fn serve(&self, other: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Server {
        let fixture = self.clone();
        Server::start(move |request| other(request).unwrap_or_else(|| fixture.answer(request)))
    }
}

/// A store, and what it told while it worked.
pub(crate) struct Puller {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) events: Mutex<Vec<Event>>,
}

impl Puller {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Store::open(folder.path()).unwrap(), folder, events: Mutex::default() }
    }

    pub(crate) fn pull(&self, name: &Reference) -> Result<Pulled, ImageError> {
        self.pull_with(Registries::default(), name)
    }

    pub(crate) fn pull_with(&self, registries: Registries, name: &Reference) -> Result<Pulled, ImageError> {
        let stop = AtomicBool::new(false);
        let tell = |event| self.events.lock().unwrap().push(event);
        let options = PullOptions { platform: "linux/amd64".parse().unwrap(), ..PullOptions::default() };
        self.store.pull(&Client::new(registries), name, &options, &Watch::new(&tell, &stop))
    }

    /// Proves that what is there is whole.
    pub(crate) fn is_sound(&self) {
        assert_eq!(crate::unwatched(|watch| self.store.verify(watch)).unwrap().damage, [], "the store is damaged");
    }

    /// Removes everything that nothing needs, and returns what is left but should not be.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        self.store.prune(true).unwrap();
        ["blobs/sha256", "blobs/partial", "layers", "staging", "leases"]
            .iter()
            .flat_map(|it| {
                std::fs::read_dir(self.folder.path().join(it))
                    .unwrap()
                    .map(|it| it.unwrap().path().display().to_string())
            })
            .collect()
    }
}
