//! Mounts: as `Binds` and `Tmpfs` where the older form says more, else as `Mounts`.

use std::collections::HashMap;

use bollard::models::{
    HostConfig, Mount as ApiMount, MountBindOptions, MountBindOptionsPropagationEnum, MountImageOptions, MountTmpfsOptions, MountType,
    MountVolumeOptions,
};
use rcompose_engine_adapter::{EngineInfo, Feature, Mount, MountKind, Propagation, Recursive, Result, Tmpfs};

use super::{refuse_unless, some_map, unsupported};
use crate::version::ApiVersion;

pub(super) fn fill(host: &mut HostConfig, mounts: &[Mount], info: &EngineInfo, version: ApiVersion) -> Result<()> {
    let mut binds = Vec::new();
    let mut listed = Vec::new();
    let mut tmpfs = HashMap::new();
    for mount in mounts {
        let what = format!("the mount at {}", mount.target);
        match &mount.kind {
            MountKind::Bind { .. } => match bind(mount, info, version, &what)? {
                Bound::Text(text) => binds.push(text),
                Bound::Mount(mount) => listed.push(*mount),
            },
            MountKind::Tmpfs(Tmpfs { size, mode, options: Some(options) }) => {
                tmpfs.insert(mount.target.clone(), tmpfs_text(options, *size, *mode, mount.read_only));
            }
            _ => listed.push(listed_mount(mount, info, &what)?),
        }
    }
    host.binds = Some(binds).filter(|binds| !binds.is_empty());
    host.mounts = Some(listed).filter(|mounts| !mounts.is_empty());
    host.tmpfs = Some(tmpfs).filter(|tmpfs| !tmpfs.is_empty());
    Ok(())
}

enum Bound {
    Text(String),
    Mount(Box<ApiMount>),
}

/// Only the text form makes a missing source on every version and relabels; only the other names a source with a colon and
/// rules over mounts below.
fn bind(mount: &Mount, info: &EngineInfo, version: ApiVersion, what: &str) -> Result<Bound> {
    let MountKind::Bind { source, create_host_path, propagation, recursive, selinux } = &mount.kind else {
        return Ok(Bound::Mount(Box::new(listed_mount(mount, info, what)?)));
    };
    let has_colon = after_drive(source).contains(':') || after_drive(&mount.target).contains(':');
    let needs_mount = has_colon || recursive.is_some() || !*create_host_path;
    if !needs_mount {
        return Ok(Bound::Text(bind_text(mount, source, *propagation, selinux.as_deref())));
    }
    if selinux.is_some() {
        let why = if recursive.is_some() {
            "bind.recursive"
        } else {
            "bind.create_host_path: false"
        };
        return Err(unsupported(format!("{what}: Docker takes bind.selinux together with {why} in no form")));
    }
    // API 1.42 is the first to make a missing source in this form.
    if *create_host_path && !version.has(42) {
        let message = if has_colon {
            format!("{what}: a path with a colon together with bind.create_host_path needs Docker Engine 23 (API 1.42)")
        } else {
            format!("{what}: bind.recursive together with bind.create_host_path needs Docker Engine 23 (API 1.42)")
        };
        return Err(unsupported(message));
    }
    let mut options = MountBindOptions {
        propagation: propagation.map(word),
        create_mountpoint: create_host_path.then_some(true),
        ..MountBindOptions::default()
    };
    match recursive {
        None | Some(Recursive::Enabled) => {}
        Some(Recursive::Disabled) => options.non_recursive = Some(true),
        Some(Recursive::Writable) => {
            refuse_unless(info, Feature::RecursiveReadOnly, what)?;
            options.read_only_non_recursive = Some(true);
        }
        Some(Recursive::Readonly) => {
            refuse_unless(info, Feature::RecursiveReadOnly, what)?;
            options.read_only_force_recursive = Some(true);
        }
    }
    let mut made = base(mount, MountType::BIND, Some(source));
    made.bind_options = Some(options).filter(|options| *options != MountBindOptions::default());
    Ok(Bound::Mount(Box::new(made)))
}

