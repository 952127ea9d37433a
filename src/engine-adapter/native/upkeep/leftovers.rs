//! What broken-off work, killed clients and crashes of the host left, and nothing of which anybody has.

use std::path::PathBuf;

use rcompose_engine_adapter::{NetworkName, Result, labels};
use rcompose_image::tree_size;

use crate::catalog::GONE;
use crate::engine::Native;
use crate::place::{Places, is_name};
use crate::{container, error, file};

/// Things left of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// The kind, in words.
    pub(crate) what: &'static str,
    /// Where each lies.
    pub(crate) paths: Vec<PathBuf>,
}

/// Lists what is left, with its bytes where they are asked for.
pub(super) fn all(native: &Native, sizes: bool) -> Result<Vec<(String, u64)>> {
    let size = |paths: &[PathBuf]| if sizes { paths.iter().map(|it| tree_size(it)).sum() } else { 0 };
    let mut all: Vec<(String, u64)> = find(&native.places)?
        .into_iter()
        .map(|it| (format!("{} ({})", it.what, it.paths.len()), size(&it.paths)))
        .collect();
    let room = native.images.room().map_err(error::image)?;
    if room.orphans > 0 {
        all.push((format!("blobs and layers that no image needs ({})", room.orphans), room.waste));
    }
    Ok(all)
}

/// Removes what is left; returns the bytes that this freed.
pub(super) fn remove(native: &Native) -> Result<u64> {
    let before: u64 = all(native, true)?.iter().map(|(_, size)| size).sum();
    container::sweep(native)?;
    let places = &native.places;
    // Whatever fails, the rest is tried; the first error is told.
    let mut done = vec![native.images.clear().map(drop).map_err(error::image)];
    for left in find(places)? {
        for path in &left.paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            done.push(match left.what {
                PROJECTS => native.forget_project(Some(&name)),
                RUNNING => container::forget_mounts(native, &name),
                _ => file::remove_folder(path),
            });
        }
    }
    done.into_iter().collect::<Result<()>>()?;
    let after: u64 = all(native, true)?.iter().map(|(_, size)| size).sum();
    Ok(before.saturating_sub(after))
}

const HALF: &str = "containers that were never made whole";
const GOING: &str = "containers and volumes on their way out";
const PROJECTS: &str = "projects that are gone";
const RUNNING: &str = "secrets and mounts of containers that are gone";
const LEASES: &str = "addresses of networks that are gone";

/// Looks for what is left. Nothing is changed.
///
/// # Errors
/// A document is damaged: then nobody knows what is left over.
pub(crate) fn find(places: &Places) -> Result<Vec<Left>> {
    let below = |folder: PathBuf, keep: &dyn Fn(&String) -> bool| -> Result<Vec<PathBuf>> {
        Ok(file::names(&folder)?.into_iter().filter(|it| !keep(it)).map(|it| folder.join(it)).collect())
    };
    let (containers, networks) = (places.all()?, places.all_networks()?);
    let label = |all: &std::collections::BTreeMap<String, String>| places.project_name(all.get(labels::PROJECT).map(String::as_str));
    let known: Vec<String> = containers
        .iter()
        .map(|it| label(&it.labels))
        .chain(networks.iter().map(|it| label(&it.labels)))
        .collect();
    let has_network = |name: &String| networks.iter().any(|it| it.spec.name == NetworkName::from(name.as_str()));
    // Whoever makes a container holds its lock.
    let is_whole = |id: &String| {
        let place = places.container(id);
        !is_name(id) || file::exists(&place.document()) || !is_free(&place.lock())
    };
    let mut going = below(places.containers(), &|it| !it.starts_with(GONE))?;
    going.extend(below(places.volumes(), &|it| !it.starts_with(GONE))?);
    let has_folder = |id: &String| file::exists(&places.container(id).folder);
    let mut running = below(places.run.join("files"), &has_folder)?;
    running.extend(below(places.run.join("mounts"), &has_folder)?);
    let all = [
        Left { what: HALF, paths: below(places.containers(), &is_whole)? },
        Left { what: GOING, paths: going },
        Left { what: PROJECTS, paths: below(places.projects(), &|it| known.contains(it))? },
        Left { what: RUNNING, paths: running },
        Left { what: LEASES, paths: below(places.run.join("leases"), &has_network)? },
    ];
    Ok(all.into_iter().filter(|it| !it.paths.is_empty()).collect())
}

/// Tells whether nobody holds a lock; one that is not there is held by nobody.
fn is_free(path: &std::path::Path) -> bool {
    use rustix::fs::FlockOperation;
    let file = std::fs::File::open(path);
    file.map_or(true, |it| rustix::fs::flock(&it, FlockOperation::NonBlockingLockShared).is_ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_somebody_makes_now_is_not_left() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::new(folder.path().join("root"), folder.path().join("run"));
        places.make().unwrap();
        assert_eq!(find(&places).unwrap(), []);
        let (half, made) = ("ab".repeat(32), "cd".repeat(32));
        for id in [&half, &made] {
            fs::create_dir(places.container(id).folder).unwrap();
        }
        let _lock = file::lock(&places.container(&made).lock()).unwrap();
        fs::create_dir(places.volumes().join(".gone-data")).unwrap();
        fs::create_dir_all(places.projects().join("shop")).unwrap();
        fs::create_dir_all(places.run.join("leases/shop_default")).unwrap();
        fs::create_dir_all(places.run.join("files").join("ef".repeat(32))).unwrap();
        fs::create_dir_all(places.run.join("mounts").join(&made)).unwrap();
        fs::create_dir_all(places.volumes().join("data/_data")).unwrap();
        let found = find(&places).unwrap();
        let short: Vec<(&str, usize)> = found.iter().map(|it| (it.what, it.paths.len())).collect();
        assert_eq!(short, [(HALF, 1), (GOING, 1), (PROJECTS, 1), (RUNNING, 1), (LEASES, 1)]);
        assert_eq!(found[0].paths, [places.container(&half).folder]);
    }
}
