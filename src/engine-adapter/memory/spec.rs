//! Specs with nothing asked for, to change in a test.

use std::collections::{BTreeMap, BTreeSet};

use rcompose_engine_adapter::{
    Attachment, ConfigHash, ContainerName, ContainerSpec, ImageReference, Namespaces, NetworkMode, NetworkName, NetworkSpec, Process,
    Resources, Restart, Security, VolumeName, VolumeSpec,
};

/// A container on the default bridge that runs what its image does.
pub fn container(name: impl Into<ContainerName>, image: impl Into<ImageReference>) -> ContainerSpec {
    ContainerSpec {
        name: name.into(),
        image: image.into(),
        platform: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        process: Process::default(),
        hostname: None,
        domainname: None,
        mounts: Vec::new(),
        volumes_from: Vec::new(),
        files: Vec::new(),
        network: NetworkMode::Bridge,
        mac_address: None,
        ports: Vec::new(),
        expose: BTreeSet::new(),
        dns: Vec::new(),
        dns_options: Vec::new(),
        dns_search: Vec::new(),
        extra_hosts: Vec::new(),
        links: Vec::new(),
        resources: Resources::default(),
        device_requests: Vec::new(),
        security: Security::default(),
        namespaces: Namespaces::default(),
        healthcheck: None,
        restart: Restart::No,
        logging: None,
        stop_signal: None,
        stop_grace: None,
        init: None,
        runtime: None,
        isolation: None,
        storage_opt: BTreeMap::new(),
        sysctls: BTreeMap::new(),
        auto_remove: false,
        private_environment: BTreeSet::new(),
        config_hash: None,
    }
}

/// A plain attachment.
pub fn attachment(network: impl Into<NetworkName>) -> Attachment {
    Attachment {
        network: network.into(),
        aliases: Vec::new(),
        ipv4_address: None,
        ipv6_address: None,
        link_local_ips: Vec::new(),
        mac_address: None,
        interface_name: None,
        gateway_priority: None,
        driver_opts: BTreeMap::new(),
        links: Vec::new(),
    }
}

/// A network with the engine's defaults.
pub fn network(name: impl Into<NetworkName>) -> NetworkSpec {
    NetworkSpec {
        name: name.into(),
        driver: None,
        driver_opts: BTreeMap::new(),
        ipam_driver: None,
        ipam_pools: Vec::new(),
        ipam_options: BTreeMap::new(),
        internal: false,
        attachable: false,
        enable_ipv4: None,
        enable_ipv6: None,
        labels: BTreeMap::new(),
        config_hash: ConfigHash::default(),
    }
}

/// A volume with the engine's defaults.
pub fn volume(name: impl Into<VolumeName>) -> VolumeSpec {
    VolumeSpec {
        name: name.into(),
        driver: None,
        driver_opts: BTreeMap::new(),
        labels: BTreeMap::new(),
        config_hash: ConfigHash::default(),
    }
}
