//! What is copied into a container and out of it.

use std::io::Read;

use bytes::Bytes;
use futures::{StreamExt, stream};
use rcompose_engine_adapter::{ArchiveBytes, ContainerName, ErrorKind, PathKind};
use tar::{Builder, EntryType, Header};

use super::site::{fails, shell_exec};
use super::{Broken, Case, Site, Verdict, case, ensure};

pub(super) fn cases() -> Vec<Case> {
    case![
        what_is_put_in_comes_out,
        a_process_sees_what_is_put_in,
        paths_are_looked_at,
        links_are_followed_within_the_container,
        an_archive_begins_with_the_last_part_of_its_path,
        nothing_is_written_outside_of_the_folder,
        folders_and_files_do_not_replace_each_other,
        a_read_only_root_takes_nothing,
    ]
}

/// An entry of an archive: name, kind, mode, owner, and content or target.
type Entry = (String, EntryType, u32, (u64, u64), String);

fn folder(name: &str) -> Entry {
    (name.to_owned(), EntryType::Directory, 0o750, (0, 0), String::new())
}

fn file(name: &str, content: &str) -> Entry {
    (name.to_owned(), EntryType::Regular, 0o640, (1003, 1004), content.to_owned())
}

fn link(name: &str, target: &str) -> Entry {
    (name.to_owned(), EntryType::Symlink, 0o777, (0, 0), target.to_owned())
}

fn by_name(one: &Entry, other: &Entry) -> std::cmp::Ordering {
    one.0.cmp(&other.0)
}

fn packed(entries: &[Entry]) -> Result<ArchiveBytes, Broken> {
    let broken = |error: std::io::Error| Broken(format!("an archive cannot be made: {error}"));
    let mut builder = Builder::new(Vec::new());
    for (name, kind, mode, (uid, gid), text) in entries {
        let mut header = Header::new_ustar();
        // By hand, since the builder lets no `..` through.
        let field = header.as_old_mut().name.get_mut(..name.len());
        field.ok_or_else(|| Broken(format!("{name} is too long")))?.copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_uid(*uid);
        header.set_gid(*gid);
        header.set_mtime(1_000_000_000);
        let content = if *kind == EntryType::Regular { text.as_bytes() } else { b"" };
        if *kind == EntryType::Symlink || *kind == EntryType::Link {
            header.set_link_name(text).map_err(broken)?;
        }
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).map_err(broken)?;
    }
    let bytes = builder.into_inner().map_err(broken)?;
    // In pieces that fit no block.
    let pieces: Vec<std::io::Result<Bytes>> = bytes.chunks(700).map(|it| Ok(Bytes::copy_from_slice(it))).collect();
    Ok(stream::iter(pieces).boxed())
}

async fn unpack(site: &Site, name: &ContainerName, folder: &str, entries: &[Entry]) -> Verdict {
    Ok(site.streams.unpack(name, folder, packed(entries)?).await?)
}

async fn pack(site: &Site, name: &ContainerName, path: &str) -> Result<Vec<Entry>, Broken> {
    let broken = |error: std::io::Error| Broken(format!("the archive of {path} is broken: {error}"));
    let mut bytes = Vec::new();
    for piece in site.collect(site.streams.pack(name, path), "archive").await? {
        bytes.extend_from_slice(&piece?);
    }
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut entries = Vec::new();
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut content = text(&entry.link_name_bytes().unwrap_or_default());
        entry.read_to_string(&mut content).map_err(broken)?;
        let header = entry.header();
        let owner = (header.uid().map_err(broken)?, header.gid().map_err(broken)?);
        entries.push((text(&entry.path_bytes()), header.entry_type(), header.mode().map_err(broken)? & 0o7777, owner, content));
    }
    entries.sort_by(by_name);
    Ok(entries)
}

/// Containers that were never started, that run, and that have ended.
async fn in_each_state(site: &Site) -> Result<[ContainerName; 3], Broken> {
    let made = site.idle("made");
    site.engine.create_container(&made).await?;
    let ended = site.start(&site.shell("ended", "true")).await?;
    site.wait(&ended).await?;
    Ok([made.name, site.start(&site.idle("runs")).await?, ended])
}