/// Skips the drive letter of a Windows path, whose colon docker knows.
fn after_drive(path: &str) -> &str {
    match path.as_bytes() {
        [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic() => &path[2..],
        _ => path,
    }
}

fn bind_text(mount: &Mount, source: &str, propagation: Option<Propagation>, selinux: Option<&str>) -> String {
    let access = if mount.read_only { "ro" } else { "rw" };
    let propagation = propagation.map(|it| word(it).to_string());
    let options: Vec<&str> = [Some(access), selinux, propagation.as_deref()].into_iter().flatten().collect();
    format!("{source}:{}:{}", mount.target, options.join(","))
}

fn word(propagation: Propagation) -> MountBindOptionsPropagationEnum {
    match propagation {
        Propagation::Private => MountBindOptionsPropagationEnum::PRIVATE,
        Propagation::Rprivate => MountBindOptionsPropagationEnum::RPRIVATE,
        Propagation::Shared => MountBindOptionsPropagationEnum::SHARED,
        Propagation::Rshared => MountBindOptionsPropagationEnum::RSHARED,
        Propagation::Slave => MountBindOptionsPropagationEnum::SLAVE,
        Propagation::Rslave => MountBindOptionsPropagationEnum::RSLAVE,
    }
}

fn tmpfs_text(options: &str, size: Option<i64>, mode: Option<u32>, read_only: bool) -> String {
    let size = size.map(|size| format!("size={size}"));
    let mode = mode.map(|mode| format!("mode={mode:o}"));
    let access = read_only.then(|| "ro".to_owned());
    let given = Some(options.to_owned()).filter(|options| !options.is_empty());
    [given, size, mode, access].into_iter().flatten().collect::<Vec<_>>().join(",")
}

fn base(mount: &Mount, typ: MountType, source: Option<&str>) -> ApiMount {
    ApiMount {
        target: Some(mount.target.clone()),
        source: source.map(str::to_owned),
        typ: Some(typ),
        read_only: Some(mount.read_only),
        ..ApiMount::default()
    }
}

fn listed_mount(mount: &Mount, info: &EngineInfo, what: &str) -> Result<ApiMount> {
    Ok(match &mount.kind {
        MountKind::Bind { source, .. } => base(mount, MountType::BIND, Some(source)),
        MountKind::Volume { name, nocopy, subpath, labels } => {
            if subpath.is_some() {
                refuse_unless(info, Feature::VolumeSubpath, what)?;
            }
            let options = MountVolumeOptions {
                no_copy: nocopy.then_some(true),
                labels: some_map(labels),
                subpath: subpath.clone(),
                ..MountVolumeOptions::default()
            };
            let mut made = base(mount, MountType::VOLUME, Some(name.as_str()));
            made.volume_options = Some(options).filter(|options| *options != MountVolumeOptions::default());
            made
        }
        MountKind::Anonymous { carry, nocopy, labels } => {
            let options = MountVolumeOptions { no_copy: nocopy.then_some(true), labels: some_map(labels), ..MountVolumeOptions::default() };
            let mut made = base(mount, MountType::VOLUME, carry.as_ref().map(|name| name.as_str()));
            made.volume_options = Some(options).filter(|options| *options != MountVolumeOptions::default());
            made
        }
        MountKind::Tmpfs(Tmpfs { size, mode, options: _ }) => {
            let options = MountTmpfsOptions { size_bytes: *size, mode: mode.map(i64::from), ..MountTmpfsOptions::default() };
            let mut made = base(mount, MountType::TMPFS, None);
            made.tmpfs_options = Some(options).filter(|options| *options != MountTmpfsOptions::default());
            made
        }
        MountKind::Image { image, subpath } => {
            refuse_unless(info, Feature::ImageMount, what)?;
            if subpath.is_some() {
                refuse_unless(info, Feature::ImageSubpath, what)?;
            }
            let mut made = base(mount, MountType::IMAGE, Some(image.as_str()));
            made.image_options = subpath.clone().map(|subpath| MountImageOptions { subpath: Some(subpath) });
            made
        }
        MountKind::Npipe { source } => {
            refuse_unless(info, Feature::Windows, what)?;
            base(mount, MountType::NPIPE, Some(source))
        }
    })
}
