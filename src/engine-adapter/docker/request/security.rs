//! Rights and namespaces.

use bollard::models::{HostConfig, HostConfigCgroupnsModeEnum};
use rcompose_engine_adapter::{EngineInfo, Feature, Namespaces, Result, Security};

use super::{Known, mode, refuse_unless, some_list, unsupported};

pub(super) fn fill(host: &mut HostConfig, security: &Security, namespaces: &Namespaces, info: &EngineInfo, known: &Known) -> Result<()> {
    let Security { privileged, read_only, cap_add, cap_drop, security_opt, group_add, userns_mode, credential_spec } = security;
    let mut options = security_opt.clone();
    if let Some(spec) = credential_spec {
        refuse_unless(info, Feature::Windows, "the container")?;
        options.push(format!("credentialspec={spec}"));
    }
    host.privileged = Some(*privileged);
    host.readonly_rootfs = Some(*read_only);
    host.cap_add = some_list(cap_add);
    host.cap_drop = some_list(cap_drop);
    host.security_opt = some_list(&options);
    host.group_add = some_list(group_add);
    host.userns_mode = userns_mode.clone();
    let Namespaces { ipc, pid, uts, cgroup } = namespaces;
    host.ipc_mode = ipc.as_deref().map(|text| mode(text, known));
    host.pid_mode = pid.as_deref().map(|text| mode(text, known));
    host.uts_mode = uts.as_deref().map(|text| mode(text, known));
    host.cgroupns_mode = match cgroup.as_deref() {
        None => None,
        Some("host") => Some(HostConfigCgroupnsModeEnum::HOST),
        Some("private") => Some(HostConfigCgroupnsModeEnum::PRIVATE),
        Some(other) => return Err(unsupported(format!("cgroup `{other}`: Docker knows host and private"))),
    };
    Ok(())
}
