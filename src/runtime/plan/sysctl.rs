//! Kernel parameters of a container: only those that its own namespaces hold.

use super::step::Act;
use super::{Builder, NEWIPC, NEWNET, NEWUTS, process};
use crate::error::{Result, RuntimeError};
use oci_spec::runtime::Linux;

/// Parameters of an IPC namespace; source: ipc_namespaces(7).
const OF_IPC: [&str; 9] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.auto_msgmni",
];

/// Adds a step for each, in the order of their names.
pub(super) fn add(builder: &mut Builder<'_>, linux: &Linux) -> Result<()> {
    let mut all: Vec<_> = linux.sysctl().iter().flatten().collect();
    all.sort();
    for (name, value) in all {
        let field = format!("linux.sysctl[{name}]");
        // Either separator, as sysctl(8) has it: the first one that is there separates.
        let path = match name.find(['.', '/']).map(|at| name.as_bytes()[at]) {
            Some(b'.') => name
                .chars()
                .map(|it| match it {
                    '.' => '/',
                    '/' => '.',
                    other => other,
                })
                .collect(),
            _ => name.clone(),
        };
        if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(RuntimeError::field(field, "is not the name of a kernel parameter"));
        }
        let dotted = path.replace('/', ".");
        let (kind, namespace) = match dotted.as_str() {
            name if name.starts_with("net.") => (NEWNET, "network"),
            name if OF_IPC.contains(&name) || name.starts_with("fs.mqueue.") => (NEWIPC, "ipc"),
            "kernel.domainname" | "kernel.hostname" => (NEWUTS, "uts"),
            _ => return Err(RuntimeError::field(field, "is not in a separate kernel namespace: it would change the host")),
        };
        if !builder.namespaces.has(kind) {
            return Err(RuntimeError::field(
                field,
                format!("not allowed in the host's {namespace} namespace: add one to `linux.namespaces`"),
            ));
        }
        let mut words = process::strings(&field, &[format!("sys/{path}"), value.clone()])?;
        let (text, file) = (words.remove(1), words.remove(0));
        builder.push(format!("set the sysctl {name}={value}"), Act::Sysctl { file, text });
    }
    Ok(())
}
