//! Set-up stops at a failure, teardown goes on.

use std::time::Duration;

use rcompose_engine_adapter::ErrorKind;
use rcompose_executor::SkipCause;
use rcompose_memory::{Pace, Script};
use rcompose_planner::{Condition, OnFailure};

use crate::plan::{Draft, create, engine, idle, make_volume, remove, start, stop, wait};
use crate::trace::go;

#[tokio::test(start_paused = true)]
async fn set_up_starts_nothing_new_and_finishes_what_runs() {
    let memory = engine();
    memory.set_pace(Pace::Sleeps { seed: 3, longest: Duration::from_millis(20) });
    memory.fail_when(|call| call.object == "bad", ErrorKind::Denied);
    let mut draft = Draft::new(OnFailure::Stop);
    let bad = draft.add(make_volume("bad"), &[]);
    let beside = draft.add(make_volume("beside"), &[]);
    let after = draft.add(make_volume("after"), &[bad]);
    let ready_later = draft.add(make_volume("later"), &[beside]);
    let trace = go(&draft.0, &memory, 0).await;
    assert_eq!(trace.failure(bad), "create_volume bad failed on purpose");
    assert!(trace.outcome.done.contains(&beside), "what runs finishes");
    assert_eq!(trace.skipped(after), Some(SkipCause::Failed(bad)));
    // Whether the second volume was faster than the failure is the seed's choice; here it was not.
    assert_eq!(trace.skipped(ready_later), Some(SkipCause::Failed(bad)));
    assert!(!trace.outcome.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_failure_ends_waits_that_could_last_for_ever() {
    let memory = engine();
    memory.fail_when(|call| call.object == "bad", ErrorKind::Other);
    let mut draft = Draft::new(OnFailure::Stop);
    let made = draft.add(create(idle("a")), &[]);
    let waits = draft.add(wait("a", Condition::Started), &[made]);
    let bad = draft.add(make_volume("bad"), &[made]);
    let trace = go(&draft.0, &memory, 0).await;
    assert_eq!(trace.skipped(waits), Some(SkipCause::Failed(bad)));
}

#[tokio::test(start_paused = true)]
async fn teardown_tries_everything_and_collects_the_errors() {
    let memory = engine();
    let mut up = Draft::new(OnFailure::Stop);
    for service in ["a", "b", "c"] {
        let made = up.add(create(idle(service)), &[]);
        up.add(start(service), &[made]);
    }
    assert!(go(&up.0, &memory, 0).await.outcome.is_success());
    memory.fail_when(|call| call.object == "p-a-1" && call.kind.as_str() == "stop_container", ErrorKind::Other);
    memory.fail_when(|call| call.object == "p-b-1" && call.kind.as_str() == "remove_container", ErrorKind::Denied);
    let mut down = Draft::new(OnFailure::Continue);
    for service in ["a", "b", "c"] {
        let stopped = down.add(stop(service), &[]);
        down.add(remove(service), &[stopped]);
    }
    let trace = go(&down.0, &memory, 0).await;
    assert_eq!(trace.outcome.failed.len(), 2);
    assert_eq!((trace.outcome.done.len(), trace.outcome.skipped.len()), (4, 0));
    let left: Vec<String> = memory.snapshot().containers.keys().map(ToString::to_string).collect();
    assert_eq!(left, ["p-b-1"], "what could be removed was, also after a stop that failed");
}

#[tokio::test(start_paused = true)]
async fn an_optional_step_warns_and_only_what_needs_it_is_skipped() {
    let memory = engine();
    memory.fail_when(|call| call.object == "nice", ErrorKind::Other);
    let mut draft = Draft::new(OnFailure::Stop);
    let nice = draft.add(make_volume("nice"), &[]);
    draft.last().optional = true;
    let needs = draft.add(make_volume("needs"), &[nice]);
    let needs_that = draft.add(make_volume("needs-that"), &[needs]);
    let follows = draft.add(make_volume("follows"), &[]);
    draft.last().after_end = [nice, needs_that].into();
    let trace = go(&draft.0, &memory, 1).await;
    assert_eq!(trace.outcome.warnings.len(), 1);
    assert_eq!(trace.failure(nice), "create_volume nice failed on purpose");
    for step in [needs, needs_that] {
        assert_eq!(trace.skipped(step), Some(SkipCause::Failed(nice)));
    }
    assert_eq!(trace.outcome.done, [follows]);
    assert!(trace.at(needs_that, "skipped") < trace.at(follows, "started"));
    assert!(trace.outcome.is_success());
}

#[tokio::test(start_paused = true)]
async fn an_optional_wait_may_fail() {
    let memory = engine();
    memory.script("p-db-1", [Script::exits(1)]);
    let mut draft = Draft::new(OnFailure::Stop);
    let made = draft.add(create(idle("db")), &[]);
    let started = draft.add(start("db"), &[made]);
    let waits = draft.add(wait("db", Condition::Healthy), &[started]);
    draft.last().optional = true;
    let web = draft.add(create(idle("web")), &[]);
    draft.last().after_end = [waits].into();
    let trace = go(&draft.0, &memory, 1).await;
    assert_eq!(trace.failure(waits), "container p-db-1 exited (1)");
    assert!(trace.outcome.done.contains(&web) && trace.outcome.is_success());
}
