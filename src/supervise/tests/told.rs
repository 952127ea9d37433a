//! What is recorded of a container and told of a project, and orders that change how it runs.

use std::path::Path;
use std::time::Duration;

use rcompose_supervise::{Event, Exit, Phase, Restart, Stream, Update, What};

use crate::bundle;
use crate::rig::{LONG, Rig, kill, until};

/// Words for events, as far as they are the same each time.
fn word(event: &Event) -> String {
    let word = match &event.what {
        What::Start { .. } => "start".to_owned(),
        What::Die { exit, oom } => format!("die {:?}{}", exit.status(), if *oom { " oom" } else { "" }),
        What::Restart { count } => format!("restart {count}"),
        What::Stop => "stop".to_owned(),
        What::Kill { signal } => format!("kill {signal}"),
        What::Oom => "oom".to_owned(),
        What::Pause => "pause".to_owned(),
        What::Unpause => "unpause".to_owned(),
        What::Update => "update".to_owned(),
        What::HealthStatus { status } => status.as_str().to_owned(),
        What::ExecStart { args, .. } => format!("exec_start {}", args.join(" ")),
        What::Told { .. } => "told".to_owned(),
        What::ExecDie { exit, .. } => format!("exec_die {:?}", exit.status()),
    };
    format!("{} {word}", event.container)
}

/// Everything that was told so far.
pub(crate) fn told(rig: &Rig) -> Vec<String> {
    let mut events = rig.client.events(true).unwrap();
    std::iter::from_fn(|| events.next_event(Some(Duration::ZERO)).unwrap())
        .map(|it| word(&it))
        .collect()
}

#[test]
fn what_happens_is_told_in_its_order_and_recorded() {
    let rig = Rig::new();
    let mut follower = rig.client.events(false).unwrap();
    let mut task = rig.task("a", &["/bin/sh", "-c", "exit 3"]);
    task.restart = Restart::OnFailure(Some(1));
    rig.run("a", &task);
    rig.end("a");
    let expected = ["a start", "a die Some(3)", "a restart 1", "a start", "a die Some(3)"];
    let seen: Vec<String> = expected.iter().map(|_| word(&follower.next_event(Some(LONG)).unwrap().unwrap())).collect();
    assert_eq!(seen, expected);
    assert_eq!(follower.next_event(Some(Duration::from_millis(50))).unwrap(), None);
    let record = rig.client.recorded("a").unwrap();
    assert_eq!((record.exit_code(), record.restarts, record.pid(), record.oom), (Some(3), 1, None, false));
    assert!(record.started.unwrap() <= record.ended.as_ref().unwrap().at);
    assert!(record.started_at() <= record.finished_at() && record.started_at().starts_with("20"), "{record:?}");
    rig.sh("b", "echo ready; sleep 1000");
    until("it is ready", || rig.text("b", Stream::Out) == "ready\n");
    assert_eq!(rig.client.recorded("b").unwrap().pid(), Some(rig.first("b").as_raw_nonzero().get()));
    rig.client.control("b").unwrap().stop(None, None).unwrap();
    rig.end("b");
    assert_eq!(told(&rig)[5..], ["b start", "b kill 15", "b die Some(143)", "b stop"]);
    rig.settle();
}

#[test]
fn what_a_killed_shim_had_still_to_tell_is_told_once() {
    let rig = Rig::new();
    let mut task = rig.task("a", &["/bin/sh", "-c", "sleep 0.1; exit 3"]);
    task.restart = Restart::OnFailure(Some(5));
    rig.run("a", &task);
    let ended = || rig.client.recorded("a").is_ok_and(|it| it.phase == Phase::Ended);
    let mut random = 0x5eed_u64;
    // More in a row, and the guardian takes its time with the next one.
    for _ in 0..4 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_micros(random >> 46));
        // One that is being started is begun anew, and counts anew.
        if rig.client.recorded("a").is_ok_and(|it| !matches!(it.phase, Phase::Starting)) {
            rig.shim("a").into_iter().for_each(kill);
        }
        until("another shim answers", || ended() || rig.client.control("a").is_ok());
    }
    rig.end("a");
    let told = told(&rig);
    let runs = told.iter().filter(|it| *it == "a start").count();
    assert!(runs >= 6, "{told:?}");
    assert_eq!(told.iter().filter(|it| *it == "a die Some(3)").count(), runs, "{told:?}");
    assert!(told.windows(2).all(|it| it[0] != it[1]), "{told:?}");
    rig.settle();
}

