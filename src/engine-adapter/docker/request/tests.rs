//! What goes over the wire, and what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rcompose_engine_adapter::{
    Attachment, Check, ConfigHash, ContainerSpec, DeviceMapping, DeviceRequest, EngineInfo, ErrorKind, Hole, HostEntry, Logging, Mount,
    MountKind, NetworkMode, PortSpec, Propagation, Protocol, Recursive, Restart, Test, Tmpfs, Ulimit,
};
use serde_json::Value;

use super::{Known, container};
use crate::version::ApiVersion;

fn info(version: ApiVersion) -> EngineInfo {
    EngineInfo {
        name: "docker".into(),
        version: "test".into(),
        api: version.to_string(),
        features: version.features("linux"),
    }
}

fn known() -> Known {
    Known { ids: BTreeMap::from([("p-db-1".into(), "0123abcd".into())]), image: Some("sha256:feed".into()) }
}

fn lowered(spec: &ContainerSpec, version: ApiVersion) -> rcompose_engine_adapter::Result<Value> {
    container(spec, &info(version), version, &known()).map(|body| serde_json::to_value(body).expect("JSON"))
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn mount(target: &str, kind: MountKind) -> Mount {
    Mount { target: target.into(), kind, read_only: false }
}

fn bind(source: &str, create_host_path: bool, recursive: Option<Recursive>, selinux: Option<&str>) -> MountKind {
    let selinux = selinux.map(str::to_owned);
    MountKind::Bind { source: source.into(), create_host_path, propagation: Some(Propagation::Rslave), recursive, selinux }
}

/// A spec that asks for something of everything that every engine takes.
fn full() -> ContainerSpec {
    let mut spec = rcompose_memory::container("p-web-1", "web:1");
    spec.labels.insert("a".into(), "b".into());
    spec.process.entrypoint = Some(Vec::new());
    spec.process.command = Some(strings(&["run"]));
    spec.process.environment = BTreeMap::from([("A".into(), Some("1".into())), ("GONE".into(), None)]);
    spec.process.user = Some("1:2".into());
    spec.process.working_dir = Some("/w".into());
    spec.process.stdin_open = true;
    spec.hostname = Some("web".into());
    spec.domainname = Some("example".into());
    spec.mounts = vec![
        mount("/b1", bind("/src", true, None, Some("z"))),
        mount("/b2", bind("/src", false, Some(Recursive::Disabled), None)),
        mount("/v1", MountKind::Volume { name: "p_data".into(), nocopy: true, subpath: None, labels: BTreeMap::new() }),
        mount("/v2", MountKind::Anonymous { carry: Some("ab".into()), nocopy: false, labels: BTreeMap::new() }),
        mount("/t1", MountKind::Tmpfs(Tmpfs { size: Some(1), mode: Some(0o700), options: None })),
        mount("/t2", MountKind::Tmpfs(Tmpfs { size: Some(1), mode: Some(0o700), options: Some("exec".into()) })),
    ];
    spec.volumes_from = strings(&["p-db-1:ro"]);
    let first = Attachment {
        aliases: strings(&["web"]),
        ipv4_address: Some("10.0.0.9".into()),
        ..rcompose_memory::attachment("p_front")
    };
    spec.network = NetworkMode::Networks { attachments: vec![first, rcompose_memory::attachment("p_back")] };
    spec.mac_address = Some("02:42:ac:11:65:43".into());
    let port = |published| PortSpec { target: 80, protocol: Protocol::Tcp, host_ip: "127.0.0.1".parse().ok(), published };
    spec.ports = vec![port(Some((4000, 4004))), port(Some((80, 80))), port(None)];
    spec.expose = BTreeSet::from(["9000/udp".to_owned()]);
    spec.dns = strings(&["1.1.1.1"]);
    spec.dns_options = strings(&["ndots:1"]);
    spec.dns_search = strings(&["example"]);
    spec.extra_hosts = vec![HostEntry { host: "gate".into(), address: "host-gateway".into() }];
    spec.links = strings(&["p-db-1:db"]);
    spec.resources.nano_cpus = Some(1_500_000_000);
    spec.resources.memory = Some(64 << 20);
    spec.resources.ulimits.insert("nofile".into(), Ulimit { soft: 1, hard: 2 });
    spec.resources.devices = vec![DeviceMapping { source: "/dev/null".into(), target: "/dev/n".into(), permissions: "rwm".into() }];
    let request = DeviceRequest {
        driver: Some("nvidia".into()),
        count: Some(-1),
        device_ids: Vec::new(),
        capabilities: strings(&["gpu"]),
        options: BTreeMap::new(),
    };
    spec.device_requests = vec![request];
    spec.security.privileged = true;
    spec.security.cap_add = strings(&["NET_ADMIN"]);
    spec.namespaces.pid = Some("container:p-db-1".into());
    spec.namespaces.cgroup = Some("private".into());
    spec.healthcheck = Some(Check {
        test: Some(Test::Shell("true".into())),
        interval: Some(Duration::from_millis(1500)),
        ..Check::default()
    });
    spec.restart = Restart::OnFailure { attempts: 3 };
    spec.logging = Some(Logging { driver: None, options: BTreeMap::from([("max-size".into(), "1m".into())]) });
    spec.stop_signal = Some("SIGINT".into());
    spec.stop_grace = Some(Duration::from_millis(1500));
    spec.init = Some(true);
    spec.config_hash = Some(ConfigHash {
        preimage: "x@db@".into(),
        dialects: Vec::new(),
        holes: vec![Hole { marker: "@db@".into(), container: "p-db-1".into() }],
    });
    spec
}

#[test]
fn the_oldest_api_gets_one_network_and_the_address_beside_it() {
    insta::assert_json_snapshot!(lowered(&full(), ApiVersion::OLDEST).expect("lowered"));
}

#[test]
fn the_newest_api_gets_all_networks_and_the_address_within() {
    insta::assert_json_snapshot!(lowered(&full(), ApiVersion::NEWEST).expect("lowered"));
}

#[test]
fn what_an_engine_cannot_do_is_refused_by_name() {
    type Change = fn(&mut ContainerSpec);
    let cases: &[(&str, Change)] = &[
        ("annotations", |spec| spec.annotations = BTreeMap::from([("a".into(), "b".into())])),
        ("start_interval", |spec| {
            spec.healthcheck = Some(Check { start_interval: Some(Duration::from_secs(1)), ..Check::default() })
        }),
        ("subpath", |spec| {
            let kind = MountKind::Volume { name: "v".into(), nocopy: false, subpath: Some("s".into()), labels: BTreeMap::new() };
            spec.mounts = vec![mount("/m", kind)];
        }),
        ("type image", |spec| spec.mounts = vec![mount("/m", MountKind::Image { image: "i".into(), subpath: None })]),
        ("credential_spec", |spec| spec.mounts = vec![mount("/m", MountKind::Npipe { source: "p".into() })]),
        ("credential_spec", |spec| spec.security.credential_spec = Some("file://x".into())),
        ("bind.recursive", |spec| spec.mounts = vec![mount("/m", bind("/s", false, Some(Recursive::Readonly), None))]),
        ("bind.create_host_path", |spec| spec.mounts = vec![mount("/m", bind("/s:x", true, None, None))]),
        ("bind.selinux", |spec| spec.mounts = vec![mount("/m", bind("/s", false, None, Some("z")))]),
        ("interface_name", |spec| {
            let end = Attachment { interface_name: Some("e".into()), ..rcompose_memory::attachment("n") };
            spec.network = NetworkMode::Networks { attachments: vec![end] };
        }),
        ("gw_priority", |spec| {
            let end = Attachment { gateway_priority: Some(1), ..rcompose_memory::attachment("n") };
            spec.network = NetworkMode::Networks { attachments: vec![end] };
        }),
        ("mac_address", |spec| {
            let end = Attachment { mac_address: Some("02:00:00:00:00:01".into()), ..rcompose_memory::attachment("n") };
            spec.network = NetworkMode::Networks { attachments: vec![rcompose_memory::attachment("m"), end] };
        }),
        ("cgroup", |spec| spec.namespaces.cgroup = Some("container:x".into())),
        ("CDI", |spec| {
            let device = DeviceMapping { source: "vendor.com/class=all".into(), target: String::new(), permissions: String::new() };
            spec.resources.devices = vec![device];
        }),
    ];
    for (word, change) in cases {
        let mut spec = rcompose_memory::container("p-web-1", "web:1");
        change(&mut spec);
        let error = lowered(&spec, ApiVersion::OLDEST).expect_err(word);
        assert_eq!(error.kind, ErrorKind::Unsupported, "{word}: {error}");
        assert!(error.message.contains(word), "{word}: {error}");
    }
}

#[test]
fn a_hash_that_refers_to_nobody_is_an_error() {
    let mut spec = full();
    spec.config_hash.as_mut().expect("a hash").holes[0].container = "p-none-1".into();
    assert_eq!(lowered(&spec, ApiVersion::NEWEST).expect_err("nobody").kind, ErrorKind::NotFound);
}
