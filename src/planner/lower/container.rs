//! The whole container.

use std::collections::{BTreeMap, BTreeSet};

use rcompose_engine_adapter::{
    Check, ContainerName, ContainerSpec, HostEntry, ImageReference, Logging, Security, Test, VolumeName, labels,
};
use rcompose_spec::model::{Healthcheck, Service};

use super::{Lowering, devices, files, hash, mounts, namespaces, network, ports, process, resources, restart, set, strangers};
use crate::{Input, identity, support};

/// Which container of a service.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    /// Its name.
    pub(crate) name: ContainerName,
    /// The replica's number; `None` for a one-off.
    pub(crate) number: Option<u32>,
    /// Anonymous volumes to carry over, by target.
    pub(crate) carry: BTreeMap<String, VolumeName>,
}

/// Lowers one container of a service; problems are collected, so the result is of use only when there are none.
pub(crate) fn container(lowering: &mut Lowering<'_>, service: &Service, instance: &Instance) -> ContainerSpec {
    support::check_service(lowering, service);
    strangers::check(lowering, service);
    let image = image_of(lowering, service);
    let (file_mounts, file_binds) = files::files(lowering, service);
    let resources = resources::resources(service);
    let (devices, requests) = devices::devices(service);
    let process = process::process(lowering, service);
    ContainerSpec {
        name: instance.name.clone(),
        image,
        platform: set(&service.platform),
        labels: labels_of(lowering, service, instance),
        annotations: service.annotations.clone(),
        private_environment: process::private_keys(lowering.world, service),
        process,
        hostname: set(&service.hostname),
        domainname: set(&service.domainname),
        mounts: mounts::mounts(lowering, service, &instance.carry, file_binds),
        volumes_from: namespaces::volumes_from(lowering, service),
        files: file_mounts,
        network: network::mode(lowering, service, &instance.name),
        mac_address: set(&service.mac_address),
        ports: ports::ports(lowering, service),
        expose: ports::expose(lowering, service),
        dns: service.dns.clone(),
        dns_options: service.dns_opt.clone(),
        dns_search: service.dns_search.clone(),
        extra_hosts: extra_hosts(service),
        links: network::legacy_links(lowering, service),
        resources: rcompose_engine_adapter::Resources { devices, ..resources },
        device_requests: requests,
        security: security(lowering, service),
        namespaces: namespaces::namespaces(lowering, service),
        healthcheck: service.healthcheck.as_deref().map(healthcheck),
        restart: restart::restart(lowering, service),
        logging: logging(service),
        stop_signal: set(&service.stop_signal),
        stop_grace: service.stop_grace_period.map(rcompose_spec::model::Duration::to_std),
        init: service.init,
        runtime: set(&service.runtime),
        isolation: set(&service.isolation),
        storage_opt: service.storage_opt.clone(),
        sysctls: service.sysctls.clone(),
        auto_remove: false,
        config_hash: Some(hash::config_hash(lowering, service)),
    }
}

fn image_of(lowering: &mut Lowering<'_>, service: &Service) -> ImageReference {
    identity::image(lowering.project, service, lowering.world)
}

fn labels_of(lowering: &mut Lowering<'_>, service: &Service, instance: &Instance) -> BTreeMap<String, String> {
    let mut all = identity::container_labels(lowering.project, service, lowering.world);
    match instance.number {
        Some(number) => {
            all.insert(labels::ONEOFF.into(), "False".into());
            all.insert(labels::NUMBER.into(), number.to_string());
        }
        None => {
            all.insert(labels::ONEOFF.into(), "True".into());
        }
    }
    if let Some(inputs) = hash::inputs(lowering.world, service) {
        all.insert(labels::INPUTS.into(), inputs);
    }
    all
}

fn extra_hosts(service: &Service) -> Vec<HostEntry> {
    let hosts = &service.extra_hosts.0;
    let entries = hosts
        .iter()
        .flat_map(|(host, addresses)| addresses.iter().map(|address| HostEntry { host: host.clone(), address: address.clone() }));
    let mut all: Vec<HostEntry> = entries.collect();
    all.sort();
    all
}

