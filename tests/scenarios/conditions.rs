//! The conditions of `depends_on`.

use crate::stage::{Stage, text};

#[test]
fn a_service_starts_after_its_conditions() {
    let Some(stage) = Stage::set("conditions") else { return };
    stage.ok(&["up", "-d", "--wait"]);
    let time = |name: &str, key: &str| stage.inspect(name)["State"][key].as_str().unwrap_or_default().to_owned();
    assert!(time("job-1", "FinishedAt") <= time("web-1", "StartedAt"), "the job ended before");
    let healthy = stage.inspect("db-1")["State"]["Health"]["Log"].clone();
    let passed = healthy.as_array().unwrap().iter().find(|it| it["ExitCode"] == 0).unwrap()["Start"].clone();
    assert!(passed.as_str().unwrap() <= time("web-1", "StartedAt").as_str(), "a probe passed before");
}

#[test]
fn a_failing_job_is_told_with_its_last_words() {
    let Some(mut stage) = Stage::set("conditions") else { return };
    stage.variable("JOB", "3");
    let output = stage.run(&["up", "-d"]);
    assert!(!output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains("exited (3)") && said.contains("the job says no"), "{said}");
    let web = stage.containers().into_iter().find(|(name, _)| name == "web-1");
    assert_eq!(web, Some(("web-1".to_owned(), "created".to_owned())), "what depends on it was not started");
    stage.variable("JOB", "0");
    stage.ok(&["up", "-d", "--wait"]);
}

#[test]
fn steps_before_a_start_run_once_and_hold_it_up() {
    let Some(mut stage) = Stage::set("prestart") else { return };
    stage.variable("STEP", "3");
    let output = stage.run(&["up", "-d"]);
    assert!(!output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains("pre_start-1 exited (3)") && said.contains("the step says no"), "{said}");
    let state = |name: &str| stage.containers().into_iter().find(|(it, _)| it == name).map(|(_, state)| state);
    assert_eq!(state("web-1").as_deref(), Some("created"));
    assert_eq!(state("web-pre_start-1").as_deref(), Some("exited"), "what failed stays there to be looked at");
    assert!(text(&stage.run(&["start"]).stderr).contains("`rcompose up web`"));
    stage.variable("STEP", "0");
    let said = text(&stage.run(&["up", "-d", "--wait"]).stderr);
    assert!(said.contains("user 1000 goes on"), "{said}");
    assert_eq!(stage.containers().len(), 2, "{:?}", stage.containers());
    stage.ok(&["up", "-d", "--scale", "web=2", "--wait"]);
    stage.ok(&["stop"]);
    stage.ok(&["up", "-d", "--scale", "web=2", "--wait"]);
    // The first step ran in both runs of the first two `up`, the second where it did not fail, the third for each container.
    assert_eq!(stage.ok(&["exec", "-T", "web", "cat", "/data/log", "/kept/log"]), "one\none\ntwo\nthree\n");
    stage.ok(&["down", "-v"]);
}
