//! A spec as a flat plan: pure, with everything prepared that a child process needs to make raw system calls only.

pub(crate) mod capabilities;
pub mod cgroup;
mod device_nodes;
mod mounts;
pub(crate) mod namespaces;
pub(crate) mod options;
pub(crate) mod process;
pub mod seccomp;
pub(crate) mod step;
mod sysctl;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Hook, Hooks as SpecHooks, Linux, LinuxPersonalityDomain, Spec};

use crate::error::{Result, RuntimeError};
use namespaces::{NEWIPC, NEWNET, NEWUSER, NEWUTS, Namespaces};
pub use options::KNOWN as MOUNT_OPTIONS;
use options::Propagation;
pub use process::Rights;
use step::{Act, Step, Tree};

/// What the plan must know of the host, read once by [`crate::host::read`].
#[derive(Debug, Clone)]
pub struct Host {
    /// Capabilities and security modules.
    pub rights: Rights,
    /// Control groups.
    pub cgroups: cgroup::Layout,
    /// `/proc/kcore` is there.
    pub has_kcore: bool,
}

/// What the caller decides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choices {
    /// The root is entered with chroot(2).
    pub no_pivot: bool,
    /// The session keyring is the caller's.
    pub no_new_keyring: bool,
}

/// Hooks, by the moment they run at.
#[derive(Debug, Clone, Default)]
pub struct Hooks {
    /// After the namespaces are made, before the root is entered; on the host. Deprecated in the spec, and what dockerd uses.
    pub prestart: Vec<Hook>,
    /// As `prestart`, and after it.
    pub create_runtime: Vec<Hook>,
    /// In the namespaces of the container, before its root is entered.
    pub create_container: Vec<Hook>,
    /// In the container, before the program.
    pub start_container: Vec<Hook>,
    /// After the program was started; on the host.
    pub poststart: Vec<Hook>,
    /// After the container is gone; on the host.
    pub poststop: Vec<Hook>,
}

/// Everything about one container.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name.
    pub id: String,
    /// The folder of its bundle.
    pub bundle: PathBuf,
    /// The root, on the host.
    pub rootfs: PathBuf,
    /// How the root goes on with its peers while the rest is set up.
    pub root_propagation: Option<Propagation>,
    /// Namespaces.
    pub namespaces: Namespaces,
    /// Control groups.
    pub cgroup: cgroup::Plan,
    /// Pieces of the host that are cloned.
    pub trees: Vec<Tree>,
    /// What is done inside, in order.
    pub steps: Vec<Step>,
    /// The program.
    pub process: process::Process,
    /// Hooks.
    pub hooks: Hooks,
    /// Annotations of the spec, which hooks are told.
    pub annotations: BTreeMap<String, String>,
    /// What is not as asked, though the container can run.
    pub warnings: Vec<String>,
}

/// What is being put together.
pub(crate) struct Builder<'a> {
    bundle: &'a Path,
    namespaces: &'a Namespaces,
    cgroup: &'a cgroup::Plan,
    root_propagation: Option<Propagation>,
    trees: Vec<Tree>,
    steps: Vec<Step>,
    late: Vec<Step>,
    warnings: Vec<String>,
}

impl Builder<'_> {
    fn push(&mut self, label: impl Into<String>, act: Act) {
        self.steps.push(Step { label: label.into(), act });
    }

    fn tree(&mut self, tree: Tree) -> usize {
        self.trees.push(tree);
        self.trees.len() - 1
    }

    /// What a bind has before its own options count: a slave of the host, unless the root is to share with it.
    fn default_propagation(&self) -> Option<Propagation> {
        match self.root_propagation {
            Some(Propagation { flag, .. }) if flag == libc::MS_SHARED => None,
            Some(other) => Some(Propagation { flag: other.flag, recursive: true }),
            None => options::propagation("rslave"),
        }
    }
}

