//! Plans as data: `cases/<case>/{compose.yaml, before.yaml, case.yaml, plan.txt}`.
//!
//! `before.yaml` (else `compose.yaml`) says what was brought up earlier, `case.yaml` what happened since and which verb is
//! planned, `plan.txt` what must come out. `BLESS=1` writes `plan.txt` anew: read what it wrote.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support"]
mod tests {
    pub(crate) mod case;
    pub(crate) mod earlier;
}

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rcompose_planner::{Plan, PlanError};
use tests::case::Case;

#[test]
fn every_case_has_its_plan() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(!names.is_empty());
    let mut wrong = Vec::new();
    for case in names {
        let text = show(&Case::read(&case).plan());
        let file = case.join("plan.txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &text).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if text != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- got\n{text}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn show(result: &Result<Plan, PlanError>) -> String {
    let mut text = String::new();
    match result {
        Ok(plan) => {
            for step in &plan.steps {
                let subject = step.action.subject();
                let _ = write!(text, "{} {} {} {}", step.id, step.action.words().0, subject.kind.to_lowercase(), subject.name);
                let _ = write!(text, " ({})", step.because);
                for (word, steps) in [("after", &step.after), ("after the end of", &step.after_end)] {
                    if !steps.is_empty() {
                        let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
                        let _ = write!(text, " {word} {}", steps.join(","));
                    }
                }
                let risk = step.risk.as_ref().map(|risk| format!(" risk: {risk:?}")).unwrap_or_default();
                let _ = writeln!(text, "{}{risk}", if step.optional { " optional" } else { "" });
            }
            for name in &plan.unchanged {
                let _ = writeln!(text, "unchanged {name}");
            }
            for notice in &plan.notices {
                let _ = writeln!(text, "notice {}: {}", notice.path, notice.message);
            }
        }
        Err(error) => {
            for problem in &error.problems {
                let _ = writeln!(text, "error {:?} at {}: {}", problem.kind, problem.path, problem.message);
                let _ = writeln!(text, "  hint: {}", problem.hint.as_deref().unwrap_or("-"));
            }
        }
    }
    text
}
