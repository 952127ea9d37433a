//! Merges one file over another, attribute by attribute.

use crate::canonical;
use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::path::{Step, show};
use crate::tree::{Node, Tag, Value};

/// Merges the document `over` onto `base`.
pub(crate) fn merge(base: &mut Node, over: Node, findings: &mut Findings) {
    Merger { findings }.node(base, over, &[]);
}

/// Merges the service `over` onto the one that it extends.
pub(crate) fn extend(base: &mut Node, over: Node, name: &str, findings: &mut Findings) {
    Merger { findings }.node(base, over, &[Step::Key("services"), Step::Key(name)]);
}

/// How an attribute is merged.
enum Rule {
    /// Mappings key by key, lists one behind the other, anything else replaced.
    Plain,
    /// The later file wins whole.
    Replace,
    /// Lists and mappings of `KEY=VALUE`, as one list.
    Pairs,
    /// As `Pairs`, without exact repetitions.
    Hosts,
    /// A text is the `context` of a mapping.
    Build,
    /// A list is a mapping of names; the values are the defaults of a dependency.
    Dependencies,
    /// A list is a mapping of names to nothing.
    Names,
    /// Options are merged only for one and the same driver.
    Logging,
    /// Pools of the same subnet are merged.
    Ipam,
}

fn rule(path: &[Step<'_>]) -> Rule {
    use Step::{Item, Key};
    match path {
        [Key("services"), Key(_), rest @ ..] => match rest {
            [Key("command" | "entrypoint")] | [Key("healthcheck"), Key("test")] => Rule::Replace,
            // docker compose replaces a pair whole, and then misses the half that was left out.
            [Key("ulimits"), Key(_)] => Rule::Replace,
            [
                Key(
                    "annotations" | "dns" | "dns_opt" | "dns_search" | "env_file" | "label_file" | "environment" | "labels" | "sysctls"
                    | "tmpfs",
                ),
            ]
            | [Key("build"), Key("args" | "additional_contexts" | "labels")]
            | [Key("deploy"), Key("labels")]
            | [Key("volumes"), Item(_), Key("volume"), Key("labels")] => Rule::Pairs,
            [Key("extra_hosts")] | [Key("build"), Key("extra_hosts")] => Rule::Hosts,
            [Key("build")] => Rule::Build,
            [Key("depends_on")] => Rule::Dependencies,
            [Key("networks" | "models")] => Rule::Names,
            [Key("logging")] => Rule::Logging,
            _ => Rule::Plain,
        },
        [Key("networks" | "volumes"), Key(_), Key("labels")] => Rule::Pairs,
        [Key("networks"), Key(_), Key("ipam"), Key("config")] => Rule::Ipam,
        _ => Rule::Plain,
    }
}

struct Merger<'f> {
    findings: &'f mut Findings,
}

