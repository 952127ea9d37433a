//! What a container may do: capabilities, system calls, security modules, hidden paths.
//!
//! Source: Docker's documentation "Runtime privilege and Linux capabilities" and `--security-opt`.

use std::collections::BTreeSet;
use std::str::FromStr;

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, LinuxSeccomp};
use rcompose_engine_adapter::{Result, Security};
use rcompose_runtime::plan;
use rcompose_runtime::profile::{CAPABILITIES, MASKED_PATHS, READ_ONLY_PATHS, default_seccomp};

use super::seccomp_profile::{self, Conditions};
use super::{Facts, invalid, unsupported};

/// What a container may do.
#[derive(Debug, Default)]
pub(super) struct Rights {
    /// `CAP_…`.
    pub(super) capabilities: BTreeSet<String>,
    pub(super) seccomp: Option<LinuxSeccomp>,
    pub(super) no_new_privileges: bool,
    pub(super) apparmor: Option<String>,
    pub(super) selinux: Option<String>,
    pub(super) masked: Vec<String>,
    pub(super) read_only: Vec<String>,
}

/// What the options say.
#[derive(Default)]
struct Options<'a> {
    no_new_privileges: bool,
    seccomp: Option<&'a str>,
    apparmor: Option<&'a str>,
    labels: Vec<&'a str>,
    open_paths: bool,
}

pub(super) fn lower(security: &Security, facts: &Facts<'_>) -> Result<Rights> {
    let Security {
        privileged,
        read_only: _, // the root's, in `lower`, and `mounts`
        cap_add,
        cap_drop,
        security_opt,
        group_add: _, // resolved in `Facts.user`
        userns_mode,
        credential_spec,
    } = security;
    match userns_mode.as_deref() {
        None | Some("" | "host") => {}
        Some(other) => return Err(unsupported(format!("userns_mode `{other}`: only `host` is known"))),
    }
    if credential_spec.is_some() {
        return Err(unsupported("credential_spec is for Windows containers"));
    }
    let options = options(security_opt)?;
    let capabilities = capabilities(*privileged, cap_add, cap_drop, facts)?;
    let open = *privileged || options.open_paths;
    let paths = |paths: &[&str]| paths.iter().filter(|_| !open).map(|it| (*it).to_owned()).collect();
    Ok(Rights {
        seccomp: seccomp(options.seccomp, *privileged, &capabilities, facts)?,
        no_new_privileges: options.no_new_privileges,
        apparmor: apparmor(options.apparmor, *privileged, facts)?,
        selinux: selinux(&options.labels, *privileged, facts)?,
        masked: paths(&MASKED_PATHS),
        read_only: paths(&READ_ONLY_PATHS),
        capabilities,
    })
}

fn options(list: &[String]) -> Result<Options<'_>> {
    let mut options = Options::default();
    for text in list {
        let (key, value) = text.split_once(['=', ':']).map_or((text.as_str(), None), |(key, value)| (key, Some(value)));
        match (key, value) {
            ("no-new-privileges", None | Some("true" | "1")) => options.no_new_privileges = true,
            ("no-new-privileges", Some("false" | "0")) => options.no_new_privileges = false,
            ("disable", None) => options.labels.push("disable"),
            ("seccomp", Some(profile)) => options.seccomp = Some(profile),
            ("apparmor", Some(profile)) => options.apparmor = Some(profile),
            ("label", Some(label)) => options.labels.push(label),
            ("systempaths", Some("unconfined")) => options.open_paths = true,
            ("seccomp" | "apparmor" | "label" | "systempaths" | "no-new-privileges", _) => {
                return Err(invalid(format!("security_opt `{text}`: `{key}` does not have this value")));
            }
            _ => return Err(unsupported(format!("security_opt `{text}` is not known"))),
        }
    }
    Ok(options)
}

