//! `networks`: at the top level, and as a service joins them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Labels;
use super::scalar::absent;

/// A network of the project.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// Name on the engine.
    #[serde(skip_serializing_if = "absent")]
    pub name: String,
    /// Driver; empty for the engine's default.
    #[serde(skip_serializing_if = "absent")]
    pub driver: String,
    /// Options for the driver.
    #[serde(skip_serializing_if = "absent")]
    pub driver_opts: BTreeMap<String, String>,
    /// Address management.
    pub ipam: Ipam,
    /// Made by somebody else; must exist.
    #[serde(skip_serializing_if = "absent")]
    pub external: bool,
    /// Without a way out.
    #[serde(skip_serializing_if = "absent")]
    pub internal: bool,
    /// Foreign containers may join.
    #[serde(skip_serializing_if = "absent")]
    pub attachable: bool,
    /// Labels.
    #[serde(skip_serializing_if = "absent")]
    pub labels: Labels,
    /// IPv4 addresses.
    #[serde(skip_serializing_if = "absent")]
    pub enable_ipv4: Option<bool>,
    /// IPv6 addresses.
    #[serde(skip_serializing_if = "absent")]
    pub enable_ipv6: Option<bool>,
}

/// Address management of a network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ipam {
    /// Driver; empty for the engine's default.
    #[serde(skip_serializing_if = "absent")]
    pub driver: String,
    /// Pools of addresses.
    #[serde(skip_serializing_if = "absent")]
    pub config: Vec<IpamPool>,
    /// Options for the driver.
    #[serde(skip_serializing_if = "absent")]
    pub options: BTreeMap<String, String>,
}

/// A pool of addresses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpamPool {
    /// The subnet in CIDR form.
    #[serde(skip_serializing_if = "absent")]
    pub subnet: String,
    /// Address of the gateway.
    #[serde(skip_serializing_if = "absent")]
    pub gateway: String,
    /// Part of the subnet that containers get addresses from.
    #[serde(skip_serializing_if = "absent")]
    pub ip_range: String,
    /// Addresses kept for other hosts.
    #[serde(skip_serializing_if = "absent")]
    pub aux_addresses: BTreeMap<String, String>,
}

/// How a service joins a network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceNetwork {
    /// Further host names.
    #[serde(skip_serializing_if = "absent")]
    pub aliases: Vec<String>,
    /// Options for the driver.
    #[serde(skip_serializing_if = "absent")]
    pub driver_opts: BTreeMap<String, String>,
    /// Which network becomes the default gateway; the highest wins.
    #[serde(skip_serializing_if = "absent")]
    pub gw_priority: i64,
    /// Name of the interface inside the container.
    #[serde(skip_serializing_if = "absent")]
    pub interface_name: String,
    /// Fixed IPv4 address.
    #[serde(skip_serializing_if = "absent")]
    pub ipv4_address: String,
    /// Fixed IPv6 address.
    #[serde(skip_serializing_if = "absent")]
    pub ipv6_address: String,
    /// Link-local addresses.
    #[serde(skip_serializing_if = "absent")]
    pub link_local_ips: Vec<String>,
    /// Fixed MAC address.
    #[serde(skip_serializing_if = "absent")]
    pub mac_address: String,
    /// Order of connecting; the highest first.
    #[serde(skip_serializing_if = "absent")]
    pub priority: i64,
}
