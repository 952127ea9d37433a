//! Kernel, rights, security modules, systemd.

use super::Check;
use super::facts::Facts;

/// The oldest kernel that has all system calls which starting a container needs; the youngest of them is `mount_setattr`. Source:
/// `mount_setattr(2)`.
const OLDEST: (u32, u32) = (5, 12);
/// From here on layers of an overlay are named one by one. Source: `src/runtime/linux/overlay.rs`.
const MANY_LAYERS: (u32, u32) = (6, 7);

/// Namespaces of every container, with their names in `/proc/self/ns`.
const NAMESPACES: [&str; 6] = ["ipc", "mnt", "net", "pid", "uts", "cgroup"];

/// Rights without which no container starts, with their numbers. Source: `linux/capability.h`.
const RIGHTS: [(&str, u32); 9] = [
    ("CAP_CHOWN", 0),
    ("CAP_DAC_OVERRIDE", 1),
    ("CAP_KILL", 5),
    ("CAP_SETGID", 6),
    ("CAP_SETUID", 7),
    ("CAP_SETPCAP", 8),
    ("CAP_NET_ADMIN", 12),
    ("CAP_SYS_CHROOT", 18),
    ("CAP_SYS_ADMIN", 21),
];
const SYS_RESOURCE: u32 = 24;

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![root(facts), kernel(facts), overlay(facts), namespaces(facts), rights(facts), resource(facts)];
    checks.extend([seccomp(facts), modules(facts), systemd(facts)]);
    checks
}

fn root(facts: &Facts) -> Check {
    if facts.is_root {
        return Check::ok("root", "yes");
    }
    let means = "the native engine makes namespaces, mounts and networks, and much of what follows cannot be looked at";
    Check::missing("root", "no", means, "run this with sudo, or use a Docker engine: --engine docker")
}

fn kernel(facts: &Facts) -> Check {
    let (release, update) = (format!("Linux {}", facts.release), "boot a newer kernel");
    if facts.kernel < OLDEST {
        let means = format!("no container starts: Linux {}.{} is needed", OLDEST.0, OLDEST.1);
        return Check::missing("kernel", release, means, update);
    }
    if facts.kernel < MANY_LAYERS {
        let means = format!("images of some hundred layers do not start before Linux {}.{}", MANY_LAYERS.0, MANY_LAYERS.1);
        return Check::warning("kernel", release, means, update);
    }
    Check::ok("kernel", release)
}

fn overlay(facts: &Facts) -> Check {
    if facts.overlay {
        return Check::ok("overlay", "yes");
    }
    let means = "layers of images cannot be put together, so no container starts";
    Check::missing("overlay", "the kernel has none", means, "a kernel with CONFIG_OVERLAY_FS, or its package of modules")
}

fn namespaces(facts: &Facts) -> Check {
    let lacking: Vec<&str> = NAMESPACES.into_iter().filter(|it| !facts.namespaces.contains(*it)).collect();
    if !lacking.is_empty() {
        let found = format!("the kernel has no {}", lacking.join(", "));
        return Check::missing("namespaces", found, "no container starts", "a kernel with CONFIG_NAMESPACES and all below it");
    }
    if !facts.namespaces.contains("time") {
        return Check::ok("namespaces", "all, but for time");
    }
    Check::ok("namespaces", "all")
}

fn rights(facts: &Facts) -> Check {
    let lacking: Vec<&str> = RIGHTS
        .into_iter()
        .filter(|(_, number)| facts.capabilities & (1 << number) == 0)
        .map(|(name, _)| name)
        .collect();
    if lacking.is_empty() {
        return Check::ok("rights", "all that a container needs to start");
    }
    let means = "no container starts: this shell is confined itself, by a container or a unit";
    Check::missing(
        "rights",
        format!("without {}", lacking.join(", ")),
        means,
        "give them to it (`privileged: true`), or use the host",
    )
}

fn resource(facts: &Facts) -> Check {
    if facts.capabilities & (1 << SYS_RESOURCE) != 0 {
        return Check::ok("CAP_SYS_RESOURCE", "yes");
    }
    let means = "`ulimits` above those of this shell and `oom_score_adj` below its own are refused";
    Check::warning("CAP_SYS_RESOURCE", "no", means, "give it to whoever runs rcompose")
}

fn seccomp(facts: &Facts) -> Check {
    if facts.seccomp {
        return Check::ok("seccomp", "yes");
    }
    let means = "containers start only with `security_opt: [seccomp=unconfined]`, and may make every system call";
    Check::warning("seccomp", "no", means, "a kernel with CONFIG_SECCOMP_FILTER")
}

fn modules(facts: &Facts) -> Check {
    match (facts.apparmor, facts.profiles.contains("docker-default"), facts.selinux) {
        (true, true, _) => Check::ok("apparmor", "with docker-default"),
        (true, false, _) => Check::warning(
            "apparmor",
            "without the profile docker-default",
            "containers are not confined by AppArmor, seccomp and capabilities aside",
            "load it: a Docker Engine does at its start, or `apparmor_parser -r FILE` with a profile of that name",
        ),
        (false, _, true) => Check::ok("apparmor", "off; SELinux is on"),
        (false, _, false) => Check::ok("apparmor", "off, so `security_opt: apparmor=` is refused"),
    }
}

fn systemd(facts: &Facts) -> Check {
    if facts.systemd {
        return Check::ok("systemd", "yes");
    }
    let means = "`rcompose system enable` cannot bring projects up with the machine";
    let fix = "let whatever starts this machine run the lines that `rcompose system enable --print` shows";
    Check::warning("systemd", "it is not the first process", means, fix)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::facts::version;
    use super::*;

    #[test]
    fn kernels_are_judged_by_number() {
        let judged = |release: &str| kernel(&Facts { kernel: version(release), release: release.into(), ..Facts::default() }).verdict;
        for (release, verdict) in [
            ("4.19.0-26-amd64", Verdict::Missing),
            ("5.4.0", Verdict::Missing),
            ("5.15.0-105-generic", Verdict::Warning),
            ("6.1.0-18-amd64", Verdict::Warning),
            ("6.12.9", Verdict::Ok),
            ("10.0", Verdict::Ok),
        ] {
            assert_eq!(judged(release), verdict, "{release}");
        }
    }

    #[test]
    fn rights_that_lack_are_named() {
        let all = RIGHTS.iter().fold(1 << SYS_RESOURCE, |all, (_, number)| all | 1 << number);
        assert_eq!(rights(&Facts { capabilities: all, ..Facts::default() }).verdict, Verdict::Ok);
        let lacks = rights(&Facts { capabilities: all & !(1 << 12), ..Facts::default() });
        assert_eq!((lacks.verdict, lacks.found.as_str()), (Verdict::Missing, "without CAP_NET_ADMIN"));
        assert_eq!(resource(&Facts { capabilities: all, ..Facts::default() }).verdict, Verdict::Ok);
        assert_eq!(resource(&Facts::default()).verdict, Verdict::Warning);
    }
}
