//! What layers hold is unpacked as it was.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use proptest::prelude::*;
use rustix::fs::lgetxattr;
use tar::{EntryType, Header};

use crate::is_root;
use crate::writing::{Room, Tar, sweep};

fn attribute(path: &std::path::Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0u8; 256];
    let count = lgetxattr(path, name, &mut value).ok()?;
    value.truncate(count);
    Some(value)
}

#[test]
fn files_folders_links_and_devices_come_with_all_they_have() {
    if !is_root("unpacking") {
        return;
    }
    let room = Room::new();
    let mut owned = Tar::header("etc/owned", EntryType::Regular, 3);
    owned.set_uid(1234);
    owned.set_gid(5678);
    owned.set_mode(0o6711);
    let mut fifo = Tar::header("fifo", EntryType::Fifo, 0);
    fifo.set_mode(0o620);
    let archive = Tar::default()
        .folder("./")
        .folder("etc/")
        .raw(owned, b"abc")
        .hard("etc/second", "/etc/owned")
        .link("bin", "usr/bin")
        .link("absolute", "/etc/owned")
        .raw(fifo, b"")
        .device("null", EntryType::Char, 1, 3)
        .device("disk", EntryType::Block, 8, 1)
        .file("implied/folder/file", b"x")
        .pax(&[
            (
                "SCHILY.xattr.security.capability",
                b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            ),
            ("mtime", b"1000000000.25"),
        ])
        .file("capable", b"y")
        .file("absolute/../late", b"cleaned as text")
        .end();
    let done = room.unpack(&archive).unwrap();
    assert!(done.lost_attributes.is_empty(), "{done:?}");
    assert_eq!((done.entries, done.bytes), (12, 3 + 1 + 1 + 15));
    let owned = fs::metadata(room.at("etc/owned")).unwrap();
    assert_eq!((owned.uid(), owned.gid(), owned.mode() & 0o7777, owned.nlink()), (1234, 5678, 0o6711, 2));
    assert_eq!((owned.mtime(), owned.ino()), (1_000_000_000, fs::metadata(room.at("etc/second")).unwrap().ino()));
    assert_eq!(fs::read_link(room.at("absolute")).unwrap().to_str(), Some("/etc/owned"));
    assert!(fs::metadata(room.at("fifo")).unwrap().file_type().is_fifo());
    let null = fs::metadata(room.at("null")).unwrap();
    assert!(null.file_type().is_char_device() && null.rdev() == rustix::fs::makedev(1, 3));
    assert!(fs::metadata(room.at("disk")).unwrap().file_type().is_block_device());
    assert_eq!(fs::metadata(room.at("etc")).unwrap().mtime(), 1_000_000_000, "a folder's time is set at the end");
    assert_eq!(fs::metadata(room.at("implied")).unwrap().mode() & 0o7777, 0o755);
    assert!(attribute(&room.at("capable"), "security.capability").is_some_and(|it| it.len() == 20));
    assert_eq!(fs::metadata(room.at("capable")).unwrap().mtime_nsec(), 250_000_000);
    assert_eq!(fs::read(room.at("late")).unwrap(), b"cleaned as text");
}

#[test]
fn whiteouts_become_those_of_overlayfs() {
    if !is_root("making whiteouts") {
        return;
    }
    let room = Room::new();
    let archive = Tar::default()
        .folder("gone")
        .file("gone/.wh.file", b"")
        .file(".wh.name", b"")
        .folder("fresh")
        .file("fresh/new", b"x")
        .file("fresh/.wh..wh..opq", b"")
        // What this layer has itself stays; a folder hides what is below it.
        .file("both", b"kept")
        .file(".wh.both", b"")
        .folder("mine")
        .file("mine/file", b"kept")
        .file(".wh.mine", b"")
        // A name that is gone and comes back as a folder hides what is below, too.
        .file(".wh.again", b"")
        .folder("again")
        .file(".wh.implied", b"")
        .file("implied/file", b"x")
        // What aufs kept for itself.
        .folder(".wh..wh.plnk")
        .file(".wh..wh.plnk/1.2", b"x")
        .end();
    room.unpack(&archive).unwrap();
    for name in ["gone/file", "name"] {
        let there = fs::symlink_metadata(room.at(name)).unwrap();
        assert!(there.file_type().is_char_device() && there.rdev() == 0, "{name}");
    }
    for name in ["fresh", "mine", "again", "implied"] {
        assert_eq!(attribute(&room.at(name), "trusted.overlay.opaque").as_deref(), Some(b"y".as_slice()), "{name}");
    }
    assert_eq!(attribute(&room.at("gone"), "trusted.overlay.opaque"), None);
    assert_eq!(fs::read(room.at("both")).unwrap(), b"kept");
    assert_eq!(fs::read(room.at("mine/file")).unwrap(), b"kept");
    assert!(!room.at(".wh..wh.plnk").exists());
}

