//! Starts, ends, restarts and stops.

use std::fs;
use std::time::{Duration, Instant};

use rcompose_supervise::{Exit, Limits, Pace, Phase, Restart, Stream, forget};
use rustix::process::{Signal, kill_process};

use crate::rig::{Rig, until};

fn exit(rig: &Rig, name: &str) -> Exit {
    rig.end(name).ended.unwrap().exit
}

#[test]
fn a_status_is_recorded_and_the_output_kept_and_nothing_stays() {
    let rig = Rig::new();
    rig.sh("a", "echo out; echo err >&2; exit 7");
    rig.sh("b", "kill -9 $$");
    rig.sh("c", "exit 0");
    assert_eq!((exit(&rig, "a"), exit(&rig, "b"), exit(&rig, "c")), (Exit::Code(7), Exit::Signal(9), Exit::Code(0)));
    assert_eq!((rig.text("a", Stream::Out).as_str(), rig.text("a", Stream::Err).as_str()), ("out\n", "err\n"));
    rig.settle();
    assert!(!rig.project.folder().join("guard.sock").exists());
    for name in ["a", "b", "c"] {
        let mut files: Vec<_> = fs::read_dir(rig.place(name).folder())
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(files, ["launch.lock", "shim.err", "shim.lock", "task.json"]);
        forget(&rig.place(name)).unwrap();
        forget(&rig.place(name)).unwrap();
    }
    assert!(rig.client.status("a").unwrap_err().to_string().contains("task.json"));
}

#[test]
fn what_cannot_be_run_says_so() {
    let rig = Rig::new();
    let task = rig.task("a", &["/nowhere"]);
    fs::remove_file(task.bundle.join("command.json")).unwrap();
    task.write(&rig.place("a")).unwrap();
    let error = rig.client.run("a").unwrap_err().to_string();
    assert!(error.contains("read command.json"), "{error}");
    assert!(matches!(exit(&rig, "a"), Exit::NotStarted(reason) if reason.contains("command.json")));
    fs::create_dir_all(rig.place("b").folder()).unwrap();
    let error = rig.client.run("b").unwrap_err().to_string();
    assert!(error.contains("task.json"), "{error}");
    assert!(rig.client.run("../x").unwrap_err().to_string().contains("cannot name a container"));
    rig.settle();
}

#[test]
fn a_container_is_started_again_as_its_policy_says() {
    let rig = Rig::new();
    let mut task = rig.task("a", &["/bin/sh", "-c", "echo run; exit 3"]);
    task.restart = Restart::OnFailure(Some(2));
    let began = Instant::now();
    rig.run("a", &task);
    let record = rig.end("a");
    assert_eq!((record.ended.unwrap().exit, record.restarts), (Exit::Code(3), 2));
    assert_eq!(rig.text("a", Stream::Out), "run\n".repeat(3));
    assert!(began.elapsed() >= Duration::from_millis(300), "100 ms, then 200");
    // A new order starts it again, and counts anew.
    rig.run("a", &task);
    assert_eq!(rig.end("a").restarts, 2);
    assert_eq!(rig.text("a", Stream::Out), "run\n".repeat(6));
    rig.settle();
}

#[test]
fn a_container_is_started_again_at_a_pace_of_its_own() {
    let rig = Rig::new();
    let paced = |delay, attempts, window| {
        let pace = Pace {
            failures_only: false,
            delay: Some(Duration::from_millis(delay)),
            attempts: Some(attempts),
            ..Pace::default()
        };
        Restart::Paced(Pace { window: Some(Duration::from_millis(window)), ..pace })
    };
    let mut task = rig.task("short", &["/bin/sh", "-c", "echo run"]);
    task.restart = paced(400, 2, 60_000);
    let began = Instant::now();
    rig.run("short", &task);
    // A restart that stays up for the window is none that failed: more than one attempt of one.
    let mut task = rig.task("long", &["/bin/sh", "-c", "sleep 0.3; exit 1"]);
    task.restart = paced(10, 1, 100);
    rig.run("long", &task);
    let record = rig.end("short");
    assert_eq!((record.ended.unwrap().exit, record.restarts, record.row.failed), (Exit::Code(0), 2, Some(1)));
    assert_eq!(rig.text("short", Stream::Out), "run\n".repeat(3));
    assert!(began.elapsed() >= Duration::from_millis(800), "400 ms, twice");
    until("it goes on after successes", || rig.client.status("long").unwrap().restarts >= 3);
    rig.client.control("long").unwrap().stop(None, None).unwrap();
    rig.end("long");
    rig.settle();
}

