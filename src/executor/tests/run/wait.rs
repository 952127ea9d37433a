//! Waits: every way they end, and how soon.

use std::error::Error;
use std::time::Duration;

use rcompose_engine_adapter::{ContainerSpec, ContainerState, ErrorKind, HealthStatus};
use rcompose_executor::{LastOutput, Progress};
use rcompose_memory::{Memory, Probes, Script};
use rcompose_planner::{Action, Condition, OnFailure, StepId};

use crate::plan::{Draft, checked, create, engine, idle, name, spec, start};
use crate::trace::{Trace, go};

/// Creates, starts and waits; returns the wait.
async fn wait_for(memory: &Memory, spec: ContainerSpec, until: Condition, limit: Option<Duration>) -> (Trace, StepId) {
    let mut draft = Draft::new(OnFailure::Stop);
    let container = spec.name.clone();
    let made = draft.add(create(spec), &[]);
    let started = draft.add(start("db"), &[made]);
    let waits = draft.add(Action::Await { name: container, until, limit }, &[started]);
    (go(&draft.0, memory, 0).await, waits)
}

#[tokio::test(start_paused = true)]
async fn conditions_hold() {
    let cases = [
        (idle("db"), Condition::Started),
        (checked(idle("db"), 3), Condition::Healthy),
        (spec("db", "sleep 5"), Condition::CompletedSuccessfully),
        (spec("db", "sleep 5; exit 3"), Condition::Ended),
        (idle("db"), Condition::Ready),
        (checked(idle("db"), 3), Condition::Ready),
        (spec("db", "true"), Condition::Ready),
    ];
    for (spec, until) in cases {
        let (trace, _) = wait_for(&engine(), spec, until, None).await;
        assert!(trace.outcome.is_success(), "{until:?}: {:?}", trace.outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn failures_say_what_happened() {
    let unhealthy = Script::runs().probed(Probes::FailAfter(1));
    let slow = Script::runs().probed(Probes::PassAfter(1000));
    let limit = Some(Duration::from_secs(10));
    let cases = [
        (checked(idle("db"), 3), Condition::Healthy, Script::runs().probed(Probes::FailAfter(0)), None, "is unhealthy"),
        (
            checked(idle("db"), 99),
            Condition::Healthy,
            slow.clone(),
            limit,
            "did not become healthy within 10s: its health is starting",
        ),
        (idle("db"), Condition::Ready, Script::exits_after(Duration::from_millis(300), 2), None, "exited (2)"),
        (idle("db"), Condition::Healthy, Script::runs(), None, "has no healthcheck, so it cannot become healthy"),
        (checked(idle("db"), 3), Condition::Healthy, Script::exits(1), None, "exited (1)"),
        (
            checked(idle("db"), 99),
            Condition::Ready,
            Script::exits_after(Duration::from_millis(1), 2),
            None,
            "exited (2)",
        ),
        (
            idle("db"),
            Condition::CompletedSuccessfully,
            Script::exits_after(Duration::from_secs(5), 7),
            None,
            "exited (7)",
        ),
        (
            idle("db"),
            Condition::CompletedSuccessfully,
            Script::runs(),
            limit,
            "did not complete within 10s: it is running",
        ),
        (idle("db"), Condition::Ended, Script::runs(), limit, "did not end within 10s: it is running"),
        (idle("db"), Condition::Started, Script::exits(0), None, "exited (0)"),
    ];
    for (spec, until, script, limit, expected) in cases {
        let memory = engine();
        memory.script(name("db"), [script]);
        let (trace, waits) = wait_for(&memory, spec, until, limit).await;
        assert_eq!(trace.failure(waits), format!("container p-db-1 {expected}"));
    }
    // Healthy once is healthy enough, whatever comes later.
    let memory = engine();
    memory.script(name("db"), [unhealthy]);
    let (trace, _) = wait_for(&memory, checked(idle("db"), 1), Condition::Healthy, None).await;
    assert!(trace.outcome.is_success());
}

#[tokio::test(start_paused = true)]
async fn a_failure_carries_the_last_lines() {
    let memory = engine();
    let lines: Vec<String> = (1..=12).map(|number| format!("line {number}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    memory.script(name("db"), [Script::exits(1).saying(&lines)]);
    let (trace, _) = wait_for(&memory, idle("db"), Condition::Ready, None).await;
    let (_, error) = &trace.outcome.failed[0];
    let output = error.source().and_then(|it| it.downcast_ref::<LastOutput>()).unwrap();
    assert_eq!((output.lines.len(), output.lines[0].as_str()), (10, "line 3"));
    assert!(output.to_string().starts_with("its last output:\n  line 3\n"));
}

#[tokio::test(start_paused = true)]
async fn what_is_absent_has_ended_and_is_nothing_else() {
    for until in [
        Condition::Started,
        Condition::Healthy,
        Condition::CompletedSuccessfully,
        Condition::Ready,
        Condition::Ended,
    ] {
        let mut draft = Draft::new(OnFailure::Stop);
        let waits = draft.add(Action::Await { name: name("db"), until, limit: None }, &[]);
        let trace = go(&draft.0, &engine(), 0).await;
        if until == Condition::Ended {
            assert!(trace.outcome.is_success());
        } else {
            assert_eq!(trace.failure(waits), "container p-db-1 is not there");
            assert_eq!(trace.outcome.failed[0].1.kind, ErrorKind::NotFound);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn progress_tells_changes_only() {
    let memory = engine();
    memory.script(name("db"), [Script::runs().probed(Probes::PassAfter(5))]);
    let (trace, waits) = wait_for(&memory, checked(idle("db"), 99), Condition::Healthy, None).await;
    let waiting = |health| Progress::Waiting { state: ContainerState::Running, health: Some(health) };
    assert_eq!(trace.progress(waits), [&waiting(HealthStatus::Starting), &waiting(HealthStatus::Healthy)]);
}

/// The sixth probe passes 6 s after the start.
async fn time_to_healthy(memory: &Memory) -> Duration {
    memory.script(name("db"), [Script::runs().probed(Probes::PassAfter(5))]);
    let begin = tokio::time::Instant::now();
    let (trace, _) = wait_for(memory, checked(idle("db"), 99), Condition::Healthy, None).await;
    assert!(trace.outcome.is_success());
    begin.elapsed()
}

#[tokio::test(start_paused = true)]
async fn an_event_ends_a_wait_at_once() {
    let took = time_to_healthy(&engine()).await;
    assert!((6000..6005).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn without_events_a_wait_looks_by_itself() {
    let memory = engine();
    memory.fail_when(|call| call.kind.as_str() == "events", ErrorKind::Unsupported);
    let took = time_to_healthy(&memory).await;
    assert!((6000..=6505).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_away_fails_the_wait() {
    let memory = engine();
    memory.crash_after(2);
    let (trace, waits) = wait_for(&memory, checked(idle("db"), 3), Condition::Healthy, None).await;
    assert_eq!(trace.outcome.failed[0].0, waits);
    assert_eq!(trace.outcome.failed[0].1.kind, ErrorKind::Unreachable);
}
