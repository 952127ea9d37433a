//! A container's spec as the `config.json` of an OCI bundle, with Docker's defaults.
//!
//! Pure: what must be known of host, image and other containers comes as [`Facts`]; [`devices::asked`] names the devices to look at before.
//! Every field of `ContainerSpec` is honoured here, is somebody else's by name, or is refused.

pub(crate) mod cdi;
pub(crate) mod devices;
mod init;
pub(crate) mod mounts;
pub(crate) mod namespaces;
mod process;
mod resources;
mod rights;
mod seccomp_profile;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod users;

use std::collections::{BTreeMap, HashMap};
use std::error::Error as StdError;
use std::path::Path;

use oci_spec::OciSpecError;
use oci_spec::runtime::{Linux, Root, Spec};
use rcompose_engine_adapter::{ContainerSpec, EngineError, ErrorKind, ImageConfig, Result};
use rcompose_runtime::plan::Host;

pub(crate) use devices::{Node, Nodes, asked};
pub(crate) use mounts::{Origin, Resolved};
pub(crate) use namespaces::Joined;
use users::User;

/// What must be known besides the spec.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// The container's id; names its cgroup, and its host by the first 12 characters.
    pub(crate) id: &'a str,
    /// The root file system: absolute, or below the bundle.
    pub(crate) rootfs: &'a Path,
    /// Defaults of the image.
    pub(crate) image: &'a ImageConfig,
    /// Who the spec's user, else the image's, is ([`users::resolve`]).
    pub(crate) user: &'a User,
    /// Rights and cgroups, from `rcompose_runtime::host::read`.
    pub(crate) host: &'a Host,
    /// Version of the kernel: major, minor.
    pub(crate) kernel: (u32, u32),
    /// CPUs of the host; their numbers are below.
    pub(crate) cpus: u32,
    /// The kernel counts swap (v2, or `memory.memsw.limit_in_bytes` is there).
    pub(crate) swap_accounting: bool,
    /// AppArmor profile of a container that names none, where the kernel has AppArmor; `None` leaves it as the caller's.
    pub(crate) apparmor: Option<&'a str>,
    /// Everything that is bound: see [`mounts::Origin`].
    pub(crate) mounts: &'a [Resolved],
    /// Namespaces of others.
    pub(crate) joined: &'a Joined,
    /// Folder on a tmpfs to share as `/dev/shm`: the container's own for `ipc: shareable`, the other's for `ipc: container:`.
    pub(crate) shm: Option<&'a Path>,
    /// Host name that the container's network stack brings: the host's, or that of the other container; else `None`.
    pub(crate) hostname: Option<&'a str>,
    /// Variables of legacy links.
    pub(crate) links: &'a BTreeMap<String, String>,
    /// Folder of cgroups that the container's is made in, unless `cgroup_parent` names another; absolute.
    pub(crate) cgroup: &'a Path,
    /// The program of `init: true`.
    pub(crate) init: Option<&'a Path>,
    /// What was found at the paths of [`devices::asked`].
    pub(crate) nodes: &'a Nodes,
    /// What CDI files describe.
    pub(crate) cdi: &'a cdi::Known,
}

/// What came out.
#[derive(Debug, Clone)]
#[cfg_attr(not(test), expect(dead_code, reason = "words and names are for the tests, which hold them against dockerd's"))]
pub(crate) struct Lowered {
    /// The `config.json`.
    pub(crate) spec: Spec,
    /// What is not as asked, though the container can run.
    pub(crate) warnings: Vec<String>,
    /// The signal that asks the container to end.
    pub(crate) stop_signal: u8,
    /// The words of the program, without init.
    pub(crate) args: Vec<String>,
    /// They as one line, as `docker ps` shows them.
    pub(crate) command: String,
    /// `KEY=value`; HOME is the runtime's.
    pub(crate) env: Vec<String>,
    /// Working folder.
    pub(crate) cwd: String,
    /// What the container's host is called.
    pub(crate) hostname: String,
}

/// What ends a container whose image names nothing else.
const STOP_SIGNAL: &str = "SIGTERM";

/// Writes the spec of a container.
///
/// # Errors
/// `Unsupported`: a field that this engine or host cannot honour. `Invalid`: a value that is wrong. `Conflict`: a container that is
/// referred to does not run. The message names container and field.
pub(crate) fn lower(spec: &ContainerSpec, facts: &Facts<'_>) -> Result<Lowered> {
    write(spec, facts).map_err(|error| EngineError { message: format!("container {}: {}", spec.name, error.message), ..error })
}