/// The fourteen of Docker, less those dropped, and those added; `ALL` of either counts first.
fn capabilities(privileged: bool, add: &[String], drop: &[String], facts: &Facts<'_>) -> Result<BTreeSet<String>> {
    let (add, drop) = (names("cap_add", add)?, names("cap_drop", drop)?);
    let own = facts.host.rights.capabilities & facts.host.rights.known;
    let of_host = |name: &String| plan::capability_number(name).is_some_and(|number| own & (1 << number) != 0);
    let all = || plan::capability_names().into_iter().filter(of_host);
    Ok(if privileged {
        all().collect()
    } else if add.contains("ALL") {
        all().filter(|it| !drop.contains(it)).collect()
    } else if drop.contains("ALL") {
        add
    } else {
        let kept = CAPABILITIES.iter().map(|it| (*it).to_owned()).filter(|it| !drop.contains(it));
        kept.chain(add).collect()
    })
}

/// Writes names as `CAP_…`, or `ALL`.
fn names(field: &str, list: &[String]) -> Result<BTreeSet<String>> {
    let one = |text: &String| {
        let upper = text.trim().to_ascii_uppercase();
        if upper == "ALL" {
            return Ok(upper);
        }
        let name = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
        match plan::capability_number(&name) {
            Some(_) => Ok(name),
            None => Err(invalid(format!("{field}: `{text}` is no capability"))),
        }
    };
    list.iter().map(one).collect()
}

/// Writes the sets. Like execve(2) of somebody who is not root, a user starts with none of those it could have.
pub(super) fn sets(names: &BTreeSet<String>, uid: u32) -> LinuxCapabilities {
    let known = names.iter().filter_map(|name| Capability::from_str(name.strip_prefix("CAP_").unwrap_or(name)).ok());
    let all: Capabilities = known.collect();
    let own = Some(all.clone()).filter(|_| uid == 0);
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(all)).set_effective(own.clone()).set_permitted(own);
    sets.set_inheritable(None).set_ambient(None);
    sets
}

fn seccomp(option: Option<&str>, privileged: bool, capabilities: &BTreeSet<String>, facts: &Facts<'_>) -> Result<Option<LinuxSeccomp>> {
    match option.map(str::trim) {
        Some("unconfined") => Ok(None),
        None | Some("" | "builtin") if privileged => Ok(None),
        None | Some("" | "builtin") => {
            let default = default_seccomp(capabilities);
            default.map(Some).map_err(|error| super::broken("write the default seccomp profile", error))
        }
        Some(text) => seccomp_profile::read(text, &Conditions { capabilities, kernel: facts.kernel }).map(Some),
    }
}

fn apparmor(option: Option<&str>, privileged: bool, facts: &Facts<'_>) -> Result<Option<String>> {
    let on = facts.host.rights.apparmor;
    match option {
        Some(profile) if profile != "unconfined" && !profile.is_empty() && !on => {
            Err(unsupported(format!("security_opt apparmor={profile}: this kernel runs without AppArmor")))
        }
        Some(profile) if !profile.is_empty() => Ok(on.then(|| profile.to_owned())),
        _ if privileged => Ok(on.then(|| "unconfined".to_owned())),
        _ => Ok(facts.apparmor.filter(|_| on).map(str::to_owned)),
    }
}

/// Parts of a label that are not given are those of a container without categories.
fn selinux(labels: &[&str], privileged: bool, facts: &Facts<'_>) -> Result<Option<String>> {
    let mut parts = [("user", "system_u"), ("role", "system_r"), ("type", "container_t"), ("level", "s0")];
    let disabled = privileged || labels.contains(&"disable");
    for label in labels.iter().filter(|it| **it != "disable") {
        let (key, value) = label.split_once(':').unwrap_or((label, ""));
        let part = parts.iter_mut().find(|(name, _)| *name == key && !value.is_empty());
        let part =
            part.ok_or_else(|| invalid(format!("security_opt label={label}: it is none of user:, role:, type:, level:, disable")))?;
        if !facts.host.rights.selinux {
            return Err(unsupported(format!("security_opt label={label}: this kernel runs without SELinux")));
        }
        part.1 = value;
    }
    let asked = !disabled && !labels.is_empty();
    Ok(asked.then(|| parts.map(|(_, value)| value).join(":")))
}
