//! Numbers of system calls, by name and architecture.

use std::str::FromStr;

use oci_spec::runtime::Arch;

/// A table of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Abi {
    /// 64-bit x86.
    X86_64,
    /// 64-bit x86 with pointers of 32 bits.
    X32,
    /// 32-bit x86.
    X86,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM.
    Arm,
}

/// Bit of every x32 number; `__X32_SYSCALL_BIT` of `asm/unistd.h`.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// Numbers that x32 has for itself, from 512 on; source: `asm/unistd_x32.h`.
const X32_OWN: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

impl Abi {
    /// Returns the ABI of an architecture of the spec, if this version knows it.
    pub(crate) fn of(arch: Arch) -> Option<Self> {
        Some(match arch {
            Arch::ScmpArchNative => Self::native(),
            Arch::ScmpArchX86_64 => Self::X86_64,
            Arch::ScmpArchX32 => Self::X32,
            Arch::ScmpArchX86 => Self::X86,
            Arch::ScmpArchAarch64 => Self::Aarch64,
            Arch::ScmpArchArm => Self::Arm,
            _ => return None,
        })
    }

    /// Returns the ABI of this program.
    pub(crate) const fn native() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 }
    }

    /// Returns `AUDIT_ARCH_…`; source: `linux/audit.h`.
    pub(crate) const fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xC000_003E,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xC000_00B7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Returns the number of a call, or nothing where the ABI has no such call.
    pub(crate) fn number(self, name: &str) -> Option<u32> {
        match self {
            Self::X86_64 => syscalls::x86_64::Sysno::from_str(name).ok().map(|it| it as u32),
            Self::X86 => syscalls::x86::Sysno::from_str(name).ok().map(|it| it as u32),
            Self::Aarch64 => syscalls::aarch64::Sysno::from_str(name).ok().map(|it| it as u32),
            Self::Arm => syscalls::arm::Sysno::from_str(name).ok().map(|it| it as u32),
            Self::X32 => match X32_OWN.iter().position(|it| *it == name) {
                Some(at) => u32::try_from(at).ok().map(|at| (512 + at) | X32_BIT),
                None => Self::X86_64.number(name).map(|number| number | X32_BIT),
            },
        }
    }
}
