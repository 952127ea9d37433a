//! The steps inside the mount namespace.

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::place;
use super::{Done, Errand, Failure, Text, at, console, copy_up, hooks, open_self};
use crate::linux::sys::{self, Errno, MountAttributes, Sys, check, resolve, tree_flag};
use crate::linux::tree::PROC;
use crate::linux::wire::{self, Kind};
use crate::plan::options::{Attributes, Parameter, Propagation, attr};
use crate::plan::step::{Act, Device, Mount, Source};

/// Follows the steps. A further process of a container has none.
pub(super) fn walk(errand: &Errand<'_>) -> Done {
    let Some(root) = errand.root else {
        return Ok(());
    };
    at(attach(root), "put the root into the mount namespace")?;
    let mut nothing = None;
    for (number, step) in errand.steps.iter().enumerate() {
        let done = match &step.act {
            Act::ContainerHooks => hooks::run_all(errand, errand.container_hooks),
            act => follow(errand, root, act, &mut nothing),
        };
        done.map_err(|errno| Failure { kind: Kind::Failed, errno, text: Text::Step(number) })?;
    }
    Ok(())
}

/// Cuts the namespace off from the host, and lays the root over everything: from there it becomes `/`, and until then its places are
/// found from its descriptor.
fn attach(root: RawFd) -> Sys<()> {
    let everything = sys::open(c"/", libc::O_PATH | libc::O_DIRECTORY)?;
    let slave = MountAttributes { propagation: libc::MS_SLAVE, ..MountAttributes::default() };
    sys::mount_setattr(everything, true, slave)?;
    // A root cannot be left while it shares with others.
    let private = MountAttributes { propagation: libc::MS_PRIVATE, ..MountAttributes::default() };
    sys::mount_setattr(everything, false, private)?;
    sys::move_mount(root, everything)?;
    sys::close(everything);
    Ok(())
}

/// Follows a step. `nothing` is an empty folder that lies over others, once there is one.
fn follow(errand: &Errand<'_>, root: RawFd, act: &Act, nothing: &mut Option<RawFd>) -> Sys<()> {
    match act {
        Act::Keyring(name) => keyring(name),
        Act::Loopback => loopback(),
        Act::Mount(wanted) => mount(errand, root, wanted),
        Act::Attributes { target, attributes } => {
            let mounted = place::open(root, target, libc::O_PATH, 0)?;
            sys::mount_setattr(
                mounted,
                false,
                MountAttributes { set: attributes.set, clear: attributes.clear, ..MountAttributes::default() },
            )?;
            sys::close(mounted);
            Ok(())
        }
        Act::Device(wanted) => device(errand, root, wanted),
        Act::Folder(target) => place::folder(root, target, 0).map(sys::close),
        Act::Symlink { target, to, replace } => place::symlink(root, target, to, *replace),
        Act::HostHooks => {
            wire::send(errand.report, Kind::HostHooks, 0, b"")?;
            wire::answer(errand.report)
        }
        // Followed by the caller, which has the hooks.
        Act::ContainerHooks => Ok(()),
        Act::Console => console::make(errand, Some(root)),
        Act::Sysctl { file, text } => sysctl(errand, file, text),
        Act::ReadOnly(target) => read_only(root, target),
        Act::Mask(target) => mask(root, target, nothing),
        Act::ReadOnlyRoot => sys::mount_setattr(root, false, MountAttributes { set: attr::RDONLY, ..MountAttributes::default() }),
        Act::EnterRoot { chroot, propagation } => {
            if !errand.groups_first {
                wire::answer(errand.report)?;
            }
            enter(root, *chroot, *propagation)
        }
        // SAFETY: pointer and length are those of the name.
        Act::HostName(name) => check(libc::c_long::from(unsafe { libc::sethostname(name.as_ptr(), name.as_bytes().len()) })).map(drop),
        // SAFETY: pointer and length are those of the name.
        Act::DomainName(name) => check(libc::c_long::from(unsafe { libc::setdomainname(name.as_ptr(), name.as_bytes().len()) })).map(drop),
        // SAFETY: only numbers are passed.
        Act::Personality(domain) => check(libc::c_long::from(unsafe { libc::personality(*domain as libc::c_ulong) })).map(drop),
    }
}

