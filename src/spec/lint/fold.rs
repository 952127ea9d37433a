//! Items of a list that became part of the one above: `- A=1` and below it, indented deeper, `- B=2` are one text.

use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::path::{Step, show};
use crate::tree::{Node, Value};

/// Looks at a document as it was written, where every text still has its own place.
pub(crate) fn check(document: &Node, findings: &mut Findings) {
    walk(document, &mut Vec::new(), findings);
}

fn walk<'a>(node: &'a Node, path: &mut Vec<Step<'a>>, findings: &mut Findings) {
    match &node.value {
        Value::Map(map) => {
            for (key, entry) in map {
                path.push(Step::Key(key));
                walk(&entry.node, path, findings);
                path.pop();
            }
        }
        Value::List(list) => {
            for (index, item) in list.iter().enumerate() {
                path.push(Step::Item(index));
                if let Some(lost) = lost(item) {
                    let message = format!("`- {lost}` became part of the item above it");
                    let warning = Finding::new(Code::FoldedItem, message).at(Some(&item.span)).path(show(path));
                    findings.add(warning.hint("begin all items at the same column"));
                }
                walk(item, path, findings);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Large(_) | Value::Float(_) | Value::Time(_) | Value::Str(_) => {}
    }
}

/// The item that went on the line before, if the text is written without quotes over several lines.
fn lost(item: &Node) -> Option<&str> {
    item.as_str()?;
    let written = item.span.source.text.get(item.span.range())?;
    if written.starts_with(['"', '\'', '|', '>', '!', '&', '*']) {
        return None;
    }
    written.lines().skip(1).find_map(|line| line.trim().strip_prefix("- "))
}
