//! Files packed out of trees and unpacked into trees that others can reach: nothing outside of the folder is touched, whatever is in the
//! archive, in the folder, or put there meanwhile.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rcompose_image::{ImageError, Owners, Put, Rename, Rules, Ways, pack_files, unpack_files};
use rustix::fs::{CWD, Mode, OFlags, openat};
use tar::EntryType;

use crate::is_root;
use crate::writing::{Tar, sweep};

const WARY: Rules = Rules { trusted: false, ways: Ways::None, rename: Rename::No };

/// Makes an archive that tries to write at a path.
type Attack = fn(&str) -> Tar;

/// A folder, `in`, with things around it that must stay as they are.
struct Lab(tempfile::TempDir);

impl Lab {
    fn new() -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        for folder in ["in/there", "out"] {
            fs::create_dir_all(lab.at(folder)).unwrap();
        }
        for (path, content) in [("out/secret", "secret"), ("beside", "beside"), ("in/file", "before")] {
            fs::write(lab.at(path), content).unwrap();
        }
        lab
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    /// Unpacks into `in`; everything around it must stay as it is.
    fn unpack(&self, archive: &[u8], rules: &Rules) -> Result<Put, ImageError> {
        let around = || sweep(self.0.path(), &self.at("in"));
        let before = around();
        let done = unpack_files(archive, File::open(self.at("in")).unwrap().as_fd(), rules);
        assert_eq!(before, around(), "something outside was touched");
        done
    }
}

