//! The control socket, and whoever attaches.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use rcompose_supervise::{Attached, Exit, Input, Stream};

use crate::rig::{PROGRAM, Rig, until};

fn rest(attached: &mut Attached) -> String {
    let mut all = Vec::new();
    while let Some(frame) = attached.next_frame().unwrap() {
        all.extend(frame.bytes);
    }
    String::from_utf8(all).unwrap()
}

#[test]
fn who_attaches_gets_the_output_from_the_start_or_from_now() {
    let rig = Rig::new();
    let mut task = rig.task("a", &["/bin/sh", "-c", "echo one; read line; echo two $line; exit 3"]);
    task.input = Input::Open;
    rig.run("a", &task);
    until("it has said one", || rig.text("a", Stream::Out) == "one\n");
    let mut from_now = rig.client.control("a").unwrap().attach(false).unwrap();
    let mut from_start = rig.client.control("a").unwrap().attach(true).unwrap();
    from_now.input(b"typed\n").unwrap();
    assert_eq!(rest(&mut from_start), "one\ntwo typed\n");
    assert_eq!(rest(&mut from_now), "two typed\n");
    assert_eq!(rig.end("a").ended.unwrap().exit, Exit::Code(3));
    rig.settle();
}

#[test]
fn much_input_goes_in_and_comes_out_also_to_one_who_leaves_at_once() {
    let rig = Rig::new();
    let mut task = rig.task("a", &["/bin/sh", "-c", "sleep 0.3; cat"]);
    task.input = Input::Open;
    rig.run("a", &task);
    let all: String = (0..400_000).map(|it| format!("{it:07}\n")).collect();
    let mut typist = rig.client.control("a").unwrap();
    typist.input(all.as_bytes()).unwrap();
    typist.end_input().unwrap();
    drop(typist);
    assert_eq!(rig.end("a").ended.unwrap().exit, Exit::Code(0));
    assert!(rig.text("a", Stream::Out) == all, "{} of {} bytes", rig.bytes("a", Stream::Out).len(), all.len());
    rig.settle();
}

#[test]
fn one_who_reads_slowly_misses_nothing_and_holds_nobody_up() {
    let rig = Rig::new();
    let mut task = rig.task("a", &["/bin/sh", "-c", &format!("read line; {PROGRAM} count 300000 0")]);
    task.input = Input::Open;
    rig.run("a", &task);
    let mut attached = rig.client.control("a").unwrap().attach(false).unwrap();
    attached.input(b"go\n").unwrap();
    until("all is in the log, and nothing was read", || rig.text("a", Stream::Out).ends_with("00299999\nend\n"));
    let mut out = Vec::new();
    while let Some(frame) = attached.next_frame().unwrap() {
        if frame.head.stream == Stream::Out {
            out.extend(frame.bytes);
        }
    }
    assert!(out == rig.bytes("a", Stream::Out));
    rig.settle();
}

#[test]
fn a_terminal_has_a_size_and_its_output_is_logged() {
    let rig = Rig::new();
    let mut task = rig.task("a", &["/bin/sh", "-c", "read go; stty size; tty >/dev/null && echo tty"]);
    task.terminal = true;
    rig.run("a", &task);
    let mut control = rig.client.control("a").unwrap();
    control.resize(33, 101).unwrap();
    assert!(control.end_input().unwrap_err().to_string().contains("Ctrl-D"));
    control.input(b"go\n").unwrap();
    assert_eq!(rig.end("a").ended.unwrap().exit, Exit::Code(0));
    let text = rig.text("a", Stream::Terminal);
    assert!(text.contains("33 101\r\n") && text.contains("tty\r\n"), "{text:?}");
    rig.settle();
}

#[test]
fn what_is_no_message_is_refused_and_what_cannot_be_done_too() {
    let rig = Rig::new();
    rig.sh("a", "sleep 1000");
    let path = rig.place("a").folder().join("shim.sock");
    let answer = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(bytes).unwrap();
        stream.set_read_timeout(Some(crate::rig::LONG)).unwrap();
        let mut answer = [0; 256];
        let length = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[6..length]).into_owned()
    };
    assert!(answer(&[2, 0, 0, 0, 9, 6]).contains("version 9"));
    assert!(answer(&[2, 0, 0, 0, 1, 77]).contains("kind 77"));
    assert!(answer(&[255, 255, 255, 255]).contains("longer"));
    assert!(answer(&[6, 0, 0, 0, 1, 2, 1, 0, 1, 0]).contains("no terminal"));
    assert!(answer(&[3, 0, 0, 0, 1, 7, b'x']).contains("not open"));
    // None of this did harm.
    rig.client.control("a").unwrap().signal(9).unwrap();
    assert_eq!(rig.end("a").ended.unwrap().exit, Exit::Signal(9));
    rig.settle();
}

#[test]
fn sockets_and_folders_are_private() {
    let rig = Rig::new();
    rig.sh("a", "sleep 1000");
    let mode = |path: &std::path::Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    let (run, place) = (rig.project.folder(), rig.place("a"));
    for folder in [run, place.folder()] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    let keep = rig.keep("a");
    let files = ["shim.sock", "task.json", "shim.lock", "out", "err"].map(|it| place.folder().join(it));
    for file in files
        .into_iter()
        .chain([run.join("guard.sock"), run.join("guard.lock"), keep.join("state.json"), keep.join("log.1")])
    {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    rig.client.control("a").unwrap().stop(None, None).unwrap();
    rig.end("a");
    rig.settle();
}
