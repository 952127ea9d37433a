//! Control groups, controller by controller.

use super::Check;
use super::facts::Facts;

/// A controller: the check's name, what it is called in version 1 and 2 (nothing: that version needs none), and which attributes need it.
type Controller = (&'static str, Option<&'static str>, Option<&'static str>, &'static str);

const CONTROLLERS: [Controller; 8] = [
    (
        "cgroup cpu",
        Some("cpu"),
        Some("cpu"),
        "cpus, cpu_shares, cpu_quota, cpu_period, deploy.resources.limits.cpus",
    ),
    ("cgroup cpuset", Some("cpuset"), Some("cpuset"), "cpuset"),
    (
        "cgroup memory",
        Some("memory"),
        Some("memory"),
        "mem_limit, mem_reservation, memswap_limit, deploy.resources.limits.memory",
    ),
    ("cgroup pids", Some("pids"), Some("pids"), "pids_limit, deploy.resources.limits.pids"),
    ("cgroup io", Some("blkio"), Some("io"), "blkio_config"),
    (
        "cgroup devices",
        Some("devices"),
        None,
        "devices, device_cgroup_rules, and the protection of the host's devices",
    ),
    ("cgroup freezer", Some("freezer"), None, "rcompose pause"),
    (
        "cgroup hugetlb",
        Some("hugetlb"),
        Some("hugetlb"),
        "nothing of a compose file; programs may take all huge pages",
    ),
];

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let Some(version) = facts.cgroup else {
        let fix = "mount them: `mount -t cgroup2 none /sys/fs/cgroup`";
        return vec![Check::missing("cgroups", "none are mounted", "no container starts", fix)];
    };
    let mut checks = vec![Check::ok("cgroups", format!("version {version}"))];
    for (name, first, second, attributes) in CONTROLLERS {
        match if version == 1 { first } else { second } {
            None => checks.push(Check::ok(name, "part of version 2")),
            Some(controller) if facts.controllers.contains(controller) => checks.push(Check::ok(name, "yes")),
            Some(controller) => {
                let fix = if version == 1 {
                    format!(
                        "mount it (`mount -t cgroup -o {controller} none /sys/fs/cgroup/{controller}`), or boot with cgroup_enable={controller}"
                    )
                } else {
                    format!(
                        "boot with cgroup_enable={controller}, or hand it down: `echo +{controller} > /sys/fs/cgroup/cgroup.subtree_control`"
                    )
                };
                checks.push(Check::warning(name, "no", format!("it limits {attributes}"), fix));
            }
        }
    }
    checks.push(swap(facts));
    checks
}

fn swap(facts: &Facts) -> Check {
    if facts.swap {
        return Check::ok("swap accounting", "yes");
    }
    let means = "memswap_limit does nothing, and mem_limit leaves swap without limit";
    Check::warning("swap accounting", "no", means, "boot with swapaccount=1")
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn bad(facts: &Facts) -> Vec<&'static str> {
        checks(facts).into_iter().filter(|it| it.verdict != Verdict::Ok).map(|it| it.name).collect()
    }

    #[test]
    fn each_version_needs_its_own_controllers() {
        let facts = |cgroup, list: &str| Facts {
            cgroup: Some(cgroup),
            controllers: list.split(' ').map(str::to_owned).collect(),
            swap: true,
            ..Facts::default()
        };
        assert_eq!(bad(&facts(1, "cpu cpuset memory pids blkio devices freezer hugetlb")), [""; 0]);
        assert_eq!(bad(&facts(2, "cpu cpuset memory pids io hugetlb")), [""; 0]);
        assert_eq!(bad(&facts(2, "cpu cpuset io hugetlb")), ["cgroup memory", "cgroup pids"]);
        assert_eq!(bad(&facts(1, "cpu cpuset memory pids blkio hugetlb")), ["cgroup devices", "cgroup freezer"]);
        assert_eq!(bad(&Facts { swap: false, ..facts(2, "cpu cpuset memory pids io hugetlb") }), ["swap accounting"]);
        assert_eq!(bad(&Facts::default()), ["cgroups"]);
    }
}
