//! Steps come in the order of the edges, and otherwise at the same time.

use std::time::Duration;

use rcompose_executor::SkipCause;
use rcompose_memory::Pace;
use rcompose_planner::{OnFailure, Plan, StepId};

use crate::plan::{Draft, create, engine, idle, make_volume, start};
use crate::trace::go;

#[tokio::test(start_paused = true)]
async fn an_empty_plan_is_done_at_once() {
    let trace = go(&Plan::default(), &engine(), 0).await;
    assert!(trace.events.is_empty() && trace.outcome.is_success());
}

#[tokio::test(start_paused = true)]
async fn edges_order_and_the_rest_is_parallel() {
    let memory = engine();
    memory.set_pace(Pace::Sleeps { seed: 7, longest: Duration::from_millis(50) });
    let mut draft = Draft::new(OnFailure::Stop);
    for service in ["a", "b", "c", "d"] {
        let made = draft.add(create(idle(service)), &[]);
        draft.add(start(service), &[made]);
    }
    let trace = go(&draft.0, &memory, 0).await;
    assert_eq!(trace.outcome.done.len(), 8);
    assert_eq!(memory.most_in_flight().mutating, 4);
    let serial = engine();
    go(&draft.0, &serial, 1).await;
    assert_eq!(serial.most_in_flight().mutating, 1);
    let calls: Vec<String> = serial.calls().iter().map(ToString::to_string).collect();
    assert_eq!(
        calls[..2],
        ["create_container p-a-1", "start_container p-a-1"],
        "the plan's order decides between steps that may start"
    );
    assert_eq!(memory.snapshot(), serial.snapshot());
}

#[tokio::test(start_paused = true)]
async fn edges_without_an_order_do_not_hang() {
    let mut draft = Draft::new(OnFailure::Stop);
    draft.add(make_volume("va"), &[StepId(2)]);
    draft.add(make_volume("vb"), &[StepId(1)]);
    draft.add(make_volume("vc"), &[StepId(77)]);
    let fine = draft.add(make_volume("vd"), &[]);
    let trace = go(&draft.0, &engine(), 0).await;
    assert_eq!(trace.outcome.done, [fine]);
    assert!(trace.outcome.skipped.iter().all(|(_, cause)| *cause == SkipCause::Unordered));
    assert!(!trace.outcome.is_success());
}
