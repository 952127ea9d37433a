//! Files of a container, looked at, out and in: by descriptors only, since whoever is in the container can change every path meanwhile.

mod pieces;
mod stage;
mod view;

use std::io::{BufWriter, Write};
use std::os::fd::AsFd;
use std::path::Path;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{ArchiveBytes, ContainerName, EngineError, ErrorKind, PathKind, PathStat, Result, base_name};
use rcompose_image::{ImageError, Owners, Rename, Rules, Ways, is_of_the_kernel, pack_files, unpack_files};
use rustix::fs::{FileType, OFlags, Stat, StatVfsMountFlags, fstatvfs};

use crate::engine::Native;
use crate::error;
use crate::thread::{self, Out};
use pieces::{Pieces, Sink};
use view::{View, look};

/// Bytes that are sent at once.
const PIECE: usize = 64 << 10;
/// Pieces that wait to be unpacked.
const WAITING: usize = 16;

/// Looks at a path in a container; nothing where it is absent.
pub(crate) fn stat(native: &Native, name: &ContainerName, path: &str) -> Result<Option<PathStat>> {
    look(native, name, |view| {
        let Some(thing) = view.open(path, OFlags::NOFOLLOW)? else {
            return Ok(None);
        };
        let found = rustix::fs::fstat(&thing).map_err(|errno| view.failed("look at", path, errno))?;
        Ok(Some(PathStat {
            name: base_name(path).to_owned(),
            kind: kind(view, path, &found)?,
            mode: found.st_mode & 0o7777,
            size: u64::try_from(found.st_size).unwrap_or(0),
            modified: found.st_mtime,
        }))
    })
}

fn kind(view: &View<'_>, path: &str, found: &Stat) -> Result<PathKind> {
    Ok(match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => PathKind::File,
        FileType::Directory => PathKind::Folder,
        FileType::Symlink => PathKind::Link { target: view.led(path)? },
        _ => PathKind::Special,
    })
}

/// Packs what is at a path in a container.
pub(crate) fn pack(native: &Native, name: &ContainerName, path: &str) -> BoxStream<'static, Result<Bytes>> {
    let (native, name, path) = (native.clone(), name.clone(), path.to_owned());
    thread::stream(move |out| look(&native, &name, |view| packed(view, &name, &path, out)))
}

fn packed(view: &View<'_>, name: &ContainerName, path: &str, out: &Out<Bytes>) -> Result<()> {
    let absent = || error::absent(&format!("{path} in container"), name);
    let thing = view.open(path, OFlags::NOFOLLOW)?.ok_or_else(absent)?;
    let base = Some(base_name(path)).filter(|it| *it != "/").unwrap_or(".");
    let mut sink = BufWriter::with_capacity(PIECE, Sink { out, life: view.life()? });
    let done = pack_files(thing, base.as_bytes(), Owners::Kept, &mut sink);
    let done = done.and_then(|()| sink.flush().map_err(|source| ImageError::Stream { doing: "send the archive", source }));
    match done {
        // Nobody is to be told.
        Err(_) if out.is_closed() => Ok(()),
        other => other.map_err(|it| failure(&format!("cannot copy {path} out of container {name}"), it)),
    }
}

/// Unpacks an archive into a folder of a container.
pub(crate) async fn unpack(native: &Native, name: &ContainerName, folder: &str, mut archive: ArchiveBytes) -> Result<()> {
    let (sender, receiver) = tokio::sync::mpsc::channel(WAITING);
    let pump = tokio::spawn(async move {
        while let Some(piece) = archive.next().await {
            if sender.send(piece).await.is_err() {
                break;
            }
        }
    });
    let (who, name, folder) = (name.clone(), name.clone(), folder.to_owned());
    let handle = tokio::runtime::Handle::current();
    let put = move |view: &View<'_>| {
        let archive = Pieces { receiver, handle, life: view.life()?, piece: Bytes::new() };
        unpacked(view, &name, &folder, archive)
    };
    let done = native.work(move |it| look(it, &who, put)).await;
    pump.abort();
    done
}

fn unpacked(view: &View<'_>, name: &ContainerName, folder: &str, archive: Pieces) -> Result<()> {
    let what = format!("cannot copy into {folder} of container {name}");
    let refused = |why: &str| error::invalid(format!("{what}: {why}"));
    let absent = || error::absent(&format!("{folder} in container"), name);
    let found = view.open(folder, OFlags::empty())?.ok_or_else(absent)?;
    let is_folder = |it: &Stat| FileType::from_raw_mode(it.st_mode) == FileType::Directory;
    if !rustix::fs::fstat(&found).is_ok_and(|it| is_folder(&it)) {
        return Err(refused("that is no folder"));
    }
    if is_of_the_kernel(&found).map_err(error::file("look at", Path::new(folder)))? {
        return Err(refused("that is made up by the kernel"));
    }
    let mounted = fstatvfs(&found).map_err(|errno| view.failed("look at", folder, errno))?;
    if mounted.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(refused(view.takes_no_writes()));
    }
    let ways = if view.is_root(&found)? { Ways::Root } else { Ways::Below };
    let rules = Rules { trusted: true, ways, rename: Rename::No };
    unpack_files(archive, found.as_fd(), &rules).map(drop).map_err(|it| failure(&what, it))
}

/// What went wrong with an archive.
fn failure(what: &str, error: ImageError) -> EngineError {
    let kind = match &error {
        ImageError::Path { .. } | ImageError::Malformed { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Other,
    };
    EngineError::new(kind, format!("{what}: {}", rcompose_runtime::chain(&error)))
}
