//! Mounts: binds, volumes, memory, images.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{Mount, MountKind, Propagation, Recursive, Tmpfs, VolumeName, labels};
use rcompose_spec::model::{BindOptions, Service, ServiceVolume, VolumeKind};

use super::{Lowering, set};
use crate::{PathKind, Problem, ProblemKind};

pub(super) fn mounts(
    lowering: &mut Lowering<'_>,
    service: &Service,
    carry: &BTreeMap<String, VolumeName>,
    file_binds: Vec<Mount>,
) -> Vec<Mount> {
    let mut by_target: BTreeMap<String, Mount> = BTreeMap::new();
    // Volumes of the image that the replaced container had go first, so that whatever the file says wins.
    for (target, name) in carry {
        let kind = MountKind::Anonymous { carry: Some(name.clone()), nocopy: false, labels: BTreeMap::new() };
        by_target.insert(target.clone(), Mount { target: target.clone(), kind, read_only: false });
    }
    for (index, volume) in service.volumes.iter().enumerate() {
        let path = format!("services.{}.volumes[{index}]", service.name);
        if let Some(kind) = kind(lowering, &path, volume, carry) {
            let target = clean(&volume.target);
            by_target.insert(target.clone(), Mount { target, kind, read_only: volume.read_only });
        }
    }
    for entry in &service.tmpfs {
        let (target, options) = entry.split_once(':').unwrap_or((entry.as_str(), ""));
        // The short form stays one without options: an engine cannot lend mounts of the long form by `volumes_from`.
        let kind = MountKind::Tmpfs(Tmpfs { options: Some(options.to_owned()), ..Tmpfs::default() });
        by_target.insert(clean(target), Mount { target: clean(target), kind, read_only: false });
    }
    for mount in file_binds {
        by_target.insert(mount.target.clone(), mount);
    }
    by_target.into_values().collect()
}

fn kind(lowering: &mut Lowering<'_>, path: &str, volume: &ServiceVolume, carry: &BTreeMap<String, VolumeName>) -> Option<MountKind> {
    if !volume.target.starts_with('/') && !volume.target.contains(":\\") {
        lowering.invalid(path.to_owned(), format!("mount target `{}` is not an absolute path", volume.target));
        return None;
    }
    Some(match volume.kind {
        VolumeKind::Bind => bind(lowering, path, volume)?,
        VolumeKind::Volume if volume.source.is_empty() => {
            let options = volume.volume.clone().unwrap_or_default();
            MountKind::Anonymous { carry: carry.get(&clean(&volume.target)).cloned(), nocopy: options.nocopy, labels: options.labels }
        }
        VolumeKind::Volume => {
            if volume.volume.as_ref().is_some_and(|options| !options.labels.is_empty()) {
                let message = format!("`volume.labels` has no effect on a named volume: label it below `volumes.{}`", volume.source);
                lowering.unheeded(format!("{path}.volume.labels"), message);
            }
            named(lowering, volume)
        }
        VolumeKind::Tmpfs => {
            let options = volume.tmpfs.clone().unwrap_or_default();
            MountKind::Tmpfs(Tmpfs {
                size: (options.size.0 > 0).then_some(options.size.0),
                mode: (options.mode != 0).then_some(options.mode),
                options: None,
            })
        }
        VolumeKind::Image => MountKind::Image {
            image: volume.source.as_str().into(),
            subpath: volume.image.as_ref().and_then(|options| set(&options.subpath)),
        },
        VolumeKind::Npipe => MountKind::Npipe { source: volume.source.clone() },
        // The table refuses it.
        VolumeKind::Cluster => return None,
    })
}

fn bind(lowering: &mut Lowering<'_>, path: &str, volume: &ServiceVolume) -> Option<MountKind> {
    let options = volume.bind.clone().unwrap_or_default();
    let propagation = propagation(lowering, path, &options);
    let recursive = recursive(lowering, path, &options);
    if volume.source.is_empty() {
        lowering.invalid(path.to_owned(), "a bind mount needs a source".to_owned());
        return None;
    }
    // The specification's default, which releases before 5 missed for the long form.
    let create_host_path = options.create_host_path.unwrap_or(true);
    missing_source(lowering, path, volume, create_host_path);
    Some(MountKind::Bind {
        source: volume.source.clone(),
        create_host_path,
        propagation,
        recursive,
        selinux: set(&options.selinux),
    })
}

