//! What networks are made of, and what stands in their way.

use rcompose_network::host::Finding;
use rcompose_network::rules::Family;

use super::Check;
use super::facts::Facts;

/// Checks of forwarding.
const FAMILIES: [(Family, &str); 2] = [(Family::Ipv4, "ip_forward"), (Family::Ipv6, "IPv6 forwarding")];
const UNSEEN: &str = "not looked at: only root may";

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let mut checks = kinds(facts);
    checks.extend(findings(facts));
    checks.push(ipv6(facts));
    checks.push(docker(facts));
    checks
}

fn kinds(facts: &Facts) -> Vec<Check> {
    let needed = |name: &'static str| matches!(name, "bridge" | "veth");
    let Some(kinds) = &facts.kinds else {
        let fix = "run this as root, on the host";
        return vec![Check::warning(
            "bridge, veth",
            UNSEEN,
            "without them containers have networks of the host's or none",
            fix,
        )];
    };
    let one = |(name, there): &(&'static str, bool)| match (*there, needed(name)) {
        (true, _) => Check::ok(name, "yes"),
        (false, true) => {
            let fix = format!("`modprobe {name}`, or a kernel with CONFIG_{}", name.to_uppercase());
            Check::missing(name, "no", "only network_mode host and none work", fix)
        }
        (false, false) => {
            let fix = format!("`modprobe {name}`, or a kernel with CONFIG_{}", name.to_uppercase());
            Check::warning(name, "no", format!("networks with `driver: {name}` cannot be made"), fix)
        }
    };
    kinds.iter().map(one).collect()
}

fn findings(facts: &Facts) -> Vec<Check> {
    let Some(findings) = &facts.findings else {
        return vec![Check::warning(
            "nftables",
            UNSEEN,
            "without them `ports` publish nothing, and there is no way out",
            "run this as root, on the host",
        )];
    };
    let has = |wanted: fn(&Finding) -> bool| findings.iter().any(wanted);
    let mut checks = Vec::new();
    if !has(|it| matches!(it, Finding::NoRules { .. })) {
        checks.push(Check::ok("nftables", "yes"));
    }
    let walls = |it: &Finding| matches!(it, Finding::Firewalld | Finding::Ufw | Finding::Drops { .. } | Finding::Legacy);
    if !findings.iter().any(walls) {
        checks.push(Check::ok("firewall", "none that stands in the way"));
    }
    checks.extend(findings.iter().filter_map(finding));
    checks.extend(FAMILIES.into_iter().map(|(family, name)| {
        let off = Finding::NotForwarding { family };
        // Nobody has to do anything about it.
        if findings.contains(&off) {
            Check::ok(name, off.to_string())
        } else {
            Check::ok(name, "on")
        }
    }));
    checks
}

/// A finding's text is a sentence and what to do about it, with a semicolon in between where there is both.
fn finding(found: &Finding) -> Option<Check> {
    let text = found.to_string();
    let (first, rest) = text.split_once("; ").unwrap_or((&text, ""));
    match found {
        Finding::NoRules { .. } => Some(Check::missing(
            "nftables",
            first,
            "`ports` publish nothing, and containers have no way out",
            "`modprobe nf_tables`, or a kernel with these",
        )),
        Finding::NotForwarding { .. } => None,
        Finding::Firewalld | Finding::Ufw | Finding::Drops { .. } | Finding::Legacy => {
            Some(Check::warning("firewall", first, "`ports` may not be reached, and containers may have no way out", rest))
        }
    }
}

fn ipv6(facts: &Facts) -> Check {
    if facts.ipv6 {
        return Check::ok("IPv6", "yes");
    }
    let means = "networks with `enable_ipv6: true` cannot be made, and ports are not published at [::]";
    Check::warning("IPv6", "off", means, "`sysctl net.ipv6.conf.all.disable_ipv6=0`, and boot without ipv6.disable=1")
}

fn docker(facts: &Facts) -> Check {
    if facts.docker {
        return Check::ok("docker", "a Docker Engine is beside us; its FORWARD chain gets two accepts for each bridge of ours");
    }
    Check::ok("docker", "none here")
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn what_networks_need_is_missing_and_the_rest_is_a_warning() {
        let kinds = vec![("bridge", true), ("veth", false), ("macvlan", false)];
        let findings = vec![
            Finding::Ufw,
            Finding::Drops { family: "inet", table: "mine".into(), chain: "forward".into() },
            Finding::NotForwarding { family: Family::Ipv4 },
        ];
        let facts = Facts { kinds: Some(kinds), findings: Some(findings), ipv6: true, ..Facts::default() };
        let short: Vec<(&str, Verdict)> = checks(&facts).iter().map(|it| (it.name, it.verdict)).collect();
        assert_eq!(
            short,
            [
                ("bridge", Verdict::Ok),
                ("veth", Verdict::Missing),
                ("macvlan", Verdict::Warning),
                ("nftables", Verdict::Ok),
                ("firewall", Verdict::Warning),
                ("firewall", Verdict::Warning),
                ("ip_forward", Verdict::Ok),
                ("IPv6 forwarding", Verdict::Ok),
                ("IPv6", Verdict::Ok),
                ("docker", Verdict::Ok),
            ]
        );
        for check in checks(&facts).iter().filter(|it| it.verdict == Verdict::Warning) {
            assert!(check.fix.as_ref().is_some_and(|it| !it.is_empty()), "{check:?}");
        }
        let none = Facts { findings: Some(vec![Finding::NoRules { reason: "no".into() }]), ..Facts::default() };
        assert!(checks(&none).iter().any(|it| it.name == "nftables" && it.verdict == Verdict::Missing));
    }
}
