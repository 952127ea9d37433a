//! A plan as text: every step, why it is taken, and what it comes after.

use std::collections::BTreeMap;

use rcompose_engine_adapter::BuildContext;
use rcompose_planner::{Action, Condition, OnFailure, Plan, Risk, Step, Subject};
use unicode_width::UnicodeWidthStr;

use crate::style::{Paint, Tone};

/// Renders a plan as complete lines. `title` says which round it is, where there are several.
pub(crate) fn text(plan: &Plan, title: &str, may_change: bool, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.paint(Tone::Strong, title));
    let rows: Vec<Row> = plan.steps.iter().map(|step| Row::of(step, may_change)).collect();
    let widths = Widths::of(&rows);
    for row in &rows {
        text.push_str(&row.line(&widths, paint));
    }
    if !plan.unchanged.is_empty() {
        let names = super::list(plan.unchanged.iter().map(|name| name.as_str()));
        text.push_str(&format!("  {} {names}\n", paint.paint(Tone::Dim, "unchanged:")));
    }
    text
}

/// What an action does, as a command.
fn imperative(action: &Action) -> String {
    match action {
        Action::PullImage(_) => "pull".into(),
        Action::BuildImage(spec) => match &spec.context {
            BuildContext::Folder(folder) => format!("build from {}", folder.display()),
            BuildContext::Remote(address) => format!("build from {address}"),
        },
        Action::RemoveImage { .. } | Action::RemoveNetwork { .. } | Action::RemoveVolume { .. } => "remove".into(),
        Action::RemoveContainer { volumes: false, .. } => "remove".into(),
        Action::RemoveContainer { volumes: true, .. } => "remove with its anonymous volumes".into(),
        Action::CreateNetwork(_) | Action::CreateVolume(_) | Action::CreateContainer(_) => "create".into(),
        Action::Connect { attachment, .. } => format!("connect to {}", attachment.network),
        Action::Disconnect { network, .. } => format!("disconnect from {network}"),
        Action::StartContainer { .. } => "start".into(),
        Action::StopContainer { .. } => "stop".into(),
        Action::KillContainer { signal, .. } => format!("send {signal}"),
        Action::RenameContainer { from, .. } => format!("rename from {from}"),
        Action::PauseContainer { .. } => "pause".into(),
        Action::UnpauseContainer { .. } => "unpause".into(),
        Action::RunHook { exec, .. } => format!("run hook {}", exec.command.first().map_or("", String::as_str)),
        Action::RunJob { .. } => "run to its end".to_owned(),
        Action::Await { until, .. } => format!("wait until {}", wanted(*until)),
    }
}

fn wanted(condition: Condition) -> &'static str {
    match condition {
        Condition::Started => "it runs",
        Condition::Healthy => "healthy",
        Condition::CompletedSuccessfully => "ended with 0",
        Condition::Ready => "ready",
        Condition::Ended => "ended",
    }
}

/// The sign before a step: what comes, what goes, what changes.
fn sign(action: &Action) -> (&'static str, Tone) {
    match action {
        Action::PullImage(_) | Action::BuildImage(_) | Action::CreateNetwork(_) | Action::CreateVolume(_) | Action::CreateContainer(_) => {
            ("+", Tone::Good)
        }
        Action::RemoveImage { .. } | Action::RemoveNetwork { .. } | Action::RemoveVolume { .. } | Action::RemoveContainer { .. } => {
            ("-", Tone::Bad)
        }
        Action::Connect { .. }
        | Action::Disconnect { .. }
        | Action::StartContainer { .. }
        | Action::StopContainer { .. }
        | Action::KillContainer { .. }
        | Action::RenameContainer { .. }
        | Action::PauseContainer { .. }
        | Action::UnpauseContainer { .. }
        | Action::RunHook { .. }
        | Action::RunJob { .. } => ("~", Tone::Warn),
        Action::Await { .. } => (" ", Tone::Dim),
    }
}

struct Row {
    id: String,
    sign: (&'static str, Tone),
    subject: String,
    what: String,
    because: String,
    after: String,
    risk: Option<String>,
}

struct Widths {
    id: usize,
    subject: usize,
    what: usize,
}

impl Row {
    fn of(step: &Step, may_change: bool) -> Self {
        let subject = step.action.subject();
        let mut after: Vec<String> = step.after.iter().map(ToString::to_string).collect();
        after.extend(step.after_end.iter().map(|id| format!("{id} (however it ends)")));
        let changes = may_change && matches!(step.action, Action::CreateContainer(_) | Action::StartContainer { .. });
        Self {
            id: step.id.to_string(),
            sign: sign(&step.action),
            subject: format!("{} {}", subject.kind.to_lowercase(), subject.name),
            what: imperative(&step.action),
            because: format!("{}{}", step.because, if changes { " (may change)" } else { "" }),
            after: if after.is_empty() {
                String::new()
            } else {
                format!("after {}", after.join(", "))
            },
            risk: step.risk.as_ref().map(|risk| match risk {
                Risk::DataLoss(volume) => format!("the content of volume {volume} will be lost"),
            }),
        }
    }

