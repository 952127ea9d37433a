//! Layers that want out, or want all: refused or harmless, and everything around the layer is as it was.

use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rcompose_image::{ImageError, Limits};
use tar::EntryType;

use crate::is_root;
use crate::writing::{Room, Tar, sweep};

/// Prepares files around a layer, unpacks into it, and compares all that is around before and after, files of this machine among them.
fn harmless(what: &str, archive: &[u8]) -> Result<(), ImageError> {
    harmless_in(&Room::new(), what, archive)
}

/// The same in a room whose place the archive names. Absolute paths in these tests lead there and to nothing else, so that a broken
/// extractor damages no machine.
fn harmless_in(room: &Room, what: &str, archive: &[u8]) -> Result<(), ImageError> {
    let outer = room.outer.path().to_owned();
    std::fs::write(outer.join("secret"), "secret").unwrap();
    std::fs::create_dir(outer.join("folder")).unwrap();
    std::fs::write(outer.join("folder/file"), "file").unwrap();
    std::fs::write(outer.join("layer/beside"), "beside").unwrap();
    let look = || {
        let mut lines = sweep(&outer, &outer.join("layer"));
        lines.extend(sweep(&outer.join("layer/beside"), Path::new("")));
        for host in ["/etc/passwd", "/etc/shadow", "/etc/hostname", "/etc/ld.so.cache", "/root/.profile"] {
            lines.extend(sweep(Path::new(host), Path::new("")));
        }
        lines
    };
    let before = look();
    let result = room.unpack(archive).map(drop);
    assert_eq!(before, look(), "{what}: something outside was touched");
    for entry in walk(&room.root()) {
        assert!(
            !std::fs::symlink_metadata(&entry).unwrap().is_file() || !std::fs::read(&entry).unwrap().starts_with(b"secret"),
            "{what}: {entry:?}"
        );
    }
    result
}

