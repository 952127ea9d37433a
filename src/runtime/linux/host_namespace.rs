//! Parameters that would be set in a namespace of the host's.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Result, RuntimeError};
use crate::plan::Plan;
use crate::plan::namespaces;
use crate::plan::step::{Act, Step};

/// A namespace that is joined by path may be this process's own, and then its parameters are the host's.
pub(super) fn refuse_sysctls(plan: &Plan) -> Result<()> {
    for join in &plan.namespaces.join {
        let file = match join.kind {
            namespaces::NEWNET => "net",
            namespaces::NEWIPC => "ipc",
            namespaces::NEWUTS => "uts",
            _ => continue,
        };
        let inode = |path: &Path| std::fs::metadata(path).map(|it| (it.dev(), it.ino()));
        let theirs = inode(&join.path).map_err(|error| RuntimeError::file("open the namespace", &join.path, error))?;
        let own = inode(&Path::new("/proc/self/ns").join(file)).ok() == Some(theirs);
        let of_it = |step: &&Step| match &step.act {
            Act::Sysctl { file, .. } => sysctl_kind(file) == join.kind,
            Act::HostName(_) | Act::DomainName(_) => join.kind == namespaces::NEWUTS,
            _ => false,
        };
        if let Some(step) = plan.steps.iter().find(of_it).filter(|_| own) {
            let reason = format!("{} is the host's own {} namespace: {} would change the host", join.path.display(), join.name, step.label);
            return Err(RuntimeError::field("linux.namespaces", reason));
        }
    }
    Ok(())
}

fn sysctl_kind(file: &std::ffi::CStr) -> u64 {
    match file.to_bytes() {
        name if name.starts_with(b"sys/net/") => namespaces::NEWNET,
        b"sys/kernel/hostname" | b"sys/kernel/domainname" => namespaces::NEWUTS,
        _ => namespaces::NEWIPC,
    }
}