#[test]
fn an_order_to_run_what_runs_changes_nothing() {
    let rig = Rig::new();
    rig.sh("a", "echo once; sleep 1000");
    until("it has said so", || rig.text("a", Stream::Out) == "once\n");
    let first = rig.first("a");
    rig.client.run("a").unwrap();
    assert_eq!(rig.first("a"), first);
    assert_eq!(rig.client.census().unwrap(), ["a"]);
    rig.client.control("a").unwrap().stop(None, None).unwrap();
    assert_eq!(exit(&rig, "a"), Exit::Signal(15));
    assert_eq!(rig.text("a", Stream::Out), "once\n");
    rig.settle();
}

#[test]
fn a_stop_asks_waits_and_then_kills_all() {
    let rig = Rig::new();
    rig.sh("polite", "trap 'echo bye; exit 5' USR1; echo ready; while :; do sleep 0.01; done");
    rig.sh("deaf", "trap '' TERM; sleep 1000 & echo ready; while :; do sleep 0.01; done");
    let mut task = rig.task("always", &["/bin/sh", "-c", "echo ready; sleep 1000"]);
    task.restart = Restart::Always;
    rig.run("always", &task);
    until("all are ready", || ["polite", "deaf", "always"].iter().all(|it| rig.text(it, Stream::Out) == "ready\n"));
    let began = Instant::now();
    rig.client.control("polite").unwrap().stop(Some(10), None).unwrap();
    assert_eq!(exit(&rig, "polite"), Exit::Code(5));
    assert_eq!(rig.text("polite", Stream::Out), "ready\nbye\n");
    rig.client.control("deaf").unwrap().stop(None, Some(Duration::from_millis(300))).unwrap();
    assert_eq!(exit(&rig, "deaf"), Exit::Signal(9));
    assert!((Duration::from_millis(300)..Duration::from_secs(9)).contains(&began.elapsed()));
    rig.client.control("always").unwrap().stop(None, None).unwrap();
    let record = rig.end("always");
    assert_eq!((record.ended.unwrap().exit, record.restarts, record.phase), (Exit::Signal(15), 0, Phase::Ended));
    rig.settle();
}

#[test]
fn what_the_first_process_leaves_is_ended_with_it() {
    let rig = Rig::new();
    rig.sh("a", "sleep 1000 & (sleep 1000 &) ; echo $$");
    assert_eq!(exit(&rig, "a"), Exit::Code(0));
    let session = rig.text("a", Stream::Out);
    let own = std::process::Command::new("pgrep").args(["-s", session.trim()]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&own.stdout), "");
    rig.settle();
}

#[test]
fn a_log_keeps_to_its_limits() {
    let rig = Rig::new();
    let mut task = rig.task("a", &[crate::rig::PROGRAM, "count", "200000", "0"]);
    task.log = Limits { max_size: 100_000, max_file: 3 };
    rig.run("a", &task);
    assert_eq!(exit(&rig, "a"), Exit::Code(0));
    let segments: Vec<u64> = fs::read_dir(rig.keep("a"))
        .unwrap()
        .flatten()
        .filter(|it| it.file_name().to_str().unwrap().starts_with("log."))
        .map(|it| it.metadata().unwrap().len())
        .collect();
    assert_eq!(segments.len(), 3);
    assert!(segments.iter().all(|it| *it < 100_000 + (1 << 20) + 100), "{segments:?}");
    assert!(rig.text("a", Stream::Out).ends_with("00199999\nend\n"));
    rig.settle();
}

#[test]
fn a_log_that_refuses_keeps_a_writer_waiting_and_loses_nothing() {
    use rustix::process::{Resource, Rlimit, prlimit};
    let rig = Rig::new();
    let mut task = rig.task("a", &["/bin/sh", "-c", &format!("read go; {} count 300000 3", crate::rig::PROGRAM)]);
    task.input = rcompose_supervise::Input::Open;
    rig.run("a", &task);
    let shim = rig.shim("a").unwrap();
    // To the shim a file at its limit is as a full disk.
    let before = prlimit(Some(shim), Resource::Fsize, Rlimit { current: Some(100_000), maximum: None }).unwrap();
    rig.client.control("a").unwrap().input(b"go\n").unwrap();
    // The head of a frame, 20 bytes, is written whole or not at all: where it does not fit, the log ends before it.
    let is_full = || (99_981..=100_000).contains(&fs::metadata(rig.keep("a").join("log.1")).unwrap().len());
    until("the log is at its limit", is_full);
    std::thread::sleep(Duration::from_millis(200));
    // The shim serves on, and is not busy with what does not go.
    assert!(matches!(rig.client.status("a").unwrap().phase, Phase::Running { .. }));
    assert!(is_full(), "it grew beyond its limit, or was cut");
    prlimit(Some(shim), Resource::Fsize, before).unwrap();
    assert_eq!(exit(&rig, "a"), Exit::Code(3));
    let expected: String = (0..300_000).map(|it| format!("{it:08}\n")).collect();
    assert!(rig.text("a", Stream::Out) == expected + "end\n");
    rig.settle();
}