#[test]
fn later_entries_replace_earlier_ones() {
    let room = Room::new();
    let archive = Tar::default()
        .file("a", b"first")
        .hard("b", "a")
        .file("a", b"second")
        .folder("d")
        .file("d/x", b"x")
        .file("d", b"now a file")
        .link("e", "a")
        .folder("e")
        .file("e/y", b"y")
        .folder("keep")
        .file("keep/z", b"z")
        .folder("keep")
        .hard("b", "b")
        .end();
    room.unpack(&archive).unwrap();
    let read = |name: &str| fs::read(room.at(name)).unwrap();
    assert_eq!((read("a"), read("b")), (b"second".to_vec(), b"first".to_vec()), "a link keeps the content it was made of");
    assert_eq!((read("d"), read("e/y"), read("keep/z")), (b"now a file".to_vec(), b"y".to_vec(), b"z".to_vec()));
    assert!(!fs::symlink_metadata(room.at("e")).unwrap().is_symlink());
}

#[test]
fn links_to_folders_are_followed_below_the_layer() {
    let room = Room::new();
    let archive = Tar::default()
        .folder("usr/")
        .folder("usr/lib/")
        .link("lib", "usr/lib")
        .folder("tmp")
        .link("root", "/")
        .link("up", "../../../../tmp")
        .file("lib/a", b"a")
        // Harmless even to an extractor that follows it.
        .file("root/tmp/rcompose-image-test", b"b")
        .file("up/rcompose-image-test-c", b"c")
        .hard("lib/d", "root/usr/lib/a")
        .end();
    room.unpack(&archive).unwrap();
    assert_eq!(fs::read(room.at("usr/lib/a")).unwrap(), b"a");
    assert_eq!(fs::read(room.at("tmp/rcompose-image-test")).unwrap(), b"b");
    assert_eq!(fs::read(room.at("tmp/rcompose-image-test-c")).unwrap(), b"c");
    assert_eq!(fs::metadata(room.at("usr/lib/d")).unwrap().nlink(), 2);
}

#[test]
fn long_names_and_times_before_1970() {
    let room = Room::new();
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(250));
    let gnu = Tar::header("././@LongLink", EntryType::GNULongName, long.len() as u64 + 1);
    let archive = Tar::default()
        .pax(&[("path", long.as_bytes()), ("mtime", b"-5.5"), ("uid", b"0")])
        .file("short", b"pax")
        .raw(gnu, format!("{long}2\0").as_bytes())
        .file("short", b"gnu")
        .end();
    // The size of the long name counts its closing zero byte.
    let mut archive = archive;
    let _ = &mut archive;
    let result = room.unpack(&archive);
    result.unwrap();
    let first = fs::metadata(room.at(&long)).unwrap();
    assert_eq!((first.mtime(), first.mtime_nsec()), (-6, 500_000_000));
}

