//! Writes archives, among them such as no tool would write.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rcompose_image::{ImageError, Limits, Unpacked, unpack};
use tar::{EntryType, Header};

/// An archive being written.
#[derive(Default, Clone)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    pub(crate) fn header(path: &str, kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_gnu();
        assert!(path.len() <= 100, "{path}");
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header
    }

    pub(crate) fn raw(mut self, mut header: Header, data: &[u8]) -> Self {
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, path: &str, data: &[u8]) -> Self {
        self.raw(Self::header(path, EntryType::Regular, data.len() as u64), data)
    }

    pub(crate) fn folder(self, path: &str) -> Self {
        self.raw(Self::header(path, EntryType::Directory, 0), b"")
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        self.linked(path, target, EntryType::Symlink)
    }

    pub(crate) fn hard(self, path: &str, target: &str) -> Self {
        self.linked(path, target, EntryType::Link)
    }

    fn linked(self, path: &str, target: &str, kind: EntryType) -> Self {
        let mut header = Self::header(path, kind, 0);
        header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
        self.raw(header, b"")
    }

    pub(crate) fn device(self, path: &str, kind: EntryType, major: u32, minor: u32) -> Self {
        let mut header = Self::header(path, kind, 0);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        self.raw(header, b"")
    }

    /// Writes an extended header for the next entry.
    pub(crate) fn pax(self, pairs: &[(&str, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (key, value) in pairs {
            // The length counts its own digits.
            let rest = key.len() + value.len() + 3;
            let length = (1..8)
                .map(|digits| rest + digits)
                .find(|length| length.to_string().len() + rest == *length)
                .unwrap();
            body.extend_from_slice(format!("{length} {key}=").as_bytes());
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        self.raw(Self::header("pax", EntryType::XHeader, body.len() as u64), &body)
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// A folder with room for one layer.
pub(crate) struct Room {
    pub(crate) outer: tempfile::TempDir,
}

impl Room {
    pub(crate) fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir_all(outer.path().join("layer/fs")).unwrap();
        fs::create_dir(outer.path().join("layer/trash")).unwrap();
        Self { outer }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.outer.path().join("layer/fs")
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn unpack(&self, archive: &[u8]) -> Result<Unpacked, ImageError> {
        self.unpack_within(archive, &Limits::default())
    }

    pub(crate) fn unpack_within(&self, archive: impl std::io::Read, limits: &Limits) -> Result<Unpacked, ImageError> {
        use std::os::fd::AsFd;
        let open = |name: &str| File::open(self.outer.path().join("layer").join(name)).unwrap();
        let (root, trash) = (open("fs"), open("trash"));
        unpack(archive, root.as_fd(), trash.as_fd(), limits)
    }
}

/// What a tree looks like: a line for each path, with type, mode, owner, links, time, and a digest of the content.
pub(crate) fn sweep(root: &Path, leave_out: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut lines = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        if path == leave_out {
            continue;
        }
        let Ok(there) = fs::symlink_metadata(&path) else {
            lines.push(format!("{} is gone", path.display()));
            continue;
        };
        let content = if there.is_file() {
            rcompose_image::Digest::of(&fs::read(&path).unwrap()).short()
        } else if there.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else {
            String::new()
        };
        lines.push(format!(
            "{} {:o} {}:{} {} {}.{} {content}",
            path.display(),
            there.mode(),
            there.uid(),
            there.gid(),
            there.nlink(),
            there.mtime(),
            there.mtime_nsec()
        ));
        if there.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|it| it.unwrap().path()));
        }
    }
    lines.sort();
    lines
}
