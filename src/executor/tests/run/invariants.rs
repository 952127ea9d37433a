//! What holds for every run of every plan: random graphs, faults, limits, orders and requests to end.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use rcompose_engine_adapter::{ErrorKind, ImageConfig, PullSpec};
use rcompose_executor::{Cancel, Level, SkipCause};
use rcompose_memory::{Memory, Pace, Probes, Script};
use rcompose_planner::{Action, Condition, OnFailure, Plan, StepId};

use crate::plan::{Draft, checked, create, engine, hook, idle, make_volume, name, start, wait};
use crate::trace::{go, go_until};

/// One step: what it does, which earlier ones it needs or follows, and what becomes of it.
#[derive(Debug, Clone)]
struct Sketch {
    kind: u8,
    after: Vec<prop::sample::Index>,
    after_end: Vec<prop::sample::Index>,
    optional: bool,
    fails: bool,
}

#[derive(Debug, Clone)]
struct Scenario {
    steps: Vec<Sketch>,
    teardown: bool,
    limit: usize,
    seed: u64,
    /// The call at which somebody asks the run to end.
    cancel: Option<(u64, bool)>,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let edges = || prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    (0_u8..6, edges(), edges(), prop::bool::weighted(0.2), prop::bool::weighted(0.1))
        .prop_map(|(kind, after, after_end, optional, fails)| Sketch { kind, after, after_end, optional, fails })
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let cancel = prop::option::weighted(0.3, (1_u64..30, any::<bool>()));
    (prop::collection::vec(sketch(), 1..40), any::<bool>(), 0_usize..5, any::<u64>(), cancel)
        .prop_map(|(steps, teardown, limit, seed, cancel)| Scenario { steps, teardown, limit, seed, cancel })
}

fn action(index: usize, sketch: &Sketch) -> Action {
    let good = !sketch.fails;
    match sketch.kind {
        0 | 1 => make_volume(&format!("{}{index}", if good { "volume" } else { "bad" })),
        2 => Action::PullImage(PullSpec { image: if good { "there" } else { "nowhere" }.into(), platform: None }),
        3 => hook("ready", if good { "echo out; sleep 1" } else { "exit 1" }),
        4 => wait(if good { "ready" } else { "sick" }, Condition::Healthy),
        _ => Action::Await {
            name: name("never"),
            until: Condition::Healthy,
            limit: Some(Duration::from_secs(if good { 5 } else { 1 })),
        },
    }
}

fn plan(scenario: &Scenario) -> Plan {
    let mut draft = Draft::new(if scenario.teardown { OnFailure::Continue } else { OnFailure::Stop });
    for (index, sketch) in scenario.steps.iter().enumerate() {
        let pick = |edges: &[prop::sample::Index]| -> BTreeSet<StepId> {
            let before = edges.iter().filter(|_| index > 0).map(|edge| edge.index(index));
            before.map(|it| StepId(u32::try_from(it).unwrap() + 1)).collect()
        };
        let (after, after_end) = (pick(&sketch.after), pick(&sketch.after_end));
        draft.add(action(index, sketch), &[]);
        let step = draft.last();
        step.after_end = after_end.difference(&after).copied().collect();
        step.after = after;
        step.optional = sketch.optional;
    }
    draft.0
}

/// An engine with a container that becomes healthy, one that does not, and one that never tells.
async fn stage(scenario: &Scenario) -> Memory {
    let memory = engine();
    memory.add_remote("there", ImageConfig::default());
    let mut draft = Draft::new(OnFailure::Stop);
    for (service, probes) in [
        ("ready", Probes::PassAfter(2)),
        ("sick", Probes::FailAfter(0)),
        ("never", Probes::PassAfter(u32::MAX)),
    ] {
        memory.script(name(service), [Script::runs().probed(probes)]);
        let retries = if service == "never" { u32::MAX } else { 3 };
        let made = draft.add(create(checked(idle(service), retries)), &[]);
        draft.add(start(service), &[made]);
    }
    assert!(go(&draft.0, &memory, 0).await.outcome.is_success());
    let memory = memory.reconnect();
    memory.set_pace(Pace::Sleeps { seed: scenario.seed, longest: Duration::from_millis(300) });
    memory.fail_when(|call| call.object.starts_with("bad"), ErrorKind::Other);
    memory
}

async fn hold(scenario: &Scenario) {
    let (plan, cancel) = (plan(scenario), Cancel::new());
    let memory = stage(scenario).await;
    if let Some((number, drops)) = scenario.cancel {
        let (cancel, level) = (cancel.clone(), if drops { Level::Drop } else { Level::StopNew });
        let raise = move |call: &rcompose_memory::Call| {
            if call.number == number {
                cancel.raise(level);
            }
            false
        };
        memory.fail_when(raise, ErrorKind::Other);
    }
    // The invariants of the events are checked in there.
    let trace = tokio::time::timeout(Duration::from_secs(86400), go_until(&plan, &memory, scenario.limit, &cancel))
        .await
        .unwrap();
    let asked = cancel.level() > Level::Run;
    assert!(asked || !trace.outcome.cancelled);
    for (id, cause) in &trace.outcome.skipped {
        match cause {
            SkipCause::Failed(root) => {
                assert!(!scenario.teardown, "teardown skips nothing after a failure");
                assert!(trace.at(*root, "failed").is_some(), "step {id} was skipped for {root}, which did not fail");
            }
            SkipCause::Cancelled => assert!(asked),
            SkipCause::Dropped => assert_eq!(cancel.level(), Level::Drop),
            SkipCause::Unordered => panic!("step {id} has an order"),
        }
    }
    if scenario.teardown && !asked {
        assert!(trace.outcome.skipped.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_run_of_every_plan(scenario in scenario()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(hold(&scenario));
    }
}
