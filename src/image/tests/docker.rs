//! With the docker command and Debian's `docker-registry`: what one writes the other reads. Left out, and said so, where they are not
//! there; an error where `RCOMPOSE_REQUIRE_ENGINE` is set.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcompose_image::{Client, Digest, Platform, Reference, Registries, SaveForm};

use crate::server::{Puller, noise};
use crate::writing::Tar;
use crate::{is_root, unwatched};

/// Runs docker and returns what it says, without the line end.
fn docker(words: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("docker")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // It may have read enough.
            let _unread = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn docker_bytes(words: &[&str]) -> Vec<u8> {
    let output = Command::new("docker").args(words).output().unwrap();
    assert!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Tells whether docker and the registry are there.
fn is_there(test: &str) -> bool {
    let runs = |program: &str, word: &str| {
        Command::new(program)
            .arg(word)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|it| it.success())
    };
    let there = is_root(test) && runs("docker", "version") && runs("docker-registry", "--version");
    assert!(there || std::env::var_os("RCOMPOSE_REQUIRE_ENGINE").is_none(), "{test} needs docker and docker-registry");
    if !there {
        eprintln!("left out: {test} needs docker and docker-registry");
    }
    there
}

/// Names that are removed from docker at the end.
struct Names(Vec<String>);

impl Drop for Names {
    fn drop(&mut self) {
        for name in &self.0 {
            let _gone = Command::new("docker").args(["rmi", "-f", name]).output();
        }
    }
}

struct Registry {
    child: Child,
    host: String,
    folder: tempfile::TempDir,
}

impl Registry {
    fn start() -> Self {
        Self::start_with(tempfile::tempdir().unwrap(), "")
    }

    /// Starts one that speaks TLS, with a certificate by an authority of its own, `ca.crt` in its folder.
    fn start_with_tls() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let openssl = |words: &[&str]| {
            let output = Command::new("openssl").args(words).output().unwrap();
            assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let (ca, ca_key, request, server_key, server) = (at("ca.crt"), at("ca.key"), at("server.csr"), at("server.key"), at("server.crt"));
        openssl(&[&["req", "-x509", "-subj", "/CN=test authority", "-keyout", &ca_key, "-out", &ca], key.as_slice()].concat());
        openssl(&[&["req", "-subj", "/CN=localhost", "-keyout", &server_key, "-out", &request], &key[..5]].concat());
        std::fs::write(at("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
        let names = at("names");
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-extfile",
            &names,
            "-out",
            &server,
        ]);
        let tls = format!(", tls: {{certificate: {server}, key: {server_key}}}");
        Self::start_with(folder, &tls)
    }

    fn start_with(folder: tempfile::TempDir, more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{host}'{more}}}\n",
            folder.path().display()
        );
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let registry = Self { child: command.spawn().unwrap(), host, folder };
        let began = Instant::now();
        while std::net::TcpStream::connect(&registry.host).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "the registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Makes an image of two layers, with a whiteout, a hard link and a set-user-id file, in docker.
fn made_by_docker(name: &str) -> String {
    let mut owned = Tar::header("bin/owned", tar::EntryType::Regular, 3);
    owned.set_mode(0o4755);
    owned.set_uid(1000);
    let below = Tar::default()
        .folder("bin")
        .raw(owned, b"abc")
        .hard("bin/second", "bin/owned")
        .file("gone", b"x")
        .file("big", &noise(3, 900_000))
        .end();
    docker(&["import", "--change", "CMD [\"/bin/owned\"]", "--change", "LABEL who=rcompose", "-", name], &below);
    let container = docker(&["create", name, "/bin/owned"], b"");
    let above = tempfile::tempdir().unwrap();
    std::fs::write(above.path().join("new"), noise(4, 50_000)).unwrap();
    docker(&["cp", above.path().join("new").to_str().unwrap(), &format!("{container}:/new")], b"");
    docker(&["commit", "--change", "ENV A=1", &container, name], b"");
    docker(&["rm", &container], b"");
    docker(&["inspect", "--format", "{{.Id}}", name], b"")
}

#[test]
fn from_docker_and_back_to_docker_the_id_stays() {
    if !is_there("the round trip") {
        return;
    }
    let name = "rcompose-image-test/round:1";
    let _names = Names(vec![name.into()]);
    let id = made_by_docker(name);
    let archive = docker_bytes(&["save", name]);
    let puller = Puller::new();
    let loaded = unwatched(|watch| puller.store.load(archive.as_slice(), &Platform::host(), watch)).unwrap();
    assert_eq!(loaded[0].id.to_string(), id);
    puller.is_sound();
    let images = puller.store.to_save(&[name.to_owned()]).unwrap();
    for form in [SaveForm::Docker, SaveForm::Oci] {
        let mut again = Vec::new();
        unwatched(|watch| puller.store.save(&images, form, &mut again, watch)).unwrap();
        // Docker takes zstd from 23.0 on only, so layers as they are stored are not for an older one.
        if form == SaveForm::Docker {
            docker(&["rmi", "-f", name], b"");
            docker(&["load"], &again);
            assert_eq!(docker(&["inspect", "--format", "{{.Id}}", name], b""), id);
        }
        let other = Puller::new();
        let loaded = unwatched(|watch| other.store.load(again.as_slice(), &Platform::host(), watch)).unwrap();
        assert_eq!(loaded[0].id.to_string(), id);
    }
}

#[test]
fn what_one_pushes_the_other_pulls() {
    if !is_there("pushing and pulling") {
        return;
    }
    let registry = Registry::start();
    let (theirs, ours) = (format!("{}/theirs/app:1", registry.host), format!("{}/ours/app:1", registry.host));
    let _names = Names(vec![theirs.clone(), ours.clone()]);
    let id = made_by_docker(&theirs);
    docker(&["push", &theirs], b"");
    let client = Client::new(Registries::default());
    let puller = Puller::new();
    let pulled = puller.pull(&theirs.parse().unwrap()).unwrap();
    assert_eq!(pulled.id.to_string(), id);
    puller.is_sound();
    // As it came, under another name: nothing is sent twice, and the digest stays.
    puller.store.tag(&pulled.id, &ours.parse().unwrap()).unwrap();
    let pushed = unwatched(|watch| puller.store.push(&client, &ours.parse().unwrap(), 3, watch)).unwrap();
    assert_eq!(pushed.digest, pulled.digest);
    docker(&["rmi", "-f", &theirs], b"");
    docker(&["pull", "-q", &ours], b"");
    assert_eq!(docker(&["inspect", "--format", "{{.Id}}", &ours], b""), id);
    // Made here, so stored in a form that older dockers do not take; what is pushed they do.
    let other = Puller::new();
    let made: Reference = format!("{}/made/here:2", registry.host).parse().unwrap();
    let _names = Names(vec![made.to_string()]);
    let archive = docker_bytes(&["save", &ours]);
    unwatched(|watch| other.store.load(archive.as_slice(), &Platform::host(), watch)).unwrap();
    other.store.tag(&pulled.id, &made).unwrap();
    let first = unwatched(|watch| other.store.push(&client, &made, 3, watch)).unwrap();
    let second = unwatched(|watch| other.store.push(&client, &made, 3, watch)).unwrap();
    assert_eq!(first, second);
    docker(&["rmi", "-f", &ours], b"");
    docker(&["pull", "-q", &made.to_string()], b"");
    assert_eq!(docker(&["inspect", "--format", "{{.Id}}", &made.to_string()], b""), id);
    let third = Puller::new();
    assert_eq!(third.pull(&made).unwrap(), rcompose_image::Pulled { id: pulled.id, digest: first.digest, is_new: true });
    third.is_sound();
}

#[test]
fn large_layers_are_sent_in_pieces() {
    if !is_there("pushing in pieces") {
        return;
    }
    let registry = Registry::start();
    let name: Reference = format!("{}/large/app:1", registry.host).parse().unwrap();
    let puller = Puller::new();
    let archive = Tar::default().file("large", &noise(9, 70 << 20)).end();
    let id: Digest = unwatched(|watch| {
        puller
            .store
            .import(archive.as_slice(), Some(&name), &rcompose_image::ImportOptions::default(), watch)
    })
    .unwrap();
    unwatched(|watch| puller.store.push(&Client::new(Registries::default()), &name, 3, watch)).unwrap();
    let other = Puller::new();
    assert_eq!(other.pull(&name).unwrap().id, id);
    other.is_sound();
}

#[test]
fn certificates_are_verified() {
    if !is_there("speaking TLS") {
        return;
    }
    let registry = Registry::start_with_tls();
    let name: Reference = format!("{}/tls/app:1", registry.host).parse().unwrap();
    let puller = Puller::new();
    let archive = Tar::default().file("a", b"b").end();
    unwatched(|watch| {
        puller
            .store
            .import(archive.as_slice(), Some(&name), &rcompose_image::ImportOptions::default(), watch)
    })
    .unwrap();
    let push = |registries: Registries| unwatched(|watch| puller.store.push(&Client::new(registries), &name, 1, watch));
    let error = push(Registries::default()).unwrap_err();
    assert!(error.to_string().contains("connecting failed"), "{error}");
    // In the form of docker's `certs.d`, by host.
    let certificates = registry.folder.path().join("certs.d");
    std::fs::create_dir_all(certificates.join(&registry.host)).unwrap();
    std::fs::copy(registry.folder.path().join("ca.crt"), certificates.join(&registry.host).join("ca.crt")).unwrap();
    push(Registries { certificates: Some(certificates), ..Registries::default() }).unwrap();
    push(Registries { authorities: Some(registry.folder.path().join("ca.crt")), ..Registries::default() }).unwrap();
    push(Registries { insecure: [registry.host.clone()].into(), ..Registries::default() }).unwrap();
    let other = Puller::new();
    other
        .pull_with(Registries { insecure: ["127.0.0.0/8".into()].into(), ..Registries::default() }, &name)
        .unwrap();
}
