//! Devices by the Container Device Interface: names, the files that describe them, and what they change in a spec.
//!
//! Source: the CDI specification (cncf-tags/container-device-interface, SPEC.md), version 1.0.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Hook, Hooks, LinuxDeviceType as Kind, Mount as SpecMount};
use rcompose_engine_adapter::{ContainerSpec, DeviceRequest, EngineError, ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value;

use super::devices::{self, Devices, Node};
use super::{Facts, invalid, unsupported};

/// What the files say, in the order of rising priority.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) files: Vec<Description>,
    /// Files that say nothing that can be used: they stop those who ask for a device of theirs, and nobody else.
    pub(crate) damaged: Vec<Damaged>,
}

/// A file that is no description, or one that cannot be honoured.
#[derive(Debug, Clone)]
pub(crate) struct Damaged {
    /// Why, with its path.
    pub(crate) reason: String,
    /// What it was to describe, as far as that can be read.
    kind: Option<String>,
    devices: Vec<String>,
}

/// One file of `/etc/cdi` or `/var/run/cdi`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Description {
    /// `vendor.com/class`.
    kind: String,
    #[serde(default)]
    devices: Vec<Described>,
    /// For every device of the file.
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    name: String,
    #[serde(default)]
    container_edits: Edits,
}

/// What a device changes; a field that is not known here is refused, as the device would not work without it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct Edits {
    env: Vec<String>,
    device_nodes: Vec<DeviceNode>,
    mounts: Vec<Mount>,
    hooks: Vec<NamedHook>,
    additional_gids: Vec<u32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceNode {
    path: PathBuf,
    host_path: Option<PathBuf>,
    #[serde(rename = "type")]
    kind: Option<String>,
    major: Option<u32>,
    minor: Option<u32>,
    file_mode: Option<u32>,
    #[serde(default)]
    permissions: String,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    host_path: PathBuf,
    container_path: PathBuf,
    #[serde(default)]
    options: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamedHook {
    hook_name: String,
    path: PathBuf,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<String>,
    timeout: Option<i64>,
}

/// The kind that NVIDIA's toolkit describes, which a request for `gpu` means.
const GPU: &str = "nvidia.com/gpu";

impl Known {
    /// Takes in a file, which comes before those that are there; `name` is its path, which decides between JSON and YAML.
    pub(crate) fn add(&mut self, name: &Path, content: io::Result<Vec<u8>>) {
        let damaged = |reason: String, value: &Value| Damaged {
            reason: format!("the CDI file {} cannot be used: {reason}", name.display()),
            kind: text(&value["kind"]),
            devices: value["devices"].as_array().into_iter().flatten().filter_map(|it| text(&it["name"])).collect(),
        };
        let is_json = name.extension().is_some_and(|it| it == "json");
        let value = content.map_err(|it| it.to_string()).and_then(|bytes| {
            if is_json {
                serde_json::from_slice::<Value>(&bytes).map_err(|it| it.to_string())
            } else {
                serde_yaml::from_slice(&bytes).map_err(|it| it.to_string())
            }
        });
        match value.map(|it| (Description::deserialize(&it).map_err(|error| error.to_string()), it)) {
            Ok((Ok(read), _)) => self.files.push(read),
            Ok((Err(reason), value)) => self.damaged.push(damaged(reason, &value)),
            Err(reason) => self.damaged.push(damaged(reason, &Value::Null)),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Tells a name (`vendor.com/class=name`) from a path.
pub(super) fn is_name(source: &str) -> bool {
    let parts = source.split_once('=').and_then(|(kind, name)| Some((kind.split_once('/')?, name)));
    matches!(parts, Some(((vendor, class), name)) if ![vendor, class, name].iter().any(|it| it.is_empty()))
}

/// Finds what the devices of a container change: a file's own edits once, then those of each device. A later file comes before
/// an earlier one that describes the same device.
pub(super) fn edits<'a>(spec: &ContainerSpec, known: &'a Known) -> Result<Vec<&'a Edits>> {
    let mut found: Vec<(usize, &Edits)> = Vec::new();
    for name in names(spec)? {
        let (kind, device) = name.split_once('=').unwrap_or((&name, ""));
        let of_file = |it: &'a Description| it.devices.iter().find(|it| it.name == device);
        if let Some(file) = known
            .damaged
            .iter()
            .find(|it| it.kind.as_deref() == Some(kind) && it.devices.iter().any(|it| it == device))
        {
            return Err(invalid(format!("device {name}: {}", file.reason)));
        }
        let file = known.files.iter().enumerate().rev().filter(|(_, it)| it.kind == kind);
        let Some((at, described)) = file.clone().find_map(|(at, it)| Some((at, of_file(it)?))) else {
            return Err(missing(&name, kind, file.map(|(_, it)| it), &known.damaged));
        };
        if found.iter().all(|(other, _)| *other != at) {
            found.push((at, &known.files[at].container_edits));
        }
        found.push((at, &described.container_edits));
    }
    Ok(found.into_iter().map(|(_, edits)| edits).collect())
}

fn missing<'a>(name: &str, kind: &str, files: impl Iterator<Item = &'a Description>, damaged: &[Damaged]) -> EngineError {
    let have: Vec<&str> = files.flat_map(|it| &it.devices).map(|it| it.name.as_str()).collect();
    let mut message = if have.is_empty() {
        format!("device {name}: no file in /etc/cdi or /var/run/cdi describes {kind}")
    } else {
        format!("device {name}: CDI describes of {kind} only {}", have.join(", "))
    };
    // Whoever asks may mean one of these.
    let suspects = damaged.iter().filter(|it| it.kind.as_deref().is_none_or(|it| it == kind));
    suspects.for_each(|it| message.extend(["; ", &it.reason]));
    if kind == GPU && have.is_empty() {
        message.push_str("; `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml` writes it");
    }
    EngineError::new(ErrorKind::Unsupported, message)
}

/// Names the devices asked for, in the order of the spec, each once.
fn names(spec: &ContainerSpec) -> Result<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    for request in &spec.device_requests {
        all.extend(requested(request)?);
    }
    all.extend(spec.resources.devices.iter().map(|it| it.source.clone()).filter(|it| is_name(it)));
    let mut once: Vec<String> = Vec::new();
    for name in all {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    Ok(once)
}

fn requested(request: &DeviceRequest) -> Result<Vec<String>> {
    let DeviceRequest { driver, count, device_ids, capabilities, options } = request;
    let driver = driver.as_deref().unwrap_or_default();
    if let Some((key, _)) = options.first_key_value() {
        return Err(unsupported(format!("device request: option `{key}`: a CDI device takes none")));
    }
    if driver == "cdi" || (!device_ids.is_empty() && device_ids.iter().all(|it| is_name(it))) {
        return match device_ids.iter().find(|it| !is_name(it)) {
            None if device_ids.is_empty() => Err(invalid("device request: the driver cdi needs device_ids such as vendor.com/class=name")),
            None => Ok(device_ids.clone()),
            Some(other) => Err(invalid(format!("device request: `{other}` is no CDI name such as vendor.com/class=name"))),
        };
    }
    let is_gpu = driver == "nvidia" || (driver.is_empty() && capabilities.iter().any(|it| it == "gpu" || it == "nvidia"));
    if !is_gpu {
        let what = if driver.is_empty() {
            capabilities.join(", ")
        } else {
            format!("driver {driver}")
        };
        return Err(unsupported(format!(
            "device request ({what}): devices are given by CDI only: use the driver cdi, or capability gpu"
        )));
    }
    let named = |id: &str| format!("{GPU}={id}");
    Ok(match (device_ids.is_empty(), count) {
        (false, _) => device_ids.iter().map(|it| named(it)).collect(),
        (true, None | Some(-1)) => vec![named("all")],
        (true, Some(count)) => (0..*count).map(|at| named(&at.to_string())).collect(),
    })
}

/// What edits change besides devices.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) env: Vec<String>,
    pub(super) mounts: Vec<SpecMount>,
    pub(super) groups: Vec<u32>,
    pub(super) hooks: Option<Hooks>,
}