fn walk(root: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if std::fs::symlink_metadata(&path).unwrap().is_dir() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn paths_do_not_lead_out() {
    let cases = [
        ("parent", Tar::default().file("../secret", b"x"), true),
        ("parents", Tar::default().file("a/../../secret", b"x"), true),
        (
            "deep parents",
            Tar::default().folder("a").file("a/../../../../../../../../tmp/rcompose-image-test", b"x"),
            true,
        ),
        ("absolute", Tar::default().file("/tmp/rcompose-image-test", b"x"), false),
        ("whiteout of a parent", Tar::default().file("../.wh.secret", b""), true),
        ("whiteout named ..", Tar::default().file(".wh...", b""), true),
        ("whiteout named .", Tar::default().file("a/.wh..", b""), true),
        ("whiteout without a name", Tar::default().file(".wh.", b""), true),
        ("inside a whiteout", Tar::default().file(".wh.a/b", b""), true),
        ("opaque parent", Tar::default().file("../.wh..wh..opq", b""), true),
        ("only dots", Tar::default().file("./.", b"x"), true),
        ("zero byte", Tar::default().pax(&[("path", b"a\0/../../secret")]).file("x", b"x"), true),
        ("long parent", Tar::default().pax(&[("path", b"../secret")]).file("x", b"x"), true),
    ];
    for (what, archive, refused) in cases {
        assert_eq!(harmless(what, &archive.end()).is_err(), refused, "{what}");
    }
}

#[test]
fn links_do_not_lead_out() {
    type Case = (&'static str, fn(&str) -> Tar);
    let cases: [Case; 19] = [
        ("absolute link", |out| Tar::default().link("a", out).file("a/secret", b"x")),
        ("absolute link to a folder", |out| Tar::default().link("a", &format!("{out}/folder")).file("a/file", b"x")),
        ("link to a parent", |_| Tar::default().link("a", "../..").file("a/secret", b"x")),
        ("chain of links", |_| {
            Tar::default().link("a", "b").link("b", "c").link("c", "../../..").file("a/secret", b"x")
        }),
        ("link replaced under way", |_| {
            Tar::default().folder("a").file("a/x", b"x").link("a", "../..").file("a/secret", b"x")
        }),
        ("file through a link", |_| Tar::default().link("a", "../../secret").file("a", b"x")),
        ("folder through a link", |_| Tar::default().link("a", "../../folder").folder("a")),
        ("times of a folder that became a link", |_| Tar::default().folder("a").link("a", "../../folder")),
        ("times through a link", |_| Tar::default().folder("a").folder("a/folder").link("a", "../..")),
        ("opaque through a link", |_| Tar::default().link("a", "../../folder").file("a/.wh..wh..opq", b"")),
        ("whiteout through a link", |_| Tar::default().link("a", "../../folder").file("a/.wh.file", b"")),
        ("loop", |_| Tar::default().link("a", "b").link("b", "a").file("a/x", b"x")),
        ("by way of /proc", |out| Tar::default().link("a", &format!("/proc/self/root{out}")).file("a/secret", b"x")),
        ("hard link out", |_| Tar::default().hard("a", "../../secret").file("a", b"x")),
        ("hard link, absolute", |out| Tar::default().hard("a", &format!("{out}/secret")).file("a", b"x")),
        ("hard link through a link", |_| Tar::default().link("l", "../..").hard("a", "l/secret").file("a", b"x")),
        ("hard link to a link, then written", |_| {
            Tar::default().link("l", "../../secret").hard("a", "l").file("a", b"x")
        }),
        ("hard link to itself", |_| Tar::default().hard("a", "a")),
        ("the layer is a link", |out| Tar::default().link(".", out).file("secret", b"x")),
    ];
    for (what, archive) in cases {
        let room = Room::new();
        let archive = archive(room.outer.path().to_str().unwrap()).end();
        // Some are refused and some are harmless: that nothing outside is touched is what counts.
        let _ = harmless_in(&room, what, &archive);
    }
    assert!(
        harmless("nowhere", &Tar::default().link("a", "/tmp").file("a/new", b"x").end()).is_err(),
        "a link to what is not in the layer"
    );
    for (what, archive) in [
        ("out", Tar::default().hard("a", "../../secret")),
        ("missing", Tar::default().hard("a", "b")),
        ("folder", Tar::default().folder("b").hard("a", "b")),
    ] {
        let error = harmless(what, &archive.end()).unwrap_err();
        assert!(matches!(error, ImageError::Entry { .. }), "{what}: {error}");
    }
}

#[test]
fn overlayfs_is_not_told_where_to_look() {
    if !is_root("trusted attributes") {
        return;
    }
    for name in [
        "trusted.overlay.redirect",
        "trusted.overlay.opaque",
        "trusted.overlay.metacopy",
        "user.overlay.redirect",
    ] {
        let key = format!("SCHILY.xattr.{name}");
        let error = harmless(name, &Tar::default().pax(&[(key.as_str(), b"/../../etc")]).folder("a").end()).unwrap_err();
        assert!(error.to_string().contains("overlayfs"), "{error}");
    }
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let mut negative = Tar::header("a", EntryType::Regular, 0);
    negative.as_gnu_mut().unwrap().size = [0xff; 12];
    let mut huge = Tar::header("a", EntryType::Regular, 0);
    huge.set_size(1 << 60);
    let mut owner = Tar::header("a", EntryType::Regular, 0);
    owner.set_uid(u64::from(u32::MAX));
    let mut unknown = Tar::header("a", EntryType::Regular, 0);
    unknown.set_entry_type(EntryType::new(b'V'));
    let long = Tar::header("a", EntryType::GNULongName, 1 << 30);
    let cases: [(&str, Vec<u8>); 9] = [
        ("negative size", Tar::default().raw(negative, b"").end()),
        ("size beyond the end", Tar::default().raw(huge, b"x").0),
        ("owner -1", Tar::default().raw(owner, b"").end()),
        ("unknown type", Tar::default().raw(unknown, b"").end()),
        ("endless name", Tar::default().raw(long, b"").end()),
        ("checksum", {
            let mut it = Tar::default().file("a", b"x").end();
            it[0] = b'b';
            it
        }),
        ("cut off", Tar::default().file("a", &[1; 2000]).0[..1500].to_vec()),
        ("pax without an entry", Tar::default().pax(&[("path", b"x")]).end()),
        ("entries after the end", {
            let mut it = vec![0; 512];
            it.extend(Tar::default().file("a", b"").0);
            it
        }),
    ];
    for (what, archive) in cases {
        assert!(harmless(what, &archive).is_err(), "{what}");
    }
}

#[test]
fn holes_cost_nothing() {
    let piece = |at: u64, length: u64| format!("{at},{length}");
    let sparse = |map: &str, size: &str, data: &[u8]| {
        let pairs: [(&str, &[u8]); 2] = [("GNU.sparse.map", map.as_bytes()), ("GNU.sparse.size", size.as_bytes())];
        Tar::default().pax(&pairs).file("a", data).end()
    };
    let began = Instant::now();
    let room = Room::new();
    // 900 GiB of holes is a file like any other...
    let done = room.unpack(&sparse(&piece(0, 3), &(900u64 << 30).to_string(), b"abc")).unwrap();
    assert_eq!(done.bytes, 3);
    // ...and past the limit it is refused before anything is made.
    let error = Room::new().unpack(&sparse(&piece(0, 3), &(2u64 << 40).to_string(), b"abc")).unwrap_err();
    assert!(error.to_string().contains("limit"), "{error}");
    for (what, map, size) in [
        ("more than is stored", piece(0, 4), "10"),
        ("less than is stored", piece(0, 2), "10"),
        ("past the end", piece(8, 3), "10"),
        ("out of order", format!("{},{}", piece(5, 1), piece(0, 2)), "10"),
        ("overflow", piece(u64::MAX, 3), "10"),
        ("odd", "1,2,3".into(), "10"),
        ("negative", piece(0, 3), "-1"),
    ] {
        assert!(harmless(what, &sparse(&map, size, b"abc")).is_err(), "{what}");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "holes were written");
}

#[test]
fn bombs_are_bounded() {
    let limits = Limits { entries: 100, ..Limits::default() };
    let many = (0..200).fold(Tar::default(), |tar, at| tar.file(&format!("f{at}"), b"")).end();
    let error = Room::new().unpack_within(many.as_slice(), &limits).unwrap_err();
    assert!(matches!(error, ImageError::TooLarge { limit: 100, .. }), "{error}");

    // 256 MiB of zeros in 256 kB of gzip, as one file.
    let mut header = Tar::header("zeros", EntryType::Regular, 256 << 20);
    header.set_cksum();
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    bomb.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0u8; 1 << 20];
    for _ in 0..256 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { free: 8 << 20, ratio: 100, ..Limits::default() };
    let store = rcompose_image::Store::with_limits(folder.path(), limits).unwrap();
    let error =
        crate::unwatched(|watch| store.import(bomb.as_slice(), None, &rcompose_image::ImportOptions::default(), watch)).unwrap_err();
    assert!(matches!(error, ImageError::TooLarge { .. }), "{error}");
    let pruned = store.prune(false).unwrap();
    assert_eq!(pruned.images.len(), 0);
    assert_eq!(leftovers(folder.path()), Vec::<String>::new());
}

/// Returns what a store without images should not have.
fn leftovers(root: &Path) -> Vec<String> {
    ["blobs/sha256", "blobs/partial", "layers", "staging", "leases"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap().map(|it| it.unwrap().path().display().to_string()))
        .collect()
}

/// A million empty files, made as they are read.
struct Million {
    at: u32,
    header: Vec<u8>,
    sent: usize,
}

impl Read for Million {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.sent == self.header.len() {
            if self.at == 1_000_000 {
                return Ok(0);
            }
            let mut header = Tar::header(&format!("d{}/f{}", self.at / 10_000, self.at), EntryType::Regular, 0);
            header.set_cksum();
            (self.header, self.sent) = (header.as_bytes().to_vec(), 0);
            self.at += 1;
        }
        let count = buffer.len().min(self.header.len() - self.sent);
        buffer[..count].copy_from_slice(&self.header[self.sent..self.sent + count]);
        self.sent += count;
        Ok(count)
    }
}

#[test]
#[ignore = "a minute of work; `just soak` runs it"]
fn a_million_files_are_unpacked() {
    let room = Room::new();
    let done = room.unpack_within(Million { at: 0, header: Vec::new(), sent: 0 }, &Limits::default()).unwrap();
    assert_eq!(done.entries, 1_000_000);
    assert_eq!(std::fs::read_dir(room.at("d99")).unwrap().count(), 10_000);
}
