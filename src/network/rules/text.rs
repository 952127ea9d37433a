//! Tables in the language of nft, for people and for tests.

use std::fmt;
use std::net::IpAddr;

use crate::rules::{Chain, Family, Match, Rule, Table, Verdict};
use crate::{Cidr, names};

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table {} {} {{", self.family.as_str(), self.name)?;
        for (at, chain) in self.chains.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write_chain(f, self.family, chain)?;
        }
        writeln!(f, "}}")
    }
}

impl Chain {
    /// A number that says whether two chains of a family have the same rules.
    pub(crate) fn digest(&self, family: Family) -> u64 {
        let rules: Vec<String> = self.rules.iter().map(|it| rule_text(family, it)).collect();
        names::hash(&rules.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

fn write_chain(f: &mut fmt::Formatter<'_>, family: Family, chain: &Chain) -> fmt::Result {
    writeln!(f, "\tchain {} {{", chain.name)?;
    if let Some(hook) = &chain.hook {
        writeln!(f, "\t\ttype {} hook {} priority {}; policy accept;", hook.kind, hook.place, hook.priority)?;
    }
    for rule in &chain.rules {
        writeln!(f, "\t\t{}", rule_text(family, rule))?;
    }
    writeln!(f, "\t}}")
}

fn rule_text(family: Family, rule: &Rule) -> String {
    let matches = rule.matches.iter().map(|it| match_text(family, it));
    matches.chain([verdict_text(family, &rule.verdict)]).collect::<Vec<_>>().join(" ")
}

fn match_text(family: Family, wanted: &Match) -> String {
    let family = family.as_str();
    match wanted {
        Match::InputIs(name) => format!("iifname {name:?}"),
        Match::InputIsNot(name) => format!("iifname != {name:?}"),
        Match::OutputIs(name) => format!("oifname {name:?}"),
        Match::OutputIsNot(name) => format!("oifname != {name:?}"),
        Match::Source(subnet) => format!("{family} saddr {}", subnet_text(subnet)),
        Match::Destination(subnet) => format!("{family} daddr {}", subnet_text(subnet)),
        Match::DestinationNot(subnet) => format!("{family} daddr != {}", subnet_text(subnet)),
        Match::ToHost => "fib daddr type local".to_owned(),
        Match::Protocol(protocol) => format!("meta l4proto {protocol}"),
        Match::Port(port) => format!("th dport {port}"),
        Match::Known => "ct state established,related".to_owned(),
        Match::Translated => "ct status dnat".to_owned(),
    }
}

fn verdict_text(family: Family, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Masquerade => "masquerade".to_owned(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Dispatch(chains) => {
            let elements: Vec<_> = chains.iter().map(|(protocol, port, chain)| format!("{protocol} . {port} : goto {chain}")).collect();
            format!("meta l4proto . th dport vmap {{ {} }}", elements.join(", "))
        }
        Verdict::Translate(destinations) => translate_text(family, destinations),
    }
}

fn translate_text(family: Family, destinations: &[(IpAddr, u16)]) -> String {
    match destinations {
        [] => "continue".to_owned(),
        [(IpAddr::V4(address), port)] => format!("dnat to {address}:{port}"),
        [(IpAddr::V6(address), port)] => format!("dnat to [{address}]:{port}"),
        several => {
            let elements: Vec<_> = several
                .iter()
                .enumerate()
                .map(|(turn, (address, port))| format!("{turn} : {address} . {port}"))
                .collect();
            format!("dnat {} to numgen inc mod {} map {{ {} }}", family.as_str(), several.len(), elements.join(", "))
        }
    }
}

fn subnet_text(subnet: &Cidr) -> String {
    if *subnet == Cidr::host(subnet.address()) {
        subnet.address().to_string()
    } else {
        subnet.network().to_string()
    }
}
