//! `state`, `list`, `ps`, `events`, `features`, `spec`.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rcompose_runtime::{Container, RuntimeError, Status, Usage};
use serde_json::{Value, json};

use super::{Face, OciError, Result};
use crate::output;

fn print(text: &str) -> Result<()> {
    output::out(text).map_err(|_| OciError::Streams("write to standard output", std::io::Error::from(std::io::ErrorKind::BrokenPipe)))
}

fn print_json(value: &Value) -> Result<u8> {
    print(&format!("{value:#}\n")).map(|()| 0)
}

/// The state of a container, as the OCI spec has it and runc adds to it.
fn described(face: &Face, container: &Container) -> Value {
    let record = container.record();
    let status = container.status();
    // A spec that is damaged keeps nobody from seeing the rest.
    let annotations = face.store.spec(&record.id).ok().and_then(|it| it.annotations().clone()).unwrap_or_default();
    json!({
        "ociVersion": rcompose_runtime::OCI_VERSION,
        "id": record.id,
        "pid": if status == Status::Stopped { 0 } else { record.pid },
        "status": status.as_str(),
        "bundle": record.bundle,
        "rootfs": record.rootfs,
        "created": record.created,
        "annotations": annotations,
        "owner": "",
    })
}

/// Prints the state.
pub(super) fn state(face: &Face) -> Result<u8> {
    print_json(&described(face, &face.store.read(face.id(0)?)?))
}

/// Lists containers.
pub(super) fn list(face: &Face) -> Result<u8> {
    let mut all = Vec::new();
    for id in face.store.names()? {
        match face.store.read(&id) {
            Ok(container) => all.push(container),
            // Being made, or being removed.
            Err(RuntimeError::Absent { .. }) => {}
            Err(error) => face.journal.warning(&error.chain()),
        }
    }
    if face.words.has("quiet") {
        let names: String = all.iter().map(|it| format!("{}\n", it.record().id)).collect();
        return print(&names).map(|()| 0);
    }
    match face.words.value("format") {
        Some("json") => print_json(&Value::Array(all.iter().map(|it| described(face, it)).collect())),
        None | Some("table") => {
            let mut text = format!("{:<40} {:<8} {:<9} {}\n", "ID", "PID", "STATUS", "BUNDLE");
            for container in &all {
                let record = container.record();
                let status = container.status();
                let pid = if status == Status::Stopped { 0 } else { record.pid };
                text.push_str(&format!("{:<40} {:<8} {:<9} {}\n", record.id, pid, status.as_str(), record.bundle.display()));
            }
            print(&text).map(|()| 0)
        }
        Some(other) => Err(OciError::Words(format!("--format {other}: neither `table` nor `json`"))),
    }
}

/// Lists processes.
pub(super) fn ps(face: &Face) -> Result<u8> {
    let container = face.store.read(face.id(0)?)?;
    let pids = container.processes();
    match face.words.value("format") {
        Some("json") => print(&format!("{}\n", json!(pids))).map(|()| 0),
        None | Some("table") => {
            let mut text = format!("{:<8} {}\n", "PID", "CMD");
            for pid in pids {
                let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let words = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
                text.push_str(&format!("{pid:<8} {words}\n"));
            }
            print(&text).map(|()| 0)
        }
        Some(other) => Err(OciError::Words(format!("--format {other}: neither `table` nor `json`"))),
    }
}

/// How often is looked whether memory ran out.
const LOOK: Duration = Duration::from_millis(100);
/// How often figures are printed.
const INTERVAL: u64 = 5;

/// Prints figures, and each time that memory runs out, until the container ends.
pub(super) fn events(face: &Face) -> Result<u8> {
    let container = face.store.read(face.id(0)?)?;
    let event = |kind: &str, data: Option<Usage>| {
        let mut event = json!({ "type": kind, "id": container.record().id });
        if let Some(data) = data {
            event["data"] = figures(&data);
        }
        print(&format!("{event}\n"))
    };
    if container.status() == Status::Stopped {
        return Err(RuntimeError::State { reason: format!("container with id {} is not running", container.record().id) }.into());
    }
    if face.words.has("stats") {
        return event("stats", Some(container.usage())).map(|()| 0);
    }
    let text = face.words.value("interval").unwrap_or("5s");
    let seconds = text.trim_end_matches('s').parse::<u64>().ok().filter(|it| *it > 0);
    let interval = Duration::from_secs(
        seconds
            .ok_or_else(|| OciError::Words(format!("--interval {text}: not a number of seconds")))?
            .max(INTERVAL.min(1)),
    );
    let mut seen = container.usage().oom_kills.unwrap_or(0);
    let mut last = Instant::now();
    while container.status() != Status::Stopped {
        std::thread::sleep(LOOK);
        let usage = container.usage();
        let kills = usage.oom_kills.unwrap_or(seen);
        for _ in seen..kills {
            event("oom", None)?;
        }
        seen = seen.max(kills);
        if last.elapsed() >= interval {
            event("stats", Some(usage))?;
            last = Instant::now();
        }
    }
    Ok(0)
}

/// Figures under the names that runc gives them.
fn figures(usage: &Usage) -> Value {
    json!({
        "cpu": { "usage": { "total": usage.cpu, "kernel": usage.cpu_kernel, "user": usage.cpu_user } },
        "memory": {
            "cache": usage.cache,
            "usage": { "limit": usage.memory_limit, "usage": usage.memory, "max": usage.memory_peak },
            "oomKills": usage.oom_kills,
        },
        "pids": { "current": usage.pids, "limit": usage.pids_limit },
    })
}

/// Prints what this runtime can do; source: OCI runtime spec, features.md.
pub(super) fn features() -> Result<u8> {
    let operators = [
        "SCMP_CMP_EQ",
        "SCMP_CMP_GE",
        "SCMP_CMP_GT",
        "SCMP_CMP_LE",
        "SCMP_CMP_LT",
        "SCMP_CMP_MASKED_EQ",
        "SCMP_CMP_NE",
    ];
    print_json(&json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": rcompose_runtime::OCI_VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": rcompose_runtime::plan::MOUNT_OPTIONS,
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": rcompose_runtime::plan::capability_names(),
            "cgroup": { "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true },
            "seccomp": {
                "enabled": true,
                "actions": ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                    "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"],
                "operators": operators,
                "archs": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"],
                "knownFlags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"],
                "supportedFlags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"],
            },
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "intelRdt": { "enabled": false },
            "mountExtensions": { "idmap": { "enabled": true } },
        },
    }))
}

/// Writes a spec to begin with.
pub(super) fn spec(face: &Face) -> Result<u8> {
    let path = face.words.path("bundle").unwrap_or_else(|| PathBuf::from(".")).join("config.json");
    if path.exists() {
        return Err(OciError::file("write", path, std::io::Error::from(std::io::ErrorKind::AlreadyExists)));
    }
    let spec = if face.words.has("rootless") {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        oci_spec::runtime::Spec::rootless(uid, gid)
    } else {
        oci_spec::runtime::Spec::default()
    };
    let text = serde_json::to_string_pretty(&spec).unwrap_or_default();
    fs::write(&path, text + "\n").map_err(|error| OciError::file("write", path, error))?;
    Ok(0)
}