/// A keyring that the container's processes can search, and nobody else's.
fn keyring(name: &CStr) -> Sys<()> {
    const JOIN_SESSION: i32 = 1;
    // SAFETY: the name ends with NUL.
    match check(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION, name.as_ptr()) }) {
        // A kernel without keys has none to leak.
        Ok(_) | Err(Errno(libc::ENOSYS)) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn loopback() -> Sys<()> {
    // SAFETY: only numbers are passed.
    let socket = check(libc::c_long::from(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }))? as RawFd;
    // SAFETY: an all-zero request is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l'.cast_signed();
    request.ifr_name[1] = b'o'.cast_signed();
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request has the type that SIOCSIFFLAGS reads.
    let result = check(libc::c_long::from(unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request) })).map(drop);
    sys::close(socket);
    result
}

fn set(mounted: RawFd, recursive: bool, wanted: Attributes) -> Sys<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    sys::mount_setattr(mounted, recursive, MountAttributes { set: wanted.set, clear: wanted.clear, ..MountAttributes::default() })
}

fn propagate(mounted: RawFd, wanted: Propagation) -> Sys<()> {
    sys::mount_setattr(mounted, wanted.recursive, MountAttributes { propagation: wanted.flag, ..MountAttributes::default() })
}

fn mount(errand: &Errand<'_>, root: RawFd, wanted: &Mount) -> Sys<()> {
    let (mounted, is_folder) = match &wanted.source {
        Source::New { kind, source, parameters } => (new(kind, source, parameters, wanted.attributes)?, true),
        Source::Tree(number) => {
            let tree = *errand.trees.get(*number).ok_or(Errno(libc::EBADF))?;
            set(tree, false, wanted.attributes)?;
            (tree, sys::is(&sys::stat(tree)?, libc::S_IFDIR))
        }
    };
    set(mounted, true, wanted.recursive)?;
    let extra = if wanted.no_symlinks { resolve::NO_SYMLINKS } else { 0 };
    let before = mode_below(root, wanted);
    let target = place::mount_point(root, &wanted.target, is_folder, extra)?;
    // Nothing may stand in for what the kernel says there (CVE-2019-16884, CVE-2025-52881).
    if sys::file_system(target)? == PROC && !wanted.over_proc && sys::file_system(mounted)? != PROC {
        return Err(Errno(libc::EPERM));
    }
    if wanted.copy_up {
        copy_up::copy(target, mounted)?;
    }
    if let Some(mode) = before {
        let opened = sys::openat2(mounted, c".", libc::O_RDONLY | libc::O_DIRECTORY, 0, 0)?;
        // SAFETY: only numbers are passed.
        check(libc::c_long::from(unsafe { libc::fchmod(opened, mode) }))?;
        sys::close(opened);
    }
    sys::move_mount(mounted, target)?;
    sys::close(target);
    for step in &wanted.propagation {
        propagate(mounted, *step)?;
    }
    sys::close(mounted);
    Ok(())
}

/// A tmpfs without a mode of its own has that of the folder it lies on, if there is one.
fn mode_below(root: RawFd, wanted: &Mount) -> Option<u32> {
    let Source::New { kind, parameters, .. } = &wanted.source else {
        return None;
    };
    let has_mode = parameters.iter().any(|it| matches!(it, Parameter::Text(key, _) if key.as_c_str() == c"mode"));
    if kind.as_c_str() != c"tmpfs" || has_mode || wanted.copy_up {
        return None;
    }
    let below = place::open(root, &wanted.target, libc::O_PATH | libc::O_DIRECTORY, 0).ok()?;
    let found = sys::stat(below);
    sys::close(below);
    found.ok().map(|it| it.st_mode & 0o7777)
}

fn new(kind: &CStr, source: &CStr, parameters: &[Parameter], attributes: Attributes) -> Sys<RawFd> {
    let context = sys::fsopen(kind)?;
    if !source.is_empty() {
        sys::fsconfig_text(context, c"source", source)?;
    }
    for parameter in parameters {
        match parameter {
            Parameter::Flag(key) => sys::fsconfig_flag(context, key)?,
            Parameter::Text(key, value) => sys::fsconfig_text(context, key, value)?,
        }
    }
    let mounted = sys::fsmount(context, attributes.set)?;
    sys::close(context);
    Ok(mounted)
}