    fn line(&self, widths: &Widths, paint: Paint) -> String {
        let (sign, tone) = self.sign;
        let mut line = format!(
            "  {} {} {}  {}  {}",
            pad_left(&self.id, widths.id),
            paint.paint(tone, sign),
            pad(&self.subject, widths.subject),
            pad(&self.what, widths.what),
            paint.paint(Tone::Dim, &self.because),
        );
        if !self.after.is_empty() {
            line.push_str(&format!("  {}", paint.paint(Tone::Dim, &self.after)));
        }
        line.push('\n');
        if let Some(risk) = &self.risk {
            line.push_str(&format!("  {}   {}\n", pad_left("", widths.id), paint.paint(Tone::Bad, risk)));
        }
        line
    }
}

impl Widths {
    fn of(rows: &[Row]) -> Self {
        let widest = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).width()).max().unwrap_or(0);
        Self {
            id: widest(|row| &row.id),
            subject: widest(|row| &row.subject).min(60),
            what: widest(|row| &row.what).min(40),
        }
    }
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn pad_left(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// Sums a plan up in one line, by what happens to each container, network, volume and image.
pub(crate) fn summary(plan: &Plan) -> String {
    let verdicts = verdicts(plan);
    let count = |wanted: Verdict| verdicts.values().filter(|verdict| **verdict == wanted).count();
    let mut parts = Vec::new();
    for (verdict, words) in [
        (Verdict::Add, "to add"),
        (Verdict::Recreate, "to recreate"),
        (Verdict::Change, "to change"),
        (Verdict::Remove, "to remove"),
    ] {
        let count = count(verdict);
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    if parts.is_empty() {
        parts.push("nothing to do".into());
    }
    let end = match plan.on_failure {
        OnFailure::Stop => "",
        OnFailure::Continue => "; every step is tried, also after a failure",
    };
    format!("{}{end}", parts.join(", "))
}

/// What happens to one thing, all steps together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Add,
    Recreate,
    Change,
    Remove,
}

fn verdicts(plan: &Plan) -> BTreeMap<Subject, Verdict> {
    // While it is recreated a container has another name for a while.
    let own_name: BTreeMap<&str, &str> = plan
        .steps
        .iter()
        .filter_map(|step| {
            if let Action::RenameContainer { from, to } = &step.action {
                Some((from.as_str(), to.as_str()))
            } else {
                None
            }
        })
        .collect();
    let mut verdicts = BTreeMap::new();
    for step in &plan.steps {
        let mut subject = step.action.subject();
        if let Some(name) = own_name.get(subject.name.as_str()) {
            subject.name = (*name).to_owned();
        }
        let now = match sign(&step.action).0 {
            "+" => Verdict::Add,
            "-" => Verdict::Remove,
            _ => Verdict::Change,
        };
        let verdict = verdicts.entry(subject).or_insert(now);
        *verdict = match (*verdict, now) {
            (Verdict::Recreate, _) | (_, Verdict::Recreate) | (Verdict::Add, Verdict::Remove) | (Verdict::Remove, Verdict::Add) => {
                Verdict::Recreate
            }
            (Verdict::Add, _) | (_, Verdict::Add) => Verdict::Add,
            (Verdict::Remove, _) | (_, Verdict::Remove) => Verdict::Remove,
            (Verdict::Change, Verdict::Change) => Verdict::Change,
        };
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_listed_with_its_reason() {
        let plan = crate::render::tree::tests::plan();
        let text = text(&plan, "project shop", true, Paint::default());
        insta::assert_snapshot!(format!("{text}{}", summary(&plan)));
    }

    #[test]
    fn a_container_under_another_name_is_the_same() {
        let mut plan = crate::render::tree::tests::plan();
        plan.steps.truncate(3);
        let step = plan.steps[2].clone();
        let made = crate::render::tests::container("0123_shop-db-1");
        let mut add = |action| plan.steps.push(Step { action, ..step.clone() });
        add(Action::CreateContainer(Box::new(made)));
        add(Action::RemoveContainer { name: "shop-web-1".into(), volumes: false });
        add(Action::RenameContainer { from: "0123_shop-db-1".into(), to: "shop-db-1".into() });
        add(Action::RemoveContainer { name: "shop-db-1".into(), volumes: false });
        assert_eq!(summary(&plan), "1 to add, 1 to recreate, 2 to remove");
    }
}
