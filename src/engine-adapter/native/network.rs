//! Networks: a bridge, subnets, and rules for it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use rcompose_engine_adapter::{EngineError, ErrorKind, IpamPool, NetworkName, NetworkSpec, Result, labels};
use rcompose_network::bridge::{self, Bridge};
use rcompose_network::ipam::{self, Pool, PoolRequest};
use rcompose_network::options::BridgeOptions;
use rcompose_network::{Cidr, docker, endpoint, host, names};
use rcompose_supervise::SuperviseError;

use crate::clock;
use crate::container::new_id;
use crate::document::{FORM, Network};
use crate::driver::Driver;
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::groups;
use crate::link::{Joined, refresh};
use crate::place::is_name;

/// How long shims and guardian of a project that is gone may take to leave, and how often it is looked.
const LEAVING: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(10);

/// The network of `network_mode: bridge`.
pub(crate) const DEFAULT: &str = "bridge";

/// Makes a network; one of the same name with the same project label is success.
pub(crate) fn create(native: &Native, spec: &NetworkSpec) -> Result<()> {
    let name = &spec.name;
    if !is_name(name.as_str()) {
        return Err(error::invalid(format!("network {name}: a name has letters, digits, `_`, `.` and `-` only, at most 128")));
    }
    let places = &native.places;
    let _lock = places.lock()?;
    if let Some(found) = places.network(name)? {
        let project = found.labels.get(labels::PROJECT);
        return match project {
            Some(project) if Some(project) == spec.labels.get(labels::PROJECT) => Ok(()),
            _ => Err(error::conflict(format!("cannot create network {name}: one of this name is there, of another project"))),
        };
    }
    let mut labels = spec.labels.clone();
    let hash = spec
        .config_hash
        .digest(|_| None)
        .ok_or_else(|| error::invalid(format!("network {name}: its configuration hash refers to a container")))?;
    labels.insert(labels::CONFIG_HASH.into(), hash);
    make(native, spec, labels)
}

/// Makes the default network unless it is there.
pub(crate) fn ensure_default(native: &Native) -> Result<()> {
    let name = NetworkName::from(DEFAULT);
    if native.places.network(&name)?.is_some() {
        return Ok(());
    }
    let _lock = native.places.lock()?;
    if native.places.network(&name)?.is_some() {
        return Ok(());
    }
    let spec = NetworkSpec {
        name,
        driver: None,
        driver_opts: Default::default(),
        ipam_driver: None,
        ipam_pools: Vec::new(),
        ipam_options: Default::default(),
        internal: false,
        attachable: false,
        enable_ipv4: None,
        enable_ipv6: None,
        labels: Default::default(),
        config_hash: Default::default(),
    };
    make(native, &spec, Default::default())
}

/// Called with the engine's lock held, so that no two get one subnet.
fn make(native: &Native, spec: &NetworkSpec, labels: BTreeMap<String, String>) -> Result<()> {
    let places = &native.places;
    let what = format!("network {}", spec.name);
    let driver = checked(spec)?;
    if let Some(unknown) = driver.unknown().first() {
        return Err(error::invalid(format!("{what}: driver option `{unknown}` is unknown here")));
    }
    let id = new_id()?;
    let networks: Vec<Cidr> = places.all_networks()?.iter().flat_map(|it| it.pools.iter().map(|pool| pool.subnet)).collect();
    let mut taken = host::taken(&[]).map_err(error::network(&what))?;
    taken.extend(&networks);
    let taken = match driver {
        Driver::Bridge(_) => Taken { asked: taken.clone(), chosen: taken },
        Driver::Hanging(_) => Taken { asked: networks, chosen: taken },
    };
    let pools = pools(spec, &id, taken).map_err(|it| while_making(&what, it))?;
    if let Driver::Hanging(hanging) = &driver {
        endpoint::check(&hanging.on).map_err(error::network(&what))?;
    }
    let document = Network { form: FORM, id, created: clock::now(), spec: spec.clone(), labels, pools };
    file::write(&places.networks().join(format!("{}.json", spec.name)), &document)?;
    native.tell("network", &document.id, spec.name.as_str(), "create", &document.labels);
    ensure(native, &document)
}

fn while_making(what: &str, error: EngineError) -> EngineError {
    EngineError { message: format!("cannot create {what}: {}", error.message), ..error }
}

/// Subnets that a network's own must not overlap.
struct Taken {
    /// One that its author asks for: what hangs on the host's interface is on the subnet of that interface.
    asked: Vec<Cidr>,
    /// One that is chosen.
    chosen: Vec<Cidr>,
}