impl Merger<'_> {
    fn node(&mut self, base: &mut Node, over: Node, path: &[Step<'_>]) {
        match rule(path) {
            Rule::Plain => self.plain(base, over, path),
            Rule::Replace => self.replace(base, over, path),
            Rule::Pairs => {
                let mut list = pairs(base);
                list.extend(pairs(&over));
                base.value = Value::List(list);
            }
            Rule::Hosts => {
                let mut list = pairs(base);
                for item in pairs(&over) {
                    if !list.iter().any(|known| known.same(&item)) {
                        list.push(item);
                    }
                }
                base.value = Value::List(list);
            }
            Rule::Build => self.long(base, over, path, |node| canonical::wrap(node, "context")),
            Rule::Dependencies => self.long(base, over, path, |node| canonical::names(node, canonical::dependency)),
            Rule::Names => self.long(base, over, path, |node| canonical::names(node, canonical::nothing)),
            Rule::Logging => {
                let driver = |node: &Node| node.get("driver").cloned();
                let same = match (driver(base), driver(&over)) {
                    (Some(base), Some(over)) => base.same(&over),
                    (None, _) | (_, None) => true,
                };
                if same {
                    self.plain(base, over, path);
                } else {
                    self.replace(base, over, path);
                }
            }
            Rule::Ipam => self.pools(base, over, path),
        }
    }

    /// Merges what may be written in a short form: both become mappings first.
    fn long(&mut self, base: &mut Node, over: Node, path: &[Step<'_>], lengthen: fn(&mut Node)) {
        let mut over = over;
        lengthen(base);
        lengthen(&mut over);
        self.mappings(base, over, path);
    }

    fn plain(&mut self, base: &mut Node, over: Node, path: &[Step<'_>]) {
        match (&base.value, &over.value) {
            (_, Value::Null) => {}
            (Value::Map(_), Value::Map(_)) => self.mappings(base, over, path),
            (Value::List(_), Value::List(_)) => {
                if let (Value::List(list), Value::List(more)) = (&mut base.value, over.value) {
                    list.extend(more);
                }
            }
            (Value::Map(_) | Value::List(_), _) => self.clash(base, &over, path),
            _ => self.replace(base, over, path),
        }
    }

    fn replace(&mut self, base: &mut Node, over: Node, path: &[Step<'_>]) {
        self.findings.overridden(path, base, Some(&over.span));
        *base = over;
    }

    fn clash(&mut self, base: &Node, over: &Node, path: &[Step<'_>]) {
        self.findings.error(
            Finding::new(Code::WrongType, format!("cannot override {}: it is {} and this is {}", show(path), base.kind(), over.kind()))
                .at(&over.span)
                .path(show(path))
                .label(over.kind())
                .note(&base.span, format!("{} here", base.kind()))
                .hint("write both in the same form, or put `!override` before the value"),
        );
    }

    fn mappings(&mut self, base: &mut Node, over: Node, path: &[Step<'_>]) {
        let over_span = over.span.clone();
        let (Value::Map(into), Value::Map(from)) = (&mut base.value, over.value) else {
            return;
        };
        for (key, entry) in from {
            let Some(known) = into.get_mut(&key) else {
                into.insert(key, entry);
                continue;
            };
            let mut path = path.to_vec();
            path.push(Step::Key(&key));
            if entry.node.tag == Some(Tag::Override) {
                self.findings.overridden(&path, &known.node, Some(&entry.node.span));
                *known = entry;
                continue;
            }
            let key_span = entry.key.clone();
            self.node(&mut known.node, entry.node, &path);
            if known.node.span.source != known.key.source {
                known.key = key_span;
            }
        }
        if over_span.start == over_span.end && into.is_empty() {
            base.span = over_span;
        }
    }

    /// Pools of the same subnet are merged, the others come after; both in their order.
    fn pools(&mut self, base: &mut Node, over: Node, path: &[Step<'_>]) {
        if base.as_list().is_none() || over.as_list().is_none() {
            return self.plain(base, over, path);
        }
        let subnet = |node: &Node| node.get("subnet").and_then(Node::text);
        let (Value::List(into), Value::List(from)) = (&mut base.value, over.value) else {
            return;
        };
        for pool in from {
            match into.iter_mut().find(|known| subnet(known) == subnet(&pool)) {
                Some(known) => self.mappings(known, pool, path),
                None => into.push(pool),
            }
        }
    }
}

/// A mapping or list as a list of `KEY=VALUE`; mappings come sorted.
fn pairs(node: &Node) -> Vec<Node> {
    match &node.value {
        Value::Map(map) => {
            let mut list: Vec<Node> = map
                .iter()
                .flat_map(|(key, entry)| {
                    let values = match &entry.node.value {
                        Value::List(list) => list.iter().collect(),
                        _ => vec![&entry.node],
                    };
                    values.into_iter().map(move |value| {
                        let text = value.text().map(|value| format!("{key}={value}"));
                        Node::str(&value.span, text.unwrap_or_else(|| key.to_owned()))
                    })
                })
                .collect();
            list.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            list
        }
        Value::List(list) => list.clone(),
        Value::Null => Vec::new(),
        _ => vec![node.clone()],
    }
}
