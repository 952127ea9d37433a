//! Networks and volumes of a project.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{ConfigHash, IpamPool, NetworkSpec, VolumeSpec, labels};
use rcompose_spec::model::{Network, Volume};

use super::{Lowering, mounts, set};

pub(crate) fn network(lowering: &Lowering<'_>, key: &str, network: &Network) -> NetworkSpec {
    let mut all = network.labels.clone();
    all.insert(labels::PROJECT.into(), lowering.project.name.clone());
    all.insert(labels::NETWORK.into(), key.to_owned());
    all.insert(labels::VERSION.into(), lowering.world.version.clone());
    NetworkSpec {
        name: network.name.as_str().into(),
        driver: set(&network.driver),
        driver_opts: network.driver_opts.clone(),
        ipam_driver: set(&network.ipam.driver),
        ipam_pools: network
            .ipam
            .config
            .iter()
            .map(|pool| IpamPool {
                subnet: set(&pool.subnet),
                ip_range: set(&pool.ip_range),
                gateway: set(&pool.gateway),
                aux_addresses: pool.aux_addresses.clone(),
            })
            .collect(),
        ipam_options: network.ipam.options.clone(),
        internal: network.internal,
        attachable: network.attachable,
        enable_ipv4: network.enable_ipv4,
        enable_ipv6: network.enable_ipv6,
        labels: all,
        config_hash: plain(rcompose_spec::hash::network(network)),
    }
}

pub(crate) fn volume(lowering: &Lowering<'_>, key: &str, volume: &Volume) -> VolumeSpec {
    let mut all: BTreeMap<String, String> = volume.labels.clone();
    all.extend(mounts::volume_labels(&lowering.project.name, key, &lowering.world.version));
    VolumeSpec {
        name: volume.name.as_str().into(),
        driver: set(&volume.driver),
        driver_opts: volume.driver_opts.clone(),
        labels: all,
        config_hash: plain(rcompose_spec::hash::volume(volume)),
    }
}

fn plain(preimage: String) -> ConfigHash {
    ConfigHash { preimage, dialects: Vec::new(), holes: Vec::new() }
}
