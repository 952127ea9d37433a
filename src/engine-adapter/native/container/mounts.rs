//! What is mounted into a container: which volumes it needs, and files that it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rcompose_engine_adapter::{ContainerSpec, ImageReference, MountKind, Result, VolumeName};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::place::Places;
use crate::root::Root;
use crate::volume;

/// Bytes of `/dev/shm`, Docker's default.
const SHM_SIZE: i64 = 64 << 20;

/// A volume that a container needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) target: String,
    /// Nothing for one that is made for it.
    pub(super) name: Option<VolumeName>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) nocopy: bool,
    pub(super) subpath: Option<String>,
    pub(super) read_only: bool,
    pub(super) anonymous: bool,
}

/// Refuses volumes whose device is missing, before anything is made. A start finds it out when it mounts them.
pub(super) fn check_volumes(places: &Places, spec: &ContainerSpec) -> Result<()> {
    for mount in &spec.mounts {
        if let MountKind::Volume { name, .. } = &mount.kind {
            volume::check(places, name)?;
        }
    }
    Ok(())
}

/// Refuses binds whose source is missing, before anything is made.
pub(super) fn check(spec: &ContainerSpec) -> Result<()> {
    for mount in &spec.mounts {
        let MountKind::Bind { source, create_host_path, .. } = &mount.kind else {
            continue;
        };
        if !Path::new(source).is_absolute() {
            return Err(error::invalid(format!("container {}: the bind source {source} must be an absolute path", spec.name)));
        }
        if !create_host_path && !file::exists(Path::new(source)) {
            let message =
                format!("container {}: the bind source {source} does not exist; make it, or set bind.create_host_path", spec.name);
            return Err(error::invalid(message));
        }
    }
    Ok(())
}

/// Makes the folders that binds want to be there.
pub(crate) fn make_sources(spec: &ContainerSpec) -> Result<()> {
    for mount in &spec.mounts {
        if let MountKind::Bind { source, create_host_path: true, .. } = &mount.kind
            && !file::exists(Path::new(source))
        {
            let made = DirBuilder::new().recursive(true).mode(0o755).create(source);
            made.map_err(error::file("make the folder", Path::new(source)))?;
        }
    }
    check(spec)
}

/// Lists the volumes of a container: those asked for, those of other containers, and those that its image declares.
pub(super) fn volumes(container: &Container) -> Result<Vec<Wanted>> {
    let mut wanted: Vec<Wanted> = container.spec.mounts.iter().filter_map(asked).collect();
    let targets: BTreeSet<&str> = container.spec.mounts.iter().map(|it| it.target.trim_end_matches('/')).collect();
    for target in &container.image.volumes {
        if !targets.contains(target.trim_end_matches('/')) {
            wanted.push(Wanted {
                target: target.clone(),
                name: None,
                labels: BTreeMap::new(),
                nocopy: false,
                subpath: None,
                read_only: false,
                anonymous: true,
            });
        }
    }
    for it in &wanted {
        if !Path::new(&it.target).is_absolute() {
            return Err(error::invalid(format!(
                "container {}: the mount target {} must be an absolute path",
                container.name, it.target
            )));
        }
    }
    Ok(wanted)
}

fn asked(mount: &rcompose_engine_adapter::Mount) -> Option<Wanted> {
    let (name, labels, nocopy, subpath, anonymous) = match &mount.kind {
        MountKind::Volume { name, nocopy, subpath, labels } => (Some(name.clone()), labels.clone(), *nocopy, subpath.clone(), false),
        MountKind::Anonymous { carry, nocopy, labels } => (carry.clone(), labels.clone(), *nocopy, None, true),
        MountKind::Bind { .. } | MountKind::Tmpfs(_) | MountKind::Image { .. } | MountKind::Npipe { .. } => return None,
    };
    Some(Wanted { target: mount.target.clone(), name, labels, nocopy, subpath, read_only: mount.read_only, anonymous })
}

impl Places {
    /// The folder of a container's secrets and configs, in memory.
    fn files(&self, id: &str) -> PathBuf {
        self.run.join("files").join(id)
    }

    /// One of them.
    pub(super) fn given_file(&self, id: &str, number: usize) -> PathBuf {
        self.files(id).join(number.to_string())
    }
}

/// Writes a container's secrets and configs where they touch no disk.
pub(super) fn put_files(native: &Native, container: &Container) -> Result<()> {
    if container.spec.files.is_empty() {
        return Ok(());
    }
    file::private(&native.places.files(&container.id))?;
    for (number, it) in container.spec.files.iter().enumerate() {
        let path = native.places.given_file(&container.id, number);
        let failed = || error::file("write", &path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed())?;
        file.write_all(it.content.expose()).map_err(failed())?;
        chown(&path, Some(it.uid), Some(it.gid)).map_err(failed())?;
        file.set_permissions(Permissions::from_mode(it.mode & 0o7777)).map_err(failed())?;
    }
    Ok(())
}

