//! The folders of control groups that the containers of a project are in.

use std::path::Path;

use rcompose_engine_adapter::Result;

use crate::error;

/// The folder of control groups that those of all projects are in.
pub(crate) const ALL: &str = "/rcompose";

/// Removes a project's folders, and that of all projects with the last of them. One that still has a container stays.
pub(crate) fn remove(project: &str) -> Result<()> {
    let layout = rcompose_runtime::host::cgroups().map_err(error::runtime("find the control groups"))?;
    for hierarchy in layout.v1.iter().chain(&layout.v2) {
        let all = hierarchy.mount.join(ALL.trim_start_matches('/'));
        for folder in [&all.join(project), &all] {
            let _in_use = std::fs::remove_dir(folder as &Path);
        }
    }
    Ok(())
}