fn device(errand: &Errand<'_>, root: RawFd, wanted: &Device) -> Sys<()> {
    let Some(tree) = wanted.tree else {
        return place::node(root, &wanted.target, wanted.mode, wanted.number, (wanted.uid, wanted.gid));
    };
    let tree = *errand.trees.get(tree).ok_or(Errno(libc::EBADF))?;
    let target = place::plain_file(root, &wanted.target)?;
    sys::move_mount(tree, target)?;
    sys::close(target);
    sys::close(tree);
    Ok(())
}

fn sysctl(errand: &Errand<'_>, file: &CStr, text: &CStr) -> Sys<()> {
    let opened = open_self(errand, file, libc::O_WRONLY)?;
    let written = sys::write_all(opened, text.to_bytes());
    sys::close(opened);
    written
}

/// Opens a place that may be absent.
fn existing(root: RawFd, target: &CStr) -> Sys<Option<RawFd>> {
    match place::open(root, target, libc::O_PATH, 0) {
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
        other => other.map(Some),
    }
}

fn read_only(root: RawFd, target: &CStr) -> Sys<()> {
    let Some(opened) = existing(root, target)? else {
        return Ok(());
    };
    let tree = sys::open_tree(opened, c"", tree_flag::CLONE | tree_flag::EMPTY_PATH | tree_flag::RECURSIVE)?;
    sys::mount_setattr(tree, false, MountAttributes { set: attr::RDONLY, ..MountAttributes::default() })?;
    sys::move_mount(tree, opened)?;
    sys::close(tree);
    sys::close(opened);
    Ok(())
}

/// A file is hidden by the host's own null device, checked, and a folder by an empty file system, one for all of them: to make one takes longer
/// than all else about it. The image's `/dev/null` is not asked (CVE-2025-31133).
fn mask(root: RawFd, target: &CStr, nothing: &mut Option<RawFd>) -> Sys<()> {
    let Some(opened) = existing(root, target)? else {
        return Ok(());
    };
    let is_folder = sys::is(&sys::stat(opened)?, libc::S_IFDIR);
    let cover = if is_folder && let Some(nothing) = *nothing {
        sys::open_tree(nothing, c"", tree_flag::CLONE | tree_flag::EMPTY_PATH)?
    } else if is_folder {
        let context = sys::fsopen(c"tmpfs")?;
        sys::fsconfig_text(context, c"source", c"tmpfs")?;
        sys::fsconfig_flag(context, c"ro")?;
        let cover = sys::fsmount(context, attr::RDONLY)?;
        sys::close(context);
        cover
    } else {
        let cover = sys::open_tree(libc::AT_FDCWD, c"/dev/null", tree_flag::CLONE)?;
        let found = sys::stat(cover)?;
        if !sys::is(&found, libc::S_IFCHR) || found.st_rdev != libc::makedev(1, 3) {
            return Err(Errno(libc::ENODEV));
        }
        cover
    };
    sys::move_mount(cover, opened)?;
    if is_folder && nothing.is_none() {
        // It goes with the program that comes: only what lies somewhere already can be taken again.
        *nothing = Some(cover);
    } else {
        sys::close(cover);
    }
    sys::close(opened);
    Ok(())
}

/// The root becomes `/`, and nothing of the host is left in the namespace.
fn enter(root: RawFd, chroot: bool, propagation: Option<Propagation>) -> Sys<()> {
    let old = sys::open(c"/", libc::O_PATH | libc::O_DIRECTORY)?;
    // SAFETY: only a descriptor is passed.
    check(libc::c_long::from(unsafe { libc::fchdir(root) }))?;
    if chroot {
        // SAFETY: a constant string.
        check(libc::c_long::from(unsafe { libc::chroot(c".".as_ptr()) }))?;
    } else {
        // The old root ends up on top of the new one, and goes from there; source: pivot_root(2), "pivot_root(".", ".")".
        // SAFETY: two constant strings.
        check(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
        // SAFETY: only a descriptor is passed.
        check(libc::c_long::from(unsafe { libc::fchdir(old) }))?;
        // Unmounting must not reach the host.
        sys::mount_setattr(old, true, MountAttributes { propagation: libc::MS_SLAVE, ..MountAttributes::default() })?;
        // SAFETY: a constant string.
        check(libc::c_long::from(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) }))?;
    }
    sys::close(old);
    // SAFETY: a constant string.
    check(libc::c_long::from(unsafe { libc::chdir(c"/".as_ptr()) }))?;
    propagation.map_or(Ok(()), |wanted| propagate(root, wanted))
}
