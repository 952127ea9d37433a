//! The canonical document in the form of the typed model: lists of `KEY=VALUE` as mappings, commands as words.

use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::path::{Step, show};
use crate::tree::{Map, Node, Value};

/// Rewrites a whole document.
pub(crate) fn lower(model: &mut Node, findings: &mut Findings) {
    each(model.get_mut("services"), |name, service| {
        Lower { findings, path: vec![Step::Key("services"), Step::Key(name)] }.service(service);
    });
    for section in ["networks", "volumes", "secrets", "configs"] {
        each(model.get_mut(section), |name, resource| {
            let mut lower = Lower { findings, path: vec![Step::Key(section), Step::Key(name)] };
            lower.pairs(resource, "labels", Missing::Blank);
            if resource.is_null() {
                resource.value = Value::Map(Map::new());
            }
        });
    }
}

fn each(node: Option<&mut Node>, mut work: impl FnMut(&str, &mut Node)) {
    match node.map(|node| &mut node.value) {
        Some(Value::Map(map)) => {
            for (key, entry) in map {
                work(key, &mut entry.node);
            }
        }
        Some(Value::List(list)) => {
            for item in list {
                work("", item);
            }
        }
        _ => {}
    }
}

/// What a key without a value means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// Nothing: the variable stays unset.
    Null,
    /// An empty text.
    Blank,
}

struct Lower<'f, 'p> {
    findings: &'f mut Findings,
    path: Vec<Step<'p>>,
}

impl Lower<'_, '_> {
    fn service(&mut self, service: &mut Node) {
        self.pairs(service, "environment", Missing::Null);
        for key in ["labels", "annotations", "sysctls"] {
            self.pairs(service, key, Missing::Blank);
        }
        for key in ["command", "entrypoint"] {
            self.command(service, key);
        }
        self.healthcheck(service);
        if let Some(build) = service.get_mut("build") {
            self.pairs(build, "args", Missing::Null);
            self.pairs(build, "labels", Missing::Blank);
            ssh(build);
        }
        if let Some(deploy) = service.get_mut("deploy") {
            self.pairs(deploy, "labels", Missing::Blank);
            let devices = deploy
                .get_mut("resources")
                .and_then(|node| node.get_mut("reservations"))
                .and_then(|node| node.get_mut("devices"));
            self.device_requests(devices);
        }
        self.device_requests(service.get_mut("gpus"));
        each(service.get_mut("volumes"), |_, volume| {
            if let Some(options) = volume.get_mut("volume") {
                self.pairs(options, "labels", Missing::Blank);
            }
        });
        self.tmpfs_modes(service);
        for hooks in ["pre_start", "post_start", "pre_stop"] {
            each(service.get_mut(hooks), |_, hook| self.hook(hook));
        }
        let watches = service.get_mut("develop").and_then(|node| node.get_mut("watch"));
        each(watches, |_, watch| {
            if let Some(hook) = watch.get_mut("exec") {
                self.hook(hook);
            }
        });
        blanks(service.get_mut("logging").and_then(|node| node.get_mut("options")));
        blanks(service.get_mut("storage_opt"));
        each(service.get_mut("provider").and_then(|node| node.get_mut("options")), |_, option| {
            if option.as_list().is_none() {
                option.value = Value::List(vec![option.clone()]);
            }
        });
    }

    fn hook(&mut self, hook: &mut Node) {
        self.command(hook, "command");
        self.pairs(hook, "environment", Missing::Null);
    }

    fn device_requests(&mut self, node: Option<&mut Node>) {
        each(node, |_, request| {
            if let Some(count) = request.get_mut("count")
                && count.as_str().is_some_and(|text| text.eq_ignore_ascii_case("all"))
            {
                count.value = Value::Int(-1);
            }
            self.pairs(request, "options", Missing::Blank);
        });
    }

    /// Texts are refused here, as docker compose refuses them: octal or decimal would be a guess.
    fn tmpfs_modes(&mut self, service: &Node) {
        let volumes = service.get("volumes").and_then(Node::as_list).unwrap_or(&[]);
        for (index, volume) in volumes.iter().enumerate() {
            let mode = volume.get("tmpfs").and_then(|node| node.get("mode"));
            if let Some(node) = mode.filter(|node| node.as_str().is_some()) {
                let key = format!("volumes[{index}].tmpfs.mode");
                self.error(node, &[&key], Code::WrongType, "must be an integer", "write it without quotes: 0o755");
            }
        }
    }

    fn error(&mut self, node: &Node, keys: &[&str], code: Code, message: &str, hint: &str) {
        let mut path = show(&self.path);
        for key in keys {
            path.push('.');
            path.push_str(key);
        }
        self.findings.error(Finding::new(code, message).at(&node.span).path(path).hint(hint));
    }

    /// Makes a mapping of a list of `KEY=VALUE`.
    fn pairs(&mut self, parent: &mut Node, key: &str, missing: Missing) {
        let Some(node) = parent.get_mut(key) else {
            return;
        };
        if let Value::List(list) = &node.value {
            let mut map = Node::new(&node.span, Value::Map(Map::new()));
            for item in list {
                let Some(text) = item.text() else {
                    let hint = "write KEY=VALUE, or make the whole a mapping";
                    let message = format!("must be a string, this is {}", item.kind());
                    self.error(item, &[key], Code::WrongType, &message, hint);
                    continue;
                };
                match text.split_once('=') {
                    Some((name, value)) => map.set(name, Node::str(&item.span, value)),
                    None => map.set(&text, Node::new(&item.span, Value::Null)),
                }
            }
            *node = map;
        }
        if missing == Missing::Blank {
            blanks(Some(node));
        }
    }

    /// Cuts a text into words as a shell would.
    fn command(&mut self, parent: &mut Node, key: &str) {
        let Some(node) = parent.get_mut(key) else {
            return;
        };
        let Value::Str(text) = &node.value else {
            return;
        };
        match crate::words::split(text) {
            Ok(split) => {
                if let Some(dropped) = split.dropped {
                    let message = format!(
                        "{}.{key}: there is no shell, so `{}` is dropped, as docker compose does; write [\"sh\", \"-c\", \"…\"]",
                        show(&self.path),
                        dropped.trim_end()
                    );
                    self.findings.warn(Code::NoShell, message, Some(&node.span));
                }
                let words = split.words.into_iter().map(|word| Node::str(&node.span, word));
                node.value = Value::List(words.collect());
            }
            Err(reason) => {
                let node = node.clone();
                self.error(&node, &[key], Code::InvalidValue, reason, "quote it, or write the command as a list");
            }
        }
    }

    fn healthcheck(&mut self, service: &mut Node) {
        let Some(test) = service.get_mut("healthcheck").and_then(|node| node.get_mut("test")) else {
            return;
        };
        if test.as_str().is_some() {
            test.value = Value::List(vec![Node::str(&test.span, "CMD-SHELL"), test.clone()]);
        }
    }
}

/// Keys without a value get an empty text.
fn blanks(node: Option<&mut Node>) {
    each(node, |_, value| {
        if value.is_null() {
            value.value = Value::Str(String::new());
        }
    });
}

/// A mapping of id to path or nothing becomes a list.
fn ssh(build: &mut Node) {
    let Some(node) = build.get_mut("ssh") else {
        return;
    };
    let Value::Map(map) = &node.value else { return };
    let keys = map.iter().map(|(id, entry)| match entry.node.text() {
        Some(path) if !path.is_empty() => Node::str(&entry.key, format!("{id}={path}")),
        _ => Node::str(&entry.key, id),
    });
    node.value = Value::List(keys.collect());
}
