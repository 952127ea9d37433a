//! Archives of a container's files, out and in.

use std::io::{self, Read};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use rcompose_engine_adapter::{ArchiveBytes, ContainerName, EngineError, ErrorKind, PathKind, PathStat, Result, base_name};
use tar::{Builder, EntryType, Header};

use crate::Memory;
use crate::call::CallKind;
use crate::tree::{Node, NodeKind, Tree};
use crate::world::{conflict, invalid};

impl Memory {
    pub(crate) async fn path_stat(&self, name: &ContainerName, path: &str) -> Result<Option<PathStat>> {
        let _flight = self.enter(CallKind::Stat, format!("{name} {path}")).await?;
        let world = self.world();
        let tree = &world.container(name)?.tree;
        let Some((clean, node)) = find(tree, path) else { return Ok(None) };
        let (kind, size) = match &node.kind {
            NodeKind::File(bytes) => (PathKind::File, bytes.len() as u64),
            NodeKind::Folder => (PathKind::Folder, 0),
            NodeKind::Link(target) => {
                let folder = clean.rfind('/').map_or("", |at| &clean[..at]);
                let led = tree.resolve(&format!("{folder}/{target}"), true);
                let to = if target.starts_with('/') { tree.resolve(target, true) } else { led };
                (PathKind::Link { target: to.unwrap_or_else(|| target.clone()) }, 0)
            }
        };
        let modified = i64::try_from(node.modified).unwrap_or(i64::MAX);
        Ok(Some(PathStat { name: base_name(path).to_owned(), kind, mode: node.mode, size, modified }))
    }

    pub(crate) fn packed(&self, name: &ContainerName, path: &str) -> BoxStream<'static, Result<Bytes>> {
        let (memory, name, path) = (self.clone(), name.clone(), path.to_owned());
        stream::once(async move {
            let _flight = memory.enter(CallKind::Pack, format!("{name} {path}")).await?;
            let world = memory.world();
            let tree = &world.container(&name)?.tree;
            let (clean, _) = find(tree, &path).ok_or_else(|| absent(&name, &path))?;
            archive(tree, &clean, base_name(&path)).map(Bytes::from).map_err(|error| failed("pack", error))
        })
        .boxed()
    }

    pub(crate) async fn unpacked(&self, name: &ContainerName, folder: &str, archive: ArchiveBytes) -> Result<()> {
        let _flight = self.enter(CallKind::Unpack, format!("{name} {folder}")).await?;
        let pieces: Vec<Bytes> = archive.try_collect().await.map_err(|error| failed("read", error))?;
        let mut world = self.world();
        let container = world.container_mut(name)?;
        let read_only = container.spec.security.read_only;
        let tree = &mut container.tree;
        let at = tree.resolve(folder, true).filter(|it| tree.get(it).is_some()).ok_or_else(|| absent(name, folder))?;
        if tree.get(&at).is_some_and(|it| it.kind != NodeKind::Folder) {
            return Err(invalid(format!("{folder} in container {name} is no folder")));
        }
        if read_only {
            return Err(invalid(format!("the root of container {name} takes no writes")));
        }
        put(tree, &at, &pieces.concat())
    }
}

fn absent(name: &ContainerName, path: &str) -> EngineError {
    EngineError::new(ErrorKind::NotFound, format!("there is no {path} in container {name}"))
}

fn failed(doing: &str, error: io::Error) -> EngineError {
    EngineError::new(ErrorKind::Other, format!("cannot {doing} an archive")).caused_by(error)
}

/// Finds what is at a path; one that ends with `/` or `/.` is looked through.
fn find<'a>(tree: &'a Tree, path: &str) -> Option<(String, &'a Node)> {
    let through = path.ends_with('/') || path.ends_with("/.");
    let clean = tree.resolve(path, through)?;
    let node = tree.get(&clean)?;
    (!through || node.kind == NodeKind::Folder).then_some((clean, node))
}

fn archive(tree: &Tree, clean: &str, base: &str) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (path, node) in tree.below(clean) {
        let (kind, content): (EntryType, &[u8]) = match &node.kind {
            NodeKind::File(bytes) => (EntryType::Regular, bytes),
            NodeKind::Folder => (EntryType::Directory, b""),
            NodeKind::Link(_) => (EntryType::Symlink, b""),
        };
        let rest = &path[clean.len()..];
        let name = if kind == EntryType::Directory {
            format!("{base}{rest}/")
        } else {
            format!("{base}{rest}")
        };
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(node.mode);
        header.set_uid(node.uid.into());
        header.set_gid(node.gid.into());
        header.set_mtime(node.modified);
        header.set_size(content.len() as u64);
        match &node.kind {
            NodeKind::Link(target) => builder.append_link(&mut header, name.trim_start_matches('/'), target)?,
            NodeKind::File(_) | NodeKind::Folder => {
                let name = name.trim_start_matches('/');
                builder.append_data(&mut header, if name.is_empty() { "./" } else { name }, content)?;
            }
        }
    }
    builder.into_inner()
}

/// Unpacks all of an archive, or nothing.
fn put(tree: &mut Tree, folder: &str, bytes: &[u8]) -> Result<()> {
    let mut draft = tree.clone();
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().map_err(|error| failed("read", error))? {
        let mut entry = entry.map_err(|error| failed("read", error))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(path) = inside(folder, &name)? else { continue };
        let node = node(&mut entry, &draft, folder)?;
        match draft.get(&path).map(|it| &it.kind) {
            Some(NodeKind::Folder) if node.kind != NodeKind::Folder => {
                return Err(conflict(format!("{name} would replace a folder")));
            }
            Some(NodeKind::File(_) | NodeKind::Link(_)) if node.kind == NodeKind::Folder => {
                return Err(conflict(format!("the folder {name} would replace a file")));
            }
            _ => {}
        }
        draft.remove(&path);
        draft.insert(&path, node);
    }
    *tree = draft;
    Ok(())
}

/// The path of an entry; nothing for the folder itself.
fn inside(folder: &str, name: &str) -> Result<Option<String>> {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/').filter(|it| !matches!(*it, "" | ".")) {
        if part == ".." && parts.pop().is_none() {
            return Err(invalid(format!("the entry {name} leads out of the folder")));
        }
        if part != ".." {
            parts.push(part);
        }
    }
    Ok((!parts.is_empty()).then(|| format!("{folder}/{}", parts.join("/"))))
}

fn node(entry: &mut tar::Entry<'_, &[u8]>, tree: &Tree, folder: &str) -> Result<Node> {
    let header = entry.header().clone();
    let link = entry.link_name_bytes().map(|it| String::from_utf8_lossy(&it).into_owned()).unwrap_or_default();
    let number = |value: io::Result<u64>| value.map(|it| u32::try_from(it).unwrap_or(0)).map_err(|error| failed("read", error));
    let kind = match header.entry_type() {
        EntryType::Directory => NodeKind::Folder,
        EntryType::Symlink => NodeKind::Link(link),
        EntryType::Link => {
            let linked = inside(folder, &link)?.and_then(|it| tree.get(&it)).cloned();
            return linked.ok_or_else(|| invalid(format!("{link} is not there to be linked to")));
        }
        EntryType::Regular => {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|error| failed("read", error))?;
            NodeKind::File(bytes)
        }
        other => return Err(invalid(format!("an entry has the type {other:?}"))),
    };
    Ok(Node {
        kind,
        uid: number(header.uid())?,
        gid: number(header.gid())?,
        mode: header.mode().map_err(|error| failed("read", error))? & 0o7777,
        modified: header.mtime().unwrap_or(0),
    })
}
