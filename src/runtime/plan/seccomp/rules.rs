//! The rules of a profile, by ABI and number of the call.

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompArg, LinuxSyscall};

use super::bpf::{Action, Call, Condition, Rule, Table};
use super::names::{Abi, X32_BIT};
use super::{EPERM, action};
use crate::error::{Result, RuntimeError};

/// `ENOSYS`: what a library takes as "this kernel is too old", and falls back.
const ENOSYS: u32 = 38;

/// The names of an entry, and its rules.
type Read<'a> = (&'a Vec<String>, Vec<Rule>);

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
        read.push((call.names(), rules(&field, call)?));
    }
    Ok(abis.into_iter().map(|abi| table(abi, &read, profile, default)).collect())
}

fn known(arch: Arch) -> Result<Abi> {
    Abi::of(arch)
        .ok_or_else(|| RuntimeError::unsupported("linux.seccomp.architectures", format!("{arch} is not among the ABIs known here")))
}

fn table(abi: Abi, read: &[Read<'_>], profile: &LinuxSeccomp, default: Action) -> Table {
    let all = read.iter().enumerate();
    let mut numbers: Vec<(u32, usize)> = all
        .flat_map(|(at, (names, _))| names.iter().filter_map(move |name| Some((abi.number(name)?, at))))
        .collect();
    numbers.sort_unstable();
    let newest = numbers.last().map(|(number, _)| *number);
    // As libseccomp has it: a rule that says what would happen anyway is none.
    numbers.retain(|(_, at)| read[*at].1.iter().any(|it| it.action != default));
    let calls = numbers.chunk_by(|one, next| one.0 == next.0).map(|same| {
        let rules = same.iter().flat_map(|(_, at)| &read[*at].1);
        // A rule without conditions would hide those after it.
        let (open, bound): (Vec<&Rule>, Vec<&Rule>) = rules.partition(|it| it.conditions.is_empty());
        let call = match (bound.as_slice(), open.as_slice()) {
            ([], [open, ..]) => Call::Act(open.action),
            _ => Call::Rules(bound.into_iter().chain(open).cloned().collect()),
        };
        (same[0].0, call)
    });
    Table {
        audit: abi.audit(),
        x32: abi == Abi::X32,
        calls: calls.collect(),
        beyond: beyond(abi, newest, profile, default),
    }
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
