//! A container read back is the spec it was made from.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::TryStreamExt;
use rcompose_engine_adapter::{
    Attachment, BlkioDevice, Check, ContainerSpec, DeviceMapping, Engine, ErrorKind, Feature, HostEntry, LogOptions, Logging, Mount,
    MountKind, NetworkMode, PortSpec, Propagation, Protocol, Recursive, Restart, Streams, Test, Tmpfs, Ulimit, VolumeName,
};

use serde_json::Value;

use crate::lab::{IMAGE, Lab, with_engine};

type Change = fn(&Lab, &mut ContainerSpec);

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn bind(source: &str, create_host_path: bool) -> MountKind {
    MountKind::Bind { source: source.into(), create_host_path, propagation: None, recursive: None, selinux: None }
}

fn mount(target: &str, kind: MountKind, read_only: bool) -> Mount {
    Mount { target: target.into(), kind, read_only }
}

fn tmpfs(size: Option<i64>, mode: Option<u32>, options: Option<&str>) -> MountKind {
    MountKind::Tmpfs(Tmpfs { size, mode, options: options.map(str::to_owned) })
}

fn port(target: u16, protocol: Protocol, host_ip: Option<&str>, published: Option<(u16, u16)>) -> PortSpec {
    PortSpec { target, protocol, host_ip: host_ip.map(|ip| ip.parse().expect("an address")), published }
}

