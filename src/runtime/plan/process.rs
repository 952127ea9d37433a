//! The program of a container: who it runs as, with what, and where; source: OCI runtime spec, config.md, "Process".

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use oci_spec::runtime::{IOPriorityClass, LinuxSchedulerPolicy, PosixRlimitType, Process as SpecProcess};

use super::capabilities::{self, Sets};
use crate::error::{Result, RuntimeError};

/// A limit of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// `RLIMIT_…`.
    pub resource: u32,
    /// Its name in words.
    pub name: String,
    /// What counts.
    pub soft: u64,
    /// Up to where `soft` can be raised.
    pub hard: u64,
}

/// How the scheduler treats the program; numbers of sched_setattr(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheduling {
    /// `SCHED_…`.
    pub policy: u32,
    /// −20 … 19.
    pub nice: i32,
    /// Of the real-time policies.
    pub priority: u32,
    /// `SCHED_FLAG_…`.
    pub flags: u64,
    /// Nanoseconds, of `SCHED_DEADLINE`.
    pub runtime: u64,
    /// Nanoseconds, of `SCHED_DEADLINE`.
    pub deadline: u64,
    /// Nanoseconds, of `SCHED_DEADLINE`.
    pub period: u64,
}

/// The program, ready for raw system calls.
#[derive(Debug, Clone)]
pub struct Process {
    /// Where to look for the program, in order.
    pub candidates: Vec<CString>,
    /// The words, the program's name first.
    pub args: Vec<CString>,
    /// `KEY=value`; without HOME when [`Process::find_home`].
    pub env: Vec<CString>,
    /// HOME is to be read from the container's own passwd.
    pub find_home: bool,
    /// The working folder.
    pub cwd: CString,
    /// User and group.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// Mask of new files.
    pub umask: Option<u32>,
    /// Capabilities.
    pub capabilities: Sets,
    /// Whether execve can give more.
    pub no_new_privileges: bool,
    /// A terminal is made for it.
    pub terminal: bool,
    /// Rows and columns of the terminal.
    pub size: Option<(u16, u16)>,
    /// Limits.
    pub limits: Vec<Limit>,
    /// −1000 … 1000, where given.
    pub oom_score_adj: Option<i32>,
    /// What ioprio_set(2) takes.
    pub io_priority: Option<u32>,
    /// Scheduling.
    pub scheduling: Option<Scheduling>,
    /// Text for `/proc/self/attr/exec`, with the attribute's file.
    pub label: Option<(CString, CString)>,
    /// BPF of the seccomp filter.
    pub filter: Option<super::seccomp::Filter>,
}

/// Facts that decide what a process can be given.
#[derive(Debug, Clone, Copy)]
pub struct Rights {
    /// Capabilities that this process can give.
    pub capabilities: u64,
    /// Capabilities that the kernel knows; all of them can be had in a user namespace.
    pub known: u64,
    /// AppArmor is on.
    pub apparmor: bool,
    /// SELinux is on.
    pub selinux: bool,
}

/// Reads the process of a spec; `field` is its path in the file.
pub(crate) fn read(field: &str, process: &SpecProcess, rights: Rights, warnings: &mut Vec<String>) -> Result<Process> {
    let args = strings(&format!("{field}.args"), process.args().as_deref().unwrap_or_default())?;
    if args.is_empty() {
        return Err(RuntimeError::field(format!("{field}.args"), "is empty: name the program to run"));
    }
    if !process.cwd().is_absolute() {
        return Err(RuntimeError::field(format!("{field}.cwd"), "must be absolute"));
    }
    if process.exec_cpu_affinity().is_some() {
        return Err(RuntimeError::unsupported(format!("{field}.execCPUAffinity"), "use `linux.resources.cpu.cpus`"));
    }
    let mut env = strings(&format!("{field}.env"), process.env().as_deref().unwrap_or_default())?;
    let find_home = !env.iter().any(|it| it.as_bytes().starts_with(b"HOME=") && it.as_bytes().len() > 5);
    if find_home {
        env.retain(|it| !it.as_bytes().starts_with(b"HOME="));
    }
    let user = process.user();
    Ok(Process {
        candidates: candidates(&args[0], &env),
        cwd: path(&format!("{field}.cwd"), process.cwd())?,
        args,
        env,
        find_home,
        uid: user.uid(),
        gid: user.gid(),
        groups: user.additional_gids().clone().unwrap_or_default(),
        umask: user.umask(),
        capabilities: capabilities::sets(process.capabilities().as_ref(), rights.capabilities, warnings)?,
        no_new_privileges: process.no_new_privileges().unwrap_or(false),
        terminal: process.terminal().unwrap_or(false),
        size: process.console_size().map(|it| (cell(it.height()), cell(it.width()))).filter(|it| *it != (0, 0)),
        limits: limits(field, process)?,
        oom_score_adj: process.oom_score_adj(),
        io_priority: process.io_priority().map(|it| io_priority(field, it)).transpose()?,
        scheduling: process.scheduler().as_ref().map(|it| scheduling(field, it)).transpose()?,
        label: label(field, process, rights)?,
        filter: None,
    })
}

