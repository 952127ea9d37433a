//! Short forms → long forms.

mod ports;
mod resources;
mod volumes;

use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::path::{Step, show};
use crate::tree::{Map, Node, Value};

pub(crate) use volumes::volume_target;

/// Rewrites a document; with `lenient`, short forms that cannot be read stay (they may hold variables).
pub(crate) fn canonical(node: &mut Node, lenient: bool, findings: &mut Findings) {
    let mut canon = Canon { lenient, findings, ports: MAX_PORTS, full: false };
    if let Some(services) = node.get_mut("services").and_then(Node::as_map_mut) {
        for (name, entry) in services {
            canon.service(&mut entry.node, name);
        }
    }
    for kind in ["networks", "volumes", "secrets", "configs"] {
        if let Some(map) = node.get_mut(kind).and_then(Node::as_map_mut) {
            for (name, entry) in map {
                resources::external(&mut entry.node, &format!("{kind}.{name}"), canon.findings);
            }
        }
    }
}

/// Most ports that a document may stand for: one range can be 65,536 of them.
const MAX_PORTS: usize = 100_000;

struct Canon<'f> {
    lenient: bool,
    /// How many more ports ranges may become.
    ports: usize,
    /// There were more than that.
    full: bool,
    findings: &'f mut Findings,
}

