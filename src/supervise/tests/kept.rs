//! What lives as long as the project: descriptors that are kept, and the network namespace of a container.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rcompose_supervise::{Exit, Restart, Stream, forget, forget_project};

use crate::bundle;
use crate::rig::{PROGRAM, Rig, kill, until};

fn another_guardian(rig: &Rig) {
    let before = rig.guardian();
    before.into_iter().for_each(kill);
    until("a shim has brought another guardian", || rig.guardian().is_some_and(|it| Some(it) != before));
}

#[test]
fn a_port_is_held_until_it_is_released_whoever_is_killed() {
    let rig = Rig::new();
    let sockets = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let addresses = sockets.each_ref().map(|it| it.local_addr().unwrap());
    rig.client.keep("ports", &sockets.each_ref().map(AsFd::as_fd)).unwrap();
    drop(sockets);
    let is_held = || addresses.iter().all(|it| TcpListener::bind(it).is_err() && TcpStream::connect(it).is_ok());
    // Longer than a guardian with nothing to guard stays.
    std::thread::sleep(Duration::from_millis(1300));
    assert!(is_held() && rig.client.keeps().unwrap() == ["ports"]);
    rig.sh("a", "sleep 1000");
    rig.sh("b", "sleep 1000");
    another_guardian(&rig);
    until("it is kept again", || rig.client.keeps().unwrap() == ["ports"]);
    assert!(is_held());
    // Whichever of the two is the deputy: another follows.
    for name in ["a", "b"] {
        rig.client.control(name).unwrap().signal(9).unwrap();
        rig.end(name);
        rig.sh(name, "sleep 1000");
        another_guardian(&rig);
        until("it is kept again", || rig.client.keeps().unwrap() == ["ports"]);
        assert!(is_held(), "{name}");
    }
    let again: Vec<OwnedFd> = rig.client.kept("ports").unwrap();
    assert_eq!(again.len(), 2);
    let accepted = TcpListener::from(again.into_iter().nth(1).unwrap()).local_addr().unwrap();
    assert_eq!(accepted, addresses[1], "in their order");
    rig.client.release("ports").unwrap();
    rig.client.release("ports").unwrap();
    until("nobody holds them", || addresses.iter().all(|it| TcpListener::bind(it).is_ok()));
    assert!(rig.client.kept("ports").unwrap().is_empty());
    for name in ["a", "b"] {
        rig.client.control(name).unwrap().signal(9).unwrap();
        rig.end(name);
    }
    rig.settle();
}

#[test]
fn a_deputy_that_does_not_read_for_a_while_has_all_that_is_kept_afterwards() {
    const MANY: usize = 700;
    let rig = Rig::new();
    rig.sh("a", "sleep 1000");
    let deputy = rig.shim("a").unwrap();
    rustix::process::kill_process(deputy, rustix::process::Signal::STOP).unwrap();
    let has = || fs::read_dir(format!("/proc/{}/fd", deputy.as_raw_nonzero())).unwrap().count();
    let before = has();
    let kept = File::open("/dev/null").unwrap();
    for number in 0..MANY {
        rig.client.keep(&format!("port-{number}"), &[kept.as_fd()]).unwrap();
        if number == MANY / 2 {
            // While it waits to be handed over.
            rig.client.release(&format!("port-{number}")).unwrap();
        }
    }
    rustix::process::kill_process(deputy, rustix::process::Signal::CONT).unwrap();
    until("it has them", || has() == before + MANY - 1);
    // Twice: the one that takes them over hands them on.
    for _ in 0..2 {
        another_guardian(&rig);
        until("all are kept again", || rig.client.keeps().unwrap().len() == MANY - 1);
        assert_eq!(rig.shims("a"), [deputy], "it was given up");
    }
    (0..MANY).for_each(|it| rig.client.release(&format!("port-{it}")).unwrap());
    rig.client.control("a").unwrap().signal(9).unwrap();
    rig.end("a");
    rig.settle();
}

