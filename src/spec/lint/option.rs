//! Options in the short form of a volume that docker compose drops in silence.

use super::{MAX_COMPARED, meant};
use crate::error::{Code, Finding};
use crate::tree::Node;

/// Options that the short form knows.
const KNOWN: &[&str] = &["ro", "rw", "nocopy", "z", "Z", "private", "rprivate", "shared", "rshared", "slave", "rslave"];
/// Options without effect on Linux, that authors write for other systems on purpose.
const HARMLESS: &[&str] = &["cached", "delegated", "consistent"];

/// Says which options of a short form are dropped. Called where the text still is, before it becomes the long form.
pub(crate) fn dropped(node: &Node, options: &[&str], path: &str) -> Vec<Finding> {
    let unknown = options.iter().filter(|word| !word.is_empty() && !KNOWN.contains(word) && !HARMLESS.contains(word));
    unknown
        .take(MAX_COMPARED)
        .map(|word| {
            let hint = meant(word, KNOWN.iter().copied()).unwrap_or_else(|| format!("the options are {}", KNOWN.join(", ")));
            Finding::new(Code::DroppedWord, format!("the option `{word}` of a volume is unknown, and dropped as docker compose does"))
                .at(Some(&node.span))
                .path(path)
                .hint(hint)
        })
        .collect()
}
