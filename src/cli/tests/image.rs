//! `image`, `login` and `logout` from outside, on a store and a configuration of their own.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, words: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rcompose"))
            .args(words)
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.0.path())
            .env("RCOMPOSE_ROOT", self.0.path().join("store"))
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // It may have ended without reading.
                let _unread = stdin.write_all(input);
            });
            child.wait_with_output().unwrap()
        })
    }

    /// Runs what must succeed; returns what it prints.
    fn good(&self, words: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.run(words, input);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn text(&self, words: &[&str]) -> String {
        String::from_utf8(self.good(words, b"")).unwrap()
    }

    /// Runs what must fail; returns what it says.
    fn bad(&self, words: &[&str]) -> String {
        let output = self.run(words, b"");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A root file system of one file.
fn archive() -> Vec<u8> {
    let mut builder = tar_of("hello", b"hello");
    builder.resize(builder.len() + 1024, 0);
    builder
}

/// Writes a ustar entry by hand. Source: POSIX.1-2017, pax, "ustar Interchange Format".
fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0u8; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    // Owned by whoever runs the test, who may not be root.
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    for (at, width, number) in [
        (100, 8, 0o644),
        (108, 8, u64::from(uid)),
        (116, 8, u64::from(gid)),
        (124, 12, content.len() as u64),
        (136, 12, 1),
    ] {
        let text = format!("{number:0width$o}\0", width = width - 1);
        block[at..at + width].copy_from_slice(text.as_bytes());
    }
    block[156] = b'0';
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.extend_from_slice(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

#[test]
fn an_image_comes_is_shown_goes_out_and_is_removed() {
    let home = Home::new();
    let id = String::from_utf8(home.good(
        &["image", "import", "-c", "CMD [\"/hello\"]", "-c", "LABEL a=b", "-m", "by hand", "-", "shop/app:1"],
        &archive(),
    ))
    .unwrap();
    let id = id.trim();
    assert!(id.starts_with("sha256:") && id.len() == 71);
    let table = home.text(&["image", "ls"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]);
    assert!(lines[1].starts_with("shop/app     1         ") && lines[1].ends_with("5B"), "{table}");
    assert_eq!(home.text(&["image", "ls", "-q", "--no-trunc"]).trim(), id);
    assert_eq!(home.text(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.Size}}", "shop/*"]), "shop/app:1 5B\n");
    assert_eq!(home.text(&["image", "ls", "-q", "--filter", "label=a=c"]), "");
    assert_eq!(
        home.text(&["image", "inspect", "--format", "{{json .Config.Cmd}} {{.Os}} {{.Id}}", "shop/app:1"]),
        format!("[\"/hello\"] linux {id}\n")
    );
    let inspected: serde_json::Value = serde_json::from_str(&home.text(&["image", "inspect", "shop/app:1"])).unwrap();
    let layer = inspected[0]["GraphDriver"]["Data"]["LowerDirs"][0].as_str().unwrap();
    assert_eq!(std::fs::read(Path::new(layer).join("hello")).unwrap(), b"hello");
    assert!(home.text(&["image", "history", "shop/app:1"]).contains("by hand"));
    home.good(&["image", "tag", "shop/app:1", "other"], b"");
    let saved = home.good(&["image", "save", "shop/app:1", "other"], b"");
    home.good(&["image", "save", "-o", "a.tar", "shop/app:1", "other"], b"");
    assert_eq!(std::fs::read(home.path().join("a.tar")).unwrap(), saved);
    assert_eq!(home.text(&["image", "rm", "other"]), "Untagged: other:latest\n");
    let removed = home.text(&["image", "rm", "shop/app:1"]);
    assert!(removed.starts_with(&format!("Untagged: shop/app:1\nDeleted: {id}\nDeleted: sha256:")), "{removed}");
    let loaded = String::from_utf8(home.good(&["image", "load"], &saved)).unwrap();
    assert_eq!(loaded, "Loaded image: shop/app:1\nLoaded image: other:latest\n");
    assert_eq!(
        home.text(&["image", "verify"]),
        "1 images are whole, 3 blobs hashed, 1 layers compared file by file, 0 damaged\n"
    );
    assert!(home.text(&["image", "prune", "-af"]).ends_with("Total reclaimed space: 5B\n") || home.text(&["image", "ls", "-q"]).is_empty());
    assert_eq!(home.text(&["image", "ls", "-q"]), "");
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let home = Home::new();
    for (words, said, hint) in [
        (vec!["image", "inspect", "none"], "there is no image `none`", "rcompose image ls"),
        (vec!["image", "rm", "none"], "there is no image `none`", "rcompose image ls"),
        (vec!["image", "pull", "Nginx"], "names are written in lower case", ""),
        (vec!["image", "import", "http://x/y.tar"], "takes no address", "curl"),
        (vec!["image", "import", "-c", "RUN x", "-"], "`RUN x`", "ENTRYPOINT"),
        (vec!["image", "import", "missing.tar"], "cannot open", "No such file"),
        (vec!["image", "load"], "neither `manifest.json` nor `index.json`", "import"),
        (vec!["image", "ls", "--filter", "x=y"], "is no filter", "dangling"),
        (vec!["image", "pull", "--platform", "a/b/c/d", "x"], "is no platform", "linux/arm64"),
        (vec!["image", "prune"], "nobody is there to answer", "--force"),
        (vec!["login", "h:x"], "is no registry", "HOST"),
        (vec!["login", "-u", "me", "h:1"], "nobody is there to be asked", "--password-stdin"),
        (vec!["login", "--password-stdin", "h:1"], "needs a name", "--username"),
        (vec!["image", "pull", "127.0.0.1:1/x"], "registry 127.0.0.1:1: connecting failed", "--insecure-registry"),
    ] {
        let text = home.bad(&words);
        assert!(text.contains(said) && text.contains(hint), "{words:?}: {text}");
    }
    std::fs::create_dir_all(home.path().join("store/images")).unwrap();
    std::fs::write(home.path().join("store/images/names.json"), "{").unwrap();
    assert!(home.bad(&["image", "ls"]).contains("names.json"));
}

/// Answers every request: 200 to `me:secret`, else 401.
fn registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            while !request.windows(4).any(|it| it == b"\r\n\r\n") {
                match stream.read(&mut chunk) {
                    Ok(count) if count > 0 => request.extend_from_slice(&chunk[..count]),
                    _ => break,
                }
            }
            let knows = String::from_utf8_lossy(&request).contains("Basic bWU6c2VjcmV0");
            let answer = if knows {
                "200 OK"
            } else {
                "401 Unauthorized\r\nwww-authenticate: Basic realm=\"x\""
            };
            let _gone = stream.write_all(format!("HTTP/1.1 {answer}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}").as_bytes());
        }
    });
    host
}

#[test]
fn who_logs_in_is_asked_for_and_kept_and_forgotten() {
    let (home, host) = (Home::new(), registry());
    let config = home.path().join(".docker/config.json");
    let wrong = home.run(&["login", "-u", "me", "--password-stdin", &host], b"wrong\n");
    assert_eq!(wrong.status.code(), Some(1));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("denies access") && !said.contains("wrong"), "{said}");
    assert!(!config.exists(), "what the registry does not know is not kept");
    let right = home.run(&["login", "-u", "me", "--password-stdin", &format!("http://{host}/v2/")], b"secret\n");
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));
    assert_eq!(String::from_utf8_lossy(&right.stdout), "Login Succeeded\n");
    assert_eq!(std::fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains("bWU6c2VjcmV0") && text.contains(&host), "{text}");
    assert_eq!(home.text(&["logout", &host]), format!("Removing login credentials for {host}\n"));
    assert!(!std::fs::read_to_string(&config).unwrap().contains("bWU6c2VjcmV0"));
    assert_eq!(home.text(&["logout", &host]), format!("Not logged in to {host}\n"));
}

#[test]
fn config_pins_images_to_what_their_registry_has() {
    let (home, host) = (Home::new(), registry());
    home.good(&["login", "-u", "me", "--password-stdin", &host], b"secret");
    let file = format!(
        "name: shop\nservices:\n  web: {{image: '{host}/web:2'}}\n  own: {{image: '{host}/own@sha256:{}'}}\n",
        "1".repeat(64)
    );
    std::fs::write(home.path().join("compose.yaml"), file).unwrap();
    // The registry answers `{}`, whatever it is asked.
    let pinned = format!("{host}/web:2@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    let own = format!("{host}/own@sha256:{}", "1".repeat(64));
    let locked = home.text(&["config", "--lock-image-digests"]);
    assert_eq!(locked, format!("services:\n  own:\n    image: {own}\n  web:\n    image: {pinned}\n"));
    let resolved = home.text(&["config", "--resolve-image-digests"]);
    assert!(resolved.starts_with("name: shop\n") && resolved.contains(&format!("image: {pinned}\n")), "{resolved}");
    home.good(&["logout", &host], b"");
    assert!(home.bad(&["config", "--resolve-image-digests"]).contains(&host));
}
