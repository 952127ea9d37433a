//! Networks, how containers are attached to them, and published ports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{ConfigHash, ContainerName, NetworkName};

/// A network to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// The name on the engine.
    pub name: NetworkName,
    /// `None` is the engine's default (`bridge`).
    pub driver: Option<String>,
    /// Options of the driver.
    pub driver_opts: BTreeMap<String, String>,
    /// Address management driver; `None` is the engine's default.
    pub ipam_driver: Option<String>,
    /// Pools of addresses; empty lets the engine choose.
    pub ipam_pools: Vec<IpamPool>,
    /// Options of the address management driver.
    pub ipam_options: BTreeMap<String, String>,
    /// No way out.
    pub internal: bool,
    /// Containers outside the project may attach (swarm scope).
    pub attachable: bool,
    /// `None` is the engine's default (on).
    pub enable_ipv4: Option<bool>,
    /// `None` is the engine's default (off).
    pub enable_ipv6: Option<bool>,
    /// Labels, those of [`crate::labels`] included, the configuration hash left out.
    pub labels: BTreeMap<String, String>,
    /// Goes into the label `config-hash`.
    #[serde(skip)]
    pub config_hash: ConfigHash,
}

/// A pool of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpamPool {
    /// CIDR.
    pub subnet: Option<String>,
    /// CIDR within the subnet to give addresses from.
    pub ip_range: Option<String>,
    /// Address of the gateway.
    pub gateway: Option<String>,
    /// Addresses kept, by host name.
    pub aux_addresses: BTreeMap<String, String>,
}

/// Where a container's network stack comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "mode")]
pub enum NetworkMode {
    /// Attached to these networks; the first one is the one at create.
    Networks {
        /// In order of priority.
        attachments: Vec<Attachment>,
    },
    /// A loopback interface only.
    None,
    /// The host's own.
    Host,
    /// The engine's default bridge.
    Bridge,
    /// Another container's.
    Container {
        /// That container.
        container: ContainerName,
    },
    /// A mode only the engine knows, as written (`network_mode: mynet`).
    Other {
        /// The text.
        text: String,
    },
}

/// One container on one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The network.
    pub network: NetworkName,
    /// Names that others on this network find the container by.
    pub aliases: Vec<String>,
    /// Static address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<String>,
    /// Static address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_address: Option<String>,
    /// Further addresses.
    pub link_local_ips: Vec<String>,
    /// Fixed MAC address on this network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Name of the interface inside the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface_name: Option<String>,
    /// The highest gives the default route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_priority: Option<i64>,
    /// Options of the driver for this endpoint.
    pub driver_opts: BTreeMap<String, String>,
    /// Legacy links, `container:alias`.
    pub links: Vec<String>,
}

/// Transport protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Returns the lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// A port of the container made reachable from the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortSpec {
    /// Port inside the container.
    pub target: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Address of the host; `None` is every address.
    pub host_ip: Option<IpAddr>,
    /// First and last port of the host to choose from; `None` lets the engine choose any free one.
    pub published: Option<(u16, u16)>,
}
