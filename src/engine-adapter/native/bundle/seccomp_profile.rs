//! A seccomp profile as Docker publishes the form: rules that hang on capabilities, architecture and kernel.
//!
//! Source: Docker's documentation "Seccomp security profiles for Docker"; the OCI runtime spec for what comes out.

use std::collections::BTreeSet;

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArgBuilder, LinuxSeccompFilterFlag, LinuxSeccompOperator, LinuxSyscall,
};
use rcompose_engine_adapter::Result;
use serde::Deserialize;

use super::invalid;

/// What rules hang on.
pub(super) struct Conditions<'a> {
    /// Capabilities of the container, `CAP_…`.
    pub(super) capabilities: &'a BTreeSet<String>,
    /// Version of the kernel: major, minor.
    pub(super) kernel: (u32, u32),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Vec<Arch>,
    #[serde(default)]
    arch_map: Vec<ArchMap>,
    #[serde(default)]
    flags: Vec<LinuxSeccompFilterFlag>,
    listener_path: Option<String>,
    #[serde(default)]
    syscalls: Vec<Rule>,
}

/// An architecture, and those whose programs it runs too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: Arch,
    #[serde(default)]
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    /// The form before `names`.
    #[serde(default)]
    name: String,
    #[serde(default)]
    names: Vec<String>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Filter,
    #[serde(default)]
    excludes: Filter,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: usize,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: LinuxSeccompOperator,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    caps: Vec<String>,
    arches: Vec<String>,
    min_kernel: Option<String>,
}

/// This machine's architecture: in a profile's map, and in the conditions of its rules.
const NATIVE: (Arch, &str) = if cfg!(target_arch = "aarch64") {
    (Arch::ScmpArchAarch64, "arm64")
} else {
    (Arch::ScmpArchX86_64, "amd64")
};

/// Reads the text of a profile for one container.
///
/// # Errors
/// It is no JSON of this form; the place is named.
pub(super) fn read(text: &str, conditions: &Conditions<'_>) -> Result<LinuxSeccomp> {
    let wrong = |reason: String| invalid(format!("security_opt seccomp: {reason}"));
    let profile: Profile = serde_json::from_str(text).map_err(|error| wrong(format!("the profile cannot be read: {error}")))?;
    if let Some(path) = profile.listener_path.filter(|it| !it.is_empty()) {
        return Err(super::unsupported(format!("security_opt seccomp: listenerPath {path}: no agent is asked about system calls")));
    }
    if !profile.architectures.is_empty() && !profile.arch_map.is_empty() {
        return Err(wrong("the profile has both `architectures` and `archMap`; keep one of them".to_owned()));
    }
    let mut architectures = profile.architectures;
    if let Some(found) = profile.arch_map.into_iter().find(|it| it.architecture == NATIVE.0) {
        architectures.push(found.architecture);
        architectures.extend(found.sub_architectures.unwrap_or_default());
    }
    let mut rules = Vec::new();
    for rule in profile.syscalls {
        if applies(&rule, conditions).map_err(wrong)? {
            rules.push(lower(rule).map_err(wrong)?);
        }
    }
    let mut made = LinuxSeccomp::default();
    made.set_default_action(profile.default_action);
    made.set_default_errno_ret(profile.default_errno_ret);
    made.set_architectures(Some(architectures).filter(|it| !it.is_empty()));
    made.set_flags(Some(profile.flags).filter(|it| !it.is_empty()));
    made.set_syscalls(Some(rules));
    Ok(made)
}

/// Tells whether a rule holds: it is not excluded, and everything that it includes is so.
fn applies(rule: &Rule, conditions: &Conditions<'_>) -> Result<bool, String> {
    let has = |capability: &String| conditions.capabilities.contains(capability.as_str());
    let here = |arch: &String| arch == NATIVE.1;
    let new_enough = |version: &String| kernel(version).map(|it| conditions.kernel >= it);
    let Rule { includes, excludes, .. } = rule;
    let excluded_kernel = excludes.min_kernel.as_ref().map(new_enough).transpose()?.unwrap_or(false);
    let included_kernel = includes.min_kernel.as_ref().map(new_enough).transpose()?.unwrap_or(true);
    let excluded = excludes.caps.iter().any(has) || excludes.arches.iter().any(here) || excluded_kernel;
    let included = includes.caps.iter().all(has) && (includes.arches.is_empty() || includes.arches.iter().any(here));
    Ok(!excluded && included && included_kernel)
}

fn kernel(version: &str) -> Result<(u32, u32), String> {
    let read = version.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    read.ok_or_else(|| format!("minKernel `{version}` is no version such as 4.8"))
}

fn lower(rule: Rule) -> Result<LinuxSyscall, String> {
    let mut names = rule.names;
    match (rule.name.is_empty(), names.is_empty()) {
        (false, false) => return Err(format!("a rule has both `name` ({}) and `names`", rule.name)),
        (true, true) => return Err("a rule names no system call".to_owned()),
        (false, true) => names.push(rule.name),
        (true, false) => {}
    }
    let argument = |it: Argument| {
        let made = LinuxSeccompArgBuilder::default().index(it.index).value(it.value).op(it.op);
        // Only a masked comparison has a second value.
        let masked = it.op == LinuxSeccompOperator::ScmpCmpMaskedEq;
        let made = if masked { made.value_two(it.value_two) } else { made };
        made.build().map_err(|error| error.to_string())
    };
    let arguments = rule.args.unwrap_or_default().into_iter().map(argument).collect::<Result<Vec<_>, _>>()?;
    let mut made = LinuxSyscall::default();
    made.set_names(names).set_action(rule.action).set_errno_ret(rule.errno_ret);
    made.set_args(Some(arguments).filter(|it| !it.is_empty()));
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, capabilities: &[&str]) -> Result<Vec<String>> {
        let capabilities = capabilities.iter().map(|it| (*it).to_owned()).collect();
        let read = read(text, &Conditions { capabilities: &capabilities, kernel: (6, 1) })?;
        Ok(read.syscalls().iter().flatten().flat_map(|rule| rule.names().clone()).collect())
    }

    #[test]
    fn rules_hang_on_capabilities_and_kernel() {
        let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["a"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_CHOWN","CAP_KILL"]}},
            {"names":["b"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_CHOWN","CAP_KILL"]}},
            {"names":["c"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"6.1"}},
            {"names":["d"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"6.2"}},
            {"name":"e","action":"SCMP_ACT_ALLOW","includes":{"arches":["s390x"]}},
            {"name":"f","action":"SCMP_ACT_ALLOW","excludes":{"arches":["s390x"]},"args":null}]}"#;
        assert_eq!(names(text, &["CAP_CHOWN"]).unwrap(), ["c", "f"]);
        assert_eq!(names(text, &["CAP_CHOWN", "CAP_KILL"]).unwrap(), ["a", "c", "f"]);
        assert_eq!(names(text, &[]).unwrap(), ["b", "c", "f"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, word) in [
            ("profile.json", "cannot be read"),
            (r#"{"syscalls":[]}"#, "defaultAction"),
            (r#"{"defaultAction":"SCMP_ACT_NAY"}"#, "SCMP_ACT_NAY"),
            (r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_ALLOW"}]}"#, "names no system call"),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ALLOW"}]}"#,
                "both `name`",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}"#,
                "archMap",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","action":"SCMP_ACT_ALLOW","includes":{"minKernel":"x"}}]}"#,
                "minKernel",
            ),
            (r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/run/agent"}"#, "/run/agent"),
        ] {
            let error = names(text, &[]).unwrap_err();
            assert!(error.message.contains(word), "{text}: {error}");
        }
    }
}