/// Names every field and who honours it, so that a new one does not compile before it has its place; refuses what has none.
fn placed(spec: &ContainerSpec) -> Result<()> {
    let ContainerSpec {
        name: _,                // in errors; the state store
        image: _,               // the image store, `Facts.image`
        platform: _,            // the image store
        labels: _,              // the state store
        config_hash: _,         // the state store
        private_environment: _, // concerns display only
        annotations: _,         // `write`, with what follows
        process: _,
        hostname: _,
        domainname: _,
        mounts: _,
        volumes_from: _, // `Facts.mounts`
        files: _,        // `Facts.mounts`
        network: _,
        mac_address: _, // the network, with what follows
        ports: _,
        expose: _,
        dns: _,
        dns_options: _,
        dns_search: _,
        extra_hosts: _,
        links: _,
        resources: _, // `write`, with what follows
        device_requests: _,
        security: _,
        namespaces: _,
        healthcheck: _, // `supervise`, with what follows
        restart: _,
        logging: _,
        stop_grace: _,
        auto_remove: _,
        stop_signal: _, // `write`, with what follows
        init: _,
        sysctls: _,
        runtime,
        isolation,
        storage_opt,
    } = spec;
    if let Some(other) = runtime.as_deref().filter(|it| !matches!(*it, "" | "rcompose")) {
        return Err(unsupported(format!("runtime `{other}`: this engine is its own runtime (`rcompose`)")));
    }
    if let Some(other) = isolation.as_deref().filter(|it| !matches!(*it, "" | "default")) {
        return Err(unsupported(format!("isolation `{other}` is for Windows containers")));
    }
    if let Some((key, _)) = storage_opt.first_key_value() {
        return Err(unsupported(format!("storage_opt `{key}`: the root file system takes no options")));
    }
    Ok(())
}

fn write(spec: &ContainerSpec, facts: &Facts<'_>) -> Result<Lowered> {
    placed(spec)?;
    let mut warnings = Vec::new();
    let rights = rights::lower(&spec.security, facts)?;
    let spaces = namespaces::lower(spec, facts)?;
    // Whose processes are not its own cannot be their first.
    let wants_init = spec.init == Some(true) && spaces.pid == namespaces::Mode::Own;
    let missing = || broken("find the init program", "the engine named none");
    let init = wants_init.then(|| facts.init.ok_or_else(missing)).transpose()?;
    let mut devices = devices::lower(spec, facts, &mut warnings)?;
    let changes = cdi::lower(spec, facts, &mut devices)?;
    let mut program = process::program(spec, facts, &spaces.name)?;
    process::set(&mut program.env, &changes.env);
    let mut mounts = mounts::lower(spec, facts, spaces.shm, init, &mut warnings)?;
    mounts.list.extend(changes.mounts);
    let mut process = process::lower(spec, facts, &program, &rights, resources::of_process(&spec.resources)?, init.is_some());
    if let Some(groups) = process.user_mut().additional_gids_mut() {
        groups.extend(changes.groups);
    }
    let mut linux = Linux::default();
    linux
        .set_namespaces(Some(spaces.list()))
        .set_cgroups_path(Some(resources::cgroup(&spec.resources, facts)?));
    linux.set_sysctl(Some(spaces.sysctls(spec)?.into_iter().collect()));
    let mut limits = resources::lower(&spec.resources, facts, &mut warnings)?;
    limits.set_devices(Some(devices.rules));
    linux.set_resources(Some(limits)).set_devices(Some(devices.nodes));
    linux.set_masked_paths(Some(rights.masked)).set_readonly_paths(Some(rights.read_only));
    linux.set_seccomp(rights.seccomp).set_rootfs_propagation(mounts.root_propagation.map(str::to_owned));
    let mut root = Root::default();
    root.set_path(facts.rootfs.to_owned()).set_readonly(Some(spec.security.read_only));
    let annotations: HashMap<String, String> = spec.annotations.clone().into_iter().collect();
    let mut made = Spec::default();
    made.set_version(rcompose_runtime::OCI_VERSION.to_owned()).set_root(Some(root));
    made.set_process(Some(process)).set_mounts(Some(mounts.list)).set_hooks(changes.hooks);
    made.set_hostname(spaces.hostname());
    made.set_domainname(spec.domainname.clone().filter(|it| !it.is_empty()));
    made.set_annotations(Some(annotations)).set_linux(Some(linux));
    let signal = spec.stop_signal.as_deref().or(facts.image.stop_signal.as_deref());
    let signal = signal.filter(|it| !it.is_empty()).unwrap_or(STOP_SIGNAL);
    let unknown = || invalid(format!("stop_signal: `{signal}` is no signal: give a name such as SIGTERM, or a number from 1 to 64"));
    let stop_signal = rcompose_runtime::signal_number(signal).ok_or_else(unknown)?;
    let command = process::shown(&program.args);
    let process::Program { args, env, cwd } = program;
    Ok(Lowered { spec: made, warnings, stop_signal, args, command, env, cwd, hostname: spaces.name })
}

/// A value that is wrong.
fn invalid(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::Invalid, message)
}

/// What this engine or host cannot do.
fn unsupported(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::Unsupported, message)
}

/// A fact that the engine should have given.
fn broken(what: &str, why: impl Into<Box<dyn StdError + Send + Sync>>) -> EngineError {
    EngineError::new(ErrorKind::Other, format!("cannot {what}")).caused_by(why)
}

/// What the builder of the spec gave; it refuses nothing that is given in full.
fn built<T>(made: Result<T, OciSpecError>) -> Result<T> {
    made.map_err(|error| broken("write the spec", error))
}
