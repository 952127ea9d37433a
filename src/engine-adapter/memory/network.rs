//! Networks, and who is attached to them.

use std::time::Duration;

use rcompose_engine_adapter::{
    Attachment, ContainerName, EngineError, ErrorKind, EventAction, EventSubject, Feature, NetworkMode, NetworkName, NetworkSpec, Result,
    labels,
};

use crate::state::{Endpoint, Network};
use crate::validate;
use crate::world::{World, conflict, invalid};

impl World {
    pub(crate) fn make_network(&mut self, spec: &NetworkSpec, at: Duration) -> Result<()> {
        validate::name(spec.name.as_str())?;
        if spec.enable_ipv4 == Some(false) {
            validate::require(&self.info, Feature::DisableIpv4)?;
        }
        if let Some(there) = self.networks.get(&spec.name) {
            // Two without a project are the same to nobody: their owner is unknown.
            let same = there.labels.get(labels::PROJECT).zip(spec.labels.get(labels::PROJECT)).is_some_and(|(a, b)| a == b);
            return if same {
                Ok(())
            } else {
                Err(conflict(format!("network {} is there already", spec.name)))
            };
        }
        let mut all = spec.labels.clone();
        all.extend(self.config_hash(&spec.config_hash));
        let subnet = spec.ipam_pools.iter().find_map(|pool| pool.subnet.as_deref()).filter(|it| !it.contains(':'));
        let driver = spec.driver.clone().unwrap_or_else(|| "bridge".into());
        let network = self.new_network(driver, all.clone(), subnet, false);
        self.networks.insert(spec.name.clone(), network);
        self.event(EventSubject::Network(spec.name.clone()), EventAction::Created, all, at);
        Ok(())
    }

    pub(crate) fn drop_network(&mut self, name: &NetworkName, at: Duration) -> Result<()> {
        let Some(network) = self.networks.get(name) else { return Ok(()) };
        if network.built_in {
            return Err(EngineError::new(ErrorKind::Denied, format!("network {name} is the engine's own")));
        }
        let attached = self.attached(name);
        if !attached.is_empty() {
            let names: Vec<&str> = attached.iter().map(|it| it.as_str()).collect();
            return Err(conflict(format!("network {name} is in use by {}", names.join(", "))));
        }
        if let Some(network) = self.networks.remove(name) {
            self.event(EventSubject::Network(name.clone()), EventAction::Removed, network.labels, at);
        }
        Ok(())
    }

    /// Returns who is attached, running or not.
    pub(crate) fn attached(&self, name: &NetworkName) -> Vec<ContainerName> {
        let attached = self.containers.iter().filter(|(_, container)| container.endpoints.contains_key(name));
        attached.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn attach(&mut self, name: &ContainerName, attachment: &Attachment) -> Result<()> {
        let container = self.container(name)?;
        if container.endpoints.contains_key(&attachment.network) {
            return Ok(());
        }
        match &container.spec.network {
            NetworkMode::Container { .. } | NetworkMode::Host | NetworkMode::None => {
                return Err(conflict(format!("container {name} has no network stack that could join network {}", attachment.network)));
            }
            NetworkMode::Networks { .. } | NetworkMode::Bridge | NetworkMode::Other { .. } => {}
        }
        validate::attachment_features(attachment, &self.info)?;
        let endpoint = self.endpoint(name, attachment)?;
        self.note_address(&endpoint);
        self.container_mut(name)?.endpoints.insert(attachment.network.clone(), endpoint);
        self.touch();
        Ok(())
    }

    pub(crate) fn detach(&mut self, name: &ContainerName, network: &NetworkName) {
        let gone = self.containers.get_mut(name).and_then(|it| it.endpoints.remove(network));
        if gone.is_some() {
            self.touch();
        }
    }

    /// Works out a container's end on a network; nothing is changed.
    pub(crate) fn endpoint(&self, container: &ContainerName, attachment: &Attachment) -> Result<Endpoint> {
        let name = &attachment.network;
        let Some(network) = self.networks.get(name) else {
            return Err(EngineError::new(ErrorKind::NotFound, format!("no such network: {name}")));
        };
        let ipv4 = match &attachment.ipv4_address {
            Some(fixed) => self.fixed_address(container, network, name, fixed)?,
            None => self.free_address(network, name)?,
        };
        Ok(Endpoint { attachment: attachment.clone(), ipv4 })
    }

    fn fixed_address(&self, container: &ContainerName, network: &Network, name: &NetworkName, fixed: &str) -> Result<String> {
        if !network.has_subnet {
            return Err(invalid(format!("container {container} wants {fixed} on network {name}, which has no subnet of its own")));
        }
        if fixed.parse::<std::net::Ipv4Addr>().is_err() {
            return Err(invalid(format!("container {container} wants {fixed} on network {name}, which is no IPv4 address")));
        }
        match self.address_holder(name, fixed) {
            Some(holder) => Err(conflict(format!("address {fixed} on network {name} is in use by container {holder}"))),
            None => Ok(fixed.to_owned()),
        }
    }

    fn free_address(&self, network: &Network, name: &NetworkName) -> Result<String> {
        // The numbers go round, as an engine's do, so that an address is not given out again at once.
        let numbers = (network.last_address.saturating_add(1)..=254).chain(2..=network.last_address);
        let mut addresses = numbers.map(|number| format!("{}.{number}", network.prefix));
        let free = addresses.find(|it| self.address_holder(name, it).is_none());
        // More than a /24 would hold: addresses beyond it do not matter to any test.
        Ok(free.unwrap_or_else(|| format!("{}.255", network.prefix)))
    }

    fn address_holder(&self, network: &NetworkName, address: &str) -> Option<&ContainerName> {
        let holds = |endpoint: &Endpoint| endpoint.ipv4 == address;
        self.containers
            .iter()
            .find(|(_, it)| it.endpoints.get(network).is_some_and(holds))
            .map(|(name, _)| name)
    }

    pub(crate) fn note_address(&mut self, endpoint: &Endpoint) {
        let number = endpoint.ipv4.rsplit('.').next().and_then(|it| it.parse().ok());
        if let Some((network, number)) = self.networks.get_mut(&endpoint.attachment.network).zip(number) {
            network.last_address = number;
        }
    }
}
