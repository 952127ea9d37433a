//! The one place that turns errors into words and exit statuses.

mod engine;
mod excerpt;
#[cfg(target_os = "linux")]
mod image;
mod run;

use std::error::Error as _;

use rcompose_engine_adapter::Remark;
use rcompose_planner::{PlanError, Problem};
use rcompose_spec::{Code, Finding, Note, Origins, SpecErrors};

use crate::caller::Caller;
use crate::failure::Failure;
use crate::style::{Paint, Tone};

use excerpt::{Entry, Level, Place};

/// What a person is told, and what the caller's shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// Complete lines for standard error.
    pub(crate) text: String,
    /// The exit status.
    pub(crate) status: u8,
}

/// The status after Ctrl-C: 128 and SIGINT's number.
pub(crate) const INTERRUPTED: u8 = 130;
/// The status where nobody reads on: 128 and SIGPIPE's number.
const OUTPUT_CLOSED: u8 = 141;

/// Explains a failure.
pub(crate) fn explain(failure: &Failure, caller: &Caller, paint: Paint) -> Report {
    let words = Words { caller, paint };
    let (text, status) = match failure {
        Failure::Clap(text) => (text.clone(), 1),
        Failure::Usage { message, hint } | Failure::Refused { message, hint } => (words.simple(message, hint.as_deref()), 1),
        Failure::NotInThisVersion(what) => (words.simple(&format!("{what}: not in this version"), None), 1),
        Failure::Spec(errors) => (words.spec(errors), 1),
        Failure::Plan { error, origins } => (words.plan(error, origins), 1),
        Failure::Engine(error) => (words.entry(&engine::entry(error, None)), 1),
        #[cfg(target_os = "linux")]
        Failure::Image(rcompose_image::ImageError::Cancelled) => (String::new(), INTERRUPTED),
        #[cfg(target_os = "linux")]
        Failure::Image(error) => (words.entry(&image::entry(error)), 1),
        Failure::Credentials(error) => {
            let mut entry = Entry::error(error.to_string());
            entry.notes.extend(error.source().map(ToString::to_string));
            (words.entry(&entry), 1)
        }
        Failure::Run(failure) => (words.run(failure), if failure.outcome.cancelled { INTERRUPTED } else { 1 }),
        Failure::Io { what, source } => (words.entry(&Entry::error(what.clone()).note(source.to_string())), 1),
        Failure::Interrupted => (String::new(), INTERRUPTED),
        Failure::OutputClosed => (String::new(), OUTPUT_CLOSED),
    };
    Report { text, status }
}

/// Puts warnings of the compose files into words.
pub(crate) fn warnings(warnings: &[Finding], caller: &Caller, paint: Paint) -> String {
    let words = Words { caller, paint };
    warnings.iter().map(|warning| words.entry(&spec_entry(Level::Warning, warning, caller))).collect()
}

/// Puts notices of a plan into words.
pub(crate) fn notices(notices: &[rcompose_planner::Notice], origins: &Origins, caller: &Caller, paint: Paint) -> String {
    let words = Words { caller, paint };
    notices
        .iter()
        .map(|notice| {
            let mut entry = Entry::warning(notice.message.clone());
            entry.place = place(origins, &notice.path, "");
            entry.hint.clone_from(&notice.hint);
            words.entry(&entry)
        })
        .collect()
}

/// Puts into words what the engine said beside an answer.
pub(crate) fn remark(remark: &Remark, caller: &Caller, paint: Paint) -> String {
    let entry = Entry::warning(format!("{}: {}", remark.container, remark.text)).note("the engine did what was asked and said so");
    Words { caller, paint }.entry(&entry)
}

struct Words<'a> {
    caller: &'a Caller,
    paint: Paint,
}

impl Words<'_> {
    fn entry(&self, entry: &Entry) -> String {
        excerpt::render(entry, self.caller, self.paint)
    }

    fn simple(&self, message: &str, hint: Option<&str>) -> String {
        let mut entry = Entry::error(message);
        entry.hint = hint.map(str::to_owned);
        self.entry(&entry)
    }

    fn spec(&self, errors: &SpecErrors) -> String {
        let entries: Vec<Entry> = errors.0.iter().map(|error| spec_entry(Level::Error, error, self.caller)).collect();
        self.all(&entries)
    }

    fn plan(&self, error: &PlanError, origins: &Origins) -> String {
        let entries: Vec<Entry> = error.problems.iter().map(|problem| plan_entry(problem, origins)).collect();
        self.all(&entries)
    }

    fn run(&self, failure: &crate::failure::RunFailure) -> String {
        let mut text: String = run::entries(failure).iter().map(|entry| self.entry(entry)).collect();
        text.push_str(&run::summary(failure, self.paint));
        text
    }

    /// All entries, with their number below where there are several.
    fn all(&self, entries: &[Entry]) -> String {
        let mut text: String = entries.iter().map(|entry| self.entry(entry)).collect::<Vec<_>>().join("\n");
        if entries.len() > 1 {
            text.push_str(&format!("\n{}\n", self.paint.paint(Tone::Bad, &format!("{} errors", entries.len()))));
        }
        text
    }
}

fn spec_entry(level: Level, finding: &Finding, caller: &Caller) -> Entry {
    let mut entry = Entry::new(level, titled(&finding.path, &finding.message));
    entry.place = finding.span.clone().map(|span| Place { span, label: finding.label.clone() });
    entry.hint.clone_from(&finding.hint);
    // A file of variables holds secrets: its lines are not shown.
    entry.hide_source = finding.code == Code::Dotenv;
    entry.others = others(&finding.notes);
    for link in finding.chain.iter().rev() {
        let at = format!("{}:{}:{}", caller.shown(link.span.path()), link.span.line(), link.span.column());
        entry.notes.push(format!("{} at {at}", link.label));
    }
    entry
}

/// A message with the path of the value it is about, where it does not name it itself.
fn titled(path: &str, message: &str) -> String {
    if path.is_empty() || message.contains(path) {
        message.to_owned()
    } else {
        format!("{path}: {message}")
    }
}

fn others(notes: &[Note]) -> Vec<Place> {
    notes.iter().map(|note| Place { span: note.span.clone(), label: note.label.clone() }).collect()
}

fn plan_entry(problem: &Problem, origins: &Origins) -> Entry {
    let mut entry = Entry::error(problem.message.clone());
    entry.place = place(origins, &problem.path, "");
    entry.hint.clone_from(&problem.hint);
    if entry.place.is_none() && !problem.path.is_empty() {
        entry.notes.push(format!("at {}", problem.path));
    }
    entry
}

fn place(origins: &Origins, path: &str, label: &str) -> Option<Place> {
    if path.is_empty() {
        return None;
    }
    origins.get(path).map(|span| Place { span: span.clone(), label: label.to_owned() })
}

/// Returns the deepest cause below an error: what lies between says where in the program, not what is wrong.
fn cause(error: &rcompose_engine_adapter::EngineError) -> Option<String> {
    let mut next = error.source()?;
    while let Some(deeper) = next.source() {
        next = deeper;
    }
    let text = next.to_string();
    (!error.message.contains(&text)).then_some(text)
}
