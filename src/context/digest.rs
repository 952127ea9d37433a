//! The digest of a build context's content.

use std::fs::File;
use std::io::Read;

use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::error::ContextError;
use crate::walk::{Entry, EntryKind};

impl Context {
    /// Computes a digest over paths, modes, link targets and bytes; times do not count.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn digest(&self) -> Result<String, ContextError> {
        let mut whole = Sha256::new();
        whole.update((self.dockerfile().len() as u64).to_le_bytes());
        whole.update(self.dockerfile());
        for entry in &self.entries {
            whole.update(one(entry)?);
        }
        Ok(format!("sha256:{}", hex(&whole.finalize())))
    }
}

/// Digests one entry; every part is led by its kind or length, so that no two entries read the same.
fn one(entry: &Entry) -> Result<[u8; 32], ContextError> {
    let mut digest = Sha256::new();
    digest.update((entry.path.len() as u64).to_le_bytes());
    digest.update(&entry.path);
    digest.update(entry.mode.to_le_bytes());
    match &entry.kind {
        EntryKind::Folder => digest.update(b"d"),
        EntryKind::Link(target) => {
            digest.update(b"l");
            digest.update(target.as_os_str().as_encoded_bytes());
        }
        EntryKind::Bytes(bytes) => {
            digest.update(b"f");
            digest.update(bytes);
        }
        EntryKind::File { source, .. } => {
            digest.update(b"f");
            let mut file = File::open(source).map_err(|error| ContextError::read(source, error))?;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => digest.update(&buffer[..count]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(ContextError::read(source, error)),
                }
            }
        }
    }
    Ok(digest.finalize().into())
}

/// Writes bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