/// Refuses what this engine has no driver for, and reads the driver's options.
fn checked(spec: &NetworkSpec) -> Result<Driver> {
    let what = format!("network {}", spec.name);
    let unsupported = |text: String| EngineError::new(ErrorKind::Unsupported, format!("{what}: {text}"));
    let driver = Driver::read(spec)?;
    if let Some(driver) = spec.ipam_driver.as_deref().filter(|it| !["", "default"].contains(it)) {
        return Err(unsupported(format!("the native engine gives addresses itself (ipam driver `default`), not by `{driver}`")));
    }
    if let Some(option) = spec.ipam_options.keys().next() {
        return Err(unsupported(format!("ipam option `{option}` does nothing here")));
    }
    if spec.enable_ipv4 == Some(false) && spec.enable_ipv6 != Some(true) {
        return Err(error::invalid(format!("{what}: without IPv4 and without IPv6 it has no addresses")));
    }
    Ok(driver)
}

fn pools(spec: &NetworkSpec, id: &str, mut taken: Taken) -> Result<Vec<Pool>> {
    let wrong = |it: rcompose_network::IpamError| EngineError::new(ErrorKind::Invalid, it.to_string()).caused_by(it);
    let mut requests = spec.ipam_pools.iter().map(request).collect::<Result<Vec<_>>>()?;
    let has = |requests: &[PoolRequest], ipv4: bool| requests.iter().any(|it| it.subnet.is_none_or(|it| it.is_ipv4()) == ipv4);
    if spec.enable_ipv4 != Some(false) && !has(&requests, true) {
        requests.push(PoolRequest::default());
    }
    if spec.enable_ipv6 == Some(true) && !has(&requests, false) {
        let seed = u64::from_str_radix(id.get(..16).unwrap_or("0"), 16).unwrap_or(0);
        let subnet = ipam::choose_ipv6(seed, &taken.chosen).map_err(wrong)?;
        requests.push(PoolRequest { subnet: Some(subnet), ..PoolRequest::default() });
    }
    let mut pools = Vec::new();
    for request in requests {
        if request.subnet.is_some_and(|it| it.is_ipv4()) && spec.enable_ipv4 == Some(false) {
            continue;
        }
        let others = if request.subnet.is_some() { &taken.asked } else { &taken.chosen };
        let pool = Pool::new(&request, others).map_err(wrong)?;
        taken.asked.push(pool.subnet);
        taken.chosen.push(pool.subnet);
        pools.push(pool);
    }
    Ok(pools)
}

fn request(pool: &IpamPool) -> Result<PoolRequest> {
    let IpamPool { subnet, ip_range, gateway, aux_addresses } = pool;
    let cidr = |text: &String| text.parse::<Cidr>().map_err(|it| error::invalid(it.to_string()));
    let address = |text: &String| text.parse::<IpAddr>().map_err(|_| error::invalid(format!("`{text}` is no address")));
    Ok(PoolRequest {
        subnet: subnet.as_ref().map(cidr).transpose()?,
        range: ip_range.as_ref().map(cidr).transpose()?,
        gateway: gateway.as_ref().map(address).transpose()?,
        reserved: aux_addresses.iter().map(|(name, it)| Ok((name.clone(), address(it)?))).collect::<Result<_>>()?,
    })
}

/// The name of a network's bridge.
pub(crate) fn bridge_name(network: &Network, options: &BridgeOptions) -> String {
    options.name.clone().unwrap_or_else(|| names::bridge(network.spec.name.as_str()))
}

/// As [`ensure`], once for all containers that a command starts.
pub(crate) fn ensure_once(native: &Native, network: &Network) -> Result<()> {
    let known = || native.ensured.lock().unwrap_or_else(PoisonError::into_inner);
    if known().contains(&network.id) {
        return Ok(());
    }
    ensure(native, network)?;
    known().insert(network.id.clone());
    Ok(())
}

/// Makes what there must be of a network in the kernel: after a start of the machine nothing is.
pub(crate) fn ensure(native: &Native, network: &Network) -> Result<()> {
    // What containers hang on is the host's, and theirs is made with them.
    let Driver::Bridge(options) = checked(&network.spec)? else {
        return Ok(());
    };
    let what = format!("network {}", network.spec.name);
    let project = native.places.project_name(network.labels.get(labels::PROJECT).map(String::as_str));
    let wanted = Bridge {
        name: bridge_name(network, &options),
        project: project.clone(),
        network: network.spec.name.to_string(),
        addresses: if options.isolated {
            Vec::new()
        } else {
            network.pools.iter().map(Pool::gateway_cidr).collect()
        },
        mtu: options.mtu,
        internal: network.spec.internal,
    };
    let made = bridge::ensure(&wanted).map_err(error::network(&what))?;
    if made.is_new {
        native.rules(&what, |it| docker::accept(it, std::slice::from_ref(&wanted.name)))?;
        refresh(native, &project)?;
    }
    Ok(())
}

