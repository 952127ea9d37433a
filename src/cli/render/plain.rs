//! A line for each change, as docker compose prints where no terminal is.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{ContainerName, ImageProgress};
use rcompose_executor::{Event, EventKind, Progress, SkipCause};
use rcompose_planner::{Action, Plan, StepId};

use super::{Look, write};
use crate::style::Tone;

/// Prints a line for each change.
#[derive(Debug)]
pub(crate) struct Plain {
    look: Look,
    plan: Plan,
    /// The last status of each layer, so that a line comes only where it changes.
    layers: BTreeMap<(StepId, String), String>,
}

impl Plain {
    pub(crate) fn new(look: Look) -> Self {
        Self { look, plan: Plan::default(), layers: BTreeMap::new() }
    }

    pub(crate) fn begin(&mut self, plan: &Plan) {
        self.plan = plan.clone();
        self.layers.clear();
    }

    pub(crate) fn event(&mut self, event: &Event) {
        if let Some(line) = self.line(event) {
            write(&self.look, &format!("{line}\n"));
        }
    }

    /// A line for each container that was left as it is.
    pub(crate) fn stay<'a>(&mut self, running: impl Iterator<Item = &'a ContainerName>) {
        let lines: String = running.map(|it| format!(" Container {it}  Running\n")).collect();
        write(&self.look, &lines);
    }

    /// Returns the line for an event, if it has one.
    fn line(&mut self, event: &Event) -> Option<String> {
        let step = self.plan.step(event.step)?;
        let (busy, done) = step.action.words();
        let subject = step.action.subject();
        let line = |word: &str| Some(format!(" {} {}  {word}", subject.kind, subject.name));
        let paint = self.look.paint;
        match &event.kind {
            EventKind::Started => line(busy),
            EventKind::Done => line(&paint.paint(Tone::Good, done)),
            EventKind::Failed(error) if step.optional => line(&paint.paint(Tone::Warn, &format!("Warning: {error}"))),
            EventKind::Failed(_) => line(&paint.paint(Tone::Bad, "Error")),
            EventKind::Skipped(SkipCause::Failed(_)) => None,
            EventKind::Skipped(SkipCause::Cancelled | SkipCause::Unordered) => None,
            EventKind::Skipped(SkipCause::Dropped) => line("Interrupted"),
            EventKind::Progress(progress) => match progress {
                Progress::Image(image) => {
                    let building = matches!(step.action, Action::BuildImage(_));
                    let quiet = if building { self.look.quiet_build } else { self.look.quiet_pull };
                    let name = subject.name.clone();
                    if quiet { None } else { self.image(event.step, &name, image) }
                }
                Progress::Output { line, .. } => Some(format!(" {} | {line}", subject.name)),
                Progress::Waiting { .. } => None,
            },
        }
    }

    fn image(&mut self, step: StepId, image: &str, progress: &ImageProgress) -> Option<String> {
        match progress {
            ImageProgress::Layer { id, status, .. } => {
                let before = self.layers.insert((step, id.clone()), status.clone());
                (before.as_ref() != Some(status)).then(|| format!(" {id} {status}"))
            }
            ImageProgress::Status(status) => Some(format!(" {image} {status}")),
            ImageProgress::Output(line) => Some(format!(" {image} | {line}")),
            ImageProgress::Done(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tree::tests::{plan, story};

    #[test]
    fn lines_are_those_of_docker_compose() {
        let mut plain = Plain::new(Look::default());
        plain.begin(&plan());
        let lines: Vec<String> = story().iter().filter_map(|event| plain.line(event)).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_quiet_pull_shows_its_ends_only() {
        let mut plain = Plain::new(Look { quiet_pull: true, ..Look::default() });
        plain.begin(&plan());
        let lines: Vec<String> = story().iter().filter_map(|event| plain.line(event)).collect();
        assert!(lines.contains(&" Image db:1  Pulling".to_owned()) && !lines.iter().any(|line| line.contains("Downloading")));
    }
}
