//! `config --why VAR`: who set a variable, who was shadowed, and where it is used.

use rcompose_spec::{By, Claim, Span, Why};
use serde_json::{Value, json};

use super::place;
use crate::caller::Caller;
use crate::style::{Paint, Tone};
use crate::table;

/// Renders the answer for people.
pub(super) fn text(why: &Why, caller: &Caller, paint: Paint) -> String {
    let mut text = headed(&why.name, why.value.as_deref(), &why.claims, caller, paint);
    if !why.uses.is_empty() {
        text.push_str("used by the files\n");
        let rows: Vec<Vec<String>> = why
            .uses
            .iter()
            .map(|used| vec![format!("  {}", place(&used.span, caller)), used.path.clone(), line(&used.written)])
            .collect();
        text.push_str(&table::table(&rows, 0, 2));
    }
    for service in &why.services {
        let name = format!("{} in containers of {}", why.name, service.service);
        text.push_str(&headed(&name, service.value.as_deref(), &service.claims, caller, paint));
    }
    text
}

fn headed(name: &str, value: Option<&str>, claims: &[Claim], caller: &Caller, paint: Paint) -> String {
    let mut text = match value {
        Some(value) => format!("{} = {}\n", paint.paint(Tone::Strong, name), line(value)),
        None => format!("{} is not set\n", paint.paint(Tone::Strong, name)),
    };
    let rows: Vec<Vec<String>> = claims
        .iter()
        .enumerate()
        .map(|(index, claim)| {
            let verb = match (&claim.by, index) {
                (By::IncludedFile(..), _) => "  set",
                (_, 0) => "  set by",
                _ => "  shadowed",
            };
            vec![verb.to_owned(), by(&claim.by, caller), line(&claim.value)]
        })
        .collect();
    text.push_str(&table::table(&rows, 0, 2));
    text
}

fn by(by: &By, caller: &Caller) -> String {
    match by {
        By::Process => "the environment of this process".to_owned(),
        By::ProjectName => "the name of the project".to_owned(),
        By::File(span) => place(span, caller),
        By::IncludedFile(span, include) => format!("{} for what {} includes", place(span, caller), place(include, caller)),
        By::Environment(span) => format!("{} (environment)", place(span, caller)),
    }
}

/// One line of a value: a line break in it would tear the table.
fn line(value: &str) -> String {
    if value.contains(char::is_control) {
        format!("{value:?}")
    } else {
        value.to_owned()
    }
}

/// Renders the answer for programs.
pub(super) fn json(why: &Why, caller: &Caller) -> Value {
    let claims = |claims: &[Claim]| -> Vec<Value> {
        let claim = |claim: &Claim| {
            let (kind, span, include) = match &claim.by {
                By::Process => ("process", None, None),
                By::ProjectName => ("project-name", None, None),
                By::File(span) => ("file", Some(span), None),
                By::IncludedFile(span, include) => ("included-file", Some(span), Some(include)),
                By::Environment(span) => ("environment", Some(span), None),
            };
            let at = |span: Option<&Span>| span.map(|span| super::place_json(span, caller));
            json!({ "value": claim.value, "by": kind, "at": at(span), "include": at(include) })
        };
        claims.iter().map(claim).collect()
    };
    let uses: Vec<Value> = why
        .uses
        .iter()
        .map(|used| json!({ "path": used.path, "written": used.written, "at": super::place_json(&used.span, caller) }))
        .collect();
    let services: Vec<Value> = why
        .services
        .iter()
        .map(|it| json!({ "service": it.service, "value": it.value, "claims": claims(&it.claims) }))
        .collect();
    json!({ "form": 1, "name": why.name, "value": why.value, "claims": claims(&why.claims), "uses": uses, "services": services })
}
