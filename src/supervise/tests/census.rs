//! Descriptors: who has which.

use std::fs;

use rcompose_supervise::Stream;
use rustix::process::Pid;

use crate::rig::{PROGRAM, Rig};

fn descriptors(pid: Pid) -> Vec<String> {
    let folder = format!("/proc/{}/fd", pid.as_raw_nonzero());
    let mut all: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter_map(|it| Some(fs::read_link(it.path()).ok()?.display().to_string()))
        .collect();
    all.sort();
    all
}

#[test]
fn a_container_has_its_three_streams_and_nothing_else() {
    let rig = Rig::new();
    rig.run_words("a", &[PROGRAM, "descriptors"]);
    rig.end("a");
    let text = rig.text("a", Stream::Out);
    let place = rig.place("a").folder().display().to_string();
    let shown: Vec<&str> = text.lines().collect();
    // The fourth is the folder that the program reads.
    assert_eq!(shown[..3], ["0 /dev/null".to_owned(), format!("1 {place}/out"), format!("2 {place}/err")]);
    assert!(shown.len() == 4 && shown[3].starts_with("3 /proc/"), "{text}");
    rig.settle();
}

#[test]
fn shim_and_guardian_keep_no_more_than_they_need_however_often_something_happens() {
    let rig = Rig::new();
    rig.sh("a", "sleep 1000");
    let (shim, guardian) = (rig.shim("a").unwrap(), rig.guardian().unwrap());
    // The connection that brought the order closes a moment after its answer: what listens and what leads to the shim stay.
    let sockets = || descriptors(guardian).iter().filter(|it| it.starts_with("socket:")).count();
    crate::rig::until("the guardian has closed the connection of the order", || sockets() == 2);
    let before = (descriptors(shim), descriptors(guardian));
    for number in 0..30 {
        rig.client.status("a").unwrap();
        rig.client.census().unwrap();
        drop(rig.client.control("a").unwrap().attach(true).unwrap());
        let name = format!("b{number}");
        rig.sh(&name, "exit 1");
        rig.end(&name);
    }
    crate::rig::until("descriptors are those of before", || (descriptors(shim), descriptors(guardian)) == before);
    // Three streams of its own, log, two sockets, epoll, signals, lock, process, guardian; two pipes.
    assert!(before.0.len() <= 14 && before.1.len() <= 12, "{before:#?}");
    rig.client.control("a").unwrap().stop(None, None).unwrap();
    rig.end("a");
    rig.settle();
}
