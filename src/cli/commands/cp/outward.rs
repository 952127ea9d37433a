//! From a container to here. What comes is not trusted: nothing is written but what was asked for, where it was asked for.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use futures::StreamExt;
use rcompose_engine_adapter::{ContainerName, PathKind, PathStat};
use rcompose_image::{Rename, Rules, Ways, unpack_files};

use super::archive::{Blocking, Failed};
use super::inward::absolute;
use super::path::{Placed, Side, Source, There, base, place};
use super::{Errand, follow, look};
use crate::args::CpArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::{Live, Session};

/// Copies out of a container.
pub(super) async fn copy(
    session: &Session,
    live: &Live,
    args: &CpArgs,
    container: &ContainerName,
    path: &str,
    to: &Side,
) -> Result<(), Failure> {
    let (led, found) = if args.follow_link {
        follow(live, container, path).await?
    } else {
        (path.to_owned(), look(live, container, path).await?)
    };
    let found = found.ok_or_else(|| Failure::refused(format!("there is no {path} in container {container}")))?;
    let errand = Errand { container, words: format!("copy {container}:{path} to {}", args.destination) };
    let Side::Local(text) = to else {
        if session.caller.stdout_tty {
            return Err(Failure::usage("an archive is not written to a terminal", "write `> FILE`, or pipe it into `tar -x`"));
        }
        return if session.globals.dry_run {
            errand.print()
        } else {
            standard_output(live, container, &led).await
        };
    };
    if matches!(found.kind, PathKind::Special) {
        return Err(Failure::refused(format!("{path} in container {container} is neither a file nor a folder")));
    }
    let (folder, placed) = settle(session, &found, path, text)?;
    if session.globals.dry_run {
        return errand.print();
    }
    errand.begin(session);
    let rules = rules(session, args, path, &placed);
    let failed = Failed::default();
    let reader = Blocking::new(live.engines.streams.pack(container, &led), Arc::clone(&failed));
    let put = tokio::task::spawn_blocking(move || unpack_files(reader, folder.as_fd(), &rules)).await;
    let put = put.map_err(|error| Failure::io("the work ended in the middle", std::io::Error::other(error)))?;
    let failed = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
    errand.end(session, put.is_ok() && failed.is_none());
    if let Some(error) = failed {
        return Err(error.into());
    }
    say_left_out(session, &put?.left_out);
    Ok(())
}

fn say_left_out(session: &Session, devices: &[String]) {
    const SHOWN: usize = 3;
    if devices.is_empty() {
        return;
    }
    let more = if devices.len() > SHOWN { ", …" } else { "" };
    let shown = devices[..devices.len().min(SHOWN)].join(", ");
    session.say(&format!(
        "left out, since they are devices: {shown}{more} ({} in all); `-a` as root makes them",
        devices.len()
    ));
}

async fn standard_output(live: &Live, container: &ContainerName, path: &str) -> Result<(), Failure> {
    let mut archive = live.engines.streams.pack(container, path);
    while let Some(piece) = archive.next().await {
        output::out_bytes(&piece?)?;
    }
    Ok(())
}

/// Settles where it comes to stand, and opens the folder for it.
fn settle(session: &Session, found: &PathStat, path: &str, text: &str) -> Result<(File, Placed), Failure> {
    let failed = |error| Failure::io(format!("cannot copy to {text}"), error);
    let mut wanted = absolute(session, text);
    let there = match fs::metadata(&wanted) {
        Ok(it) if it.is_dir() => There::Folder,
        Ok(it) if it.is_file() => {
            // A link's file is replaced, not the link.
            wanted = fs::canonicalize(&wanted).map_err(failed)?.display().to_string();
            There::File
        }
        Ok(_) => return Err(Failure::refused(format!("{text} is neither a file nor a folder"))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if fs::symlink_metadata(wanted.trim_end_matches('/')).is_ok() {
                return Err(Failure::refused(format!("{text} is a link that leads nowhere")));
            }
            There::Nothing
        }
        Err(error) => return Err(failed(error)),
    };
    let placed = place(Source { path, shown: path, folder: found.is_folder() }, &wanted, there, text)?;
    let folder = PathBuf::from(&placed.folder);
    match open(&folder) {
        Ok(opened) => Ok((opened, placed)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Failure::refused_with(format!("there is no folder {}", session.caller.shown(&folder)), "make it first"))
        }
        Err(error) => Err(failed(error)),
    }
}

fn open(folder: &Path) -> std::io::Result<File> {
    let opened = File::open(folder)?;
    if opened.metadata()?.is_dir() {
        Ok(opened)
    } else {
        Err(ErrorKind::NotADirectory.into())
    }
}

/// How the archive is unpacked here.
fn rules(session: &Session, args: &CpArgs, path: &str, placed: &Placed) -> Rules {
    let may = rustix::process::geteuid().is_root();
    if args.archive && !may {
        session.say("users and groups are not kept: only root can give files away");
    }
    // Of a folder's content, and of the root, names begin with nothing in common.
    let rename = match (base(path), &placed.name) {
        (_, None) => Rename::No,
        (None, Some(name)) => Rename::Under(name.clone().into_bytes()),
        (Some(_), Some(name)) => Rename::First(name.clone().into_bytes()),
    };
    Rules { trusted: args.archive && may, ways: Ways::None, rename }
}
