//! A seccomp profile as one classic BPF program for every architecture it names.
//!
//! One program, since each filter that is stacked runs on every call, and since a filter for one architecture must let the others pass.
//! A tree over the numbers of calls takes about eight comparisons where a list takes hundreds.

mod bpf;
mod names;
mod rules;

pub use bpf::{Action, Evaluated, Instruction};

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag};

use crate::error::{Result, RuntimeError};

/// A compiled profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// What the kernel loads.
    pub program: Vec<Instruction>,
    /// `SECCOMP_FILTER_FLAG_…`.
    pub flags: u32,
}

/// Number of the most instructions that the kernel takes; `BPF_MAXINSNS`.
const MOST_INSTRUCTIONS: usize = 4096;
/// `EPERM`, what a call is answered when the profile names no number.
const EPERM: u32 = 1;

/// Compiles a profile.
///
/// # Errors
/// An action, flag, architecture or argument that cannot hold; it is named.
pub fn filter(profile: &LinuxSeccomp) -> Result<Filter> {
    compile(profile)
}

pub(crate) fn compile(profile: &LinuxSeccomp) -> Result<Filter> {
    if profile.listener_path().is_some() || profile.listener_metadata().as_ref().is_some_and(|it| !it.is_empty()) {
        return Err(RuntimeError::unsupported("linux.seccomp.listenerPath", "no agent is asked about system calls"));
    }
    let default = action("linux.seccomp.defaultAction", profile.default_action(), profile.default_errno_ret())?;
    let mut flags = 0;
    for flag in profile.flags().iter().flatten() {
        flags |= match flag {
            // One thread: there is nothing to synchronise.
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 0,
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => 1 << 1,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => 1 << 2,
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => {
                let reason = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is for an agent that is asked, and none is";
                return Err(RuntimeError::unsupported("linux.seccomp.flags", reason));
            }
        };
    }
    let tables = rules::tables(profile, default)?;
    let program = bpf::assemble(&tables, default);
    if program.len() > MOST_INSTRUCTIONS {
        let reason = format!("the filter has {} instructions, and the kernel takes {MOST_INSTRUCTIONS}", program.len());
        return Err(RuntimeError::unsupported("linux.seccomp", reason));
    }
    Ok(Filter { program, flags })
}

/// Reads an action and its errno.
fn action(field: &str, action: LinuxSeccompAction, errno: Option<u32>) -> Result<Action> {
    let takes_errno = matches!(action, LinuxSeccompAction::ScmpActErrno | LinuxSeccompAction::ScmpActTrace);
    if errno.is_some() && !takes_errno {
        return Err(RuntimeError::field(
            field,
            format!("`errnoRet` is only for SCMP_ACT_ERRNO and SCMP_ACT_TRACE, not for {action}"),
        ));
    }
    let data = errno.unwrap_or(EPERM);
    if data > 0xFFFF {
        return Err(RuntimeError::field(field, format!("the errno {data} does not fit into 16 bits")));
    }
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => Action::KILL_THREAD,
        LinuxSeccompAction::ScmpActKillProcess => Action::KILL_PROCESS,
        LinuxSeccompAction::ScmpActTrap => Action::TRAP,
        LinuxSeccompAction::ScmpActErrno => Action::errno(data),
        LinuxSeccompAction::ScmpActTrace => Action::trace(data),
        LinuxSeccompAction::ScmpActLog => Action::LOG,
        LinuxSeccompAction::ScmpActAllow => Action::ALLOW,
        LinuxSeccompAction::ScmpActNotify => {
            return Err(RuntimeError::unsupported(field, "SCMP_ACT_NOTIFY asks an agent, and none is asked here"));
        }
    })
}

#[cfg(test)]
mod tests;
