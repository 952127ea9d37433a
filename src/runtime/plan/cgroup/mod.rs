//! Control groups: which folders a container gets, and what is written there; source: the kernel's cgroup-v1 and cgroup-v2 documents.

pub(crate) mod devices;
mod v1;
mod v2;

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::LinuxResources;

use crate::error::{Result, RuntimeError};

pub use devices::{DeviceProgram, EbpfInstruction};

/// One hierarchy as this process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Its controllers; of v1 also `name=systemd` and its like.
    pub controllers: Vec<String>,
    /// The folder of this process, below `mount`.
    pub own: PathBuf,
}

/// All hierarchies: v1 alone, v2 alone, or v1 with a v2 beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Those of v1.
    pub v1: Vec<Hierarchy>,
    /// The one of v2.
    pub v2: Option<Hierarchy>,
}

impl Layout {
    /// Returns whether v2 is all there is.
    #[must_use]
    pub fn is_unified(&self) -> bool {
        self.v1.is_empty() && self.v2.is_some()
    }
}

/// One write into a file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Name of the file.
    pub file: String,
    /// What is written.
    pub text: String,
    /// The field of the spec that asks for it.
    pub field: String,
}

/// The folder of a container in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its path.
    pub path: PathBuf,
    /// Where the hierarchy is mounted.
    pub mount: PathBuf,
    /// It is one of v2.
    pub unified: bool,
    /// Controllers of the hierarchy.
    pub controllers: Vec<String>,
    /// What is written, in order.
    pub writes: Vec<Write>,
}

/// Everything about the groups of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// A folder in each hierarchy.
    pub folders: Vec<Folder>,
    /// The program that decides about devices, on v2.
    pub devices: Option<DeviceProgram>,
}

/// Plans the groups of a container; `path` is `linux.cgroupsPath`.
pub(crate) fn plan(
    layout: &Layout,
    path: Option<&Path>,
    id: &str,
    resources: Option<&LinuxResources>,
    warnings: &mut Vec<String>,
) -> Result<Plan> {
    let path = path.filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(id));
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(RuntimeError::field("linux.cgroupsPath", "must not have `..` in it"));
    }
    if path.to_string_lossy().matches(':').count() == 2 {
        return Err(RuntimeError::unsupported(
            "linux.cgroupsPath",
            "slice:prefix:name is for systemd, which is not asked here; give a path",
        ));
    }
    let empty = LinuxResources::default();
    let resources = resources.unwrap_or(&empty);
    let mut folders: Vec<Folder> = layout.v1.iter().map(|it| folder(it, path, false)).collect();
    folders.extend(layout.v2.iter().map(|it| folder(it, path, true)));
    let rules = devices::normalise(resources.devices().as_deref().unwrap_or_default())?;
    let mut program = None;
    let writes = if layout.is_unified() {
        v2::writes(resources, warnings)?
    } else {
        v1::writes(resources, warnings)?
    };
    place(&mut folders, writes)?;
    if layout.is_unified() {
        program = Some(devices::program(&rules));
    } else if let Some(folder) = folders.iter_mut().find(|it| it.controllers.iter().any(|name| name == "devices")) {
        folder.writes.extend(devices::writes(&rules));
    } else if layout.v2.is_some() {
        // A v2 beside v1 takes programs too, where v1 lacks its own controller.
        program = Some(devices::program(&rules));
    } else {
        return Err(RuntimeError::unsupported("linux.resources.devices", "no cgroup hierarchy here decides about devices"));
    }
    Ok(Plan { folders, devices: program })
}

/// Plans new limits for folders that are there (`update`); devices stay as they are unless given.
pub(crate) fn update(folders: &[Folder], resources: &LinuxResources, warnings: &mut Vec<String>) -> Result<Vec<Folder>> {
    if resources.devices().as_ref().is_some_and(|it| !it.is_empty()) {
        return Err(RuntimeError::unsupported("devices", "the devices of a running container do not change; make it anew"));
    }
    let mut folders: Vec<Folder> = folders.to_vec();
    folders.iter_mut().for_each(|it| it.writes.clear());
    let unified = folders.iter().all(|it| it.unified);
    let writes = if unified {
        v2::writes(resources, warnings)?
    } else {
        v1::writes(resources, warnings)?
    };
    place(&mut folders, writes)?;
    Ok(folders)
}

fn folder(hierarchy: &Hierarchy, path: &Path, unified: bool) -> Folder {
    let below = match path.strip_prefix("/") {
        Ok(absolute) => hierarchy.mount.join(absolute),
        Err(_) => hierarchy.mount.join(&hierarchy.own).join(path),
    };
    Folder {
        path: below,
        mount: hierarchy.mount.clone(),
        unified,
        controllers: hierarchy.controllers.clone(),
        writes: Vec::new(),
    }
}

/// Puts each write into the folder of its controller; a controller that is not there is named.
fn place(folders: &mut [Folder], writes: Vec<(&'static str, Write)>) -> Result<()> {
    for (controller, write) in writes {
        let home = folders
            .iter_mut()
            .find(|it| controller == "cgroup" || it.controllers.iter().any(|name| name == controller));
        let home = home.ok_or_else(|| {
            RuntimeError::unsupported(
                &write.field,
                format!("this kernel has no cgroup controller `{controller}` here, so `{}` cannot be set", write.file),
            )
        })?;
        home.writes.push(write);
    }
    Ok(())
}

/// Collects writes.
#[derive(Default)]
struct Writes(Vec<(&'static str, Write)>);

impl Writes {
    /// Adds a write where there is a value.
    fn add(&mut self, controller: &'static str, field: &str, file: impl Into<String>, value: Option<impl ToString>) {
        if let Some(value) = value {
            let field = format!("linux.resources.{field}");
            self.0.push((controller, Write { file: file.into(), text: value.to_string(), field }));
        }
    }
}

/// Returns a number unless it is zero, which means "not set" in specs.
fn given<T: PartialEq + Default>(value: Option<T>) -> Option<T> {
    value.filter(|it| *it != T::default())
}

#[cfg(test)]
mod tests;
