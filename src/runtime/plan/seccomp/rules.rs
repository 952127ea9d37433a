//! The rules of a profile, by ABI and number of the call.

use std::collections::BTreeMap;

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompArg, LinuxSyscall};

use super::bpf::{Action, Condition, Rule, Table};
use super::names::{Abi, X32_BIT};
use super::{EPERM, action};
use crate::error::{Result, RuntimeError};

/// `ENOSYS`: what a library takes as "this kernel is too old", and falls back.
const ENOSYS: u32 = 38;

/// Sorts the rules into a table for each ABI that the profile names, the native one always among them.
pub(super) fn tables(profile: &LinuxSeccomp, default: Action) -> Result<Vec<Table>> {
    let native = std::iter::once(Abi::native()).map(Ok);
    let named = profile.architectures().iter().flatten().map(|arch| known(*arch));
    let mut abis: Vec<Abi> = native.chain(named).collect::<Result<_>>()?;
    abis.sort_unstable();
    abis.dedup();
    let mut read = Vec::new();
    for (at, call) in profile.syscalls().iter().flatten().enumerate() {
        let field = format!("linux.seccomp.syscalls[{at}]");
        let rules = rules(&field, call)?;
        // As libseccomp has it: a rule that says what would happen anyway is none.
        if rules.iter().any(|it| it.action != default) {
            read.push((call.names(), rules));
        }
    }
    Ok(abis.into_iter().map(|abi| table(abi, &read, profile, default)).collect())
}

fn known(arch: Arch) -> Result<Abi> {
    Abi::of(arch)
        .ok_or_else(|| RuntimeError::unsupported("linux.seccomp.architectures", format!("{arch} is not among the ABIs known here")))
}

fn table(abi: Abi, read: &[(&Vec<String>, Vec<Rule>)], profile: &LinuxSeccomp, default: Action) -> Table {
    let mut calls: BTreeMap<u32, Vec<Rule>> = BTreeMap::new();
    for (names, rules) in read {
        for number in names.iter().filter_map(|name| abi.number(name)) {
            calls.entry(number).or_default().extend(rules.iter().cloned());
        }
    }
    for rules in calls.values_mut() {
        // A rule without conditions would hide those after it.
        rules.sort_by_key(|it| it.conditions.is_empty());
    }
    let newest = profile
        .syscalls()
        .iter()
        .flatten()
        .flat_map(LinuxSyscall::names)
        .filter_map(|name| abi.number(name))
        .max();
    Table { audit: abi.audit(), x32: abi == Abi::X32, calls, beyond: beyond(abi, newest, profile, default) }
}

/// Calls newer than the profile: those who wrote it did not know them, and a program shall fall back instead of taking a refusal as
/// final. Not where everything unknown is allowed, or where the profile itself answers ENOSYS.
fn beyond(abi: Abi, newest: Option<u32>, profile: &LinuxSeccomp, default: Action) -> Option<(u32, Action)> {
    let lenient = [Action::ALLOW, Action::LOG].contains(&default) || default == Action::trace(profile.default_errno_ret().unwrap_or(EPERM));
    if lenient || default == Action::errno(ENOSYS) {
        return None;
    }
    let first = if abi == Abi::X32 { X32_BIT } else { 0 };
    newest.filter(|it| *it >= first).map(|newest| (newest + 1, Action::errno(ENOSYS)))
}

/// Reads one entry: its conditions hold together, but those on one argument twice are alternatives, as libseccomp's callers have it.
fn rules(field: &str, call: &LinuxSyscall) -> Result<Vec<Rule>> {
    let action = action(field, call.action(), call.errno_ret())?;
    let conditions = call
        .args()
        .iter()
        .flatten()
        .map(|argument| condition(field, argument))
        .collect::<Result<Vec<_>>>()?;
    let twice = conditions
        .iter()
        .enumerate()
        .any(|(at, it)| conditions[..at].iter().any(|before| before.argument == it.argument));
    if twice {
        return Ok(conditions.into_iter().map(|it| Rule { conditions: vec![it], action }).collect());
    }
    Ok(vec![Rule { conditions, action }])
}

fn condition(field: &str, argument: &LinuxSeccompArg) -> Result<Condition> {
    let index = u32::try_from(argument.index()).ok().filter(|it| *it < 6);
    let index = index.ok_or_else(|| RuntimeError::field(format!("{field}.args"), format!("no argument {}: 0 to 5", argument.index())))?;
    Ok(Condition {
        argument: index,
        op: argument.op(),
        value: argument.value(),
        second: argument.value_two().unwrap_or(0),
    })
}
