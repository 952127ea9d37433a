//! `!reset` and `!override`: what a later file takes away from earlier ones.

use crate::findings::Findings;
use crate::path::Step;
use crate::tree::{Node, Tag, Value};

/// A path from the top of a document.
pub(crate) type Keys = Vec<String>;

/// Removes the values tagged `!reset`; returns the paths that earlier files lose, those of `!override` too.
pub(crate) fn take(document: &mut Node) -> Vec<Keys> {
    let mut lost = Vec::new();
    if is_tagged(document) {
        walk(document, &mut Vec::new(), &mut lost);
    }
    lost
}

/// Whether anything in it has a tag; hardly any file does.
fn is_tagged(node: &Node) -> bool {
    node.tag.is_some()
        || match &node.value {
            Value::Map(map) => map.values().any(|entry| is_tagged(&entry.node)),
            Value::List(list) => list.iter().any(is_tagged),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Large(_) | Value::Float(_) | Value::Time(_) | Value::Str(_) => false,
        }
}

fn walk(node: &mut Node, path: &mut Keys, lost: &mut Vec<Keys>) {
    match &mut node.value {
        Value::Map(map) => map.retain(|key, entry| {
            path.push(key.to_owned());
            if entry.node.tag.is_some() {
                lost.push(path.clone());
            }
            let kept = entry.node.tag != Some(Tag::Reset);
            if kept {
                walk(&mut entry.node, path, lost);
            }
            path.pop();
            kept
        }),
        Value::List(list) => {
            list.retain(|item| item.tag != Some(Tag::Reset));
            for item in list {
                // Items cannot be addressed across files, so what they tag inside concerns no earlier file.
                walk(item, &mut Vec::new(), &mut Vec::new());
            }
        }
        _ => {}
    }
}

/// Removes the values at `paths` of `node`, which itself is at `at`.
pub(crate) fn apply(node: &mut Node, paths: &[Keys], at: &[Step<'_>], findings: &mut Findings) {
    for path in paths {
        let Some((last, parents)) = path.split_last() else {
            continue;
        };
        let parent = parents.iter().try_fold(&mut *node, |node, key| node.get_mut(key));
        if let Some(lost) = parent.and_then(Node::as_map_mut).and_then(|map| map.shift_remove(last)) {
            let path: Vec<Step<'_>> = at.iter().copied().chain(path.iter().map(|key| Step::Key(key))).collect();
            findings.overridden(&path, &lost.node, None);
        }
    }
}

/// The paths below one service, as paths of that service.
pub(crate) fn of_service(paths: &[Keys], name: &str) -> Vec<Keys> {
    paths
        .iter()
        .filter(|path| path.len() > 2 && path[0] == "services" && path[1] == name)
        .map(|path| path[2..].to_vec())
        .collect()
}