/// The three forms in which GNU tar writes a file of 1 MiB with 3 bytes at its start and at its end.
#[test]
fn holes_stay_holes() {
    let size = 1u64 << 20;
    let numbers = |header: &mut Header, slot: usize, at: u64, length: u64| {
        let sparse = &mut header.as_gnu_mut().unwrap().sparse[slot];
        sparse.offset.copy_from_slice(format!("{at:011o}\0").as_bytes());
        sparse.numbytes.copy_from_slice(format!("{length:011o}\0").as_bytes());
    };
    let mut old = Tar::header("old", EntryType::GNUSparse, 6);
    numbers(&mut old, 0, 0, 3);
    numbers(&mut old, 1, size - 3, 3);
    old.as_gnu_mut().unwrap().realsize.copy_from_slice(format!("{size:011o}\0").as_bytes());
    let map = format!("0,3,{},3", size - 3);
    let mut content = format!("2\n0\n3\n{}\n3\n", size - 3).into_bytes();
    content.resize(512, 0);
    content.extend_from_slice(b"abcxyz");
    let size_text = size.to_string();
    let archive = Tar::default()
        .raw(old, b"abcxyz")
        .pax(&[
            ("GNU.sparse.map", map.as_bytes()),
            ("GNU.sparse.size", size_text.as_bytes()),
            ("GNU.sparse.name", b"pax01"),
        ])
        .file("GNUSparseFile.0/pax01", b"abcxyz")
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"pax1"),
            ("GNU.sparse.realsize", size_text.as_bytes()),
        ])
        .file("GNUSparseFile.0/pax1", &content)
        .file("after", b"in step")
        .end();
    let room = Room::new();
    let done = room.unpack(&archive).unwrap();
    assert_eq!(done.bytes, 3 * 6 + 7);
    for name in ["old", "pax01", "pax1"] {
        let bytes = fs::read(room.at(name)).unwrap();
        assert_eq!(
            (bytes.len() as u64, &bytes[..4], &bytes[bytes.len() - 4..]),
            (size, b"abc\0".as_slice(), b"\0xyz".as_slice()),
            "{name}"
        );
        assert!(fs::metadata(room.at(name)).unwrap().blocks() * 512 < size / 2, "{name} takes room for its holes");
    }
    assert_eq!(fs::read(room.at("after")).unwrap(), b"in step");
}

#[test]
fn a_layer_by_gnu_tar_is_what_gnu_tar_unpacks() {
    if !is_root("unpacking owners") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    fs::create_dir_all(from.join("a/b")).unwrap();
    fs::write(from.join("a/file"), vec![7u8; 300_000]).unwrap();
    fs::hard_link(from.join("a/file"), from.join("a/b/linked")).unwrap();
    std::os::unix::fs::symlink("../a", from.join("a/b/up")).unwrap();
    let mut holes = fs::File::create(from.join("holes")).unwrap();
    holes.set_len(5 << 20).unwrap();
    holes.write_all(b"start").unwrap();
    rustix::fs::setxattr(from.join("a/file"), "user.note", b"kept", rustix::fs::XattrFlags::empty()).unwrap();
    for form in ["--format=gnu", "--format=posix"] {
        let tar = |words: &[&str]| std::process::Command::new("tar").args(words).output().unwrap();
        let archive = folder.path().join("a.tar");
        let (archive, source) = (archive.to_str().unwrap(), from.to_str().unwrap());
        let mut words = vec!["--create", "--sparse", form, "--file", archive, "-C", source, "."];
        if form == "--format=posix" {
            words.insert(0, "--xattrs");
        }
        let made = tar(&words);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let room = Room::new();
        room.unpack(&fs::read(archive).unwrap()).unwrap();
        // Pax headers keep nanoseconds; GNU ones do not.
        let strip = |lines: Vec<String>, root: &std::path::Path| -> Vec<String> {
            let fraction = |line: String| {
                if form == "--format=gnu" {
                    line.split('.').next().unwrap().to_owned() + line.rsplit(' ').next().unwrap()
                } else {
                    line
                }
            };
            lines.into_iter().map(|line| fraction(line.replace(root.to_str().unwrap(), ""))).collect()
        };
        let nothing = std::path::Path::new("");
        assert_eq!(strip(sweep(&room.root(), nothing), &room.root()), strip(sweep(&from, nothing), &from), "{form}");
        let note = attribute(&room.at("a/file"), "user.note");
        assert_eq!(note.is_some(), form == "--format=posix");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever bytes an archive has, it is unpacked or refused; nothing panics and nothing leaves the folder.
    #[test]
    fn damaged_archives_are_refused_or_unpacked(at in 0usize..4096, byte in any::<u8>(), cut in 0usize..6000) {
        let room = Room::new();
        let mut archive = Tar::default().folder("a").file("a/b", &[1; 700]).link("c", "a").hard("d", "a/b").pax(&[("path", b"e")]).file("x", b"y").end();
        let before = sweep(room.outer.path(), &room.outer.path().join("layer"));
        let length = archive.len();
        archive[at % length] = byte;
        archive.truncate(length.saturating_sub(cut));
        let _ = room.unpack(&archive);
        prop_assert_eq!(before, sweep(room.outer.path(), &room.outer.path().join("layer")));
    }
}
