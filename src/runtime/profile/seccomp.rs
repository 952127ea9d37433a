//! The default seccomp profile: everything in `allowed.txt`, some calls by argument, and what each capability adds.

use std::collections::BTreeSet;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompBuilder, LinuxSeccompOperator,
    LinuxSyscall, LinuxSyscallBuilder,
};

/// Calls that every container may make, one a line.
const ALLOWED: &str = include_str!("allowed.txt");

/// What a capability adds.
const BY_CAPABILITY: &[(&str, &[&str])] = &[
    ("CAP_DAC_READ_SEARCH", &["open_by_handle_at"]),
    (
        "CAP_SYS_ADMIN",
        &[
            "bpf",
            "clone",
            "clone3",
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "lookup_dcookie",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "perf_event_open",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "syslog",
            "umount",
            "umount2",
            "unshare",
        ],
    ),
    ("CAP_SYS_BOOT", &["reboot"]),
    ("CAP_SYS_CHROOT", &["chroot"]),
    ("CAP_SYS_MODULE", &["delete_module", "finit_module", "init_module"]),
    ("CAP_SYS_PACCT", &["acct"]),
    (
        "CAP_SYS_PTRACE",
        &["kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace"],
    ),
    ("CAP_SYS_RAWIO", &["ioperm", "iopl"]),
    ("CAP_SYS_TIME", &["clock_settime", "clock_settime64", "settimeofday", "stime"]),
    ("CAP_SYS_TTY_CONFIG", &["vhangup"]),
    ("CAP_SYS_NICE", &["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"]),
    ("CAP_SYSLOG", &["syslog"]),
    ("CAP_BPF", &["bpf"]),
    ("CAP_PERFMON", &["perf_event_open"]),
];

/// `CLONE_NEW…` of all namespaces: no new ones without `CAP_SYS_ADMIN`.
const NEW_NAMESPACES: u64 = 0x7E02_0000;
/// `AF_VSOCK`: would reach the host past every network namespace.
const VSOCK: u64 = 40;
/// Linux, Linux on 32 bits, and the two with addresses not randomised; all bits ask and change nothing.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF];
/// What libraries fall back from.
const ENOSYS: u32 = 38;

/// Returns the profile of a container with these capabilities (`CAP_…`).
///
/// # Errors
/// None in practice: the builders check for fields that are all given here.
pub fn default_seccomp(capabilities: &BTreeSet<String>) -> Result<LinuxSeccomp, OciSpecError> {
    let admin = capabilities.contains("CAP_SYS_ADMIN");
    let mut rules = vec![allow(ALLOWED.lines(), &[])?, allow(["ptrace"], &[])?];
    rules.push(allow(["socket"], &[argument(LinuxSeccompOperator::ScmpCmpNe, VSOCK, None)?])?);
    for personality in PERSONALITIES {
        rules.push(allow(["personality"], &[argument(LinuxSeccompOperator::ScmpCmpEq, personality, None)?])?);
    }
    let (native, machine): (&[Arch], &[&str]) = if cfg!(target_arch = "aarch64") {
        let own = ["arm_fadvise64_64", "arm_sync_file_range", "sync_file_range2", "breakpoint", "cacheflush", "set_tls"];
        (&[Arch::ScmpArchAarch64, Arch::ScmpArchArm], &{ own })
    } else {
        (&[Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32], &["arch_prctl", "modify_ldt"])
    };
    rules.push(allow(machine.iter().copied(), &[])?);
    if !admin {
        rules.push(allow(["clone"], &[argument(LinuxSeccompOperator::ScmpCmpMaskedEq, NEW_NAMESPACES, Some(0))?])?);
        // Its arguments are behind a pointer, and no filter reads there.
        let clone3 = LinuxSyscallBuilder::default()
            .names(["clone3".to_owned()])
            .action(LinuxSeccompAction::ScmpActErrno)
            .errno_ret(ENOSYS);
        rules.push(clone3.build()?);
    }
    for (capability, calls) in BY_CAPABILITY {
        if capabilities.contains(*capability) {
            rules.push(allow(calls.iter().copied(), &[])?);
        }
    }
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(1u32)
        .architectures(native)
        .syscalls(rules)
        .build()
}

fn allow<'a>(names: impl IntoIterator<Item = &'a str>, arguments: &[LinuxSeccompArg]) -> Result<LinuxSyscall, OciSpecError> {
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let rule = LinuxSyscallBuilder::default().names(names).action(LinuxSeccompAction::ScmpActAllow);
    if arguments.is_empty() { rule.build() } else { rule.args(arguments).build() }
}

fn argument(op: LinuxSeccompOperator, value: u64, second: Option<u64>) -> Result<LinuxSeccompArg, OciSpecError> {
    let built = LinuxSeccompArgBuilder::default().index(0usize).value(value).op(op);
    match second {
        Some(second) => built.value_two(second).build(),
        None => built.build(),
    }
}
