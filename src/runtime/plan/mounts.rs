//! The mounts of a spec as steps.

use std::ffi::CString;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Mount as SpecMount;

use super::namespaces::{self, NEWCGROUP, NEWUSER};
use super::options::{self, Attributes, Options, Parameter, attr};
use super::step::{Act, IdMap, Mount, Source, Step, Tree};
use super::{Builder, process};
use crate::error::{Result, RuntimeError};

/// Files of procfs that other file systems may lie on; what lxcfs and checkpointing need, and nothing that a runtime writes to.
const OVER_PROC: [&str; 11] = [
    "proc/cpuinfo",
    "proc/diskstats",
    "proc/meminfo",
    "proc/stat",
    "proc/swaps",
    "proc/uptime",
    "proc/loadavg",
    "proc/slabinfo",
    "proc/net/dev",
    "proc/sys/kernel/ns_last_pid",
    "proc/sys/crypto/fips_enabled",
];

/// Returns a path below the root, cleaned: no leading `/`, no `.`, no `..`.
pub(crate) fn target(field: &str, path: &Path) -> Result<CString> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            // Textual, as a path of the spec is one of the container's root.
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    process::path(field, &clean)
}

/// Adds the steps of one mount.
pub(super) fn add(builder: &mut Builder<'_>, at: usize, mount: &SpecMount) -> Result<()> {
    let field = format!("mounts[{at}]");
    let target = target(&format!("{field}.destination"), mount.destination())?;
    if target.is_empty() {
        return Err(RuntimeError::field(format!("{field}.destination"), "is the root itself, which `root` names"));
    }
    let kind = mount.typ().as_deref().unwrap_or_default();
    let mut options = options::parse(&format!("{field}.options"), mount.options().as_deref().unwrap_or_default())?;
    if kind == "bind" && options.bind.is_none() {
        options.bind = Some(false);
    }
    if let Some(recursive) = options.bind {
        return bind(builder, &field, mount, target, recursive, options);
    }
    if options.idmap.is_some() || mount.uid_mappings().is_some() || mount.gid_mappings().is_some() {
        return Err(RuntimeError::unsupported(format!("{field}.uidMappings"), "ids are shifted for binds only"));
    }
    match kind {
        "" => Err(RuntimeError::field(format!("{field}.type"), "is missing")),
        "cgroup" => cgroup(builder, &target, &options),
        _ => {
            let source = mount.source().as_deref().map_or_else(|| kind.to_owned(), |it| it.display().to_string());
            new(builder, &field, target, kind, &source, options)
        }
    }
}

fn label(target: &CString, what: &str) -> String {
    format!("mount /{} ({what})", target.to_string_lossy())
}

fn bind(builder: &mut Builder<'_>, field: &str, mount: &SpecMount, target: CString, recursive: bool, options: Options) -> Result<()> {
    let Some(source) = mount.source().as_ref().filter(|it| !it.as_os_str().is_empty()) else {
        return Err(RuntimeError::field(format!("{field}.source"), "is missing: name what is bound"));
    };
    // What a bind cannot be told belongs to another kind of mount; some callers send the options of the file system along.
    for parameter in &options.parameters {
        let (Parameter::Flag(name) | Parameter::Text(name, _)) = parameter;
        builder
            .warnings
            .push(format!("`{field}.options`: a bind has no option `{}`", name.to_string_lossy()));
    }
    let path = builder.bundle.join(source);
    let (uids, gids) = (mount.uid_mappings().as_deref().unwrap_or_default(), mount.gid_mappings().as_deref().unwrap_or_default());
    let idmap = match (options.idmap, uids.is_empty() && gids.is_empty()) {
        (None, true) => None,
        (Some(recursive), true) => {
            let (uid_map, gid_map) = (builder.namespaces.uid_map.clone(), builder.namespaces.gid_map.clone());
            if uid_map.is_empty() {
                return Err(RuntimeError::field(format!("{field}.uidMappings"), "`idmap` needs mappings, here or of the user namespace"));
            }
            Some(IdMap { uid_map, gid_map, recursive })
        }
        (recursive, false) => Some(IdMap {
            uid_map: namespaces::lines(uids),
            gid_map: namespaces::lines(gids),
            recursive: recursive.unwrap_or(false),
        }),
    };
    let label = label(&target, &path.display().to_string());
    let tree = builder.tree(Tree { path, recursive, propagation: builder.default_propagation(), idmap, device: None });
    builder.push(label, Act::Mount(Mount { over_proc: over_proc(&target), ..plain(target, Source::Tree(tree), options) }));
    Ok(())
}

fn over_proc(target: &CString) -> bool {
    target.to_str().is_ok_and(|it| OVER_PROC.contains(&it))
}

fn plain(target: CString, source: Source, options: Options) -> Mount {
    Mount {
        target,
        source,
        attributes: options.attributes,
        recursive: options.recursive,
        propagation: options.propagation,
        copy_up: options.copy_up,
        over_proc: false,
        no_symlinks: false,
    }
}

