//! Many services, deep and wide.

use std::time::{Duration, Instant};

use rcompose_memory::{Pace, Probes, Script};
use rcompose_planner::{Condition, OnFailure, Plan};

use crate::plan::{Draft, checked, create, engine, hook, idle, name, remove, start, stop, wait};
use crate::trace::go;

/// Each service waits for the three before it to be healthy.
fn deep(services: usize) -> Plan {
    let mut draft = Draft::new(OnFailure::Stop);
    let mut ready = Vec::new();
    for number in 0..services {
        let service = format!("s{number}");
        let before: Vec<_> = ready.iter().rev().take(3).copied().collect();
        let made = draft.add(create(checked(idle(&service), 3)), &[]);
        let started = draft.add(start(&service), &[&[made], before.as_slice()].concat());
        let ran = draft.add(hook(&service, "true"), &[started]);
        ready.push(draft.add(wait(&service, Condition::Healthy), &[ran]));
    }
    draft.0
}

#[tokio::test(start_paused = true)]
async fn one_call_at_a_time_ends_with_500_services_in_a_deep_graph() {
    let memory = engine();
    let plan = deep(500);
    let trace = tokio::time::timeout(Duration::from_secs(3600), go(&plan, &memory, 1)).await.unwrap();
    assert!(trace.outcome.is_success());
    assert_eq!(trace.outcome.done.len(), 2000);
    assert_eq!(memory.most_in_flight().mutating, 1);
    // And back, in the other order.
    let mut down = Draft::new(OnFailure::Continue);
    let mut before = Vec::new();
    for number in (0..500).rev() {
        let stopped = down.add(stop(&format!("s{number}")), &before);
        down.add(remove(&format!("s{number}")), &[stopped]);
        before = vec![stopped];
    }
    assert!(go(&down.0, &memory, 1).await.outcome.is_success());
    assert!(memory.snapshot().is_bare());
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_later_step_does_not_hold_the_only_permit() {
    let memory = engine();
    let mut draft = Draft::new(OnFailure::Stop);
    let made = draft.add(create(idle("a")), &[]);
    let waits = draft.add(wait("a", Condition::Started), &[made]);
    let started = draft.add(start("a"), &[made]);
    let trace = tokio::time::timeout(Duration::from_secs(60), go(&draft.0, &memory, 1)).await.unwrap();
    assert!(trace.at(waits, "started") < trace.at(started, "started"));
    assert!(trace.outcome.is_success());
}

#[tokio::test(start_paused = true)]
async fn waits_look_rarely_when_there_are_many() {
    let memory = engine();
    let mut draft = Draft::new(OnFailure::Stop);
    for number in 0..500 {
        let service = format!("s{number}");
        memory.script(name(&service), [Script::runs().probed(Probes::PassAfter(59))]);
        let made = draft.add(create(checked(idle(&service), 100)), &[]);
        let started = draft.add(start(&service), &[made]);
        draft.add(wait(&service, Condition::Healthy), &[started]);
    }
    let begin = tokio::time::Instant::now();
    assert!(go(&draft.0, &memory, 0).await.outcome.is_success());
    let (seconds, looks) = (begin.elapsed().as_secs(), memory.calls().iter().filter(|it| it.kind.as_str() == "observe").count());
    assert_eq!(seconds, 60);
    // First looks, the doubling pauses, 50 a second after that, and one for each event.
    assert!(looks < 500 * 10 + 50 * 60 + 2 * 500, "{looks} looks");
}

/// Twice the steps take about twice the time: no step looks at all others.
#[tokio::test(start_paused = true)]
async fn the_cost_grows_with_the_plan_only() {
    let mut draft = Draft::new(OnFailure::Stop);
    let mut layer = Vec::new();
    for number in 0..20_000 {
        let step = draft.add(rcompose_planner::Action::RemoveVolume { name: format!("v{number}").into() }, &layer);
        if number % 100 == 0 {
            layer = vec![step];
        }
    }
    let memory = engine();
    let begin = Instant::now();
    let (sender, _receiver) = tokio::sync::mpsc::unbounded_channel();
    let (engines, cancel) = (crate::trace::engines(&memory), rcompose_executor::Cancel::new());
    let outcome = rcompose_executor::run(&draft.0, &engines, &crate::trace::parallel(0), &cancel, sender).await;
    assert_eq!(outcome.done.len(), 20_000);
    // A loop over all steps for each step would be 400 million turns; this is generous for a slow machine without optimisation.
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn slow_calls_in_a_deep_graph_end_too() {
    let memory = engine();
    memory.set_pace(Pace::Sleeps { seed: 11, longest: Duration::from_millis(200) });
    let trace = go(&deep(60), &memory, 2).await;
    assert!(trace.outcome.is_success());
}