/// Plans a container.
///
/// # Errors
/// A field that is wrong, or that this version, kernel or rights cannot honour; it is named.
pub fn plan(id: &str, spec: &Spec, bundle: &Path, host: &Host, choices: Choices) -> Result<Plan> {
    refuse_foreign(spec)?;
    let linux = spec.linux().clone().unwrap_or_default();
    refuse_unsupported(&linux)?;
    let root = spec
        .root()
        .as_ref()
        .ok_or_else(|| RuntimeError::field("root", "is missing: name the root file system"))?;
    let namespaces = namespaces::read(&linux)?;
    let mut warnings = Vec::new();
    let cgroup = cgroup::plan(&host.cgroups, linux.cgroups_path().as_deref(), id, linux.resources().as_ref(), &mut warnings)?;
    let program = spec
        .process()
        .as_ref()
        .ok_or_else(|| RuntimeError::field("process", "is missing: name the program to run"))?;
    let given = if namespaces.has(NEWUSER) {
        host.rights.known
    } else {
        host.rights.capabilities
    };
    let mut process = process::read("process", program, Rights { capabilities: given, ..host.rights }, &mut warnings)?;
    process.filter = linux.seccomp().as_ref().map(seccomp::compile).transpose()?;
    let root_propagation = root_propagation(&linux)?;
    let mut builder = Builder {
        bundle,
        namespaces: &namespaces,
        cgroup: &cgroup,
        root_propagation,
        trees: Vec::new(),
        steps: Vec::new(),
        late: Vec::new(),
        warnings,
    };
    steps(&mut builder, spec, &linux, id, host, choices)?;
    let Builder { trees, steps, warnings, .. } = builder;
    Ok(Plan {
        id: id.to_owned(),
        bundle: bundle.to_owned(),
        rootfs: bundle.join(root.path()),
        root_propagation,
        cgroup,
        trees,
        steps,
        process,
        hooks: hooks(spec.hooks().as_ref())?,
        annotations: spec.annotations().clone().unwrap_or_default().into_iter().collect(),
        warnings,
        namespaces,
    })
}

/// Returns the names of all capabilities that are known here.
#[must_use]
pub fn capability_names() -> Vec<String> {
    capabilities::names(u64::MAX)
}

/// Returns the number of a capability, `CAP_…`.
#[must_use]
pub fn capability_number(name: &str) -> Option<u32> {
    capabilities::number(name)
}

/// Plans a further process of a container that runs; `spec` is the container's, and so is `filter`.
///
/// # Errors
/// As [`plan`].
pub fn plan_exec(
    process: &oci_spec::runtime::Process,
    spec: &Spec,
    filter: Option<seccomp::Filter>,
    rights: Rights,
) -> Result<(process::Process, Vec<String>)> {
    let mut warnings = Vec::new();
    let in_userns = spec.linux().as_ref().map(namespaces::read).transpose()?.is_some_and(|it| it.has(NEWUSER));
    let given = if in_userns { rights.known } else { rights.capabilities };
    let mut planned = process::read("process", process, Rights { capabilities: given, ..rights }, &mut warnings)?;
    planned.filter = filter;
    Ok((planned, warnings))
}

/// The order is the one that each step needs: places before mounts, hooks before the root is entered, masks after everything.
fn steps(builder: &mut Builder<'_>, spec: &Spec, linux: &Linux, id: &str, host: &Host, choices: Choices) -> Result<()> {
    if !choices.no_new_keyring {
        let name = process::strings("id", &[format!("_ses.{id}")])?.remove(0);
        builder.push("make a session keyring", Act::Keyring(name));
    }
    if builder.namespaces.creates(NEWNET) {
        builder.push("bring up the loopback interface", Act::Loopback);
    }
    for (at, mount) in spec.mounts().iter().flatten().enumerate() {
        mounts::add(builder, at, mount)?;
    }
    device_nodes::add(builder, spec, linux, host.has_kcore)?;
    let hooks = hooks(spec.hooks().as_ref())?;
    if !hooks.prestart.is_empty() || !hooks.create_runtime.is_empty() {
        builder.push("run the hooks of the host", Act::HostHooks);
    }
    if !hooks.create_container.is_empty() {
        builder.push("run the hooks createContainer", Act::ContainerHooks);
    }
    let terminal = spec.process().as_ref().and_then(oci_spec::runtime::Process::terminal).unwrap_or(false);
    if terminal {
        builder.push("make the terminal", Act::Console);
    }
    if let Some(program) = spec.process() {
        let folder = mounts::target("process.cwd", program.cwd())?;
        builder.push(format!("make the working folder {}", program.cwd().display()), Act::Folder(folder));
    }
    let late = std::mem::take(&mut builder.late);
    builder.steps.extend(late);
    sysctl::add(builder, linux)?;
    for (at, path) in linux.readonly_paths().iter().flatten().enumerate() {
        let target = mounts::target(&format!("linux.readonlyPaths[{at}]"), Path::new(path))?;
        builder.push(format!("make {path} read-only"), Act::ReadOnly(target));
    }
    for (at, path) in linux.masked_paths().iter().flatten().enumerate() {
        let target = mounts::target(&format!("linux.maskedPaths[{at}]"), Path::new(path))?;
        builder.push(format!("mask {path}"), Act::Mask(target));
    }
    if spec.root().as_ref().and_then(oci_spec::runtime::Root::readonly).unwrap_or(false) {
        builder.push("make the root read-only", Act::ReadOnlyRoot);
    }
    let propagation = builder.root_propagation;
    builder.push("enter the root", Act::EnterRoot { chroot: choices.no_pivot, propagation });
    names(builder, spec, linux)
}

