//! Makes, fills, freezes and removes control groups.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::sys;
use crate::error::{Result, RuntimeError};
use crate::plan::cgroup::{EbpfInstruction, Folder, Plan, Write};

/// The file that says which controllers the groups below have; source: cgroups(7).
const HANDED_DOWN: &str = "cgroup.subtree_control";
/// How long a group that was emptied may still be busy.
const BUSY: Duration = Duration::from_secs(2);

/// Makes the groups and sets their limits. On an error, what was made is removed.
pub(crate) fn make(plan: &Plan) -> Result<()> {
    if let [first, ..] = processes(&plan.folders).as_slice() {
        let path = best(&plan.folders).map(|it| it.path.display().to_string()).unwrap_or_default();
        return Err(RuntimeError::field(
            "linux.cgroupsPath",
            format!("{path} is not empty: process {first} is in it, and would end with the container"),
        ));
    }
    for (at, folder) in plan.folders.iter().enumerate() {
        if let Err(error) = make_one(folder) {
            // What cannot be removed here was not made here, or says so at delete.
            let _ = remove(&plan.folders[..=at]);
            return Err(error);
        }
    }
    if let (Some(program), Some(folder)) = (&plan.devices, plan.folders.iter().find(|it| it.unified))
        && let Err(error) = attach_devices(&folder.path, program)
    {
        let _ = remove(&plan.folders);
        return Err(RuntimeError::step("attach the device rules to the cgroup (linux.resources.devices)", error));
    }
    Ok(())
}

fn make_one(folder: &Folder) -> Result<()> {
    let file = |error| RuntimeError::file("make the cgroup", &folder.path, error);
    if folder.unified {
        enable(folder);
    }
    match make_folder(&folder.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_all(folder),
        other => other,
    }
    .map_err(file)?;
    if folder.controllers.iter().any(|it| it == "cpuset") && !folder.unified {
        for name in ["cpuset.cpus", "cpuset.mems"] {
            inherit_cpuset(folder, &folder.path, name).map_err(file)?;
        }
    }
    apply(folder)
}

/// Makes the folder and those above it.
fn make_all(folder: &Folder) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .path
        .ancestors()
        .skip(1)
        .take_while(|it| it.starts_with(&folder.mount) && !it.exists())
        .collect();
    for path in missing.into_iter().rev() {
        make_folder(path)?;
    }
    if folder.unified {
        // Of all of them: whoever made one just now may not have got so far.
        enable(folder);
    }
    make_folder(&folder.path)
}

/// Makes a folder, unless somebody else did.
fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Hands the controllers down to the folder; one that cannot be handed down shows when a limit is written.
fn enable(folder: &Folder) {
    let Some(parent) = folder.path.parent() else { return };
    // Mostly others went this way before, and what a folder hands down its parent does, too.
    let handed = fs::read_to_string(parent.join(HANDED_DOWN)).unwrap_or_default();
    if folder.controllers.iter().all(|it| has(&handed, it)) {
        return;
    }
    let mut above: Vec<&Path> = parent.ancestors().take_while(|it| it.starts_with(&folder.mount)).collect();
    above.reverse();
    for path in above {
        enable_at(path, &folder.controllers);
    }
}

fn enable_at(path: &Path, controllers: &[String]) {
    let enabled = fs::read_to_string(path.join(HANDED_DOWN)).unwrap_or_default();
    for controller in controllers.iter().filter(|it| !has(&enabled, it)) {
        // Refused while processes are in the group, or where the rights are missing.
        let _ = fs::write(path.join(HANDED_DOWN), format!("+{controller}"));
    }
}

fn has(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|it| it == word)
}

/// Returns what a cpuset has. One of v1 begins empty, and takes no process until it has what its parent has; that may be empty, too: whoever
/// made it just now may not have got so far.
fn inherit_cpuset(folder: &Folder, path: &Path, name: &str) -> io::Result<String> {
    let own = fs::read_to_string(path.join(name))?.trim().to_owned();
    let above = path.parent().filter(|_| own.is_empty() && path != folder.mount);
    let Some(above) = above else { return Ok(own) };
    let inherited = inherit_cpuset(folder, above, name)?;
    fs::write(path.join(name), &inherited)?;
    Ok(inherited)
}

