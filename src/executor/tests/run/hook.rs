//! Hooks.

use std::error::Error;

use rcompose_engine_adapter::ErrorKind;
use rcompose_executor::{LastOutput, Progress};
use rcompose_planner::{Action, OnFailure};

use crate::plan::{Draft, create, engine, hook, idle, make_volume, name, spec, start};
use crate::trace::go;

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_shows_its_last_output() {
    let memory = engine();
    let mut draft = Draft::new(OnFailure::Stop);
    let made = draft.add(create(idle("a")), &[]);
    let started = draft.add(start("a"), &[made]);
    let ran = draft.add(hook("a", "seq 30; echo broken >&2; exit 3"), &[started]);
    let trace = go(&draft.0, &memory, 0).await;
    assert_eq!(trace.failure(ran), "hook `sh` in container p-a-1 failed with status 3");
    let (_, error) = &trace.outcome.failed[0];
    let output = error.source().and_then(|it| it.downcast_ref::<LastOutput>()).unwrap();
    assert_eq!((output.lines.len(), output.lines.first().map(String::as_str)), (10, Some("22")));
    assert_eq!(output.lines.last().map(String::as_str), Some("broken"));
    assert_eq!(trace.progress(ran).len(), 31);
    assert_eq!(trace.progress(ran)[30], &Progress::Output { stderr: true, line: "broken".into() });
}

#[tokio::test(start_paused = true)]
async fn a_hook_needs_a_container_that_runs() {
    let memory = engine();
    let mut draft = Draft::new(OnFailure::Stop);
    let made = draft.add(create(idle("a")), &[]);
    draft.add(hook("a", "true"), &[made]);
    let trace = go(&draft.0, &memory, 0).await;
    assert_eq!(trace.outcome.failed[0].1.kind, ErrorKind::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_long_hook_does_not_hold_the_only_permit() {
    let memory = engine();
    let mut draft = Draft::new(OnFailure::Stop);
    let made = draft.add(create(idle("a")), &[]);
    let started = draft.add(start("a"), &[made]);
    let ran = draft.add(hook("a", "echo waiting; sleep 60"), &[started]);
    let other = draft.add(make_volume("data"), &[started]);
    let trace = go(&draft.0, &memory, 1).await;
    assert!(trace.at(other, "done") < trace.at(ran, "done"));
    assert!(trace.outcome.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_job_is_run_to_its_end_and_says_what_it_does() {
    let memory = engine();
    let mut draft = Draft::new(OnFailure::Stop);
    let made = draft.add(create(spec("a", "echo one; sleep 5; echo two >&2")), &[]);
    let ran = draft.add(Action::RunJob { name: name("a") }, &[made]);
    let other = draft.add(make_volume("data"), &[made]);
    let trace = go(&draft.0, &memory, 1).await;
    assert!(trace.outcome.is_success());
    assert!(trace.at(other, "done") < trace.at(ran, "done"), "it does not hold the only permit");
    let said = [(false, "one"), (true, "two")].map(|(stderr, line)| Progress::Output { stderr, line: line.into() });
    let seen: Vec<_> = trace
        .progress(ran)
        .into_iter()
        .filter(|it| matches!(it, Progress::Output { .. }))
        .cloned()
        .collect();
    assert_eq!(seen, said);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_shows_its_last_output() {
    let memory = engine();
    let mut draft = Draft::new(OnFailure::Stop);
    let made = draft.add(create(spec("a", "echo no >&2; exit 4")), &[]);
    let ran = draft.add(Action::RunJob { name: name("a") }, &[made]);
    draft.add(make_volume("data"), &[ran]);
    let trace = go(&draft.0, &memory, 0).await;
    assert_eq!(trace.failure(ran), "container p-a-1 exited (4)");
    let output = trace.outcome.failed[0].1.source().and_then(|it| it.downcast_ref::<LastOutput>()).unwrap();
    assert_eq!(output.lines, ["no"]);
    assert_eq!(trace.outcome.skipped.len(), 1);
}
