//! Unpacks a layer into a folder of its own, in the form that overlayfs takes as a lower directory: whiteouts become devices
//! 0/0, opaque folders get `trusted.overlay.opaque`. Nothing outside that folder is ever named: paths are cleaned as text, then
//! resolved below the folder's descriptor by `openat2` with `RESOLVE_IN_ROOT`.
//! Sources: OCI image spec, layer; kernel `Documentation/filesystems/overlayfs.rst`, "whiteouts and opaque directories".

mod content;
mod place;
mod tree;

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use crate::archive::{Archive, Entry, Kind};
use crate::error::ImageError;
pub(crate) use place::times;
use tree::Tree;
pub(crate) use tree::{clean, entry_error, make_special};

/// What marks a name that is gone. Source: OCI image spec, layer, "Whiteouts".
const WHITEOUT: &[u8] = b".wh.";
/// What marks a folder that hides all below it.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What aufs kept for itself; docker passes over it too.
const AUFS: &[u8] = b".wh..wh.";

/// Bounds for one layer. A layer past them is refused, so that a few bytes cannot fill a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of one layer's archive, uncompressed.
    pub bytes: u64,
    /// The most bytes that one compressed byte may become, once `free` bytes are used up.
    pub ratio: u64,
    /// Bytes that are unpacked whatever the ratio.
    pub free: u64,
    /// The most entries of one layer.
    pub entries: u64,
    /// The largest file, holes included.
    pub file: u64,
}

impl Default for Limits {
    /// Room for everything seen in the field: the largest images have layers of some 30 GB, of 2 million files; code and
    /// data shrink to a tenth, seldom to a fiftieth. Gzip alone could reach 1032, zstd more.
    fn default() -> Self {
        Self { bytes: 256 << 30, ratio: 200, free: 1 << 30, entries: 10_000_000, file: 1 << 40 }
    }
}

impl Limits {
    /// Returns how many bytes so many compressed ones may become.
    pub(crate) fn unpacked(&self, compressed: u64) -> u64 {
        compressed.saturating_mul(self.ratio).saturating_add(self.free).min(self.bytes)
    }
}

/// What was unpacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of files, holes left out, each file once however often it is linked.
    pub bytes: u64,
    /// Extended attributes that this file system does not take, with one of the files that have them.
    pub lost_attributes: BTreeMap<String, String>,
}

/// Unpacks an uncompressed archive into an empty folder. `trash` is an empty folder of the same file system, for what later
/// entries replace; the caller erases it. Both must be reachable by nobody else.
pub fn unpack(archive: impl Read, root: BorrowedFd<'_>, trash: BorrowedFd<'_>, limits: &Limits) -> Result<Unpacked, ImageError> {
    let mut unpacking = Unpacking {
        archive: Archive::new(archive),
        tree: Tree::new(root, trash)?,
        limits,
        done: Unpacked::default(),
        buffer: vec![0; 1 << 18],
    };
    while let Some(entry) = unpacking.archive.next()? {
        unpacking.done.entries += 1;
        if unpacking.done.entries > limits.entries {
            return Err(ImageError::TooLarge { what: "has more entries", limit: limits.entries });
        }
        unpacking.entry(&entry)?;
    }
    let Unpacking { archive, tree, done, .. } = unpacking;
    archive.finish()?;
    tree.finish()?;
    Ok(done)
}

struct Unpacking<'a, R> {
    archive: Archive<R>,
    tree: Tree<'a>,
    limits: &'a Limits,
    done: Unpacked,
    buffer: Vec<u8>,
}

impl<R: Read> Unpacking<'_, R> {
    fn entry(&mut self, entry: &Entry) -> Result<(), ImageError> {
        let parts = clean(&entry.path).map_err(|why| entry_error(&entry.path, why))?;
        let Some((name, folder)) = parts.split_last() else {
            return match entry.kind {
                Kind::Folder => self.tree.own_folder(entry, &mut self.done),
                _ => Err(entry_error(&entry.path, "stands for the layer itself and is no folder")),
            };
        };
        if folder.iter().any(|part| part.starts_with(AUFS)) {
            return Ok(());
        }
        if let Some(part) = folder.iter().find(|part| part.starts_with(WHITEOUT)) {
            return Err(entry_error(&entry.path, &format!("is inside `{}`, which marks a name that is gone", shown(part))));
        }
        if *name == OPAQUE {
            return self.tree.opaque(folder);
        }
        if name.starts_with(AUFS) {
            return Ok(());
        }
        if let Some(gone) = name.strip_prefix(WHITEOUT) {
            if matches!(gone, b"" | b"." | b"..") {
                return Err(entry_error(&entry.path, "marks no name as gone"));
            }
            return self.tree.whiteout(folder, gone);
        }
        let parent = self.tree.parent(folder)?;
        match &entry.kind {
            Kind::File { size } => self.file(parent.as_fd(), name, entry, *size),
            Kind::Folder => self.tree.folder(parent.as_fd(), name, &parts, entry, &mut self.done),
            Kind::HardLink { target } => self.tree.hard_link(parent.as_fd(), name, entry, target),
            Kind::SymbolicLink { .. } | Kind::Fifo | Kind::Device { .. } => self.tree.special(parent.as_fd(), name, entry, &mut self.done),
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    std::ffi::OsStr::from_bytes(bytes).to_string_lossy().into_owned()
}
