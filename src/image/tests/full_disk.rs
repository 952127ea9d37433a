//! A disk that is full in the middle of a pull.

use std::path::Path;
use std::process::Command;

use rcompose_image::{Client, ImageError, PullOptions, Registries, Store};

use crate::server::Fixture;
use crate::{is_root, unwatched};

/// A small file system; dropped, it is gone.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={megabytes}m,mode=0700");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "rcompose-test"])
            .arg(folder.path())
            .status();
        let mounted = status.is_ok_and(|it| it.success());
        assert!(mounted || std::env::var_os("RCOMPOSE_REQUIRE_ENGINE").is_none(), "a full disk needs the right to mount");
        if !mounted {
            eprintln!("left out: a full disk needs the right to mount");
        }
        mounted.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn grow(&self, megabytes: u32) {
        let options = format!("remount,size={megabytes}m");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.path()).status().unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_is_said_and_the_next_pull_goes_on() {
    if !is_root("mounting") {
        return;
    }
    let fixture = Fixture::new(&[1_000_000, 12_000_000]);
    let server = fixture.serve(|_| None);
    // Room for the small layer, for the large one's archive, and for half of its files; then for neither.
    for megabytes in [20, 7] {
        let Some(disk) = Small::mount(megabytes) else { return };
        let store = Store::open(disk.path()).unwrap();
        let options = PullOptions { parallel: 1, ..PullOptions::default() };
        let pull = || unwatched(|watch| store.pull(&Client::new(Registries::default()), &server.name(), &options, watch));
        let error = pull().unwrap_err();
        assert!(error.is_disk_full(), "{error}: {:?}", std::error::Error::source(&error));
        assert!(matches!(error, ImageError::File { .. } | ImageError::Stream { .. } | ImageError::Unpack { .. }), "{error}");
        assert_eq!(crate::unwatched(|watch| store.verify(watch)).unwrap().damage, []);
        assert!(store.images().unwrap().is_empty());
        disk.grow(100);
        assert_eq!(pull().unwrap().id, fixture.id());
        assert_eq!(crate::unwatched(|watch| store.verify(watch)).unwrap().damage, []);
        store.prune(true).unwrap();
        for folder in ["blobs/sha256", "blobs/partial", "layers", "staging"] {
            assert_eq!(std::fs::read_dir(disk.path().join(folder)).unwrap().count(), 0, "{folder}");
        }
    }
}