#[test]
fn a_container_that_never_stops_writing_is_stopped() {
    let rig = Rig::new();
    let mut task = rig.task("a", &["/bin/sh", "-c", "yes & yes & wait"]);
    task.log = Limits { max_size: 1 << 20, max_file: 2 };
    rig.run("a", &task);
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    rig.client.control("a").unwrap().stop(None, Some(Duration::from_millis(100))).unwrap();
    assert_eq!(exit(&rig, "a"), Exit::Signal(15));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    rig.settle();
}

#[test]
fn a_shim_killed_during_a_pause_or_a_grace_is_followed_by_one_that_keeps_to_them() {
    let rig = Rig::new();
    let mut task = rig.task("paused", &["/bin/sh", "-c", "echo run; exit 3"]);
    task.restart = Restart::OnFailure(Some(4));
    rig.run("paused", &task);
    until(
        "it pauses for 400 ms",
        || matches!(rig.client.status("paused"), Ok(it) if it.restarts == 2 && matches!(it.phase, Phase::Pausing { .. })),
    );
    rig.shim("paused").into_iter().for_each(crate::rig::kill);
    let record = rig.end("paused");
    assert_eq!((record.restarts, rig.text("paused", Stream::Out)), (4, "run\n".repeat(5)));
    let mut task = rig.task("deaf", &["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done"]);
    task.restart = Restart::Always;
    rig.run("deaf", &task);
    until("it is ready", || rig.text("deaf", Stream::Out) == "ready\n");
    rig.client.control("deaf").unwrap().stop(None, Some(Duration::from_millis(700))).unwrap();
    rig.shim("deaf").into_iter().for_each(crate::rig::kill);
    let record = rig.end("deaf");
    assert_eq!((record.ended.unwrap().exit, record.phase), (Exit::Signal(9), Phase::Ended), "stopped, not started again");
    rig.settle();
}

#[test]
fn a_shim_that_is_still_dying_when_the_next_guardian_looks_is_followed_by_another() {
    let rig = Rig::new();
    rig.sh("a", "echo ready; sleep 1000");
    // Stopped, so that it brings no guardian itself.
    let shim = rig.shim("a").unwrap();
    kill_process(shim, Signal::STOP).unwrap();
    rig.guardian().into_iter().for_each(crate::rig::kill);
    crate::rig::kill(shim);
    // Its lock is held for as long as the kernel takes to take it apart.
    let lock = fs::File::open(rig.place("a").folder().join("shim.lock")).unwrap();
    lock.lock().unwrap();
    rig.client.census().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(rig.shim("a"), None);
    drop(lock);
    until("another shim is there", || rig.shim("a").is_some());
    until("it answers", || rig.client.control("a").is_ok());
    rig.client.control("a").unwrap().signal(9).unwrap();
    // Before Linux 6.14 nobody can tell how a process ended that is no child of his.
    assert!(matches!(exit(&rig, "a"), Exit::Signal(9) | Exit::Unknown));
    rig.settle();
}

#[test]
fn a_guardian_that_is_stopped_is_named_soon() {
    let rig = Rig::new();
    rig.sh("a", "echo ready; sleep 1000");
    let guardian = rig.guardian().unwrap();
    kill_process(guardian, Signal::STOP).unwrap();
    let start = Instant::now();
    let said = rig.client.census().unwrap_err().to_string();
    assert!(said.contains(&format!("kill -CONT {}", guardian.as_raw_nonzero())), "{said}");
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
    kill_process(guardian, Signal::CONT).unwrap();
    assert_eq!(rig.client.census().unwrap(), ["a"]);
    rig.client.control("a").unwrap().signal(9).unwrap();
    assert_eq!(exit(&rig, "a"), Exit::Signal(9));
    rig.settle();
}

#[test]
fn what_ran_when_the_machine_stopped_is_run_anew_when_asked() {
    let rig = Rig::new();
    rig.sh("a", "echo run; sleep 1000");
    until("it has said so", || rig.text("a", Stream::Out) == "run\n");
    assert!(forget(&rig.place("a")).unwrap_err().to_string().contains("stop it first"));
    until("it has run", || rig.text("a", Stream::Out) == "run\n");
    let running = fs::read_to_string(rig.keep("a").join("state.json")).unwrap();
    rig.client.control("a").unwrap().signal(9).unwrap();
    rig.end("a");
    forget(&rig.place("a")).unwrap();
    rig.settle();
    // As a loss of power leaves it: nothing under /run, and a record of another boot.
    let mut record: serde_json::Value = serde_json::from_str(&running).unwrap();
    record["phase"]["running"]["who"]["boot"] = "another".into();
    fs::write(rig.keep("a").join("state.json"), record.to_string()).unwrap();
    rig.sh("a", "echo anew; exit 2");
    assert_eq!(exit(&rig, "a"), Exit::Code(2));
    assert_eq!(rig.text("a", Stream::Out), "run\nanew\n");
    rig.settle();
}
