//! The program is killed after every single change; what is left is finished by the next one.

use std::collections::BTreeSet;

use rcompose_memory::Pace;
use rcompose_planner::{Condition, OnFailure, Plan, StepId};

use crate::plan::{Draft, checked, create, engine, idle, make_volume, start, wait};
use crate::trace::go;

fn project() -> Plan {
    let mut draft = Draft::new(OnFailure::Stop);
    let volume = draft.add(make_volume("data"), &[]);
    let mut ready = Vec::new();
    for service in ["db", "cache"] {
        let made = draft.add(create(checked(idle(service), 3)), &[volume]);
        let started = draft.add(start(service), &[made]);
        ready.push(draft.add(wait(service, Condition::Healthy), &[started]));
    }
    for service in ["web", "worker"] {
        let made = draft.add(create(idle(service)), &ready);
        draft.add(start(service), &[made]);
    }
    draft.0
}

/// The plan without the steps that are done.
fn rest(plan: &Plan, done: &[StepId]) -> Plan {
    let done: BTreeSet<StepId> = done.iter().copied().collect();
    let mut rest = plan.clone();
    rest.steps.retain(|step| !done.contains(&step.id));
    for step in &mut rest.steps {
        step.after.retain(|id| !done.contains(id));
    }
    rest
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_every_change_leaves_what_can_be_finished() {
    let plan = project();
    let whole = engine();
    assert!(go(&plan, &whole, 0).await.outcome.is_success());
    let changes = whole.mutations().len() as u64;
    assert_eq!(changes, 9);
    for (limit, seed) in [(0, 1), (1, 2), (2, 3)] {
        for survived in 0..changes {
            let memory = engine();
            memory.set_pace(Pace::Yields { seed });
            memory.crash_after(survived);
            let crashed = go(&plan, &memory, limit).await;
            assert!(!crashed.outcome.is_success());
            let unreachable = |(_, error): &(StepId, std::sync::Arc<rcompose_engine_adapter::EngineError>)| {
                error.kind == rcompose_engine_adapter::ErrorKind::Unreachable
            };
            assert!(crashed.outcome.failed.iter().all(unreachable), "{:?}", crashed.outcome);
            let next = memory.reconnect();
            let finished = go(&rest(&plan, &crashed.outcome.done), &next, limit).await;
            assert!(finished.outcome.is_success(), "after {survived} changes: {:?}", finished.outcome);
            assert_eq!(next.snapshot(), whole.snapshot(), "after {survived} changes");
        }
    }
}