/// Removes the default network once nobody is on it.
pub(crate) fn drop_default(native: &Native) -> Result<()> {
    match remove(native, &NetworkName::from(DEFAULT)) {
        Err(error) if error.kind == ErrorKind::Conflict => Ok(()),
        other => other,
    }
}

/// Removes a network; absent is success.
pub(crate) fn remove(native: &Native, name: &NetworkName) -> Result<()> {
    let places = &native.places;
    let _lock = places.lock()?;
    let Some(network) = places.network(name)? else { return Ok(()) };
    let users = places.all()?;
    let users: Vec<String> = users
        .iter()
        .filter(|it| it.attachments().iter().any(|it| it.network == *name) || (name.as_str() == DEFAULT && is_on_default(native, it)))
        .map(|it| it.name.to_string())
        .collect();
    if !users.is_empty() {
        return Err(error::conflict(format!("cannot remove network {name}: still attached: {}", users.join(", "))));
    }
    let what = format!("network {name}");
    if let Driver::Bridge(options) = checked(&network.spec)? {
        let bridge = bridge_name(&network, &options);
        native.rules(&what, |it| docker::forget(it, std::slice::from_ref(&bridge)))?;
        bridge::remove(&bridge).map_err(error::network(&what))?;
    }
    // Addresses on it are given back before they all go.
    native.stale.close();
    remove_leases(&places.leases(name))?;
    let document = places.networks().join(format!("{name}.json"));
    for path in [
        &document,
        &file::copy(&document),
        &document.with_extension("new"),
        &document.with_extension("damaged"),
    ] {
        file::remove(path)?;
    }
    native.tell("network", &network.id, name.as_str(), "destroy", &network.labels);
    let project = network.labels.get(labels::PROJECT).map(String::as_str);
    refresh(native, &places.project_name(project))?;
    native.forget_project(project)
}

/// Removes the folder of a network's addresses. Another process may be giving one back, for which it makes a lock there.
fn remove_leases(folder: &Path) -> Result<()> {
    const ATTEMPTS: usize = 10;
    for _ in 1..ATTEMPTS {
        if file::remove_folder(folder).is_ok() {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    file::remove_folder(folder)
}

/// Tells whether a container is on the default network now.
fn is_on_default(native: &Native, container: &crate::document::Container) -> bool {
    Joined::read(&native.places, container).is_ok_and(|it| it.endpoints.contains_key(&NetworkName::from(DEFAULT)))
}

impl Native {
    /// Takes away what a project has in memory, once no container and no network of it is left.
    pub(crate) fn forget_project(&self, label: Option<&str>) -> Result<()> {
        let places = &self.places;
        let project = places.project(label);
        let until = Instant::now() + LEAVING;
        while project.folder().exists() && !self.is_known(label)? {
            // Whoever took its last network away may have been killed before its rules went.
            let name = places.project_name(label);
            self.rules("remove the rules of the project", |it| it.remove(&name))?;
            groups::remove(&name)?;
            let client = rcompose_supervise::Client::new(project.clone(), self.program.clone());
            // A client that was killed may have let something be kept that nobody knows of.
            for kept in client.keeps().map_err(error::supervise("ask what is kept"))? {
                client.release(&kept).map_err(error::supervise("let go of what is kept"))?;
            }
            match rcompose_supervise::forget_project(&project) {
                // A shim whose container is gone has not left yet, or its last words came into the folder just now.
                Err(_) if Instant::now() < until => std::thread::sleep(LOOK),
                // It stays until the next one asks.
                Err(SuperviseError::Refused { .. }) => return Ok(()),
                other => return other.map_err(error::supervise("take away what is left of the project")),
            }
        }
        Ok(())
    }

    /// Tells whether a container or a network of a project is written down.
    fn is_known(&self, label: Option<&str>) -> Result<bool> {
        let places = &self.places;
        let name = places.project_name(label);
        let is_of = |all: &BTreeMap<String, String>| places.project_name(all.get(labels::PROJECT).map(String::as_str)) == name;
        // Mostly, the first that is read tells.
        for container in places.one_by_one()? {
            if is_of(&container?.labels) {
                return Ok(true);
            }
        }
        Ok(places.all_networks()?.iter().any(|it| is_of(&it.labels)))
    }
}
