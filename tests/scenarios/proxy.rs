//! A recording proxy before the engine's socket: `plan` and `--dry-run` only read.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::engine;
use crate::stage::Stage;

type Log = Arc<Mutex<Vec<String>>>;

/// Forwards connections, and notes the first line of each request. Clients send a request only after the last answer.
fn record(path: &Path) -> Log {
    let log: Log = Arc::default();
    let listener = UnixListener::bind(path).unwrap();
    let noted = Arc::clone(&log);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let engine = UnixStream::connect(engine::socket()).unwrap();
            let (from, to, noted) = (client.try_clone().unwrap(), engine.try_clone().unwrap(), Arc::clone(&noted));
            thread::spawn(move || forward(from, to, |bytes| note(bytes, &noted)));
            thread::spawn(move || forward(engine, client, |_| ()));
        }
    });
    log
}

fn forward(mut from: UnixStream, mut to: UnixStream, seen: impl Fn(&[u8])) {
    let mut buffer = [0; 65536];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        seen(&buffer[..count]);
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

fn note(bytes: &[u8], log: &Log) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().filter(|line| line.contains(" HTTP/1.")).map(str::to_owned);
    log.lock().unwrap().extend(lines);
}

#[test]
fn plan_and_dry_run_only_read() {
    let Some(mut stage) = Stage::set("many") else { return };
    let before = |stage: &Stage| stage.containers();
    let all: &[&[&str]] = &[
        &["plan"],
        &["plan", "--json"],
        &["--dry-run", "up", "-d"],
        &["--dry-run", "up", "-d", "--force-recreate", "-y", "-V"],
        &["--dry-run", "create"],
        &["--dry-run", "down", "-v", "--rmi", "all"],
        &["--dry-run", "stop"],
        &["--dry-run", "start"],
        &["--dry-run", "restart"],
        &["--dry-run", "kill"],
        &["--dry-run", "rm", "-f", "-s"],
        &["--dry-run", "pull"],
        &["--dry-run", "build"],
        &["--dry-run", "run", "a", "true"],
    ];
    // On an empty engine, and on one where there is something to change.
    for round in 0..2 {
        let socket = stage.path(&format!("proxy{round}.sock"));
        let log = record(&socket);
        let state = before(&stage);
        for arguments in all {
            let mut command = stage.command(arguments);
            let output = command.env("DOCKER_HOST", format!("unix://{}", socket.display())).output().unwrap();
            let status = output.status.code();
            // Where nothing was made there is nothing to start, and that is said.
            let refuses = round == 0 && arguments.last() == Some(&"start");
            let expected: &[i32] = if refuses { &[1] } else { &[0, 2] };
            let said = crate::stage::text(&output.stderr);
            assert!(status.is_some_and(|status| expected.contains(&status)), "{arguments:?}: {status:?} {said}");
        }
        let log = log.lock().unwrap();
        assert!(log.len() > all.len(), "the proxy saw the calls: {log:?}");
        let writes: Vec<&String> = log.iter().filter(|line| !line.starts_with("GET ") && !line.starts_with("HEAD ")).collect();
        assert!(writes.is_empty(), "{writes:?}");
        assert_eq!(stage.containers(), state);
        if round == 0 {
            stage.ok(&["up", "-d"]);
            stage.variable("VALUE", "2");
        }
    }
}