fn cell(count: u64) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Turns words into C strings.
pub(crate) fn strings(field: &str, words: &[String]) -> Result<Vec<CString>> {
    let one = |(at, word): (usize, &String)| {
        CString::new(word.as_str()).map_err(|_| RuntimeError::field(format!("{field}[{at}]"), "has a NUL in it"))
    };
    words.iter().enumerate().map(one).collect()
}

/// Turns a path into a C string.
pub(crate) fn path(field: &str, path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| RuntimeError::field(field, "has a NUL in it"))
}

/// Lists where the program may be: itself when it has a slash, else in each folder of PATH.
fn candidates(program: &CString, env: &[CString]) -> Vec<CString> {
    let name = program.as_bytes();
    if name.contains(&b'/') {
        return vec![program.clone()];
    }
    let folders = env.iter().rev().find_map(|it| it.as_bytes().strip_prefix(b"PATH=")).unwrap_or_default();
    let within = |folder: &[u8]| {
        let folder = if folder.is_empty() { b"." } else { folder };
        CString::new([folder, b"/", name].concat()).ok()
    };
    folders.split(|byte| *byte == b':').filter_map(within).collect()
}

fn limits(field: &str, process: &SpecProcess) -> Result<Vec<Limit>> {
    let mut found: Vec<Limit> = Vec::new();
    for (at, limit) in process.rlimits().iter().flatten().enumerate() {
        let field = format!("{field}.rlimits[{at}]");
        let (resource, name) = (resource(limit.typ()), limit.typ().to_string());
        if found.iter().any(|it| it.resource == resource) {
            return Err(RuntimeError::field(field, format!("a second {name}")));
        }
        if limit.soft() > limit.hard() {
            return Err(RuntimeError::field(field, format!("soft {} is above hard {}", limit.soft(), limit.hard())));
        }
        found.push(Limit { resource, name, soft: limit.soft(), hard: limit.hard() });
    }
    Ok(found)
}

fn resource(of: PosixRlimitType) -> u32 {
    match of {
        PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}

/// Class in the top three bits of sixteen; source: ioprio_set(2).
fn io_priority(field: &str, wanted: oci_spec::runtime::LinuxIOPriority) -> Result<u32> {
    let class = match wanted.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    let level = u32::try_from(wanted.priority()).ok().filter(|it| *it <= 7);
    let level = level.ok_or_else(|| RuntimeError::field(format!("{field}.ioPriority.priority"), "must be 0 to 7"))?;
    Ok(class << 13 | level)
}

fn scheduling(field: &str, wanted: &oci_spec::runtime::Scheduler) -> Result<Scheduling> {
    use oci_spec::runtime::LinuxSchedulerFlag as Flag;
    let policy = match wanted.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => {
            return Err(RuntimeError::unsupported(format!("{field}.scheduler.policy"), "Linux has no SCHED_ISO"));
        }
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    };
    let flag = |flag: &Flag| match flag {
        Flag::SchedResetOnFork => 0x01,
        Flag::SchedFlagReclaim => 0x02,
        Flag::SchedFlagDLOverrun => 0x04,
        Flag::SchedFlagKeepPolicy => 0x08,
        Flag::SchedFlagKeepParams => 0x10,
        Flag::SchedFlagUtilClampMin => 0x20,
        Flag::SchedFlagUtilClampMax => 0x40,
    };
    let priority = u32::try_from(wanted.priority().unwrap_or(0));
    Ok(Scheduling {
        policy,
        nice: wanted.nice().unwrap_or(0),
        priority: priority.map_err(|_| RuntimeError::field(format!("{field}.scheduler.priority"), "is negative"))?,
        flags: wanted.flags().iter().flatten().map(flag).sum(),
        runtime: wanted.runtime().unwrap_or(0),
        deadline: wanted.deadline().unwrap_or(0),
        period: wanted.period().unwrap_or(0),
    })
}