pub(super) fn healthcheck(check: &Healthcheck) -> Check {
    let words = check.test.iter().map(String::as_str).collect::<Vec<_>>();
    let test = match words.as_slice() {
        _ if check.disable => Some(Test::None),
        [] => None,
        ["NONE", ..] => Some(Test::None),
        ["CMD-SHELL"] => Some(Test::Shell(String::new())),
        ["CMD-SHELL", line] => Some(Test::Shell((*line).to_owned())),
        // As engines do it: the shell runs the first word, and the others are its $0, $1 and so on.
        ["CMD-SHELL", words @ ..] => Some(Test::Command(["/bin/sh", "-c"].iter().chain(words).map(|&word| word.to_owned()).collect())),
        ["CMD", command @ ..] => Some(Test::Command(command.iter().map(|&word| word.to_owned()).collect())),
        command => Some(Test::Command(command.iter().map(|&word| word.to_owned()).collect())),
    };
    let duration = |value: Option<rcompose_spec::model::Duration>| value.map(rcompose_spec::model::Duration::to_std);
    Check {
        test,
        interval: duration(check.interval),
        timeout: duration(check.timeout),
        retries: check.retries.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        start_period: duration(check.start_period),
        start_interval: duration(check.start_interval),
    }
}

fn logging(service: &Service) -> Option<Logging> {
    let logging = service.logging.as_ref()?;
    Some(Logging { driver: set(&logging.driver), options: logging.options.clone() })
}

fn security(lowering: &mut Lowering<'_>, service: &Service) -> Security {
    let options: Vec<String> = service
        .security_opt
        .iter()
        .enumerate()
        .filter_map(|(index, option)| security_option(lowering, service, index, option))
        .collect();
    Security {
        privileged: service.privileged,
        read_only: service.read_only,
        cap_add: unique(&service.cap_add),
        cap_drop: unique(&service.cap_drop),
        security_opt: options,
        group_add: service.group_add.clone(),
        userns_mode: set(&service.userns_mode),
        credential_spec: None,
    }
}

/// Returns the path of the seccomp profile that an option names, where it names a file.
pub(super) fn seccomp_profile(option: &str) -> Option<&str> {
    let profile = option.strip_prefix("seccomp=").or_else(|| option.strip_prefix("seccomp:"))?;
    (!matches!(profile, "unconfined" | "builtin") && !profile.starts_with('{')).then_some(profile)
}

/// A seccomp profile is a file of this machine that the engine takes by content; all else goes as it is.
fn security_option(lowering: &mut Lowering<'_>, service: &Service, index: usize, option: &str) -> Option<String> {
    let Some(file) = seccomp_profile(option) else {
        return Some(option.replacen(':', "=", usize::from(!option.contains('='))));
    };
    let content = lowering.world.contents.get(&Input::SecurityProfile(file.to_owned()));
    let profile = content.and_then(|content| serde_json::from_slice::<serde_json::Value>(content.expose()).ok());
    if profile.is_none() {
        let path = format!("services.{}.security_opt[{index}]", service.name);
        lowering.invalid(path, format!("seccomp profile `{file}` is no JSON file that can be read"));
    }
    profile.map(|json| format!("seccomp={json}"))
}

fn unique(list: &[String]) -> Vec<String> {
    list.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_read_by_its_first_word() {
        let check =
            |words: &[&str]| healthcheck(&Healthcheck { test: words.iter().map(|&w| w.into()).collect(), ..Healthcheck::default() }).test;
        assert_eq!(check(&["NONE"]), Some(Test::None));
        assert_eq!(check(&["CMD-SHELL", "true || false"]), Some(Test::Shell("true || false".into())));
        let words = ["/bin/sh", "-c", "echo $0", "hi"].map(str::to_owned).to_vec();
        assert_eq!(check(&["CMD-SHELL", "echo $0", "hi"]), Some(Test::Command(words)));
        assert_eq!(check(&["CMD", "pg_isready"]), Some(Test::Command(vec!["pg_isready".into()])));
        assert_eq!(check(&[]), None);
    }
}
