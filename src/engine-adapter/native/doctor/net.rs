//! What networks are made of, and what stands in their way.

use rcompose_network::host::Finding;
use rcompose_network::rules::Family;

use super::facts::Facts;
use super::{Check, Verdict};

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
    for (family, name) in FAMILIES {
        if !findings.contains(&Finding::NotForwarding { family }) {
            checks.push(Check::ok(name, "on"));
        }
    }
    checks.extend(findings.iter().map(finding));
    checks
}

/// A finding's text is a sentence and what to do about it, with a semicolon in between where there is both.
fn finding(found: &Finding) -> Check {
    let text = found.to_string();
    let (first, rest) = text.split_once("; ").unwrap_or((&text, ""));
    let wall = |means: &str| Check {
        name: "firewall",
        verdict: Verdict::Warning,
        found: first.to_owned(),
        means: means.to_owned(),
        fix: Some(rest.to_owned()),
    };
    match found {
        Finding::NoRules { .. } => Check::missing(
            "nftables",
            first,
            "`ports` publish nothing, and containers have no way out",
            "`modprobe nf_tables`, or a kernel with these",
        ),
        // Nobody has to do anything about it.
        Finding::NotForwarding { family } => {
            let name = FAMILIES.into_iter().find(|(it, _)| it == family).map_or("forwarding", |(_, name)| name);
            Check::ok(name, text.as_str())
        }
        Finding::Firewalld | Finding::Ufw | Finding::Drops { .. } | Finding::Legacy => {
            wall("`ports` may not be reached, and containers may have no way out")
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
                ("IPv6 forwarding", Verdict::Ok),
                ("ip_forward", Verdict::Ok),
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