impl Canon<'_> {
    fn service(&mut self, service: &mut Node, name: &str) {
        let Some(map) = service.as_map_mut() else {
            return;
        };
        for (key, entry) in map {
            let node = &mut entry.node;
            let path = [Step::Key("services"), Step::Key(name), Step::Key(key)];
            match key {
                "build" => self.build(node, &path),
                "depends_on" => {
                    names(node, dependency);
                    resources::dependencies(node);
                }
                "ulimits" => self.ulimits(node, &path),
                "env_file" => resources::env_files(node),
                "label_file" | "dns" => to_list(node),
                "extends" => wrap(node, "service"),
                "gpus" => self.gpus(node, &path),
                "networks" | "models" => names(node, nothing),
                "volumes" => {
                    self.dropped_options(node, &path);
                    self.each(node, &path, volumes::volume);
                }
                "devices" => self.each(node, &path, resources::device),
                "secrets" | "configs" => each(node, |item| wrap(item, "source")),
                "ports" => self.ports(node, &path),
                "deploy" => self.deploy(node, &path),
                "develop" => resources::watches(node),
                _ => {}
            }
        }
    }

    /// Applies a rule that can fail to every item of a list.
    fn each(&mut self, node: &mut Node, path: &[Step<'_>], rule: fn(&Node) -> Result<Option<Node>, Fault>) {
        let Value::List(list) = &mut node.value else {
            return;
        };
        for (index, item) in list.iter_mut().enumerate() {
            match rule(item) {
                Ok(Some(long)) => *item = long,
                Ok(None) => {}
                Err(fault) => {
                    let mut path = path.to_vec();
                    path.push(Step::Item(index));
                    let error = fault.at(item, &path);
                    self.refuse(error);
                }
            }
        }
    }

    /// Options of short forms that say nothing: gone from the long form, so they are looked at before.
    fn dropped_options(&mut self, node: &Node, path: &[Step<'_>]) {
        for (index, item) in node.as_list().unwrap_or(&[]).iter().enumerate() {
            let Some(text) = item.as_str().filter(|_| !self.lenient) else {
                continue;
            };
            let path = format!("{}[{index}]", show(path));
            for warning in crate::lint::dropped_options(item, &volumes::options(text), &path) {
                self.findings.add(warning);
            }
        }
    }

    fn refuse(&mut self, error: Finding) {
        if !self.lenient {
            self.findings.error(error);
        }
    }

    fn ports(&mut self, node: &mut Node, path: &[Step<'_>]) {
        let Value::List(list) = &mut node.value else {
            return;
        };
        if self.full {
            return;
        }
        let mut long = Vec::with_capacity(list.len());
        for (index, item) in list.iter().enumerate() {
            match ports::port(item) {
                Ok(ports) if ports.len() > self.ports => {
                    // Said once; going on would write all ranges out only to refuse them.
                    self.full = true;
                    let hint = "publish fewer ports, or use `network_mode: host`";
                    self.refuse(Fault::new(Code::Limit, "too many ports", hint).at(item, path));
                    return;
                }
                Ok(ports) => {
                    self.ports -= ports.len();
                    long.extend(ports);
                }
                Err(fault) => {
                    let mut path = path.to_vec();
                    path.push(Step::Item(index));
                    if self.lenient {
                        return;
                    }
                    self.refuse(fault.at(item, &path));
                }
            }
        }
        *list = long;
    }

    fn build(&mut self, node: &mut Node, path: &[Step<'_>]) {
        wrap(node, "context");
        let Some(map) = node.as_map_mut() else { return };
        for (key, entry) in map {
            let node = &mut entry.node;
            match key {
                "secrets" => each(node, |item| wrap(item, "source")),
                "provenance" | "sbom" => {
                    if let (Value::Bool(_), Some(text)) = (&node.value, node.text()) {
                        node.value = Value::Str(text);
                    }
                }
                "additional_contexts" => {
                    if let Err(fault) = resources::key_values(node) {
                        let mut path = path.to_vec();
                        path.push(Step::Key(key));
                        let error = fault.at(node, &path);
                        self.refuse(error);
                    }
                }
                "ssh" => {
                    if let Err(fault) = resources::ssh(node) {
                        let mut path = path.to_vec();
                        path.push(Step::Key(key));
                        let error = fault.at(node, &path);
                        self.refuse(error);
                    }
                }
                "no_cache_filter" => to_list(node),
                _ => {}
            }
        }
    }

    /// A text that was no number when variables were replaced never becomes one.
    fn ulimits(&mut self, node: &Node, path: &[Step<'_>]) {
        for (key, entry) in node.as_map().into_iter().flatten() {
            if entry.node.as_str().is_some() {
                let mut path = path.to_vec();
                path.push(Step::Key(key));
                self.findings.error(
                    Finding::new(Code::WrongType, "must be an integer or a mapping")
                        .at(&entry.node.span)
                        .path(show(&path))
                        .label("this is a string"),
                );
            }
        }
    }

    fn gpus(&mut self, node: &mut Node, path: &[Step<'_>]) {
        if node.as_str() == Some("all") {
            let mut item = Node::new(&node.span, Value::Map(Map::new()));
            item.set("count", Node::str(&node.span, "all"));
            node.value = Value::List(vec![item]);
        }
        self.device_requests(node, path);
    }

    fn deploy(&mut self, node: &mut Node, path: &[Step<'_>]) {
        let devices = node
            .get_mut("resources")
            .and_then(|node| node.get_mut("reservations"))
            .and_then(|node| node.get_mut("devices"));
        if let Some(devices) = devices {
            let mut path = path.to_vec();
            path.extend(["resources", "reservations", "devices"].map(Step::Key));
            self.device_requests(devices, &path);
        }
    }

    fn device_requests(&mut self, node: &mut Node, path: &[Step<'_>]) {
        let Value::List(list) = &mut node.value else {
            return;
        };
        for (index, item) in list.iter_mut().enumerate() {
            let (count, ids) = (item.get("count").is_some(), item.get("device_ids").is_some());
            if count && ids {
                let mut path = path.to_vec();
                path.push(Step::Item(index));
                self.findings.error(
                    Finding::new(Code::Conflict, "\"count\" and \"device_ids\" attributes are exclusive")
                        .at(&item.span)
                        .path(show(&path))
                        .hint("keep one of the two"),
                );
            } else if !count && !ids {
                item.set("count", Node::str(&item.span.clone(), "all"));
            }
        }
    }
}

/// Why a short form cannot be read.
pub(super) struct Fault {
    code: Code,
    message: String,
    hint: &'static str,
}

impl Fault {
    fn new(code: Code, message: impl Into<String>, hint: &'static str) -> Self {
        Self { code, message: message.into(), hint }
    }

    fn at(self, node: &Node, path: &[Step<'_>]) -> Finding {
        Finding::new(self.code, self.message).at(&node.span).path(show(path)).hint(self.hint)
    }
}

fn each(node: &mut Node, rule: fn(&mut Node)) {
    if let Value::List(list) = &mut node.value {
        list.iter_mut().for_each(rule);
    }
}

/// A text becomes a mapping with that one key.
pub(crate) fn wrap(node: &mut Node, key: &str) {
    if node.as_str().is_some() {
        let text = node.clone();
        node.value = Value::Map(Map::new());
        node.set(key, text);
    }
}

/// A text becomes a list of one.
fn to_list(node: &mut Node) {
    if node.as_str().is_some() {
        node.value = Value::List(vec![node.clone()]);
    }
}

/// A list of names becomes a mapping.
pub(crate) fn names(node: &mut Node, value: fn(&Node) -> Node) {
    let Value::List(list) = &node.value else {
        return;
    };
    let list = list.clone();
    node.value = Value::Map(Map::new());
    for item in list {
        if let Some(name) = item.text() {
            node.set(&name, value(&item));
        }
    }
}

/// What a dependency in a list means.
pub(crate) fn dependency(item: &Node) -> Node {
    let mut node = Node::new(&item.span, Value::Map(Map::new()));
    node.set("condition", Node::str(&item.span, "service_started"));
    node.set("required", Node::new(&item.span, Value::Bool(true)));
    node
}

/// What a network or a model in a list means.
pub(crate) fn nothing(item: &Node) -> Node {
    Node::new(&item.span, Value::Null)
}
