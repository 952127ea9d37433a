//! Real containers: the runtime room behind the seam. Left out, and said so, where none can be made.

use std::path::Path;

use rcompose_supervise::{Exit, Phase, Restart, Stream};

use crate::bundle::{groups, missing, task};
use crate::rig::{Rig, kill, until};

fn rig() -> Option<Rig> {
    if let Some(reason) = missing() {
        println!("left out: {reason}");
        return None;
    }
    Some(Rig::with(Path::new(env!("CARGO_BIN_EXE_oci-supervisor"))))
}

#[test]
fn a_container_runs_in_its_own_world_and_nothing_of_it_stays() {
    let Some(rig) = rig() else { return };
    rig.run(
        "a",
        &task(
            &rig,
            "a",
            "echo $$; sleep 1000 & ls /proc/self/fd; for i in 0 1 2 3; do readlink /proc/self/fd/$i; done; echo err >&2; exit 9",
            false,
        ),
    );
    assert_eq!(rig.end("a").ended.unwrap().exit, Exit::Code(9));
    let out = rig.text("a", Stream::Out);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..5], ["1", "0", "1", "2", "3"], "process 1, three streams and the folder that ls reads: {out}");
    // The streams are pipes of the host's run folder; a fourth is not there when readlink asks.
    assert!(lines[5] == "/dev/null" && lines[6].ends_with("/run/a/out") && lines[7].ends_with("/run/a/err"), "{out}");
    assert_eq!(rig.text("a", Stream::Err), "err\n");
    rig.settle();
    assert_eq!(groups(&rig, "a"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_program_that_is_none_is_named() {
    let Some(rig) = rig() else { return };
    let task = task(&rig, "a", "", false);
    let path = task.bundle.join("config.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("/bin/sh", "/bin/nowhere");
    std::fs::write(path, text).unwrap();
    task.write(&rig.place("a")).unwrap();
    let error = rig.client.run("a").unwrap_err().to_string();
    assert!(error.contains("/bin/nowhere") || error.contains("process.args[0]"), "{error}");
    rig.settle();
    assert!(groups(&rig, "a").is_empty());
}

#[test]
fn a_terminal_outlives_its_shim() {
    let Some(rig) = rig() else { return };
    rig.run("a", &task(&rig, "a", "tty; read line; stty size; echo got $line; exit 4", true));
    until("it has a terminal", || rig.text("a", Stream::Terminal).contains("/dev/pts/0"));
    let shim = rig.shim("a").unwrap();
    kill(shim);
    until("another shim answers", || rig.shim("a").is_some_and(|it| it != shim) && rig.client.control("a").is_ok());
    let mut control = rig.client.control("a").unwrap();
    control.resize(20, 70).unwrap();
    control.input(b"typed\n").unwrap();
    assert_eq!(rig.end("a").ended.unwrap().exit, Exit::Code(4));
    let text = rig.text("a", Stream::Terminal);
    assert!(text.contains("20 70\r\ngot typed\r\n"), "{text:?}");
    rig.settle();
}

#[test]
fn a_container_is_the_same_after_guardian_and_shim_were_killed() {
    let Some(rig) = rig() else { return };
    let mut task = task(&rig, "a", "i=0; while [ $i -lt 40000 ]; do echo line $i; i=$((i+1)); done; exit 6", false);
    task.restart = Restart::OnFailure(Some(1));
    rig.run("a", &task);
    let first = rig.first("a");
    rig.guardian().into_iter().for_each(kill);
    rig.shim("a").into_iter().for_each(kill);
    rig.client.census().unwrap();
    until("a shim answers", || rig.client.control("a").is_ok());
    let record = rig.client.status("a").unwrap();
    if let (Phase::Running { who, .. }, 0) = (record.phase, record.restarts) {
        assert_eq!(who.pid, first.as_raw_nonzero().get());
    }
    let record = rig.end("a");
    assert_eq!((record.ended.unwrap().exit, record.restarts), (Exit::Code(6), 1));
    let once: String = (0..40_000).map(|it| format!("line {it}\n")).collect();
    assert!(rig.text("a", Stream::Out) == once.repeat(2));
    rig.settle();
    assert!(groups(&rig, "a").is_empty());
}

#[test]
fn a_stop_ends_every_process_of_the_group() {
    let Some(rig) = rig() else { return };
    rig.run("a", &task(&rig, "a", "trap '' TERM; sleep 1000 & sleep 1000 & echo ready; while :; do sleep 1; done", false));
    until("it is ready", || rig.text("a", Stream::Out) == "ready\n");
    assert!(!groups(&rig, "a").is_empty());
    rig.client.control("a").unwrap().stop(None, Some(std::time::Duration::from_millis(200))).unwrap();
    assert_eq!(rig.end("a").ended.unwrap().exit, Exit::Signal(9));
    rig.settle();
    assert!(groups(&rig, "a").is_empty());
}