pub(super) fn lower(spec: &ContainerSpec, facts: &Facts<'_>, into: &mut Devices) -> Result<Changes> {
    let mut changes = Changes::default();
    let mut hooks: BTreeMap<&str, Vec<Hook>> = BTreeMap::new();
    for edits in edits(spec, facts.cdi)? {
        let Edits { env, device_nodes, mounts, hooks: named, additional_gids } = edits;
        changes.env.extend(env.iter().cloned());
        changes.groups.extend(additional_gids.iter().filter(|it| **it != 0));
        changes.mounts.extend(mounts.iter().map(mount));
        for node in device_nodes {
            node.lower(spec, facts, into)?;
        }
        for hook in named {
            hooks.entry(&hook.hook_name).or_default().push(hook.lower());
        }
    }
    if !hooks.is_empty() {
        changes.hooks = Some(gather(hooks)?);
    }
    Ok(changes)
}

impl Edits {
    /// Names the host's paths of nodes that are not described in full.
    pub(super) fn host_paths(&self) -> impl Iterator<Item = PathBuf> {
        self.device_nodes.iter().filter(|it| it.whole().is_none()).map(|it| it.host().to_owned())
    }
}

impl DeviceNode {
    fn host(&self) -> &Path {
        self.host_path.as_deref().unwrap_or(&self.path)
    }

