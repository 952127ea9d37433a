//! Options of docker's bridge driver, so that files written for it mean the same here. Source: docker's manual, "Bridge network driver".

mod hanging;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::names;
use crate::rules::Gateway;

pub use hanging::HangingOptions;

const MTU: &str = "com.docker.network.driver.mtu";
const MTU_WANTED: &str = "a number of bytes from 68 to 65535";

/// What the options of a network say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeOptions {
    /// The bridge's name.
    pub name: Option<String>,
    /// Largest packet, in bytes.
    pub mtu: Option<u32>,
    /// Containers may talk to each other.
    pub inter_container: bool,
    /// What leaves has the host's address.
    pub masquerade: bool,
    /// The address that ports are published on where none is given.
    pub host_binding: Option<IpAddr>,
    /// Who gets in by IPv4.
    pub gateway_ipv4: Gateway,
    /// Who gets in by IPv6.
    pub gateway_ipv6: Gateway,
    /// The bridge has no address; only an internal network may be so.
    pub isolated: bool,
    /// What interfaces in containers are called before their number.
    pub interface_prefix: String,
    /// Options that this driver does not know, which do nothing.
    pub unknown: Vec<String>,
}

/// An option with a value that it cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the option {option} is {value:?}, but must be {wanted}")]
pub struct OptionError {
    /// The option.
    pub option: String,
    /// Its value.
    pub value: String,
    /// What it must be.
    pub wanted: &'static str,
}

impl Default for BridgeOptions {
    fn default() -> Self {
        Self {
            name: None,
            mtu: None,
            inter_container: true,
            masquerade: true,
            host_binding: None,
            gateway_ipv4: Gateway::Nat,
            gateway_ipv6: Gateway::Nat,
            isolated: false,
            interface_prefix: "eth".to_owned(),
            unknown: Vec::new(),
        }
    }
}

impl BridgeOptions {
    /// Reads the options of a network.
    ///
    /// # Errors
    /// For a value that an option cannot have.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Self, OptionError> {
        let mut read = Self::default();
        for (option, value) in options {
            let wrong = |wanted| OptionError { option: option.clone(), value: value.clone(), wanted };
            match option.as_str() {
                "com.docker.network.bridge.name" => {
                    read.name = Some(interface(value).ok_or_else(|| wrong("the name of an interface: at most 15 bytes, no space or /"))?);
                }
                MTU => read.mtu = Some(mtu(value).ok_or_else(|| wrong(MTU_WANTED))?),
                "com.docker.network.bridge.enable_icc" => read.inter_container = switch(value).ok_or_else(|| wrong("true or false"))?,
                "com.docker.network.bridge.enable_ip_masquerade" => {
                    read.masquerade = switch(value).ok_or_else(|| wrong("true or false"))?;
                }
                "com.docker.network.bridge.host_binding_ipv4" => {
                    let address = value.parse().ok().filter(IpAddr::is_ipv4);
                    read.host_binding = Some(address.ok_or_else(|| wrong("an IPv4 address"))?);
                }
                "com.docker.network.bridge.gateway_mode_ipv4" => {
                    let mode = gateway(value).ok_or_else(|| wrong(MODES))?;
                    read.isolated |= mode.is_none();
                    read.gateway_ipv4 = mode.unwrap_or_default();
                }
                "com.docker.network.bridge.gateway_mode_ipv6" => {
                    read.gateway_ipv6 = gateway(value).ok_or_else(|| wrong(MODES))?.unwrap_or_default();
                }
                "com.docker.network.container_iface_prefix" => {
                    let prefix = interface(value).filter(|it| it.len() <= 11);
                    read.interface_prefix = prefix.ok_or_else(|| wrong("the beginning of an interface's name: at most 11 bytes"))?;
                }
                // What is always so here.
                "com.docker.network.bridge.default_bridge" => {}
                _ => read.unknown.push(option.clone()),
            }
        }
        Ok(read)
    }
}

const MODES: &str = "nat, nat-unprotected, routed or isolated";

fn mtu(value: &str) -> Option<u32> {
    value.parse().ok().filter(|it| (68..=65535).contains(it))
}

/// As Go's `strconv.ParseBool` reads it, which docker uses.
fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A mode; within it nothing for `isolated`.
fn gateway(value: &str) -> Option<Option<Gateway>> {
    match value {
        "nat" | "" => Some(Some(Gateway::Nat)),
        "nat-unprotected" => Some(Some(Gateway::NatUnprotected)),
        "routed" => Some(Some(Gateway::Routed)),
        "isolated" => Some(None),
        _ => None,
    }
}

fn interface(value: &str) -> Option<String> {
    names::is_interface(value).then(|| value.to_owned())
}

/// The switches of an endpoint (`com.docker.network.endpoint.sysctls`): names with `IFNAME` for the interface, by commas.
///
/// # Errors
/// For one that is no `net.` switch of this interface.
pub fn endpoint_switches(options: &BTreeMap<String, String>, interface: &str) -> Result<Vec<(String, String)>, OptionError> {
    const OPTION: &str = "com.docker.network.endpoint.sysctls";
    let Some(text) = options.get(OPTION) else { return Ok(Vec::new()) };
    let wrong = || OptionError {
        option: OPTION.to_owned(),
        value: text.clone(),
        wanted: "switches as net.ipv4.conf.IFNAME.forwarding=1",
    };
    let read = |part: &str| {
        let (name, value) = part.trim().split_once('=').ok_or_else(wrong)?;
        let mut words: Vec<&str> = name.split('.').collect();
        let is_net = matches!(words.as_slice(), ["net", "ipv4" | "ipv6" | "mpls", "conf" | "neigh", "IFNAME", switch] if is_word(switch));
        if !is_net {
            return Err(wrong());
        }
        words[3] = interface;
        Ok((words.join("/"), value.to_owned()))
    };
    text.split(',').filter(|it| !it.trim().is_empty()).map(read).collect()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}
