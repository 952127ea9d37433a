//! Mistakes and warnings as data, for editors: `config --format json` of files that are wrong, and `config --diagnostics --format json`.

use rcompose_spec::{Finding, Note, Place, Report, Span, SpecErrors};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::failure::Failure;
use crate::session::Session;
use crate::{output, report};

/// Prints the mistakes on standard output, where the project would have been, and for people on standard error unless data is all
/// that is asked for.
pub(super) fn failed(session: &Session, failure: &Failure, data_only: bool) -> Result<u8, Failure> {
    let told = report::explain(failure, &session.caller, session.err);
    let errors = match failure {
        Failure::Spec(errors) => errors_json(errors, &session.caller),
        other => vec![json!({ "code": "other", "message": other.to_string() })],
    };
    output::out(&document(&errors, &[]))?;
    if !data_only {
        output::err(&told.text);
    }
    Ok(told.status)
}

/// Prints that nothing is wrong, and what is worth saying.
pub(super) fn passed(session: &Session, warnings: &[Finding]) -> Result<u8, Failure> {
    let warnings: Vec<Value> = warnings.iter().map(|warning| warning_json(warning, &session.caller)).collect();
    output::out(&document(&[], &warnings))?;
    Ok(0)
}

fn document(errors: &[Value], warnings: &[Value]) -> String {
    format!("{:#}\n", json!({ "form": 1, "errors": errors, "warnings": warnings }))
}

fn errors_json(errors: &SpecErrors, caller: &Caller) -> Vec<Value> {
    errors.reports().iter().map(|report| error_json(report, caller)).collect()
}

fn error_json(report: &Report, caller: &Caller) -> Value {
    let places = |places: &[Place]| -> Vec<Value> {
        places.iter().map(|place| json!({ "message": place.label, "at": range(place, caller) })).collect()
    };
    json!({
        "code": report.code,
        "message": report.title,
        "at": report.place.as_ref().map(|place| range(place, caller)),
        "label": report.place.as_ref().map(|place| place.label.as_str()).filter(|label| !label.is_empty()),
        "hint": report.hint,
        "notes": places(&report.notes),
        "chain": places(&report.chain),
    })
}

fn warning_json(warning: &Finding, caller: &Caller) -> Value {
    let at = |span: &Span| super::place_json(span, caller);
    let places =
        |notes: &[Note]| -> Vec<Value> { notes.iter().map(|note| json!({ "message": note.label, "at": at(&note.span) })).collect() };
    json!({
        "code": warning.code.name(),
        "path": Some(warning.path.as_str()).filter(|path| !path.is_empty()),
        "message": warning.message,
        "at": warning.span.as_ref().map(at),
        "label": Some(warning.label.as_str()).filter(|label| !label.is_empty()),
        "hint": warning.hint,
        "notes": places(&warning.notes),
        "chain": places(&warning.chain),
    })
}

/// A stretch of one line; lines and columns count from 1, columns in characters, the end is behind the last one.
fn range(place: &Place, caller: &Caller) -> Value {
    let marked = place.source.text.get(place.range.clone()).unwrap_or("");
    let end = place.column + marked.trim_end().chars().count();
    json!({
        "file": caller.absolute(&place.path).display().to_string(),
        "line": place.line,
        "column": place.column,
        "end_column": end,
    })
}
