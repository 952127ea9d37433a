//! What the engine stands on.

use std::fs;
use std::path::Path;

use rcompose_engine_adapter::{Ground, Result};
use rcompose_runtime::plan::Host;

use crate::error;
use crate::place::Places;

pub(super) fn ground(places: &Places) -> Result<Ground> {
    let host = rcompose_runtime::host::read().map_err(error::runtime("read what this host is"))?;
    let uname = rustix::system::uname();
    Ok(Ground {
        root: places.root.display().to_string(),
        run: Some(places.run.display().to_string()),
        kernel: uname.release().to_string_lossy().into_owned(),
        system: system(&fs::read_to_string("/etc/os-release").unwrap_or_default()),
        architecture: uname.machine().to_string_lossy().into_owned(),
        cpus: std::thread::available_parallelism().map_or(1, |it| it.get() as u64),
        memory: memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
        cgroup: version(&host).to_owned(),
        controllers: controllers(&host),
        storage: "overlay".into(),
        network: "bridge, veth, nftables".into(),
        security: security(&host),
    })
}

/// Which version of control groups limits containers; both may be mounted, and then the older one has the controllers.
fn version(host: &Host) -> &'static str {
    let cgroups = &host.cgroups;
    match (cgroups.v1.iter().any(|it| !is_named(&it.controllers)), &cgroups.v2) {
        (true, _) => "1",
        (false, Some(_)) => "2",
        (false, None) => "none",
    }
}

fn is_named(controllers: &[String]) -> bool {
    controllers.iter().all(|it| it.starts_with("name="))
}

/// Controllers of both versions, sorted.
pub(crate) fn controllers(host: &Host) -> Vec<String> {
    let all = host.cgroups.v1.iter().chain(&host.cgroups.v2).flat_map(|it| &it.controllers);
    let mut all: Vec<String> = all.filter(|it| !it.starts_with("name=")).cloned().collect();
    all.sort();
    all.dedup();
    all
}

fn security(host: &Host) -> Vec<String> {
    let seccomp = Path::new("/proc/sys/kernel/seccomp").exists();
    let known = [("seccomp", seccomp), ("apparmor", host.rights.apparmor), ("selinux", host.rights.selinux)];
    known.into_iter().filter(|(_, there)| *there).map(|(name, _)| name.to_owned()).collect()
}

/// The name of the distribution; source: os-release(5).
fn system(text: &str) -> String {
    let name = text.lines().find_map(|it| it.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".to_owned(), |it| it.trim_matches(['"', '\'']).to_owned())
}

/// Bytes of memory; source: proc_meminfo(5), which counts in KiB and writes kB.
fn memory(text: &str) -> u64 {
    let line = text.lines().find_map(|it| it.strip_prefix("MemTotal:"));
    let number = line.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_host_are_read() {
        assert_eq!(system("ID=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"), "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(system(""), "Linux");
        assert_eq!(memory("MemTotal:       2048 kB\nMemFree: 1 kB\n"), 2 << 20);
        assert_eq!(memory("nothing"), 0);
    }
}