/// Specs that together use every field that an ordinary engine on Linux takes.
const CHANGES: &[(&str, Change)] = &[
    ("nothing", |_, _| {}),
    ("process", |_, spec| {
        spec.process.entrypoint = Some(strings(&["/bin/sh", "-c"]));
        spec.process.command = Some(strings(&["echo \"$A\"", "x"]));
        spec.process.environment = [
            ("A".to_owned(), Some("1=2".to_owned())),
            ("EMPTY".to_owned(), Some(String::new())),
            ("PATH".to_owned(), None),
        ]
        .into();
        spec.process.user = Some("12:34".into());
        spec.process.working_dir = Some("/tmp".into());
    }),
    ("terminal", |_, spec| {
        spec.process.tty = true;
        spec.process.stdin_open = true;
        spec.process.stdin_once = true;
    }),
    ("names", |_, spec| {
        spec.hostname = Some("web.example".into());
        spec.domainname = Some("example".into());
        spec.dns = strings(&["10.9.8.7"]);
        spec.dns_options = strings(&["ndots:2"]);
        spec.dns_search = strings(&["a.example", "b.example"]);
        spec.extra_hosts = vec![
            HostEntry { host: "gate".into(), address: "host-gateway".into() },
            HostEntry { host: "six".into(), address: "fd00::1".into() },
        ];
    }),
    ("mounts", |lab, spec| {
        spec.mounts = vec![
            mount("/m1", bind("/usr", true), true),
            mount("/m2", bind("/usr", false), false),
            mount(
                "/m3",
                MountKind::Bind {
                    source: "/usr".into(),
                    create_host_path: true,
                    propagation: Some(Propagation::Rslave),
                    recursive: None,
                    selinux: Some("z".into()),
                },
                false,
            ),
            mount(
                "/m4",
                MountKind::Bind {
                    source: "/usr".into(),
                    create_host_path: false,
                    propagation: Some(Propagation::Rprivate),
                    recursive: Some(Recursive::Disabled),
                    selinux: None,
                },
                true,
            ),
            mount(
                "/m5",
                MountKind::Volume {
                    name: VolumeName::new(format!("{}_data", lab.project)),
                    nocopy: true,
                    subpath: None,
                    labels: map(&[("a", "b")]),
                },
                true,
            ),
            mount("/m6", MountKind::Anonymous { carry: None, nocopy: true, labels: map(&[("c", "d")]) }, false),
            mount("/m7", tmpfs(Some(1 << 20), Some(0o700), None), false),
            mount("/m8", tmpfs(None, None, Some("size=1m,exec")), false),
            mount("/m9", tmpfs(None, None, None), false),
        ];
    }),
    ("ports", |lab, spec| {
        spec.network = NetworkMode::Networks { attachments: vec![lab.attachment("one")] };
        spec.ports = vec![
            port(80, Protocol::Tcp, None, None),
            port(80, Protocol::Tcp, Some("127.0.0.1"), Some((45_000, 45_009))),
            port(80, Protocol::Udp, Some("::1"), Some((45_010, 45_010))),
        ];
        spec.expose = strings(&["7000/tcp", "7001/udp"]).into_iter().collect();
    }),
    ("networks", |lab, spec| {
        let full = Attachment {
            aliases: strings(&["www", "web"]),
            ipv4_address: Some("10.231.78.9".into()),
            link_local_ips: strings(&["169.254.8.8"]),
            driver_opts: map(&[("a", "b")]),
            ..lab.attachment("one")
        };
        spec.network = NetworkMode::Networks { attachments: vec![full, lab.attachment("two")] };
    }),
    ("host", |_, spec| spec.network = NetworkMode::Host),
    ("bridge", |_, spec| spec.network = NetworkMode::Bridge),
    ("resources", |_, spec| {
        let it = &mut spec.resources;
        it.cpu_period = Some(50_000);
        it.cpu_quota = Some(25_000);
        it.cpu_shares = Some(512);
        it.cpuset = Some("0".into());
        it.memory = Some(64 << 20);
        it.memory_reservation = Some(32 << 20);
        it.memory_swap = Some(96 << 20);
        it.pids = Some(77);
        it.shm_size = Some(8 << 20);
        it.oom_score_adj = Some(100);
        it.ulimits.insert("nofile".into(), Ulimit { soft: 100, hard: 200 });
        it.ulimits.insert("core".into(), Ulimit { soft: 0, hard: 0 });
        it.cgroup_parent = Some("/rcompose-test".into());
        it.devices = vec![DeviceMapping { source: "/dev/null".into(), target: "/dev/nothing".into(), permissions: "rw".into() }];
        it.device_cgroup_rules = strings(&["c 1:3 mr"]);
    }),
    ("more resources", |_, spec| {
        let it = &mut spec.resources;
        it.nano_cpus = Some(500_000_000);
        it.memory = Some(64 << 20);
        it.blkio_read_bps = vec![BlkioDevice { path: "/dev/loop0".into(), value: 1 << 20 }];
        it.oom_kill_disable = Some(true);
    }),
    ("security", |_, spec| {
        let it = &mut spec.security;
        it.read_only = true;
        it.cap_add = strings(&["NET_ADMIN", "SYS_TIME"]);
        it.cap_drop = strings(&["MKNOD"]);
        it.security_opt = strings(&["no-new-privileges:true", "seccomp=unconfined"]);
        it.group_add = strings(&["5", "staff"]);
        it.userns_mode = Some("host".into());
    }),
    ("privileged", |_, spec| {
        spec.security.privileged = true;
        spec.namespaces.ipc = Some("host".into());
        spec.namespaces.pid = Some("host".into());
        spec.namespaces.uts = Some("host".into());
    }),
    ("namespaces", |_, spec| spec.namespaces.ipc = Some("shareable".into())),
    ("health", |_, spec| {
        spec.healthcheck = Some(Check {
            test: Some(Test::Command(strings(&["true"]))),
            interval: Some(Duration::from_millis(1500)),
            timeout: Some(Duration::from_secs(2)),
            retries: Some(4),
            start_period: Some(Duration::from_secs(5)),
            start_interval: None,
        });
        spec.restart = Restart::OnFailure { attempts: 5 };
    }),
    ("no health", |_, spec| {
        spec.healthcheck = Some(Check { test: Some(Test::None), ..Check::default() });
        spec.restart = Restart::UnlessStopped;
    }),
    ("shell health", |_, spec| {
        spec.healthcheck = Some(Check { test: Some(Test::Shell("exit 0".into())), ..Check::default() });
        spec.restart = Restart::Always;
    }),
    ("end", |_, spec| {
        spec.stop_signal = Some("SIGINT".into());
        spec.stop_grace = Some(Duration::from_secs(3));
        spec.init = Some(true);
        spec.auto_remove = true;
        spec.logging = Some(Logging { driver: Some("local".into()), options: map(&[("max-size", "1m")]) });
    }),
    ("default logging with options", |_, spec| {
        spec.logging = Some(Logging { driver: None, options: map(&[("max-size", "1m")]) });
        spec.init = Some(false);
        spec.sysctls = map(&[("net.core.somaxconn", "100")]);
        spec.labels.insert("a.b".into(), "c=d".into());
    }),
];