#[test]
fn more_is_kept_than_a_container_may_open() {
    const LIMIT: usize = 128;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("supervisor");
    fs::write(&program, format!("#!/bin/sh\nulimit -Sn {LIMIT}\nexec {PROGRAM} \"$@\"\n")).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let rig = Rig::with(&program);
    rig.sh("a", "ulimit -Sn; sleep 1000");
    let deputy = rig.shim("a").unwrap();
    let kept = File::open("/dev/null").unwrap();
    (0..2 * LIMIT).for_each(|it| rig.client.keep(&format!("port-{it}"), &[kept.as_fd()]).unwrap());
    // A guardian that the shim brings, and what it starts, have the limit too.
    another_guardian(&rig);
    until("all are kept again", || rig.client.keeps().unwrap().len() == 2 * LIMIT);
    assert_eq!(rig.shims("a"), [deputy], "it was given up");
    rig.sh("b", "ulimit -Sn");
    rig.end("b");
    assert_eq!(["a", "b"].map(|it| rig.text(it, Stream::Out)), [format!("{LIMIT}\n"), format!("{LIMIT}\n")]);
    (0..2 * LIMIT).for_each(|it| rig.client.release(&format!("port-{it}")).unwrap());
    rig.client.control("a").unwrap().signal(9).unwrap();
    rig.end("a");
    rig.settle();
}

#[test]
fn a_project_whose_containers_are_forgotten_is_taken_away() {
    let rig = Rig::new();
    let folder = rig.project.folder().to_owned();
    let refused = || forget_project(&rig.project).unwrap_err().to_string();
    rig.sh("a", "sleep 1000");
    assert!(refused().contains("the container a is left"));
    rig.client.control("a").unwrap().signal(9).unwrap();
    rig.end("a");
    rig.client.keep("x", &[File::open("/dev/null").unwrap().as_fd()]).unwrap();
    forget(&rig.place("a")).unwrap();
    assert!(refused().contains("descriptors are kept"));
    rig.client.release("x").unwrap();
    let began = std::time::Instant::now();
    forget_project(&rig.project).unwrap();
    assert!(!folder.exists() && rig.left().is_empty(), "{:?}", rig.left());
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "a guardian that is told to go does not wait: {:?}",
        began.elapsed()
    );
    forget_project(&rig.project).unwrap();
    rig.sh("a", "exit 3");
    assert_eq!(rig.end("a").exit_code(), Some(3));
    rig.settle();
}

/// A network namespace kept by a mount; gone with it.
struct Namespace(PathBuf);

impl Namespace {
    fn new(path: PathBuf) -> Self {
        File::create(&path).unwrap();
        let mut option = std::ffi::OsString::from("--net=");
        option.push(&path);
        assert!(Command::new("unshare").arg(option).arg("true").status().unwrap().success());
        Self(path)
    }

    fn word(&self) -> String {
        format!("net:[{}]\n", fs::metadata(&self.0).unwrap().ino())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Lazily: a descriptor that was opened by this path keeps the mount busy.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn the_network_namespace_is_the_same_over_restarts_and_shims() {
    if let Some(reason) = bundle::missing() {
        println!("left out: {reason}");
        return;
    }
    let rig = Rig::with(Path::new(env!("CARGO_BIN_EXE_oci-supervisor")));
    let namespace = Namespace::new(rig.folder.path().join("net"));
    let mut task = bundle::task(&rig, "a", "readlink /proc/self/ns/net; sleep 0.3; exit 3", false);
    task.restart = Restart::OnFailure(Some(3));
    bundle::patch(&task, |spec| {
        spec["linux"]["namespaces"][4] = serde_json::json!({ "type": "network", "path": namespace.0 });
    });
    rig.client.keep("net", &[File::open(&namespace.0).unwrap().as_fd()]).unwrap();
    rig.run("a", &task);
    until("it runs", || rig.text("a", Stream::Out) == namespace.word());
    rig.shim("a").into_iter().for_each(kill);
    until("it was started again", || rig.text("a", Stream::Out) == namespace.word().repeat(2));
    another_guardian(&rig);
    assert_eq!(rig.end("a").ended.unwrap().exit, Exit::Code(3));
    assert_eq!(rig.text("a", Stream::Out), namespace.word().repeat(4));
    // Nobody is in it, and nothing is mounted: the descriptor alone keeps it.
    let word = namespace.word();
    drop(namespace);
    let kept = File::from(rig.client.kept("net").unwrap().remove(0));
    assert_eq!(format!("net:[{}]\n", kept.metadata().unwrap().ino()), word);
    drop(kept);
    rig.client.release("net").unwrap();
    rig.settle();
}
