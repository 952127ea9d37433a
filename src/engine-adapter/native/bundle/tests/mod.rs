//! Specs as `config.json`: against what dockerd writes for the same flags (`docker.rs`), and by table.

mod docker;
mod process;
mod refused;
mod rights;
mod storage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Linux;
use rcompose_engine_adapter::{ContainerSpec, EngineError, ImageConfig};
use rcompose_runtime::plan::cgroup::{Hierarchy, Layout};
use rcompose_runtime::plan::{Host, Rights};
use serde_json::{Value, json};

use super::mounts::{Origin, Resolved};
use super::namespaces::Joined;
use super::users::User;
use super::{Facts, Lowered, cdi, devices};

/// The id of every container here.
const ID: &str = "0123456789abcdef0123456789abcdef";

/// Hierarchies of v1.
const CONTROLLERS: [&str; 7] = ["blkio", "cpu", "cpuset", "devices", "freezer", "memory", "pids"];

/// A spec that asks for nothing, changed as RFC 7396 has it.
pub(crate) fn spec(change: &Value) -> ContainerSpec {
    let mut plain = json!({
        "name": "web", "image": "busybox:1", "labels": {}, "annotations": {},
        "process": {"environment": {}, "tty": false, "stdin_open": false, "stdin_once": false},
        "mounts": [], "volumes_from": [], "files": [], "network": {"mode": "bridge"}, "ports": [], "expose": [],
        "dns": [], "dns_options": [], "dns_search": [], "extra_hosts": [], "links": [],
        "resources": {
            "blkio_weight_device": [], "blkio_read_bps": [], "blkio_write_bps": [], "blkio_read_iops": [], "blkio_write_iops": [],
            "ulimits": {}, "devices": [], "device_cgroup_rules": []
        },
        "device_requests": [],
        "security": {"privileged": false, "read_only": false, "cap_add": [], "cap_drop": [], "security_opt": [], "group_add": []},
        "namespaces": {}, "restart": "no", "storage_opt": {}, "sysctls": {}, "auto_remove": false
    });
    merge(&mut plain, change);
    // A bare variable takes the image's away, which a merge cannot write.
    for name in change.pointer("/process/without").and_then(Value::as_array).into_iter().flatten() {
        plain["process"]["environment"][name.as_str().unwrap()] = Value::Null;
    }
    serde_json::from_value(plain).unwrap()
}

/// Changes a document as RFC 7396 has it: `null` removes.
fn merge(document: &mut Value, change: &Value) {
    let Value::Object(fields) = change else {
        *document = change.clone();
        return;
    };
    if !document.is_object() {
        *document = json!({});
    }
    for (key, change) in fields {
        let Some(object) = document.as_object_mut() else { continue };
        if change.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

/// What the engine would have found.
struct World {
    image: ImageConfig,
    user: User,
    host: Host,
    mounts: Vec<Resolved>,
    joined: Joined,
    shm: Option<String>,
    hostname: Option<String>,
    links: BTreeMap<String, String>,
    init: Option<PathBuf>,
    nodes: devices::Nodes,
    cdi: cdi::Known,
    swap_accounting: bool,
}

impl Default for World {
    fn default() -> Self {
        let hierarchy = |name: &&str| Hierarchy {
            mount: Path::new("/sys/fs/cgroup").join(name),
            controllers: vec![(*name).to_owned()],
            own: "/".into(),
        };
        // What the kernel of Docker 20.10's time knows.
        let known = (1 << 38) - 1;
        Self {
            image: ImageConfig {
                command: vec!["sleep".to_owned(), "60".to_owned()],
                environment: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]),
                ..ImageConfig::default()
            },
            user: User { uid: 0, gid: 0, groups: vec![0], home: "/".to_owned() },
            host: Host {
                rights: Rights { capabilities: known, known, apparmor: false, selinux: false },
                cgroups: Layout { v1: CONTROLLERS.iter().map(hierarchy).collect(), v2: None },
                has_kcore: true,
            },
            mounts: vec![
                resolved("/state/hosts", "/etc/hosts", Origin::Engine),
                resolved("/state/hostname", "/etc/hostname", Origin::Engine),
                resolved("/state/resolv.conf", "/etc/resolv.conf", Origin::Engine),
            ],
            joined: Joined::default(),
            shm: None,
            hostname: None,
            links: BTreeMap::new(),
            init: None,
            nodes: devices::Nodes::new(),
            cdi: cdi::Known::default(),
            swap_accounting: true,
        }
    }
}

fn resolved(source: &str, target: &str, origin: Origin) -> Resolved {
    Resolved { source: source.into(), target: target.to_owned(), origin }
}

fn node(path: &str, block: bool, major: u32, minor: u32, mode: u32) -> devices::Node {
    devices::Node { path: path.into(), block, major, minor, mode, uid: 0, gid: 0 }
}

impl World {
    fn lower(&self, spec: &ContainerSpec) -> Result<Lowered, EngineError> {
        super::lower(
            spec,
            &Facts {
                id: ID,
                rootfs: Path::new("/rootfs"),
                image: &self.image,
                user: &self.user,
                host: &self.host,
                kernel: (6, 1),
                cpus: 2,
                swap_accounting: self.swap_accounting,
                apparmor: None,
                mounts: &self.mounts,
                joined: &self.joined,
                shm: self.shm.as_deref().map(Path::new),
                hostname: self.hostname.as_deref(),
                links: &self.links,
                cgroup: Path::new("/docker"),
                init: self.init.as_deref(),
                nodes: &self.nodes,
                cdi: &self.cdi,
            },
        )
    }

    fn with(&self, change: &Value) -> Lowered {
        self.lower(&spec(change)).unwrap_or_else(|error| panic!("{change}: {error}"))
    }

    /// The options of the mount at a target.
    fn options(&self, change: &Value, target: &str) -> String {
        let lowered = self.with(change);
        let found = lowered.spec.mounts().iter().flatten().find(|it| it.destination() == Path::new(target));
        found
            .unwrap_or_else(|| panic!("{change}: nothing at {target}"))
            .options()
            .as_ref()
            .unwrap()
            .join(",")
    }
}

/// A host with v2 alone.
fn unified() -> Layout {
    let controllers = ["cpu", "cpuset", "io", "memory", "pids"].map(str::to_owned).to_vec();
    Layout { v1: Vec::new(), v2: Some(Hierarchy { mount: "/sys/fs/cgroup".into(), controllers, own: "/".into() }) }
}

fn linux(lowered: &Lowered) -> &Linux {
    lowered.spec.linux().as_ref().unwrap()
}