fn containers() -> Option<Rig> {
    if let Some(reason) = bundle::missing() {
        println!("left out: {reason}");
        return None;
    }
    Some(Rig::with(Path::new(env!("CARGO_BIN_EXE_oci-supervisor"))))
}

#[test]
fn a_container_is_paused_limited_and_goes_on() {
    let Some(rig) = containers() else { return };
    rig.run(
        "a",
        &bundle::task(&rig, "a", "trap 'exit 4' TERM; i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done", false),
    );
    let mut control = rig.client.control("a").unwrap();
    control.pause().unwrap();
    assert!(control.pause().unwrap_err().to_string().contains("already paused"));
    let before = rig.text("a", Stream::Out);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(rig.text("a", Stream::Out), before, "nothing runs");
    rig.shim("a").into_iter().for_each(kill);
    until("another shim answers", || rig.client.control("a").is_ok_and(|mut it| it.status().is_ok()));
    assert!(rig.client.status("a").unwrap().paused && rig.client.recorded("a").unwrap().paused);
    let mut control = rig.client.control("a").unwrap();
    control.unpause().unwrap();
    until("it goes on", || rig.text("a", Stream::Out).len() > before.len());
    let limits = serde_json::from_value(serde_json::json!({ "pids": { "limit": 17 } })).unwrap();
    assert_eq!(
        control.update(&Update { limits: Some(limits), restart: Some(Restart::Always) }).unwrap(),
        Vec::<String>::new()
    );
    let limit = |it: &std::path::PathBuf| std::fs::read_to_string(it.join("pids.max")).unwrap_or_default();
    assert!(bundle::groups(&rig, "a").iter().any(|it| limit(it) == "17\n"));
    control.pause().unwrap();
    // A frozen process follows no order: it is let go on.
    control.stop(None, None).unwrap();
    assert_eq!(rig.end("a").ended.unwrap().exit, Exit::Code(4));
    let expected = ["start", "pause", "unpause", "update", "pause", "kill 15", "unpause", "die Some(4)", "stop"];
    assert_eq!(told(&rig), expected.map(|it| format!("a {it}")));
    rig.settle();
}

#[test]
fn want_of_memory_is_told_and_recorded() {
    let Some(rig) = containers() else { return };
    let script = "(x=$(dd if=/dev/zero bs=1048576 count=100 2>/dev/null | tr '\\0' a); echo ${#x}) ; echo on; sleep 0.3; exit 5";
    let task = bundle::task(&rig, "a", script, false);
    for applet in ["dd", "tr"] {
        std::os::unix::fs::symlink("busybox", task.bundle.join("rootfs/bin").join(applet)).unwrap();
    }
    bundle::patch(&task, |spec| {
        spec["linux"]["resources"] = serde_json::json!({ "memory": { "limit": 16 << 20, "swap": 16 << 20 } })
    });
    rig.run("a", &task);
    let record = rig.end("a");
    assert!(record.oom && record.exit_code() == Some(5), "{record:?}");
    assert_eq!(rig.text("a", Stream::Out), "on\n");
    assert_eq!(told(&rig), ["a start", "a oom", "a die Some(5) oom"]);
    rig.settle();
}

#[test]
fn what_follows_from_an_end_is_done_once() {
    let rig = Rig::new();
    let called = rig.folder.path().join("called");
    let mut task = rig.task("a", &["/bin/sleep", "1000"]);
    task.changed = vec!["/bin/sh".into(), "-c".into(), format!("echo called >> {}", called.display()).into()];
    let calls = || std::fs::read_to_string(&called).unwrap_or_default().lines().count();
    let stopped = |follow: bool| {
        rig.run("a", &task);
        let mut control = rig.client.control("a").unwrap();
        if follow {
            control.follow().unwrap();
        }
        control.stop(Some(9), None).unwrap();
        rig.end("a");
        control
    };
    drop(stopped(false));
    until("its program was called", || calls() == 1);
    until("the shim has gone", || rig.shim("a").is_none());

    let mut control = stopped(true);
    control.followed().unwrap();
    drop(control);
    until("the shim has gone", || rig.shim("a").is_none());
    assert_eq!(calls(), 1, "called though somebody had done it");

    drop(stopped(true));
    until("it is called where whoever wanted to do it is gone", || calls() == 2);
    until("the shim has gone", || rig.shim("a").is_none());
    rig.settle();
}