fn new(builder: &mut Builder<'_>, field: &str, target: CString, kind: &str, source: &str, mut options: Options) -> Result<()> {
    if options.copy_up && kind != "tmpfs" {
        return Err(RuntimeError::field(format!("{field}.options"), "`tmpcopyup` is for a tmpfs"));
    }
    let late = kind == "tmpfs" || target.as_bytes() == b"dev";
    let read_only = options.attributes.set & attr::RDONLY != 0;
    if read_only && late {
        // Other mounts need their places in it first.
        options.attributes.set &= !attr::RDONLY;
        let attributes = Attributes { set: attr::RDONLY, clear: 0 };
        builder.late.push(Step {
            label: format!("make /{} read-only", target.to_string_lossy()),
            act: Act::Attributes { target: target.clone(), attributes },
        });
    } else if read_only {
        options.parameters.insert(0, Parameter::Flag(c"ro".into()));
    }
    let text = |text: &str| process::strings(field, &[text.to_owned()]).map(|mut it| it.remove(0));
    let parameters = std::mem::take(&mut options.parameters);
    let source = Source::New { kind: text(kind)?, source: text(source)?, parameters };
    let no_symlinks = matches!(kind, "proc" | "sysfs");
    let over_proc = over_proc(&target);
    builder.push(label(&target, kind), Act::Mount(Mount { over_proc, no_symlinks, ..plain(target, source, options) }));
    Ok(())
}

/// The groups of the container: v2 itself, or a tmpfs with a folder for each hierarchy of v1.
fn cgroup(builder: &mut Builder<'_>, target: &CString, options: &Options) -> Result<()> {
    let own_namespace = builder.namespaces.has(NEWCGROUP);
    let folders = builder.cgroup.folders.clone();
    if let [only] = folders.as_slice()
        && only.unified
    {
        // Without a namespace of its own the container is named by its path in the whole hierarchy, and looks itself up there. In a user
        // namespace that cannot be mounted anew, so it is shown where the host has it.
        let source = if own_namespace || !builder.namespaces.has(NEWUSER) {
            Source::New { kind: c"cgroup2".into(), source: c"cgroup".into(), parameters: Vec::new() }
        } else {
            Source::Tree(builder.tree(cgroup_tree(only.mount.clone())))
        };
        builder.push(label(target, "cgroup2"), Act::Mount(plain(target.clone(), source, options.clone())));
        return Ok(());
    }
    let safe = Attributes { set: attr::NOSUID | attr::NODEV | attr::NOEXEC, clear: 0 };
    let parameters = vec![Parameter::Text(c"mode".into(), c"755".into())];
    let tmpfs = Source::New { kind: c"tmpfs".into(), source: c"tmpfs".into(), parameters };
    let base = Options { attributes: safe, propagation: options.propagation.clone(), ..Options::default() };
    builder.push(label(target, "tmpfs for cgroup"), Act::Mount(plain(target.clone(), tmpfs, base)));
    let within = |name: &str| process::strings("mounts", &[format!("{}/{name}", target.to_string_lossy())]).map(|mut it| it.remove(0));
    for folder in folders.iter().filter(|it| !it.unified) {
        let name = folder.mount.file_name().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
        let place = within(&name)?;
        let (source, attributes) = if own_namespace {
            let read_only = options.attributes.set & attr::RDONLY;
            (own_hierarchy(&folder.controllers)?, Attributes { set: safe.set | read_only, clear: 0 })
        } else {
            (Source::Tree(builder.tree(cgroup_tree(folder.path.clone()))), options.attributes)
        };
        let options = Options { attributes, propagation: options.propagation.clone(), ..Options::default() };
        builder.push(label(&place, "cgroup"), Act::Mount(plain(place.clone(), source, options)));
        for controller in folder.controllers.iter().filter(|it| folder.controllers.len() > 1 && **it != name) {
            let to = process::strings("mounts", std::slice::from_ref(&name))?.remove(0);
            builder.push(format!("link the cgroup {controller}"), Act::Symlink { target: within(controller)?, to, replace: false });
        }
    }
    if options.attributes.set & attr::RDONLY != 0 {
        let attributes = Attributes { set: attr::RDONLY, clear: 0 };
        builder.push(
            format!("make /{} read-only", target.to_string_lossy()),
            Act::Attributes { target: target.clone(), attributes },
        );
    }
    Ok(())
}

/// A hierarchy of v1 as the namespace of the container sees it.
fn own_hierarchy(controllers: &[String]) -> Result<Source> {
    let text = |text: &str| process::strings("mounts", &[text.to_owned()]).map(|mut it| it.remove(0));
    let mut parameters: Vec<Parameter> = Vec::new();
    for controller in controllers {
        match controller.split_once('=') {
            Some((key, value)) => {
                parameters.extend([
                    Parameter::Flag(c"none".into()),
                    Parameter::Text(text(key)?, text(value)?),
                    Parameter::Flag(c"xattr".into()),
                ]);
            }
            None => parameters.push(Parameter::Flag(text(controller)?)),
        }
    }
    let named = controllers.iter().find_map(|it| it.strip_prefix("name="));
    Ok(Source::New { kind: c"cgroup".into(), source: text(named.unwrap_or("cgroup"))?, parameters })
}

fn cgroup_tree(path: PathBuf) -> Tree {
    let propagation = options::propagation("slave");
    Tree { path, recursive: true, propagation, idmap: None, device: None }
}
