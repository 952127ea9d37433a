//! Unpacks any bytes as a layer: nothing panics, and nothing outside the layer's folder changes.
//!
//! Checksums of headers are put right first, or hardly any input would get past them.
#![no_main]

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use libfuzzer_sys::fuzz_target;
use rcompose_image::{Limits, unpack};

fuzz_target!(|data: &[u8]| {
    let mut archive = data.to_vec();
    for block in archive.chunks_exact_mut(512) {
        if block.iter().any(|byte| *byte != 0) && &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    // In memory where that is to be had.
    let base = if std::path::Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" };
    let outer = tempfile::tempdir_in(base).expect("a folder");
    let inside = outer.path().join("inside");
    std::fs::create_dir_all(inside.join("fs")).expect("a folder");
    std::fs::create_dir(inside.join("trash")).expect("a folder");
    std::fs::write(outer.path().join("secret"), "secret").expect("a file");
    let look = || {
        let secret = std::fs::symlink_metadata(outer.path().join("secret")).expect("the file beside");
        let names = |folder: &std::path::Path| std::fs::read_dir(folder).expect("a folder").count();
        let around = std::fs::symlink_metadata(outer.path()).expect("the folder around");
        (secret.mode(), secret.len(), secret.nlink(), secret.mtime_nsec(), around.mode(), around.uid(), names(outer.path()), names(&inside))
    };
    let before = look();
    let (root, trash) = (File::open(inside.join("fs")).expect("a folder"), File::open(inside.join("trash")).expect("a folder"));
    let limits = Limits { entries: 1000, file: 1 << 20, bytes: 1 << 24, ..Limits::default() };
    let _ = unpack(archive.as_slice(), root.as_fd(), trash.as_fd(), &limits);
    assert_eq!(before, look(), "something outside the layer was touched");
    drop(outer);
});
