//! A run that is asked to end, at every point.

use std::time::Duration;

use rcompose_engine_adapter::ErrorKind;
use rcompose_executor::{Cancel, EventKind, Level, SkipCause, run};
use rcompose_memory::{Memory, Pace, Script};
use rcompose_planner::{Condition, OnFailure, Plan};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::plan::{Draft, create, engine, hook, idle, make_volume, name, start, stop, wait};
use crate::trace::{engines, go, go_until, parallel};

/// Five services in a row, each with a volume beside it.
fn row() -> Plan {
    let mut draft = Draft::new(OnFailure::Stop);
    let mut before = Vec::new();
    for service in ["a", "b", "c", "d", "e"] {
        draft.add(make_volume(&format!("data-{service}")), &[]);
        let made = draft.add(create(idle(service)), &before);
        let started = draft.add(start(service), &[made]);
        let ran = draft.add(hook(service, "echo up"), &[started]);
        before = vec![draft.add(wait(service, Condition::Started), &[ran])];
    }
    draft.0
}

/// Raises the level while a call of that number is made.
fn raise_at(memory: &Memory, number: u64, cancel: &Cancel, level: Level) {
    let cancel = cancel.clone();
    let raise = move |call: &rcompose_memory::Call| {
        if call.number == number {
            cancel.raise(level);
        }
        false
    };
    memory.fail_when(raise, ErrorKind::Other);
}

#[tokio::test(start_paused = true)]
async fn the_first_request_lets_running_steps_finish_at_every_point() {
    let plan = row();
    let calls = {
        let memory = engine();
        assert!(go(&plan, &memory, 0).await.outcome.is_success());
        memory.calls().len() as u64
    };
    assert!(calls > 20);
    for limit in [0, 1, 2] {
        for number in 1..=calls {
            let (memory, cancel) = (engine(), Cancel::new());
            memory.set_pace(Pace::Sleeps { seed: number, longest: Duration::from_millis(5) });
            raise_at(&memory, number, &cancel, Level::StopNew);
            let trace = go_until(&plan, &memory, limit, &cancel).await;
            assert!(trace.outcome.failed.is_empty());
            assert!(trace.outcome.skipped.iter().all(|(_, cause)| *cause == SkipCause::Cancelled));
            let done_all = trace.outcome.done.len() == plan.steps.len();
            assert!(trace.outcome.cancelled || done_all, "call {number}, limit {limit}: {:?}", trace.outcome);
            let first_skip = trace.events.iter().position(|it| matches!(it.kind, EventKind::Skipped(_))).unwrap_or(usize::MAX);
            let last_start = trace.events.iter().rposition(|it| matches!(it.kind, EventKind::Started)).unwrap_or(0);
            assert!(last_start < first_skip, "something started after the request");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_before_the_start_skips_everything() {
    for level in [Level::StopNew, Level::Drop] {
        let (memory, cancel) = (engine(), Cancel::new());
        cancel.raise(level);
        let trace = go_until(&row(), &memory, 0, &cancel).await;
        assert!(trace.outcome.cancelled && trace.outcome.done.is_empty());
        assert_eq!(memory.calls(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_request_drops_what_runs() {
    let memory = engine();
    memory.script(name("deaf"), [Script::runs().ignoring_signals()]);
    let mut up = Draft::new(OnFailure::Stop);
    let made = up.add(create(idle("deaf")), &[]);
    up.add(start("deaf"), &[made]);
    go(&up.0, &memory, 0).await;
    let mut down = Draft::new(OnFailure::Continue);
    let stops = down.add(stop("deaf"), &[]);
    let next = down.add(make_volume("next"), &[stops]);
    let cancel = Cancel::new();
    let asks = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.raise(Level::StopNew);
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.raise(Level::Drop);
    };
    let begin = tokio::time::Instant::now();
    let (trace, ()) = tokio::join!(go_until(&down.0, &memory, 0, &cancel), asks);
    assert_eq!(begin.elapsed().as_secs(), 2, "the stop would have taken 10 s");
    assert_eq!(trace.skipped(stops), Some(SkipCause::Dropped));
    assert_eq!(trace.skipped(next), Some(SkipCause::Cancelled));
    assert!(trace.outcome.cancelled);
}

#[tokio::test(start_paused = true)]
async fn the_second_request_ends_the_run_at_every_point() {
    let plan = row();
    for number in 1..=40 {
        let (memory, cancel) = (engine(), Cancel::new());
        memory.set_pace(Pace::Sleeps { seed: number, longest: Duration::from_secs(3600) });
        raise_at(&memory, number, &cancel, Level::Drop);
        let trace = go_until(&plan, &memory, 2, &cancel).await;
        assert!(trace.outcome.failed.is_empty() && !trace.outcome.skipped.iter().any(|(_, it)| *it == SkipCause::Unordered));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_can_be_dropped_at_any_time_and_done_again() {
    let plan = row();
    for millis in 0..60 {
        let memory = engine();
        memory.set_pace(Pace::Sleeps { seed: millis, longest: Duration::from_millis(5) });
        let (sender, _receiver) = mpsc::unbounded_channel();
        let (engines, options, cancel) = (engines(&memory), parallel(2), Cancel::new());
        let limited = timeout(Duration::from_millis(millis), run(&plan, &engines, &options, &cancel, sender)).await;
        // Nothing goes on in the background.
        let then = memory.mutations().len();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(memory.mutations().len(), then, "{limited:?}");
    }
}
