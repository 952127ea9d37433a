//! Health of containers.

use std::path::Path;
use std::time::Duration;

use rcompose_health::{Check, Status, Test};
use rcompose_supervise::{Record, Task};

use crate::bundle;
use crate::rig::{Rig, kill, until};
use crate::told::told;

fn rig() -> Option<Rig> {
    if let Some(reason) = bundle::missing() {
        println!("left out: {reason}");
        return None;
    }
    Some(Rig::with(Path::new(env!("CARGO_BIN_EXE_oci-supervisor"))))
}

fn task(rig: &Rig, probe: &str) -> Task {
    let script = "trap 'exit 9' TERM; while :; do sleep 0.05; done";
    let milliseconds = |count| Some(Duration::from_millis(count));
    let check = Check {
        test: Some(Test::Shell(probe.to_owned())),
        interval: milliseconds(100),
        timeout: milliseconds(2000),
        retries: Some(3),
        ..Check::default()
    };
    Task { health: Some(check), ..bundle::task(rig, "a", script, false) }
}

fn record(rig: &Rig) -> Record {
    let record = rig.client.status("a").unwrap();
    assert!(record.health.as_ref().unwrap().log.len() <= 5);
    record
}

fn status(rig: &Rig) -> Status {
    record(rig).health.unwrap().status()
}

fn stop(rig: &Rig) {
    rig.client.control("a").unwrap().stop(None, Some(Duration::from_millis(500))).unwrap();
    rig.end("a");
    rig.settle();
    assert!(bundle::groups(rig, "a").is_empty());
}

#[test]
fn a_container_becomes_healthy_and_unhealthy_also_under_another_shim() {
    let Some(rig) = rig() else { return };
    let task = task(&rig, "echo looked; echo at it >&2; [ -e /well ]");
    let well = task.bundle.join("rootfs/well");
    rig.run("a", &task);
    assert_eq!(status(&rig), Status::Starting);
    std::fs::write(&well, "").unwrap();
    until("it is healthy", || status(&rig) == Status::Healthy);
    std::fs::remove_file(&well).unwrap();
    until("a probe has failed", || record(&rig).health.unwrap().monitor.failures() > 0);
    let failures = record(&rig).health.unwrap().monitor.failures();
    rig.shim("a").into_iter().for_each(kill);
    until("another shim answers", || rig.client.control("a").is_ok_and(|mut it| it.status().is_ok()));
    let after = record(&rig).health.unwrap();
    assert!(
        after.monitor.failures() >= failures && after.status() != Status::Starting && !after.log.is_empty(),
        "{after:?}"
    );
    until("it is unhealthy", || status(&rig) == Status::Unhealthy);
    let health = rig.client.recorded("a").unwrap().health.unwrap();
    let last = health.log.last().unwrap();
    assert_eq!((last.exit, last.output.as_str()), (1, "looked\nat it\n"));
    assert!(last.began <= last.ended);
    std::fs::write(&well, "").unwrap();
    until("it is healthy again", || status(&rig) == Status::Healthy);
    stop(&rig);
    let told = told(&rig);
    let changes: Vec<&str> = told.iter().map(String::as_str).filter(|it| it.contains("healthy")).collect();
    assert_eq!(changes, ["a healthy", "a unhealthy", "a healthy"]);
    assert!(!told.iter().any(|it| it.contains("exec")), "{told:?}");
}

#[test]
fn a_probe_that_takes_too_long_or_says_too_much_is_cut_off() {
    let Some(rig) = rig() else { return };
    let mut late = task(&rig, "echo begun; exec sleep 1000");
    late.health.as_mut().unwrap().timeout = Some(Duration::from_millis(150));
    rig.run("a", &late);
    until("it is unhealthy", || status(&rig) == Status::Unhealthy);
    let log = record(&rig).health.unwrap().log;
    let last = log.last().unwrap();
    assert_eq!((last.exit, last.output.as_str()), (-1, "Health check exceeded timeout (150ms): begun\n"));
    stop(&rig);
    let mut loud = task(&rig, "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done");
    loud.health.as_mut().unwrap().timeout = Some(Duration::from_secs(20));
    rig.run("a", &loud);
    until("it is healthy", || status(&rig) == Status::Healthy);
    let log = record(&rig).health.unwrap().log;
    assert_eq!(log.last().unwrap().output.len(), 4096 + 3);
    stop(&rig);
}

#[test]
fn a_probe_that_cannot_be_run_fails_and_a_paused_container_is_not_probed() {
    let Some(rig) = rig() else { return };
    let mut none = task(&rig, "");
    none.health.as_mut().unwrap().test = Some(Test::Command(vec!["/nowhere".to_owned()]));
    rig.run("a", &none);
    until("it is unhealthy", || status(&rig) == Status::Unhealthy);
    let log = record(&rig).health.unwrap().log;
    assert!(log.last().unwrap().exit == -1 && log.last().unwrap().output.contains("/nowhere"), "{log:?}");
    rig.client.control("a").unwrap().pause().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let before = record(&rig).health;
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(record(&rig).health, before);
    rig.client.control("a").unwrap().unpause().unwrap();
    until("it is probed again", || record(&rig).health != before);
    stop(&rig);
}