fn open(path: &Path) -> OwnedFd {
    openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn pack(path: &Path, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    pack_files(open(path), name.as_bytes(), Owners::Kept, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_is_packed_is_unpacked() {
    let lab = Lab::new();
    let long = "long".repeat(50);
    let tree = lab.at("out/tree");
    fs::create_dir_all(tree.join(&long)).unwrap();
    fs::write(tree.join(&long).join("file"), vec![7; 300_000]).unwrap();
    fs::hard_link(tree.join(&long).join("file"), tree.join("same")).unwrap();
    symlink("./x//../y/.", tree.join("link")).unwrap();
    symlink(&long, tree.join("far")).unwrap();
    let holes = File::create(tree.join("holes")).unwrap();
    holes.set_len(50 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&holes, b"end", (50 << 20) - 3).unwrap();
    fs::set_permissions(&tree, fs::Permissions::from_mode(0o1750)).unwrap();
    drop(std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap());
    let archive = pack(&tree, "tree");
    let put = lab.unpack(&archive, &Rules { rename: Rename::First(b"other".to_vec()), ..WARY }).unwrap();
    assert_eq!((put.entries, put.left_out.len()), (7, 0));
    let told = |path: &Path| -> Vec<String> {
        let lines = sweep(path, Path::new(""));
        let short = lines
            .into_iter()
            .filter(|it| !it.contains("/socket"))
            .map(|it| it.replace(&path.display().to_string(), ""));
        // Fractions of seconds are not in an archive.
        short.map(|it| it.split('.').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(told(&tree), told(&lab.at("in/other")));
    assert_eq!(fs::read_link(lab.at("in/other/link")).unwrap().to_str(), Some("./x//../y/."));
    assert!(fs::metadata(lab.at("in/other/holes")).unwrap().blocks() < 2048, "its holes were filled");
    let content = lab.unpack(&pack(&tree, "."), &Rules { rename: Rename::Under(b"under".to_vec()), ..WARY });
    assert!(content.is_ok() && lab.at("in/under").join(&long).join("file").is_file());
}

#[test]
fn names_and_links_do_not_lead_out() {
    let to_out = |lab: &Lab| lab.at("out").display().to_string();
    // Each tries to write `secret` outside; some may be refused, all must be harmless.
    let cases: [(&str, Attack, bool); 9] = [
        ("parent", |_| Tar::default().file("../beside", b"x"), true),
        ("parents", |_| Tar::default().file("a/../../beside", b"x"), true),
        ("absolute", |out| Tar::default().file(&format!("{out}/secret"), b"x"), false),
        ("through a link", |out| Tar::default().link("a", out).file("a/secret", b"x"), true),
        ("through a relative link", |_| Tar::default().link("a", "../out").file("a/secret", b"x"), true),
        ("through a link to a link", |_| Tar::default().link("b", "..").link("a", "b/out").file("a/secret", b"x"), true),
        ("over a link", |out| Tar::default().link("a", &format!("{out}/secret")).file("a", b"x"), false),
        ("hard link", |_| Tar::default().hard("a", "../out/secret").file("a", b"x"), true),
        ("hard link through a link", |_| Tar::default().link("l", "../out").hard("a", "l/secret").file("a", b"x"), true),
    ];
    for ways in [Ways::None, Ways::Below, Ways::Root] {
        for (what, archive, refused) in cases {
            let lab = Lab::new();
            let done = lab.unpack(&archive(&to_out(&lab)).end(), &Rules { ways, ..WARY });
            // In a root, links lead within it: to what is not there.
            assert!(done.is_err() || !refused || ways == Ways::Root, "{what}, {ways:?}: {done:?}");
        }
    }
    // A link that was there before.
    let lab = Lab::new();
    symlink(lab.at("out"), lab.at("in/old")).unwrap();
    let error = lab.unpack(&Tar::default().file("old/secret", b"x").end(), &WARY).unwrap_err();
    assert!(error.to_string().contains("`old` is a link"), "{error}");
    let error = lab
        .unpack(&Tar::default().file("old/secret", b"x").end(), &Rules { ways: Ways::Below, ..WARY })
        .unwrap_err();
    assert!(error.to_string().contains("leads out of the folder"), "{error}");
    symlink("there", lab.at("in/inner")).unwrap();
    lab.unpack(&Tar::default().file("inner/new", b"x").end(), &Rules { ways: Ways::Below, ..WARY })
        .unwrap();
    assert_eq!(lab.text("in/there/new"), "x");
}

#[test]
fn what_is_there_is_replaced_but_no_folder() {
    let lab = Lab::new();
    fs::hard_link(lab.at("out/secret"), lab.at("in/shared")).unwrap();
    symlink(lab.at("beside"), lab.at("in/link")).unwrap();
    let archive = Tar::default().file("file", b"after").file("link", b"own");
    lab.unpack(&archive.end(), &WARY).unwrap();
    assert_eq!((lab.text("in/file"), lab.text("in/link")), ("after".into(), "own".into()));
    // Another name of it outside keeps its content; only the number of its names changes.
    let done = unpack_files(Tar::default().file("shared", b"x").end().as_slice(), File::open(lab.at("in")).unwrap().as_fd(), &WARY);
    assert!(done.is_ok() && lab.text("out/secret") == "secret" && lab.text("in/shared") == "x");
    for bad in [
        Tar::default().file("there", b"x"),
        Tar::default().link("there", "x"),
        Tar::default().hard("there", "file"),
        Tar::default().folder("file"),
        Tar::default().file("file/deep", b"x"),
    ] {
        assert!(lab.unpack(&bad.end(), &WARY).is_err());
    }
    assert!(lab.at("in/there").is_dir() && lab.text("in/file") == "after");
    // Half of a file is none, and replaces none.
    for name in ["half", "file"] {
        let mut half = Tar::default().file(name, &[1; 5000]).end();
        half.truncate(3000);
        assert!(lab.unpack(&half, &WARY).is_err());
    }
    let mut left: Vec<_> = fs::read_dir(lab.at("in")).unwrap().map(|it| it.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["file", "link", "shared", "there"]);
    assert_eq!(lab.text("in/file"), "after");
}

#[test]
fn only_what_was_asked_for_is_taken() {
    let lab = Lab::new();
    let first = Rules { rename: Rename::First(b"asked".to_vec()), ..WARY };
    lab.unpack(&Tar::default().folder("a").file("a/b", b"x").hard("a/c", "a/b").end(), &first).unwrap();
    assert_eq!(lab.text("in/asked/c"), "x");
    for bad in [
        Tar::default().folder("a").file("file", b"x"),
        Tar::default().folder("a").file("a/../file", b"x"),
        Tar::default().folder("a").hard("a/d", "file"),
    ] {
        let error = lab.unpack(&bad.end(), &first).unwrap_err();
        assert!(error.to_string().contains("is not of what was asked for"), "{error}");
    }
    assert_eq!(lab.text("in/file"), "before");
}

#[test]
fn nobody_is_given_more_than_they_have() {
    let special = || {
        let mut header = Tar::header("program", EntryType::Regular, 1);
        header.set_mode(0o6755);
        header.set_uid(1003);
        let capability: &[u8] = &[1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let archive = Tar::default().pax(&[("SCHILY.xattr.security.capability", capability)]).raw(header, b"x");
        archive.device("null", EntryType::Char, 1, 3).end()
    };
    let lab = Lab::new();
    let put = lab.unpack(&special(), &WARY).unwrap();
    assert_eq!(put.left_out, ["null"]);
    let found = fs::metadata(lab.at("in/program")).unwrap();
    assert_eq!((found.mode() & 0o7777, found.uid()), (0o755, rustix::process::geteuid().as_raw()));
    let attribute = |path: &str| rustix::fs::getxattr(lab.at(path), "security.capability", &mut [0u8; 64][..]);
    assert!(attribute("in/program").is_err());
    if is_root("owners and devices") {
        lab.unpack(&special(), &Rules { trusted: true, ..WARY }).unwrap();
        let found = fs::metadata(lab.at("in/program")).unwrap();
        assert_eq!((found.mode() & 0o7777, found.uid()), (0o6755, 1003));
        assert!(attribute("in/program").is_ok());
        assert_eq!(fs::metadata(lab.at("in/null")).unwrap().rdev(), rustix::fs::makedev(1, 3));
        // What is packed again is the same.
        let again = Lab::new();
        again.unpack(&pack(&lab.at("in"), "."), &Rules { trusted: true, ..WARY }).unwrap();
        assert!(rustix::fs::getxattr(again.at("in/program"), "security.capability", &mut [0u8; 64][..]).is_ok());
    }
}

#[test]
fn trees_without_end_end() {
    let lab = Lab::new();
    // As deep as a path may be long, by descriptors.
    let mut at = open(&lab.at("out"));
    for _ in 0..2100 {
        rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
        at = openat(&at, "d", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    }
    let packed = std::thread::Builder::new().stack_size(256 << 10).spawn({
        let path = lab.at("out");
        move || pack_files(open(&path), b"out", Owners::Kept, std::io::sink())
    });
    let error = packed.unwrap().join().unwrap().unwrap_err();
    assert!(matches!(error, ImageError::Copy { .. }), "{error}");
    let error = pack_files(open(Path::new("/proc/self/status")), b"status", Owners::Kept, std::io::sink()).unwrap_err();
    assert!(error.to_string().contains("made up by the kernel"), "{error}");
    // The lab's own way of looking around would not come back from there.
    rustix::fs::renameat(CWD, lab.at("out"), CWD, lab.at("in/deep")).unwrap();
    assert!(std::process::Command::new("rm").arg("-rf").arg(lab.at("in/deep")).status().unwrap().success());
}