#[test]
fn a_container_reads_back_as_its_spec() {
    with_engine(|lab| async move {
        let mut one = lab.network("one");
        one.ipam_pools = vec![rcompose_engine_adapter::IpamPool { subnet: Some("10.231.78.0/24".into()), ..Default::default() }];
        lab.docker.create_network(&one).await.expect("creatable");
        lab.docker.create_network(&lab.network("two")).await.expect("creatable");
        lab.docker.create_volume(&lab.volume("data")).await.expect("creatable");
        let mut wrong = Vec::new();
        for (name, change) in CHANGES {
            let mut spec = lab.plain("web");
            change(&lab, &mut spec);
            if let Err(error) = lab.docker.create_container(&spec).await {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
            let found = *lab.see("web").await.spec.expect("details");
            if let Some(difference) = difference(&spec, &found) {
                wrong.push(format!("{name}: {difference}"));
            }
            lab.docker.remove_container(&spec.name, true).await.expect("removable");
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// Changes that only newer engines take, with the feature that each needs.
const NEWER: &[(&str, Feature, Change)] = &[
    ("annotations", Feature::Annotations, |_, spec| spec.annotations = map(&[("a", "b")])),
    ("start interval", Feature::StartInterval, |_, spec| {
        spec.healthcheck = Some(Check {
            test: Some(Test::Shell("true".into())),
            start_interval: Some(Duration::from_secs(1)),
            ..Check::default()
        });
    }),
    ("recursive binds", Feature::RecursiveReadOnly, |_, spec| {
        let recursive = |recursive, create_host_path, propagation| MountKind::Bind {
            source: "/usr".into(),
            create_host_path,
            propagation,
            recursive: Some(recursive),
            selinux: None,
        };
        spec.mounts = vec![
            mount("/m1", recursive(Recursive::Writable, false, None), true),
            mount("/m2", recursive(Recursive::Readonly, true, Some(Propagation::Rprivate)), true),
        ];
    }),
    ("volume subpath", Feature::VolumeSubpath, |lab, spec| {
        let name = VolumeName::new(format!("{}_data", lab.project));
        let kind = MountKind::Volume { name, nocopy: false, subpath: Some("sub/path".into()), labels: BTreeMap::new() };
        spec.mounts = vec![mount("/m1", kind, false)];
    }),
    // One at a time: Engine 28.5 refuses the same image twice in one container.
    ("image mount", Feature::ImageMount, |_, spec| {
        spec.mounts = vec![mount("/m1", MountKind::Image { image: IMAGE.into(), subpath: None }, true)];
    }),
    ("image subpath", Feature::ImageSubpath, |_, spec| {
        spec.mounts = vec![mount("/m2", MountKind::Image { image: IMAGE.into(), subpath: Some("bin".into()) }, true)];
    }),
    ("interfaces", Feature::InterfaceName, |lab, spec| {
        let one = Attachment { interface_name: Some("inner0".into()), ..lab.attachment("one") };
        let two = Attachment { gateway_priority: Some(5), ..lab.attachment("two") };
        spec.network = NetworkMode::Networks { attachments: vec![one, two] };
    }),
];

#[test]
fn what_only_newer_engines_take_reads_back_or_is_refused_by_name() {
    with_engine(|lab| async move {
        for key in ["one", "two"] {
            lab.docker.create_network(&lab.network(key)).await.expect("creatable");
        }
        let mut wrong = Vec::new();
        for (name, feature, change) in NEWER {
            let mut spec = lab.plain("web");
            change(&lab, &mut spec);
            match lab.docker.create_container(&spec).await {
                Ok(()) => {
                    let found = *lab.see("web").await.spec.expect("details");
                    wrong.extend(difference(&spec, &found).map(|difference| format!("{name}: {difference}")));
                    lab.docker.remove_container(&spec.name, true).await.expect("removable");
                }
                Err(error) if lab.docker.info().has(*feature) => wrong.push(format!("{name}: {error}")),
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Unsupported, "{name}: {error}");
                    assert!(error.message.contains("API 1."), "{name}: {error}");
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn a_mac_address_is_given_to_the_first_network_on_every_engine() {
    with_engine(|lab| async move {
        lab.docker.create_network(&lab.network("one")).await.expect("creatable");
        lab.docker.create_network(&lab.network("two")).await.expect("creatable");
        let address = "02:42:ac:11:65:43";
        let first = Attachment { mac_address: Some(address.into()), ..lab.attachment("one") };
        for (name, whole) in [("endpoint", false), ("container", true)] {
            let mut spec = lab.shell(name, "cat /sys/class/net/eth0/address");
            let one = if whole { lab.attachment("one") } else { first.clone() };
            spec.mac_address = whole.then(|| address.to_owned());
            spec.network = NetworkMode::Networks { attachments: vec![one] };
            lab.run(&spec).await;
            assert_eq!(lab.docker.wait_container(&spec.name).await.expect("ended"), 0);
            let lines: Vec<_> = lab.docker.logs(&spec.name, &LogOptions::default()).try_collect().await.expect("readable");
            assert_eq!(lines.first().map(|line| &line.line[..]), Some(address.as_bytes()), "{name}");
        }
        // The engine would take it without a word, and give another address.
        let late = Attachment { mac_address: Some(address.into()), ..lab.attachment("two") };
        let error = lab.docker.connect(&lab.name("endpoint"), &late).await.expect_err("too late");
        assert!(error.kind == ErrorKind::Unsupported && error.message.contains(address), "{error}");
        lab.docker.connect(&lab.name("endpoint"), &first).await.expect("attached already");

        let mut spec = lab.plain("second");
        let second = Attachment { mac_address: Some(address.into()), ..lab.attachment("two") };
        spec.network = NetworkMode::Networks { attachments: vec![lab.attachment("one"), second] };
        match lab.docker.create_container(&spec).await {
            Ok(()) => assert!(lab.docker.info().has(Feature::NetworksAtCreate)),
            Err(error) => assert!(error.kind == ErrorKind::Unsupported && error.message.contains("mac_address"), "{error}"),
        }
    });
}

/// One of the two is the engine's default on this host, and shows as nothing; the other shows.
#[test]
fn a_cgroup_namespace_reads_back_unless_it_is_the_default() {
    with_engine(|lab| async move {
        let mut found = Vec::new();
        for mode in ["host", "private"] {
            let mut spec = lab.plain("web");
            spec.namespaces.cgroup = Some(mode.into());
            lab.docker.create_container(&spec).await.expect("creatable");
            found.push(lab.see("web").await.spec.expect("details").namespaces.cgroup);
            lab.docker.remove_container(&spec.name, true).await.expect("removable");
        }
        let (host, private) = (Some("host".to_owned()), Some("private".to_owned()));
        assert!(found == [host, None] || found == [None, private], "{found:?}");
    });
}

/// Names the fields that differ.
fn difference(wanted: &ContainerSpec, found: &ContainerSpec) -> Option<String> {
    let mut differ = Vec::new();
    let value = |spec: &ContainerSpec| serde_json::to_value(spec).expect("data");
    compare(String::new(), &value(wanted), &value(found), &mut differ);
    (!differ.is_empty()).then(|| differ.join(", "))
}

fn compare(at: String, wanted: &Value, found: &Value, differ: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) if wanted.keys().eq(found.keys()) => {
            wanted.iter().for_each(|(key, value)| compare(format!("{at}.{key}"), value, &found[key], differ));
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            wanted
                .iter()
                .zip(found)
                .enumerate()
                .for_each(|(index, (a, b))| compare(format!("{at}[{index}]"), a, b, differ));
        }
        (wanted, found) if wanted != found => differ.push(format!("{at}: {wanted} → {found}")),
        _ => {}
    }
}