/// Returns the file below `/proc/self/` and the text that make the label count at execve.
fn label(field: &str, process: &SpecProcess, rights: Rights) -> Result<Option<(CString, CString)>> {
    let given = |text: &Option<String>| text.clone().filter(|it| !it.is_empty());
    if let Some(profile) = given(process.apparmor_profile()) {
        if profile == "unconfined" && !rights.apparmor {
            return Ok(None);
        }
        if !rights.apparmor {
            let reason = format!("this kernel runs without AppArmor, and the profile `{profile}` cannot hold");
            return Err(RuntimeError::unsupported(format!("{field}.apparmorProfile"), reason));
        }
        let text = strings(&format!("{field}.apparmorProfile"), &[format!("exec {profile}")])?.remove(0);
        return Ok(Some((c"self/attr/apparmor/exec".into(), text)));
    }
    let Some(selinux) = given(process.selinux_label()) else {
        return Ok(None);
    };
    if !rights.selinux {
        let reason = format!("this kernel runs without SELinux, and the label `{selinux}` cannot hold");
        return Err(RuntimeError::unsupported(format!("{field}.selinuxLabel"), reason));
    }
    let text = strings(&format!("{field}.selinuxLabel"), &[selinux])?.remove(0);
    Ok(Some((c"self/attr/exec".into(), text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHTS: Rights = Rights { capabilities: u64::MAX, known: u64::MAX, apparmor: false, selinux: false };

    fn process(json: &str) -> Result<Process> {
        read("process", &serde_json::from_str(json).unwrap(), RIGHTS, &mut Vec::new())
    }

    #[test]
    fn the_program_is_looked_for_where_path_says() {
        let found = process(r#"{"user":{"uid":0,"gid":0},"cwd":"/","args":["sh"],"env":["PATH=/a::/b","HOME="]}"#).unwrap();
        assert_eq!(found.candidates, [c"/a/sh".into(), c"./sh".into(), CString::from(c"/b/sh")]);
        assert!(found.find_home && found.env == [CString::from(c"PATH=/a::/b")], "an empty HOME is none");
        let direct = process(r#"{"user":{"uid":0,"gid":0},"cwd":"/","args":["./sh"],"env":["PATH=/a","HOME=/x"]}"#).unwrap();
        assert_eq!((direct.candidates.len(), direct.find_home), (1, false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let base = |extra: &str| format!(r#"{{"user":{{"uid":0,"gid":0}},"args":["a"],"cwd":"/"{extra}}}"#);
        for (json, name) in [
            (r#"{"user":{"uid":0,"gid":0},"args":[],"cwd":"/"}"#.to_owned(), "process.args"),
            (r#"{"user":{"uid":0,"gid":0},"args":["a"],"cwd":"x"}"#.to_owned(), "process.cwd"),
            (base(r#","env":["A=\u0000"]"#), "process.env[0]"),
            (base(r#","rlimits":[{"type":"RLIMIT_CORE","hard":1,"soft":2}]"#), "process.rlimits[0]"),
            (base(r#","apparmorProfile":"docker-default""#), "process.apparmorProfile"),
            (base(r#","selinuxLabel":"a:b:c""#), "process.selinuxLabel"),
            (base(r#","ioPriority":{"class":"IOPRIO_CLASS_BE","priority":9}"#), "process.ioPriority.priority"),
        ] {
            let error = process(&json).unwrap_err().to_string();
            assert!(error.contains(name), "{json}: {error}");
        }
    }
}