/// A source that is not there is said before anything starts; an engine would make a folder where a file was meant.
fn missing_source(lowering: &mut Lowering<'_>, path: &str, volume: &ServiceVolume, create: bool) {
    let source = std::path::Path::new(&volume.source);
    if lowering.world.paths.get(source) != Some(&PathKind::Missing) {
        return;
    }
    let file = source.extension().is_some() && std::path::Path::new(&volume.target).extension().is_some();
    if create && !file {
        return;
    }
    let message = if file {
        format!("{} is not there, and looks like a file: the engine would make a folder of that name", volume.source)
    } else {
        format!("{} is not there, and `create_host_path` is off", volume.source)
    };
    let problem = Problem::new(ProblemKind::Invalid, path, message);
    lowering.problem(problem.hint("make it, or correct its path"));
}

fn named(lowering: &Lowering<'_>, volume: &ServiceVolume) -> MountKind {
    let options = volume.volume.clone().unwrap_or_default();
    let declared = lowering.project.volumes.get(&volume.source);
    let name = declared.map_or(volume.source.as_str(), |it| it.name.as_str());
    MountKind::Volume { name: name.into(), nocopy: options.nocopy, subpath: set(&options.subpath), labels: options.labels }
}

fn propagation(lowering: &mut Lowering<'_>, path: &str, options: &BindOptions) -> Option<Propagation> {
    Some(match options.propagation.as_str() {
        "private" => Propagation::Private,
        "rprivate" => Propagation::Rprivate,
        "shared" => Propagation::Shared,
        "rshared" => Propagation::Rshared,
        "slave" => Propagation::Slave,
        "rslave" => Propagation::Rslave,
        "" => return None,
        other => {
            let message = format!("`{other}` is no propagation; use private, rprivate, shared, rshared, slave or rslave");
            lowering.invalid(format!("{path}.bind.propagation"), message);
            return None;
        }
    })
}

fn recursive(lowering: &mut Lowering<'_>, path: &str, options: &BindOptions) -> Option<Recursive> {
    Some(match options.recursive.as_str() {
        "enabled" => Recursive::Enabled,
        "disabled" => Recursive::Disabled,
        "writable" => Recursive::Writable,
        "readonly" => Recursive::Readonly,
        "" => return None,
        other => {
            lowering.invalid(format!("{path}.bind.recursive"), format!("`{other}` is none of enabled, disabled, writable, readonly"));
            return None;
        }
    })
}

/// Drops trailing slashes, as engines do when they compare targets.
pub(crate) fn clean(target: &str) -> String {
    let trimmed = target.trim_end_matches('/');
    if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }
}

/// Returns the volumes without a name that a container has, by target: what a replacement takes over.
pub(crate) fn anonymous(container: &rcompose_engine_adapter::ObservedContainer) -> BTreeMap<String, VolumeName> {
    let named: Vec<&VolumeName> = container.spec.iter().flat_map(|spec| &spec.mounts).filter_map(named_volume).collect();
    let mounts = container.mounts.iter().filter_map(|mount| Some((mount.target.clone(), mount.volume.clone()?)));
    mounts.filter(|(_, volume)| !named.contains(&volume) && looks_anonymous(volume)).collect()
}

fn named_volume(mount: &Mount) -> Option<&VolumeName> {
    match &mount.kind {
        MountKind::Volume { name, .. } => Some(name),
        MountKind::Bind { .. } | MountKind::Anonymous { .. } | MountKind::Tmpfs(_) | MountKind::Image { .. } | MountKind::Npipe { .. } => {
            None
        }
    }
}

/// Engines name such volumes by 64 hexadecimal digits.
fn looks_anonymous(volume: &VolumeName) -> bool {
    volume.as_str().len() == 64 && volume.as_str().bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the labels docker compose looks for on a volume of a project.
pub(super) fn volume_labels(project: &str, key: &str, version: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (labels::PROJECT.to_owned(), project.to_owned()),
        (labels::VOLUME.to_owned(), key.to_owned()),
        (labels::VERSION.to_owned(), version.to_owned()),
    ])
}