/// Host name, domain name, personality.
fn names(builder: &mut Builder<'_>, spec: &Spec, linux: &Linux) -> Result<()> {
    let text = |field: &str, text: &String| process::strings(field, std::slice::from_ref(text)).map(|mut it| it.remove(0));
    let has_uts = builder.namespaces.has(NEWUTS);
    for (field, name) in [("hostname", spec.hostname()), ("domainname", spec.domainname())] {
        let Some(name) = name.as_ref().filter(|it| !it.is_empty()) else {
            continue;
        };
        if !has_uts {
            return Err(RuntimeError::field(field, "needs a uts namespace in `linux.namespaces`, or the host itself would be renamed"));
        }
        let text = text(field, name)?;
        let act = if field == "hostname" { Act::HostName(text) } else { Act::DomainName(text) };
        builder.push(format!("set the {field} {name:?}"), act);
    }
    if let Some(personality) = linux.personality() {
        if personality.flags().as_ref().is_some_and(|it| !it.is_empty()) {
            return Err(RuntimeError::unsupported("linux.personality.flags", "the spec has none yet"));
        }
        let domain = match personality.domain() {
            LinuxPersonalityDomain::PerLinux => 0,
            LinuxPersonalityDomain::PerLinux32 => 8,
        };
        builder.push("set the personality", Act::Personality(domain));
    }
    Ok(())
}

fn root_propagation(linux: &Linux) -> Result<Option<Propagation>> {
    let Some(word) = linux.rootfs_propagation().as_ref().filter(|it| !it.is_empty()) else {
        return Ok(None);
    };
    let read = options::propagation(word);
    let reason = || {
        RuntimeError::field(
            "linux.rootfsPropagation",
            format!("`{word}` is none of shared, slave, private, unbindable, with or without `r`"),
        )
    };
    read.map(Some).ok_or_else(reason)
}

/// Says of what belongs to other systems.
fn refuse_foreign(spec: &Spec) -> Result<()> {
    for (given, field) in [
        (spec.vm().is_some(), "vm"),
        (spec.windows().is_some(), "windows"),
        (spec.solaris().is_some(), "solaris"),
        (spec.zos().is_some(), "zos"),
    ] {
        if given {
            return Err(RuntimeError::unsupported(field, "this is a runtime for Linux containers"));
        }
    }
    Ok(())
}

/// Says what of Linux this version does not do.
fn refuse_unsupported(linux: &Linux) -> Result<()> {
    for (given, field, reason) in [
        (linux.intel_rdt().is_some(), "linux.intelRdt", "resctrl is not driven"),
        (
            linux.memory_policy().is_some(),
            "linux.memoryPolicy",
            "NUMA policies are not set; use `linux.resources.cpu.mems`",
        ),
        (
            linux.net_devices().as_ref().is_some_and(|it| !it.is_empty()),
            "linux.netDevices",
            "no interface is moved into the container",
        ),
        (linux.mount_label().as_ref().is_some_and(|it| !it.is_empty()), "linux.mountLabel", "mounts are not labelled"),
    ] {
        if given {
            return Err(RuntimeError::unsupported(field, reason));
        }
    }
    Ok(())
}

fn hooks(spec: Option<&SpecHooks>) -> Result<Hooks> {
    let Some(spec) = spec else {
        return Ok(Hooks::default());
    };
    let read = |name: &str, hooks: &Option<Vec<Hook>>| {
        let hooks = hooks.clone().unwrap_or_default();
        for (at, hook) in hooks.iter().enumerate() {
            if !hook.path().is_absolute() {
                return Err(RuntimeError::field(format!("hooks.{name}[{at}].path"), "must be absolute"));
            }
            if hook.timeout().is_some_and(|it| it <= 0) {
                return Err(RuntimeError::field(format!("hooks.{name}[{at}].timeout"), "must be more than 0 seconds"));
            }
        }
        Ok(hooks)
    };
    let prestart = read("prestart", spec.prestart())?;
    Ok(Hooks {
        prestart,
        create_runtime: read("createRuntime", spec.create_runtime())?,
        create_container: read("createContainer", spec.create_container())?,
        start_container: read("startContainer", spec.start_container())?,
        poststart: read("poststart", spec.poststart())?,
        poststop: read("poststop", spec.poststop())?,
    })
}

#[cfg(test)]
mod tests;