async fn what_is_put_in_comes_out(site: &Site) -> Verdict {
    for name in in_each_state(site).await? {
        let mut entries = vec![folder("lab/"), file("lab/one", "first"), folder("lab/sub/"), file("lab/sub/two", &"x".repeat(3000))];
        entries.push(link("lab/sub/up", "../one"));
        unpack(site, &name, "/", &entries).await?;
        let out = pack(site, &name, "/lab").await?;
        entries.sort_by(by_name);
        ensure!(out == entries, "{name}: what came out is {out:?}");
        // Once more, over what is there.
        unpack(site, &name, "/", &[folder("lab/"), file("lab/one", "second")]).await?;
        let out = pack(site, &name, "/lab/one").await?;
        ensure!(out == [file("one", "second")], "{name}: what was replaced is {out:?}");
    }
    fails(site.streams.unpack(&site.name("never"), "/", packed(&[])?).await, ErrorKind::NotFound, "copying into nothing")?;
    Ok(())
}

async fn a_process_sees_what_is_put_in(site: &Site) -> Verdict {
    let spec = site.idle("a");
    site.engine.create_container(&spec).await?;
    let name = spec.name;
    unpack(site, &name, "/", &[folder("lab/"), file("lab/before", "put in before the start")]).await?;
    site.engine.start_container(&name).await?;
    unpack(site, &name, "/lab", &[file("while", "put in while it runs")]).await?;
    let ran = site
        .exec(&name, &shell_exec("cat /lab/before; echo; cat /lab/while; echo; stat -c '%u %g %a' /lab/while"))
        .await?;
    let lines: Vec<&str> = ran.stdout.lines().filter(|it| !it.is_empty()).collect();
    ensure!(lines == ["put in before the start", "put in while it runs", "1003 1004 640"], "it sees {ran:?}");
    site.engine.kill_container(&name, "SIGKILL").await?;
    site.wait(&name).await?;
    let out = pack(site, &name, "/lab/while").await?;
    ensure!(out == [file("while", "put in while it runs")], "after its end it is {out:?}");
    Ok(())
}

async fn paths_are_looked_at(site: &Site) -> Verdict {
    for name in in_each_state(site).await? {
        unpack(site, &name, "/", &[folder("lab/"), file("lab/one", "12345"), link("lab/link", "one")]).await?;
        let stat = |path: &'static str| site.streams.stat(&name, path);
        let kind = |found: &Option<rcompose_engine_adapter::PathStat>| found.as_ref().map(|it| (it.name.clone(), it.kind.clone(), it.mode));
        let one = stat("/lab/one").await?;
        ensure!(kind(&one) == Some(("one".into(), PathKind::File, 0o640)), "the file is {one:?}");
        ensure!(one.as_ref().is_some_and(|it| it.size == 5 && it.modified == 1_000_000_000), "the file is {one:?}");
        let lab = stat("lab/").await?;
        ensure!(kind(&lab) == Some(("lab".into(), PathKind::Folder, 0o750)), "the folder is {lab:?}");
        let led = stat("/lab/link").await?;
        let target = PathKind::Link { target: "/lab/one".into() };
        ensure!(led.as_ref().is_some_and(|it| it.kind == target && it.name == "link"), "the link is {led:?}");
        let root = stat("/").await?;
        ensure!(root.as_ref().is_some_and(|it| it.is_folder() && it.name == "/"), "the root is {root:?}");
        for path in ["/lab/never", "/never/more"] {
            let found = stat(path).await?;
            ensure!(found.is_none(), "{path} is there: {found:?}");
        }
        // To Docker this is an error.
        let found = stat("/lab/one/more").await;
        ensure!(!matches!(found, Ok(Some(_))), "something is below a file: {found:?}");
    }
    fails(site.streams.stat(&site.name("never"), "/").await, ErrorKind::NotFound, "looking into nothing")?;
    Ok(())
}

async fn links_are_followed_within_the_container(site: &Site) -> Verdict {
    for name in in_each_state(site).await? {
        let entries = [
            folder("lab/"),
            folder("lab/real/"),
            file("lab/real/one", "inside"),
            link("lab/abs", "/lab/real"),
            link("lab/far", "../../../../lab/real"),
        ];
        unpack(site, &name, "/", &entries).await?;
        for way in ["/lab/abs/one", "/lab/far/one", "/../lab/./abs/../real/one"] {
            let out = pack(site, &name, way).await?;
            ensure!(out == [file("one", "inside")], "{way} is {out:?}");
        }
        unpack(site, &name, "/lab/abs", &[file("two", "through a link")]).await?;
        let out = pack(site, &name, "/lab/real/two").await?;
        ensure!(out == [file("two", "through a link")], "what went through a link is {out:?}");
    }
    Ok(())
}

