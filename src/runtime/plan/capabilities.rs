//! Capability sets as bits; source: capabilities(7) and `linux/capability.h`.

use oci_spec::runtime::{Capabilities, LinuxCapabilities};

use crate::error::{Result, RuntimeError};

/// Names in the order of their numbers.
pub(crate) const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Number of `CAP_SYS_ADMIN`, needed to load a filter without `no_new_privs`.
pub(crate) const SYS_ADMIN: u32 = 21;

/// The five sets of a process, a bit for each capability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sets {
    /// What execve can ever give.
    pub bounding: u64,
    /// What counts now.
    pub effective: u64,
    /// What can be taken.
    pub permitted: u64,
    /// What goes on over execve together with the file's.
    pub inheritable: u64,
    /// What goes on over execve of a plain file.
    pub ambient: u64,
}

/// Returns the number of a name, with or without `CAP_`.
pub(crate) fn number(name: &str) -> Option<u32> {
    let name = name.strip_prefix("CAP_").unwrap_or(name);
    NAMES.iter().position(|it| *it == name).and_then(|at| u32::try_from(at).ok())
}

/// Builds the sets. Capabilities that this kernel or this process lacks are left out, and a warning says so, as runc does.
pub(crate) fn sets(wanted: Option<&LinuxCapabilities>, available: u64, warnings: &mut Vec<String>) -> Result<Sets> {
    let Some(wanted) = wanted else {
        return Ok(Sets::default());
    };
    let mut missing = 0;
    let mut read = |set: &Option<Capabilities>| -> Result<u64> {
        let mut bits = 0;
        for name in set.iter().flatten() {
            let name = name.to_string();
            let number = number(&name).ok_or_else(|| RuntimeError::field("process.capabilities", format!("`{name}` is unknown")))?;
            bits |= 1 << number;
        }
        missing |= bits & !available;
        Ok(bits & available)
    };
    let sets = Sets {
        bounding: read(wanted.bounding())?,
        effective: read(wanted.effective())?,
        permitted: read(wanted.permitted())?,
        inheritable: read(wanted.inheritable())?,
        ambient: read(wanted.ambient())?,
    };
    if missing != 0 {
        warnings.push(format!(
            "capabilities that this kernel or this process does not have are left out: {}",
            names(missing).join(", ")
        ));
    }
    if sets.effective & !sets.permitted != 0 {
        let extra = names(sets.effective & !sets.permitted).join(", ");
        return Err(RuntimeError::field("process.capabilities.effective", format!("{extra} must be in `permitted` too")));
    }
    Ok(sets)
}

/// Returns the names of the bits.
pub(crate) fn names(bits: u64) -> Vec<String> {
    NAMES
        .iter()
        .enumerate()
        .filter(|(at, _)| bits & (1 << at) != 0)
        .map(|(_, name)| format!("CAP_{name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::{Capability, LinuxCapabilitiesBuilder};

    fn wanted(list: &[Capability]) -> LinuxCapabilities {
        let set: Capabilities = list.iter().copied().collect();
        LinuxCapabilitiesBuilder::default()
            .bounding(set.clone())
            .effective(set.clone())
            .permitted(set)
            .inheritable(Capabilities::new())
            .ambient(Capabilities::new())
            .build()
            .unwrap()
    }

    #[test]
    fn every_name_of_the_spec_has_a_number() {
        let all: Vec<String> = names(u64::MAX);
        for name in &all {
            let parsed: Capability = serde_json::from_value(serde_json::Value::String(name.clone())).unwrap();
            assert_eq!(number(&parsed.to_string()), number(name), "{name}");
        }
        assert_eq!((number("CAP_SYS_ADMIN"), number("CHECKPOINT_RESTORE")), (Some(SYS_ADMIN), Some(40)));
    }

    #[test]
    fn what_is_not_there_is_said() {
        let mut warnings = Vec::new();
        let sets = sets(Some(&wanted(&[Capability::Chown, Capability::SysResource])), 1, &mut warnings).unwrap();
        assert_eq!((sets.permitted, sets.bounding, sets.ambient), (1, 1, 0));
        assert!(warnings[0].contains("CAP_SYS_RESOURCE"), "{warnings:?}");
    }
}