    /// Returns the node, if the file describes it in full.
    fn whole(&self) -> Option<Node> {
        let block = match self.kind.as_deref()? {
            "b" => true,
            "c" | "u" => false,
            _ => return None,
        };
        Some(Node {
            path: self.host().to_owned(),
            block,
            major: self.major?,
            minor: self.minor?,
            mode: self.file_mode.unwrap_or(0o666),
            uid: 0,
            gid: 0,
        })
    }

    fn lower(&self, spec: &ContainerSpec, facts: &Facts<'_>, into: &mut Devices) -> Result<()> {
        let node = match self.whole() {
            Some(node) => node,
            None => devices::found(facts, self.host())?
                .first()
                .cloned()
                .ok_or_else(|| super::broken("find a device", "none"))?,
        };
        let access = devices::access(&self.permissions);
        let access =
            access.ok_or_else(|| invalid(format!("CDI device {}: `{}` is none of r, w, m", self.path.display(), self.permissions)))?;
        let mut device = devices::device(&node, self.path.clone());
        // Somebody who is not root could not open what is root's.
        let owner = |given: Option<u32>, own: u32| given.or(Some(own).filter(|it| *it != 0)).unwrap_or(0);
        device.set_uid(Some(owner(self.uid, facts.user.uid))).set_gid(Some(owner(self.gid, facts.user.gid)));
        device.set_file_mode(Some(self.file_mode.unwrap_or(node.mode)));
        debug_assert!(matches!(device.typ(), Kind::B | Kind::C), "made from a node");
        into.put(device);
        if !spec.security.privileged {
            into.allow(&node, access);
        }
        Ok(())
    }
}

fn mount(edit: &Mount) -> SpecMount {
    let mut made = SpecMount::default();
    made.set_destination(edit.container_path.clone());
    made.set_typ(Some(edit.kind.clone().unwrap_or_else(|| "bind".to_owned())));
    made.set_source(Some(edit.host_path.clone()));
    made.set_options(Some(edit.options.clone()));
    made
}

impl NamedHook {
    fn lower(&self) -> Hook {
        let mut made = Hook::default();
        made.set_path(self.path.clone());
        made.set_args(Some(self.args.clone()).filter(|it| !it.is_empty()));
        made.set_env(Some(self.env.clone()).filter(|it| !it.is_empty()));
        made.set_timeout(self.timeout);
        made
    }
}

fn gather(named: BTreeMap<&str, Vec<Hook>>) -> Result<Hooks> {
    let mut made = Hooks::default();
    for (name, hooks) in named {
        let hooks = Some(hooks);
        match name {
            "prestart" => made.set_prestart(hooks),
            "createRuntime" => made.set_create_runtime(hooks),
            "createContainer" => made.set_create_container(hooks),
            "startContainer" => made.set_start_container(hooks),
            "poststart" => made.set_poststart(hooks),
            "poststop" => made.set_poststop(hooks),
            other => return Err(invalid(format!("CDI hook `{other}` is no moment of a container"))),
        };
    }
    Ok(made)
}