async fn an_archive_begins_with_the_last_part_of_its_path(site: &Site) -> Verdict {
    for name in in_each_state(site).await? {
        unpack(site, &name, "/", &[folder("lab/"), folder("lab/sub/"), file("lab/sub/one", "x"), link("lab/link", "sub")]).await?;
        // `./one` and `one` are the same.
        let short = |name: String| name.strip_prefix("./").map_or(name.clone(), str::to_owned);
        let names = async |path: &str| -> Result<Vec<String>, Broken> {
            Ok(pack(site, &name, path).await?.into_iter().map(|it| short(it.0)).collect())
        };
        let cases = [
            ("/lab/sub", vec!["sub/", "sub/one"]),
            ("/lab/sub/", vec!["sub/", "sub/one"]),
            ("/lab/sub/.", vec!["", "one"]),
            ("/lab/link", vec!["link"]),
            ("/lab/link/", vec!["link/", "link/one"]),
            ("/lab/link/.", vec!["", "one"]),
        ];
        for (path, wanted) in cases {
            let found = names(path).await?;
            ensure!(found == wanted, "{path} is packed as {found:?}");
        }
        for path in ["/lab/never", "/lab/sub/one/"] {
            let first = site.streams.pack(&name, path).next().await.unwrap_or_else(|| Ok(Bytes::new()));
            // Docker does not mind a slash behind a file everywhere.
            ensure!(first.is_err() || path.ends_with('/'), "{path} was packed");
        }
    }
    Ok(())
}

async fn nothing_is_written_outside_of_the_folder(site: &Site) -> Verdict {
    for name in in_each_state(site).await? {
        unpack(site, &name, "/", &[folder("lab/"), folder("lab/in/"), file("lab/kept", "kept")]).await?;
        let bad = [
            vec![file("../kept", "changed")],
            vec![file("a/../../kept", "changed")],
            vec![("gone".to_owned(), EntryType::Link, 0o600, (0, 0), "../kept".to_owned()), file("gone", "changed")],
        ];
        for entries in bad {
            // It may be refused, or put inside.
            let _done = unpack(site, &name, "/lab/in", &entries).await;
            let out = pack(site, &name, "/lab/kept").await?;
            ensure!(out == [file("kept", "kept")], "{entries:?} changed what is outside: {out:?}");
        }
        // An absolute name is one inside.
        unpack(site, &name, "/lab/in", &[file("/deep", "inside")]).await?;
        let out = pack(site, &name, "/lab/in/deep").await?;
        ensure!(out == [file("deep", "inside")], "an absolute name came to {out:?}");
    }
    Ok(())
}

async fn folders_and_files_do_not_replace_each_other(site: &Site) -> Verdict {
    for name in in_each_state(site).await? {
        let before = [folder("lab/"), folder("lab/folder/"), file("lab/folder/one", "1"), file("lab/plain", "2")];
        unpack(site, &name, "/", &before).await?;
        for bad in [file("folder", "x"), link("folder", "plain"), folder("plain/")] {
            let done = site.streams.unpack(&name, "/lab", packed(std::slice::from_ref(&bad))?).await;
            ensure!(done.is_err(), "{bad:?} replaced something of another kind");
        }
        let mut wanted = before.to_vec();
        wanted.sort_by(by_name);
        let out = pack(site, &name, "/lab").await?;
        ensure!(out == wanted, "something was replaced: {out:?}");
        fails(site.streams.unpack(&name, "/lab/plain", packed(&[])?).await, ErrorKind::Invalid, "unpacking into a file")?;
        fails(
            site.streams.unpack(&name, "/lab/never", packed(&[])?).await,
            ErrorKind::NotFound,
            "unpacking into an absent folder",
        )?;
    }
    Ok(())
}

async fn a_read_only_root_takes_nothing(site: &Site) -> Verdict {
    let mut spec = site.idle("a");
    spec.security.read_only = true;
    site.engine.create_container(&spec).await?;
    let attempt = async |state: &str| -> Verdict {
        let done = site.streams.unpack(&spec.name, "/", packed(&[file("new", "x")])?).await;
        fails(done, ErrorKind::Invalid, &format!("unpacking into a read-only root, {state}"))?;
        ensure!(site.streams.stat(&spec.name, "/new").await?.is_none(), "it was written, {state}");
        Ok(())
    };
    attempt("not started").await?;
    site.engine.start_container(&spec.name).await?;
    attempt("while it runs").await
}