/// Removes a container's secrets and configs; absence is success.
pub(super) fn remove_files(native: &Native, id: &str) -> Result<()> {
    file::remove_folder(&native.places.files(id))
}

impl Places {
    /// The folder that a container shares as `/dev/shm`.
    pub(super) fn shared_memory(&self, id: &str) -> PathBuf {
        self.run.join("mounts").join(id).join("shm")
    }
}

/// Mounts what a container shares as `/dev/shm`.
pub(super) fn shared_memory(native: &Native, id: &str, size: Option<i64>) -> Result<PathBuf> {
    let folder = native.places.shared_memory(id);
    file::private(&folder)?;
    let options = format!("mode=1777,size={}", size.filter(|it| *it > 0).unwrap_or(SHM_SIZE));
    let options = std::ffi::CString::new(options).unwrap_or_default();
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("shm", &folder, "tmpfs", flags, options.as_c_str()).map_err(|it| error::file("mount", &folder)(it.into()))?;
    Ok(folder)
}

/// Brings the root of an image that is mounted: its only layer, or all of them put together.
pub(super) fn image(
    native: &Native,
    container: &Container,
    image: &ImageReference,
    subpath: Option<&str>,
    number: usize,
) -> Result<PathBuf> {
    let found = crate::images::find(native, image, None)?;
    native.images.pin(&found.id, &format!("{}.{number}", container.id)).map_err(error::image)?;
    let root = match found.layers.as_slice() {
        [only] => only.clone(),
        several => {
            let folder = native.places.run.join("mounts").join(&container.id).join(number.to_string());
            file::private(&folder)?;
            let layers: Vec<&Path> = several.iter().map(PathBuf::as_path).collect();
            Root::mount(&layers, &folder)?;
            folder
        }
    };
    subpath.map_or(Ok(root.clone()), |sub| super::facts::below(&root, sub))
}

/// Unmounts what was mounted for a container, and lets go of images that it had as mounts; nothing is success.
pub(crate) fn detach(native: &Native, id: &str) -> Result<()> {
    let folder = native.places.run.join("mounts").join(id);
    for name in file::names(&folder)? {
        // One upon the other, where starts were cut off.
        loop {
            match rustix::mount::unmount(folder.join(&name), UnmountFlags::DETACH) {
                Ok(()) => {}
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => break,
                Err(errno) => return Err(error::file("unmount", &folder.join(&name))(errno.into())),
            }
        }
        native.images.unpin(&format!("{id}.{name}")).map_err(error::image)?;
    }
    file::remove_folder(&folder)?;
    volume::release(&native.places, id)
}

/// Mounts what a path leads to inside a volume, and returns where. Containers write there, so the path is followed within the volume only,
/// and what it led to is what is mounted: whatever is put in its place later leads nowhere else, at no start.
pub(super) fn subpath(native: &Native, id: &str, data: &Path, sub: &str, number: usize) -> Result<PathBuf> {
    let root = rustix::fs::open(data, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let root = root.map_err(|it| error::file("open", data)(it.into()))?;
    let inside = sub.trim_start_matches('/');
    let inside = if inside.is_empty() { "." } else { inside };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let wrong = |errno: rustix::io::Errno| {
        let message = format!("the subpath {sub} in {} cannot be used; it must be there", data.display());
        error::invalid(message).caused_by(std::io::Error::from(errno))
    };
    let found = rustix::fs::openat2(&root, inside, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve).map_err(wrong)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&found).map_err(wrong)?.st_mode);
    let folder = native.places.run.join("mounts").join(id);
    file::private(&folder)?;
    let is_folder = kind == FileType::Directory;
    let place = folder.join(if is_folder { number.to_string() } else { format!("{number}.file") });
    // What a start that was cut off left mounted there is covered: a shim may be about to bind it.
    if is_folder {
        file::private(&place)?;
    } else if !file::exists(&place) {
        file::write_volatile(&place, b"")?;
    }
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH | OpenTreeFlags::AT_RECURSIVE;
    let tree = rustix::mount::open_tree(&found, "", flags).map_err(wrong)?;
    rustix::mount::move_mount(&tree, "", CWD, &place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).map_err(wrong)?;
    Ok(place)
}

/// Takes away what was mounted for a container that is gone, and its secrets.
pub(crate) fn forget(native: &Native, id: &str) -> Result<()> {
    detach(native, id)?;
    remove_files(native, id)
}

#[cfg(test)]
mod tests {
    use rcompose_engine_adapter::Mount;

    use super::*;

    #[test]
    fn a_mount_that_is_no_volume_wants_none() {
        let mount = |kind| Mount { target: "/x".into(), kind, read_only: true };
        assert_eq!(asked(&mount(MountKind::Tmpfs(rcompose_engine_adapter::Tmpfs::default()))), None);
        let kind = MountKind::Anonymous { carry: Some("old".into()), nocopy: true, labels: BTreeMap::new() };
        let wanted = asked(&mount(kind)).unwrap();
        assert_eq!((wanted.name, wanted.nocopy, wanted.anonymous, wanted.read_only), (Some("old".into()), true, true, true));
    }
}