/// Writes the limits of a folder.
pub(crate) fn apply(folder: &Folder) -> Result<()> {
    let mut later: Vec<&Write> = Vec::new();
    // The rules of devices are a dozen lines for one file, each a write of its own.
    for run in folder.writes.chunk_by(|one, next| one.file == next.file) {
        let mut file = None;
        for write in run {
            match put(&mut file, &folder.path, write) {
                // v1 holds memory ≤ memory and swap: what is to grow goes in the other order.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) && is_memory(write) => later.push(write),
                Err(error) => return Err(failed(folder, write, error)),
                Ok(()) => {}
            }
        }
    }
    for write in later {
        put(&mut None, &folder.path, write).map_err(|error| failed(folder, write, error))?;
    }
    Ok(())
}

fn is_memory(write: &Write) -> bool {
    matches!(write.file.as_str(), "memory.limit_in_bytes" | "memory.memsw.limit_in_bytes" | "cpu.cfs_period_us")
}

fn failed(folder: &Folder, write: &Write, error: io::Error) -> RuntimeError {
    RuntimeError::step(format!("set `{}`: write {:?} to {}", write.field, write.text, folder.path.join(&write.file).display()), error)
}

/// Writes a setting to its file, which may be open already.
fn put(file: &mut Option<fs::File>, folder: &Path, write: &Write) -> io::Result<()> {
    let open = |name: &str| fs::OpenOptions::new().write(true).open(folder.join(name));
    let mut opened = match file.take() {
        Some(file) => file,
        None => match (open(&write.file), alternative(&write.file)) {
            (Err(error), Some(other)) if error.kind() == io::ErrorKind::NotFound => open(other)?,
            (opened, _) => opened?,
        },
    };
    let written = io::Write::write_all(&mut opened, write.text.as_bytes());
    *file = Some(opened);
    written
}

/// Names under which some kernels have the same setting.
fn alternative(file: &str) -> Option<&'static str> {
    Some(match file {
        "blkio.weight" => "blkio.bfq.weight",
        "blkio.weight_device" => "blkio.bfq.weight_device",
        "io.weight" => "io.bfq.weight",
        _ => return None,
    })
}

/// Opens the ways in for a process that enters by itself: the files of v1, and the folder of v2 to be cloned into.
pub(crate) fn doors(folders: &[Folder]) -> Result<(Vec<OwnedFd>, Option<OwnedFd>)> {
    let (mut tasks, mut unified) = (Vec::new(), None);
    for folder in folders {
        let path = if folder.unified { folder.path.clone() } else { folder.path.join("tasks") };
        let opened = fs::OpenOptions::new().read(folder.unified).write(!folder.unified).open(&path);
        let opened = OwnedFd::from(opened.map_err(|error| RuntimeError::file("open the cgroup", path, error))?);
        if folder.unified {
            unified = Some(opened);
        } else {
            tasks.push(opened);
        }
    }
    Ok((tasks, unified))
}

/// Puts a process into the groups.
pub(crate) fn enter(folders: &[Folder], pid: libc::pid_t) -> Result<()> {
    for folder in folders {
        let file = folder.path.join("cgroup.procs");
        fs::write(&file, pid.to_string()).map_err(|error| RuntimeError::file("put the process into the cgroup", file, error))?;
    }
    Ok(())
}

/// Lists the processes of the groups and of those below.
pub(crate) fn processes(folders: &[Folder]) -> Vec<libc::pid_t> {
    let Some(folder) = best(folders) else { return Vec::new() };
    let mut found = Vec::new();
    for path in tree(&folder.path) {
        let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        found.extend(text.lines().filter_map(|line| line.parse::<libc::pid_t>().ok()).filter(|it| *it != 0));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The group that tells most surely who belongs to the container: the one that decides about devices, else any.
fn best(folders: &[Folder]) -> Option<&Folder> {
    let devices = folders.iter().find(|it| it.controllers.iter().any(|name| name == "devices"));
    devices.or_else(|| folders.iter().find(|it| it.unified)).or_else(|| folders.first())
}

/// A folder and everything below, deepest last.
fn tree(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    let mut at = 0;
    while let Some(folder) = found.get(at).cloned() {
        at += 1;
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        found.extend(entries.filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir())).map(|it| it.path()));
    }
    found
}

/// Sends a signal to every process of the groups, until none is left that had not been sent it.
pub(crate) fn kill(folders: &[Folder], signal: i32) {
    if signal == libc::SIGKILL
        && let Some(unified) = folders.iter().find(|it| it.unified)
        && fs::write(unified.path.join("cgroup.kill"), "1").is_ok()
    {
        return;
    }
    // Frozen, nothing can fork away from the signal.
    let frozen = freeze(folders, true).is_ok();
    for pid in processes(folders) {
        // SAFETY: only numbers are passed.
        unsafe { libc::kill(pid, signal) };
    }
    if frozen {
        // Where it fails the group is gone, and so are its processes.
        let _ = freeze(folders, false);
    }
}

