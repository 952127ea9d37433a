//! Plans made by hand.

use std::time::Duration;

use rcompose_engine_adapter::{Check, ContainerName, ContainerSpec, EngineInfo, Exec, ImageConfig, NetworkMode, Stop, Test, VolumeName};
use rcompose_memory::{Memory, container, volume};
use rcompose_planner::{Action, Condition, OnFailure, Plan, Reason, Step, StepId};

pub(crate) const IMAGE: &str = "rcompose-test/busybox:1";

/// A plan that grows.
pub(crate) struct Draft(pub(crate) Plan);

impl Draft {
    pub(crate) fn new(on_failure: OnFailure) -> Self {
        Self(Plan { project: "p".into(), engine: EngineInfo::default(), on_failure, ..Plan::default() })
    }

    pub(crate) fn add(&mut self, action: Action, after: &[StepId]) -> StepId {
        let id = StepId(u32::try_from(self.0.steps.len()).unwrap() + 1);
        let after = after.iter().copied().collect();
        let step = Step { id, action, because: Reason::Requested, after, after_end: [].into(), risk: None, optional: false };
        self.0.steps.push(step);
        id
    }

    pub(crate) fn last(&mut self) -> &mut Step {
        self.0.steps.last_mut().unwrap()
    }
}

/// An engine with one image.
pub(crate) fn engine() -> Memory {
    let memory = Memory::new();
    memory.add_image(IMAGE, ImageConfig::default());
    memory
}

pub(crate) fn name(service: &str) -> ContainerName {
    format!("p-{service}-1").into()
}

/// A container of the project that runs a line of shell.
pub(crate) fn spec(service: &str, text: &str) -> ContainerSpec {
    let mut spec = container(name(service), IMAGE);
    spec.process.command = Some(["sh", "-c", text].map(String::from).into());
    spec.labels.insert(rcompose_engine_adapter::labels::PROJECT.into(), "p".into());
    spec.network = NetworkMode::None;
    spec
}

/// Runs for ever.
pub(crate) fn idle(service: &str) -> ContainerSpec {
    spec(service, "sleep infinity")
}

/// With a healthcheck every second.
pub(crate) fn checked(mut spec: ContainerSpec, retries: u32) -> ContainerSpec {
    let interval = Some(Duration::from_secs(1));
    spec.healthcheck = Some(Check { test: Some(Test::Shell("true".into())), interval, retries: Some(retries), ..Check::default() });
    spec
}

pub(crate) fn create(spec: ContainerSpec) -> Action {
    Action::CreateContainer(Box::new(spec))
}

pub(crate) fn start(service: &str) -> Action {
    Action::StartContainer { name: name(service) }
}

pub(crate) fn stop(service: &str) -> Action {
    Action::StopContainer { name: name(service), stop: Stop::default() }
}

pub(crate) fn remove(service: &str) -> Action {
    Action::RemoveContainer { name: name(service), volumes: false }
}

pub(crate) fn make_volume(text: &str) -> Action {
    Action::CreateVolume(Box::new(volume(VolumeName::from(text))))
}

pub(crate) fn wait(service: &str, until: Condition) -> Action {
    Action::Await { name: name(service), until, limit: None }
}

pub(crate) fn hook(service: &str, text: &str) -> Action {
    let exec = Exec { command: ["sh", "-c", text].map(String::from).into(), ..Exec::default() };
    Action::RunHook { name: name(service), exec: Box::new(exec) }
}
