//! From here into containers.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use futures::future::join_all;
use rcompose_engine_adapter::{ArchiveBytes, ContainerName, ObservedContainer, PathKind};
use rcompose_image::{ImageError, Owners, pack_files};
use rustix::fs::{CWD, FileType, Mode, OFlags, openat};

use super::archive::{standard_input, written};
use super::path::{Placed, Side, Source, There, is_parent, place};
use super::shared::earlier;
use super::{Errand, follow};
use crate::args::CpArgs;
use crate::failure::Failure;
use crate::session::{Live, Session};

/// Copies into all of the containers.
pub(super) async fn copy(
    session: &Session,
    live: &Live,
    args: &CpArgs,
    containers: &[&ObservedContainer],
    from: &Side,
    path: &str,
) -> Result<(), Failure> {
    let local = match from {
        Side::Local(text) => Some(Local::open(session, text, args.follow_link)?),
        Side::Stream | Side::Service { .. } => None,
    };
    if local.is_none() && session.caller.stdin_tty {
        return Err(Failure::usage("an archive is not read from a terminal", "write `rcompose cp - SERVICE:PATH < FILE`"));
    }
    // All is looked at before anything is changed.
    let mut placed = Vec::new();
    for container in containers {
        placed.push(settle(live, local.as_ref(), &container.name, path).await?);
    }
    let words = |name: &ContainerName| format!("copy {} to {name}:{path}", args.source);
    let errands: Vec<Errand<'_>> = containers.iter().map(|it| Errand { container: &it.name, words: words(&it.name) }).collect();
    if session.globals.dry_run {
        return errands.iter().try_for_each(Errand::print);
    }
    let earlier = earlier(containers, &placed);
    let own: Vec<(&Errand<'_>, &Placed)> = errands
        .iter()
        .zip(&placed)
        .zip(&earlier)
        .filter(|(_, earlier)| earlier.is_none())
        .map(|(it, _)| it)
        .collect();
    let done = match local {
        Some(local) => {
            let owners = if args.archive { Owners::Kept } else { Owners::Root };
            join_all(own.into_iter().map(|(errand, placed)| pack(session, live, errand, placed, &local, owners))).await
        }
        None => {
            let archives = standard_input(own.len());
            join_all(
                own.into_iter()
                    .zip(archives)
                    .map(|((errand, placed), archive)| put(session, live, errand, placed, archive)),
            )
            .await
        }
    };
    done.into_iter().collect::<Result<(), Failure>>()?;
    for (errand, earlier) in errands.iter().zip(earlier) {
        if let Some(with) = earlier {
            errand.shared(session, &containers[with].name);
        }
    }
    Ok(())
}

/// What is copied from here.
struct Local {
    thing: OwnedFd,
    /// Absolute, with the `/` or `/.` that it was written with.
    path: String,
    /// As it was written.
    shown: String,
    folder: bool,
}

impl Local {
    fn open(session: &Session, text: &str, follow: bool) -> Result<Self, Failure> {
        if is_parent(text) {
            return Err(Failure::usage(
                format!("{text} has no name that its copy could have"),
                "write the folder's own name, or `PATH/.` for its content",
            ));
        }
        let path = absolute(session, text);
        let nofollow = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        let failed = |errno: rustix::io::Errno| Failure::io(format!("cannot copy {text}"), errno.into());
        let thing = openat(CWD, path.as_str(), OFlags::PATH | OFlags::CLOEXEC | nofollow, Mode::empty()).map_err(failed)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&thing).map_err(failed)?.st_mode);
        if kind == FileType::Socket {
            return Err(Failure::refused(format!("{text} is a socket, and nothing without whoever listens")));
        }
        Ok(Self { thing, path, shown: text.to_owned(), folder: kind == FileType::Directory })
    }
}

/// Makes a path absolute and clean; a `/` or `/.` at its end stays.
pub(super) fn absolute(session: &Session, text: &str) -> String {
    let mut clean = PathBuf::new();
    for part in session.caller.absolute(Path::new(text)).components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => clean.push(part),
        }
    }
    let clean = clean.display().to_string();
    let end = if text == "." || text.ends_with("/.") {
        "/."
    } else if text.ends_with('/') && clean != "/" {
        "/"
    } else {
        ""
    };
    clean + end
}

/// Settles where it comes to stand in one container.
async fn settle(live: &Live, local: Option<&Local>, container: &ContainerName, path: &str) -> Result<Placed, Failure> {
    let (led, found) = follow(live, container, path).await?;
    let shown = format!("{container}:{path}");
    let there = match found.map(|it| it.kind) {
        None => There::Nothing,
        Some(PathKind::Folder) => There::Folder,
        Some(PathKind::File) => There::File,
        Some(PathKind::Special | PathKind::Link { .. }) => {
            return Err(Failure::refused(format!("{shown} is neither a file nor a folder")));
        }
    };
    let Some(local) = local else {
        return match there {
            There::Folder => Ok(Placed { folder: led, name: None }),
            There::File => Err(Failure::refused(format!("{shown} is no folder, and an archive is unpacked into one"))),
            There::Nothing => Err(Failure::refused(format!("there is no folder {shown} to unpack the archive into"))),
        };
    };
    let placed = place(Source { path: &local.path, shown: &local.shown, folder: local.folder }, &led, there, &shown)?;
    if there == There::Nothing && !follow(live, container, &placed.folder).await?.1.is_some_and(|it| it.is_folder()) {
        return Err(Failure::refused_with(format!("there is no folder {}:{}", container, placed.folder), "make it first"));
    }
    Ok(placed)
}

async fn pack(session: &Session, live: &Live, errand: &Errand<'_>, placed: &Placed, local: &Local, owners: Owners) -> Result<(), Failure> {
    let thing = local.thing.try_clone().map_err(|error| Failure::io(format!("cannot copy {}", local.path), error))?;
    let name = placed.name.clone().unwrap_or_else(|| ".".into());
    let (archive, writer) = written(move |out| pack_files(thing, name.as_bytes(), owners, out));
    let put = put(session, live, errand, placed, archive).await;
    match writer.await {
        // Whoever reads tells its own reason for not reading on.
        Ok(Err(error)) if !is_unread(&error) => Err(error.into()),
        Ok(_) => put,
        Err(error) => Err(Failure::io("the work ended in the middle", std::io::Error::other(error))),
    }
}

fn is_unread(error: &ImageError) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<std::io::Error>().is_some_and(|it| it.kind() == std::io::ErrorKind::BrokenPipe) {
            return true;
        }
        next = error.source();
    }
    false
}

async fn put(session: &Session, live: &Live, errand: &Errand<'_>, placed: &Placed, archive: ArchiveBytes) -> Result<(), Failure> {
    errand.begin(session);
    let put = live.engines.streams.unpack(errand.container, &placed.folder, archive).await;
    // Of several errors only the first is told in full.
    errand.end(session, put.is_ok());
    Ok(put?)
}
