//! The tar archive of a build context.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::context::Context;
use crate::error::ContextError;
use crate::walk::{Entry, EntryKind};

impl Context {
    /// Writes the archive: sorted, owned by root, so that equal folders give equal bytes.
    ///
    /// # Errors
    /// A file that cannot be read or changes meanwhile, or `out` taking no more.
    pub fn write_tar(&self, out: impl Write) -> Result<(), ContextError> {
        let mut builder = Builder::new(out);
        for entry in &self.entries {
            append(&mut builder, entry)?;
        }
        builder.into_inner().and_then(|mut out| out.flush()).map_err(ContextError::Write)
    }
}

fn append(builder: &mut Builder<impl Write>, entry: &Entry) -> Result<(), ContextError> {
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_mtime(entry.modified);
    header.set_uid(0);
    header.set_gid(0);
    match &entry.kind {
        EntryKind::Folder => {
            header.set_entry_type(EntryType::Directory);
            header.set_size(0);
            builder
                .append_data(&mut header, format!("{}/", entry.path), io::empty())
                .map_err(ContextError::Write)
        }
        EntryKind::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, &entry.path, target).map_err(ContextError::Write)
        }
        EntryKind::Bytes(bytes) => {
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, &entry.path, bytes.as_slice()).map_err(ContextError::Write)
        }
        EntryKind::File { source, size } => append_file(builder, header, &entry.path, source, *size),
    }
}

fn append_file(builder: &mut Builder<impl Write>, mut header: Header, path: &str, source: &Path, size: u64) -> Result<(), ContextError> {
    let file = File::open(source).map_err(|error| ContextError::read(source, error))?;
    let mut body = Exactly { file, left: size, failed: None };
    header.set_size(size);
    let written = builder.append_data(&mut header, path, &mut body);
    match body.failed {
        Some(error) => Err(ContextError::read(source, error)),
        None if body.left > 0 => Err(ContextError::Changed { path: source.to_owned() }),
        None => written.map_err(ContextError::Write),
    }
}

/// Reads no more than the header promised, and keeps a failure to read apart from one to write.
struct Exactly {
    file: File,
    left: u64,
    failed: Option<io::Error>,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        match self.file.read(&mut buffer[..room]) {
            Ok(count) => {
                self.left -= count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let shown = io::Error::from(error.kind());
                self.failed = Some(error);
                Err(shown)
            }
        }
    }
}
