//! One JSON object a line, each with the version of its form.

use std::collections::BTreeMap;

use rcompose_engine_adapter::ImageProgress;
use rcompose_executor::{Event, EventKind, Outcome, Progress};
use rcompose_planner::{Action, Plan, is_private};
use serde_json::{Value, json};

use super::{Look, write};

/// Version of the form: it rises when a field changes its meaning or goes away.
const FORM: u32 = 1;

/// Shown instead of a value that could be secret.
const HIDDEN: &str = "(hidden)";

/// Prints one JSON object a line.
#[derive(Debug)]
pub(crate) struct Json {
    look: Look,
    plan: Plan,
}

impl Json {
    pub(crate) fn new(look: Look) -> Self {
        Self { look, plan: Plan::default() }
    }

    pub(crate) fn begin(&mut self, plan: &Plan) {
        self.plan = plan.clone();
        self.print(&json!({ "form": FORM, "event": "plan", "plan": redacted(plan) }));
    }

    pub(crate) fn event(&mut self, event: &Event) {
        if let Some(object) = self.object(event) {
            self.print(&object);
        }
    }

    pub(crate) fn finish(&mut self, outcome: &Outcome) {
        self.print(&json!({
            "form": FORM,
            "event": "end",
            "success": outcome.is_success(),
            "cancelled": outcome.cancelled,
            "done": outcome.done.len(),
            "failed": outcome.failed.len(),
            "skipped": outcome.skipped.len(),
        }));
    }

    pub(crate) fn say(&mut self, sentence: &str) {
        self.print(&json!({ "form": FORM, "event": "message", "text": sentence }));
    }

    fn print(&self, object: &Value) {
        write(&self.look, &format!("{object}\n"));
    }

    fn object(&self, event: &Event) -> Option<Value> {
        let step = self.plan.step(event.step)?;
        let subject = step.action.subject();
        let (name, detail) = match &event.kind {
            EventKind::Started => ("started", json!({ "because": step.because.to_string() })),
            EventKind::Done => ("done", json!({})),
            EventKind::Failed(error) => ("failed", json!({ "error": error.to_string(), "optional": step.optional })),
            EventKind::Skipped(cause) => ("skipped", json!({ "cause": cause.to_string() })),
            EventKind::Progress(progress) => ("progress", detail(progress)),
        };
        let mut object = json!({
            "form": FORM,
            "event": name,
            "seq": event.seq,
            "at_ms": u64::try_from(event.at.as_millis()).unwrap_or(u64::MAX),
            "step": event.step,
            "kind": subject.kind,
            "name": subject.name,
        });
        if let (Value::Object(object), Value::Object(detail)) = (&mut object, detail) {
            object.extend(detail);
        }
        Some(object)
    }
}

fn detail(progress: &Progress) -> Value {
    match progress {
        Progress::Image(ImageProgress::Layer { id, status, current, total }) => {
            json!({ "layer": id, "status": status, "current": current, "total": total })
        }
        Progress::Image(ImageProgress::Status(status)) => json!({ "status": status }),
        Progress::Image(ImageProgress::Output(line)) => json!({ "output": line }),
        Progress::Image(ImageProgress::Done(id)) => json!({ "image": id }),
        Progress::Output { stderr, line } => json!({ "output": line, "stderr": stderr }),
        Progress::Waiting { state, health } => json!({ "state": state.as_str(), "health": health.map(|it| it.as_str()) }),
    }
}

/// Returns the plan as it may be shown: values that could be secret are hidden.
pub(crate) fn redacted(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for step in &mut plan.steps {
        if let Action::CreateContainer(spec) = &mut step.action {
            let private = spec.private_environment.clone();
            for (key, value) in &mut spec.process.environment {
                let shows = |value: &String| private.contains(key) || is_private(key, value);
                if value.as_ref().is_some_and(shows) {
                    *value = Some(HIDDEN.to_owned());
                }
            }
        }
        if let Action::BuildImage(spec) = &mut step.action {
            hide(&mut spec.args);
        }
        if let Action::RunHook { exec, .. } = &mut step.action {
            hide(&mut exec.environment);
        }
    }
    plan
}

fn hide(values: &mut BTreeMap<String, String>) {
    for (key, value) in values {
        if is_private(key, value) {
            HIDDEN.clone_into(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tree::tests::{plan, story};

    #[test]
    fn each_event_is_one_object() {
        let mut json = Json::new(Look::default());
        json.plan = plan();
        let lines: Vec<String> = story().iter().filter_map(|event| json.object(event)).map(|it| it.to_string()).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn no_secret_is_in_the_plan() {
        let text = serde_json::to_string(&redacted(&plan())).unwrap();
        assert!(!text.contains("hunter2") && text.contains(HIDDEN) && text.contains("\"DEBUG\":\"1\""), "{text}");
    }
}
