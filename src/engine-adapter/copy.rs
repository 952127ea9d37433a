//! What is at a path in a container, and archives of it.

use bytes::Bytes;
use futures::stream::BoxStream;

/// Bytes of a tar archive as they come.
pub type ArchiveBytes = BoxStream<'static, std::io::Result<Bytes>>;

/// What is at a path in a container. A symbolic link at the end of a path is not followed, those before it are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// The last part of the path, as an archive of it calls its first entry; `/` for the root.
    pub name: String,
    /// What it is.
    pub kind: PathKind,
    /// Permissions with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Bytes of a file.
    pub size: u64,
    /// Seconds since 1970-01-01 UTC.
    pub modified: i64,
}

/// What something at a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link {
        /// Where it leads in the end, within the container: an absolute path, of something that may be absent.
        target: String,
    },
    /// A device, a pipe or a socket.
    Special,
}

impl PathStat {
    /// Tells whether it is a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.kind == PathKind::Folder
    }
}

/// Returns the last part of a path, by which an archive calls what is there; `/` of the root. `.` is a part, as Docker has it.
#[must_use]
pub fn base_name(path: &str) -> &str {
    let short = path.trim_end_matches('/');
    short.rsplit('/').next().filter(|it| !it.is_empty()).unwrap_or("/")
}
