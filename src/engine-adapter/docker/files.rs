//! Files put into a container before it starts: configs, and secrets that are not binds.

use std::io;

use bytes::Bytes;
use rcompose_engine_adapter::{ContainerSpec, EngineError, ErrorKind, FileMount, MountKind, Result};
use tar::{Builder, EntryType, Header};

use crate::error::while_trying;
use crate::transport::{Api, Body, Call, path};

/// Refuses files that a mount of memory would hide: it is mounted over them at the start.
pub(crate) fn check(spec: &ContainerSpec) -> Result<()> {
    let memory = || spec.mounts.iter().filter(|mount| matches!(mount.kind, MountKind::Tmpfs(_)));
    let hidden = |file: &&FileMount| {
        memory().any(|mount| {
            file.target
                .strip_prefix(mount.target.trim_end_matches('/'))
                .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    match spec.files.iter().find(hidden) {
        None => Ok(()),
        Some(file) => {
            let message = format!("{} lies below a tmpfs mount, which would hide it; give it as `file:` so that it is bound", file.target);
            Err(EngineError::new(ErrorKind::Unsupported, message))
        }
    }
}

/// Puts a spec's files into its container.
pub(crate) async fn put(api: &Api, spec: &ContainerSpec) -> Result<()> {
    if spec.files.is_empty() {
        return Ok(());
    }
    let archive = archive(&spec.files)
        .map_err(|error| EngineError::new(ErrorKind::Other, format!("the files of {} cannot be packed", spec.name)).caused_by(error))?;
    let call = Call::put(path("containers", spec.name.as_str(), "/archive")).query("path", "/");
    let call = call
        .header("content-type", "application/x-tar".to_owned())
        .body(Body::Whole(Bytes::from(archive)))
        .patient();
    api.unit(call).await.map_err(|error| {
        let error = if spec.security.read_only { hint_read_only(spec, error) } else { error };
        while_trying("its configs and secrets cannot be put in", error)
    })
}

/// The engine refuses to write under a read-only root, even before the start.
fn hint_read_only(spec: &ContainerSpec, error: EngineError) -> EngineError {
    let targets: Vec<&str> = spec.files.iter().map(|file| file.target.as_str()).collect();
    let message = format!(
        "{} into a read-only root file system, which Docker does not do; give them as `file:` so that they are bound, or drop `read_only` ({})",
        targets.join(", "),
        error.message
    );
    EngineError { kind: ErrorKind::Unsupported, message, source: error.source }
}

/// Packs files with the folders above them; a folder that is there already keeps its owner and mode on the engine's side only
/// if it is not named, so folders are left to the engine.
fn archive(files: &[FileMount]) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for FileMount { target, content, uid, gid, mode } in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_uid(u64::from(*uid));
        header.set_gid(u64::from(*gid));
        header.set_mode(*mode);
        header.set_size(content.expose().len() as u64);
        builder.append_data(&mut header, target.trim_start_matches('/'), content.expose())?;
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use rcompose_engine_adapter::Content;

    use super::*;

    #[test]
    fn owner_and_mode_are_in_the_archive() {
        let file = FileMount { target: "/run/secrets/key".into(), content: Content::new(b"k".to_vec()), uid: 7, gid: 8, mode: 0o440 };
        let bytes = archive(&[file]).expect("an archive");
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entry = archive.entries().expect("entries").next().expect("one").expect("readable");
        let header = entry.header();
        assert_eq!(entry.path().expect("a path").to_str(), Some("run/secrets/key"));
        assert_eq!((header.uid().ok(), header.gid().ok(), header.mode().ok()), (Some(7), Some(8), Some(0o440)));
    }
}
