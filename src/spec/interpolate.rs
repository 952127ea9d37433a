//! Replaces variables in values (never in keys), and turns texts into the types that their attributes have.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::path::{Step, show};
use crate::template::{self, Effects, Lookup};
use crate::trace::VariableUse;
use crate::tree::{Node, Value};

/// The variables of one file.
pub(crate) type Variables = BTreeMap<String, String>;

impl Lookup for Variables {
    fn get(&self, name: &str) -> Option<&str> {
        BTreeMap::get(self, name).map(String::as_str)
    }
}

/// Interpolates a whole document.
pub(crate) fn interpolate(node: &mut Node, variables: &Variables, findings: &mut Findings) {
    Interpolator { variables, findings, effects: Effects::default() }.walk(node, &mut Vec::new());
}

struct Interpolator<'v> {
    variables: &'v Variables,
    findings: &'v mut Findings,
    effects: Effects,
}

impl Interpolator<'_> {
    fn walk<'a>(&mut self, node: &'a mut Node, path: &mut Vec<Step<'a>>) {
        if let Value::Str(text) = &mut node.value {
            let text = std::mem::take(text);
            node.value = self.scalar(text, node, path);
            return;
        }
        match &mut node.value {
            Value::List(list) => {
                for (index, item) in list.iter_mut().enumerate() {
                    path.push(Step::Item(index));
                    self.walk(item, path);
                    path.pop();
                }
            }
            Value::Map(map) => {
                for (key, entry) in map {
                    path.push(Step::Key(key));
                    self.walk(&mut entry.node, path);
                    path.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Large(_) | Value::Float(_) | Value::Time(_) | Value::Str(_) => {}
        }
    }

    /// Records which variables a text names.
    fn used(&mut self, text: &str, node: &Node, path: &[Step<'_>]) {
        let Some(trace) = &mut self.findings.trace else { return };
        let names: BTreeSet<String> = template::uses(text).into_iter().map(|used| used.name).collect();
        trace.uses.extend(names.into_iter().map(|name| VariableUse {
            name,
            path: show(path),
            written: text.to_owned(),
            span: node.span.clone(),
        }));
    }

    /// The value of one text; the text as it was if it cannot be read.
    fn scalar(&mut self, text: String, node: &Node, path: &[Step<'_>]) -> Value {
        let mut text = text;
        if text.contains('$') {
            self.used(&text, node, path);
            match template::substitute(&text, self.variables, &mut self.effects) {
                Ok(value) => text = value,
                Err(fault) => {
                    self.findings
                        .error(Finding::new(fault.code, fault.message).at(&node.span).path(show(path)).hint(fault.hint));
                    return Value::Str(text);
                }
            }
            for name in std::mem::take(&mut self.effects.unset) {
                self.findings.unset(&name, Some(&node.span));
            }
        }
        let Some(cast) = cast_of(path) else {
            return Value::Str(text);
        };
        match cast.apply(&text) {
            Ok(value) => {
                if matches!(value, Value::Bool(_)) && !matches!(text.as_str(), "true" | "false") {
                    let message = format!("\"{text}\" for boolean is not supported by YAML 1.2, please use `true` or `false`");
                    self.findings.warn(Code::BooleanWord, message, Some(&node.span));
                }
                value
            }
            Err(reason) => {
                self.findings.error(
                    Finding::new(Code::WrongType, format!("{reason}: `{text}`"))
                        .at(&node.span)
                        .path(show(path))
                        .label(format!("must be {}", cast.name())),
                );
                Value::Str(text)
            }
        }
    }
}

/// The type that a text becomes.
#[derive(Clone, Copy)]
enum Cast {
    Int,
    Float,
    Bool,
}

impl Cast {
    fn name(self) -> &'static str {
        match self {
            Self::Int => "an integer",
            Self::Float => "a number",
            Self::Bool => "a boolean",
        }
    }

    fn apply(self, text: &str) -> Result<Value, &'static str> {
        match self {
            Self::Int => text.parse().map(Value::Int).map_err(|_| "invalid integer"),
            Self::Float => text.parse().map(Value::Float).map_err(|_| "invalid number"),
            Self::Bool => match text.to_ascii_lowercase().as_str() {
                "y" | "yes" | "true" | "on" => Ok(Value::Bool(true)),
                "n" | "no" | "false" | "off" => Ok(Value::Bool(false)),
                _ => Err("invalid boolean"),
            },
        }
    }
}

/// Which attributes turn a text into a number or a boolean before anything else looks at it.
fn cast_of(path: &[Step<'_>]) -> Option<Cast> {
    use Step::{Item, Key};
    match path {
        [Key("services"), Key(_), rest @ ..] => service_cast(rest),
        [Key("networks"), Key(_), Key("external" | "internal" | "attachable" | "enable_ipv4" | "enable_ipv6")]
        | [Key("volumes" | "secrets" | "configs"), Key(_), Key("external")] => Some(Cast::Bool),
        [Key(_), ..] | [Item(_), ..] | [] => None,
    }
}

fn service_cast(path: &[Step<'_>]) -> Option<Cast> {
    use Step::{Item, Key};
    match path {
        [Key("init" | "oom_kill_disable" | "privileged" | "read_only" | "stdin_open" | "tty" | "attach" | "use_api_socket")]
        | [Key("healthcheck"), Key("disable")]
        | [Key("build"), Key("no_cache" | "pull" | "privileged")]
        | [Key("depends_on"), Key(_), Key("required" | "restart")]
        | [Key("env_file"), Item(_), Key("required")]
        | [Key("pre_start" | "post_start" | "pre_stop"), Item(_), Key("privileged" | "per_replica")]
        | [Key("volumes"), Item(_), Key("read_only")]
        | [Key("volumes"), Item(_), Key("volume"), Key("nocopy")]
        | [Key("volumes"), Item(_), Key("bind"), Key("create_host_path")] => Some(Cast::Bool),
        [
            Key(
                "cpu_count" | "cpu_period" | "cpu_quota" | "cpu_rt_period" | "cpu_rt_runtime" | "cpu_shares" | "oom_score_adj"
                | "pids_limit" | "scale",
            ),
        ]
        | [Key("deploy"), Key("replicas")]
        | [Key("deploy"), Key("update_config" | "rollback_config"), Key("parallelism")]
        | [Key("deploy"), Key("restart_policy"), Key("max_attempts")]
        | [Key("deploy"), Key("placement"), Key("max_replicas_per_node")]
        | [Key("healthcheck"), Key("retries")]
        | [Key("ports"), Item(_), Key("target")]
        | [Key("ulimits"), Key(_)]
        | [Key("ulimits"), Key(_), Key("hard" | "soft")] => Some(Cast::Int),
        [Key("cpu_percent" | "cpus")] | [Key("deploy"), Key("update_config" | "rollback_config"), Key("max_failure_ratio")] => {
            Some(Cast::Float)
        }
        _ => None,
    }
}