/// Stops or resumes everything in the groups.
pub(crate) fn freeze(folders: &[Folder], frozen: bool) -> Result<()> {
    let v1 = folders.iter().find(|it| it.controllers.iter().any(|name| name == "freezer"));
    let (folder, file, word, wanted) = match (v1, folders.iter().find(|it| it.unified)) {
        (Some(v1), _) => (v1, "freezer.state", if frozen { "FROZEN" } else { "THAWED" }, if frozen { "FROZEN" } else { "THAWED" }),
        (None, Some(v2)) => (v2, "cgroup.freeze", if frozen { "1" } else { "0" }, if frozen { "frozen 1" } else { "frozen 0" }),
        (None, None) => return Err(RuntimeError::unsupported("pause", "no cgroup hierarchy here can freeze processes")),
    };
    let path = folder.path.join(file);
    let shown = if file == "freezer.state" {
        path.clone()
    } else {
        folder.path.join("cgroup.events")
    };
    let until = Instant::now() + BUSY;
    loop {
        // v1 may get stuck half way: writing again goes on.
        fs::write(&path, word).map_err(|error| RuntimeError::file("write", &path, error))?;
        let now = fs::read_to_string(&shown).map_err(|error| RuntimeError::file("read", &shown, error))?;
        if now.lines().any(|line| line.trim() == wanted) {
            return Ok(());
        }
        if Instant::now() > until {
            let _ = fs::write(&path, if frozen { "THAWED" } else { word });
            return Err(RuntimeError::step("freeze the container", io::Error::from(io::ErrorKind::TimedOut)));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns whether the groups are frozen.
pub(crate) fn is_frozen(folders: &[Folder]) -> bool {
    let reads = |folder: &Folder, file: &str| fs::read_to_string(folder.path.join(file)).unwrap_or_default();
    match folders.iter().find(|it| it.controllers.iter().any(|name| name == "freezer")) {
        Some(v1) => matches!(reads(v1, "freezer.state").trim(), "FROZEN" | "FREEZING"),
        None => folders.iter().find(|it| it.unified).is_some_and(|v2| reads(v2, "cgroup.freeze").trim() == "1"),
    }
}

/// Removes the groups and those below; absent ones are removed.
pub(crate) fn remove(folders: &[Folder]) -> Result<()> {
    let mut first = None;
    for folder in folders {
        // Mostly nobody made a group below, and a directory of a cgroup is slow to read.
        if fs::remove_dir(&folder.path).is_ok() {
            continue;
        }
        let mut paths = tree(&folder.path);
        paths.reverse();
        for path in paths {
            if let Err(error) = remove_one(&path) {
                first.get_or_insert(RuntimeError::file("remove the cgroup", path, error));
            }
        }
    }
    first.map_or(Ok(()), Err)
}

fn remove_one(path: &Path) -> io::Result<()> {
    let until = Instant::now() + BUSY;
    loop {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // A process that was reaped a moment ago may still be counted.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(1))
            }
            other => return other,
        }
    }
}

/// Fields of `union bpf_attr` for loading a program; source: bpf(2).
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

/// Fields of `union bpf_attr` for attaching one.
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
    replace: u32,
}

fn bpf<T>(command: i32, attributes: &T) -> io::Result<i32> {
    // SAFETY: the structure has the size that is passed, and what it points to outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    let number = sys::check(result)?;
    i32::try_from(number).map_err(io::Error::other)
}

/// Lets a program decide about the devices of a group of v2. It lives as long as the group.
pub(crate) fn attach_devices(folder: &Path, program: &[EbpfInstruction]) -> io::Result<()> {
    const LOAD: i32 = 5;
    const ATTACH: i32 = 8;
    const CGROUP_DEVICE_PROGRAM: u32 = 15;
    const CGROUP_DEVICE: u32 = 6;
    const ALLOW_MULTI: u32 = 2;
    let license = c"Apache";
    let load = Load {
        kind: CGROUP_DEVICE_PROGRAM,
        count: u32::try_from(program.len()).map_err(io::Error::other)?,
        instructions: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
    };
    let loaded: OwnedFd = sys::own(bpf(LOAD, &load)?);
    let group = fs::File::open(folder)?;
    let descriptor = |fd: i32| u32::try_from(fd).map_err(io::Error::other);
    let attach = Attach {
        target: descriptor(group.as_raw_fd())?,
        program: descriptor(loaded.as_raw_fd())?,
        kind: CGROUP_DEVICE,
        flags: ALLOW_MULTI,
        replace: 0,
    };
    bpf(ATTACH, &attach).map(drop)
}
