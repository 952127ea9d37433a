//! The folder of state: room on its disk, its documents, and what was left in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rcompose_engine_adapter::labels;
use rcompose_supervise::Record;
use serde::Deserialize;
use serde_json::Value;

use super::Check;
use super::facts::{Disk, Facts};
use crate::document::FORM;
use crate::file;
use crate::place::{Places, is_name};
use crate::upkeep::leftovers::Left;

/// Below this a pull or a build is likely to fill the disk.
const LITTLE: u64 = 1 << 30;
/// Files of an image of usual size.
const FEW: u64 = 20_000;

/// File systems that cannot be the upper layer of an overlay, or forget all. Source: `linux/magic.h`.
const UNFIT: [(u64, &str); 4] = [(0x794c_7630, "overlay"), (0x6969, "nfs"), (0x4d44, "vfat"), (0xff53_4d42, "cifs")];
const TMPFS: u64 = 0x0102_1994;

/// What was found of documents.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Documents {
    /// How many are whole.
    pub(super) whole: usize,
    /// Those that cannot be understood.
    pub(super) damaged: Vec<String>,
    /// Those that a newer version wrote.
    pub(super) newer: Vec<String>,
    /// Volumes whose description is lost; their data is there.
    pub(super) nameless: Vec<String>,
}

/// What every document has.
#[derive(Deserialize)]
struct Any {
    form: u32,
}

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(disk) = &facts.disk {
        checks.extend([room(disk), flags(disk), kind(disk)]);
    }
    let unseen = |name| Check::warning(name, "not looked at: only root may", "what is wrong there is not known", "run this as root");
    match &facts.documents {
        Some(found) => checks.extend(documents_are(found)),
        None => checks.push(unseen("documents")),
    }
    match &facts.leftovers {
        Some(left) => checks.push(leftovers(left)),
        None => checks.push(unseen("leftovers")),
    }
    if !facts.strangers.is_empty() {
        checks.push(Check::warning(
            "other projects",
            format!("the kernel has interfaces or rules of {}", facts.strangers.join(", ")),
            "they are of another RCOMPOSE_ROOT, or left by one that was deleted; their subnets and ports are taken",
            "`rcompose down` with that RCOMPOSE_ROOT; without one, a new start of the machine takes them away",
        ));
    }
    checks
}

fn room(disk: &Disk) -> Check {
    let root = disk.root.display();
    let mebibytes = disk.free >> 20;
    let found = format!("{mebibytes} MiB free for {root}");
    if disk.is_read_only {
        let fix = "mount it with rw, or set RCOMPOSE_ROOT to a folder elsewhere";
        return Check::missing("disk", format!("{root} is read-only"), "neither images nor containers can be kept", fix);
    }
    let fix = "`rcompose system prune -a` frees some; `rcompose system df` shows what takes it";
    if disk.free < LITTLE {
        return Check::warning("disk", found, "pulling an image may fill the disk", fix);
    }
    if let Some(files) = disk.files.filter(|it| *it < FEW) {
        return Check::warning("disk", format!("room for {files} files below {root}"), "pulling an image may use them all up", fix);
    }
    Check::ok("disk", found)
}

fn flags(disk: &Disk) -> Check {
    let set: Vec<&str> = [(disk.is_noexec, "noexec"), (disk.is_nodev, "nodev")]
        .into_iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, name)| name)
        .collect();
    if set.is_empty() {
        return Check::ok("mount flags", "neither noexec nor nodev");
    }
    let means = match (disk.is_noexec, disk.is_nodev) {
        (true, _) => "programs in volumes do not run, and `init: true` does not start",
        (false, _) => "device files in volumes do not work",
    };
    let fix = format!("`mount -o remount,exec,dev` for the file system of {}, or another RCOMPOSE_ROOT", disk.root.display());
    Check::warning("mount flags", set.join(", "), means, fix)
}

fn kind(disk: &Disk) -> Check {
    let fix = "set RCOMPOSE_ROOT to a folder on ext4, xfs or btrfs";
    if let Some((_, name)) = UNFIT.into_iter().find(|(magic, _)| *magic == disk.magic) {
        return Check::missing("file system", name, "it cannot be the upper layer of an overlay, so no container starts", fix);
    }
    if disk.magic == TMPFS {
        return Check::warning("file system", "tmpfs", "images, containers and volumes are gone with the next start of the machine", fix);
    }
    Check::ok("file system", "one that overlays can be made on")
}

fn documents_are(found: &Documents) -> Vec<Check> {
    let mut checks = Vec::new();
    if !found.damaged.is_empty() {
        checks.push(Check::missing(
            "documents",
            format!("damaged: {}", found.damaged.join(", ")),
            "the native engine does nothing over the head of what it cannot understand",
            "bring the file back from a backup; a container's folder may be moved away and `rcompose up` makes it anew",
        ));
    }
    if !found.newer.is_empty() {
        checks.push(Check::missing(
            "documents",
            format!("of a newer version: {}", found.newer.join(", ")),
            "this version does not touch them",
            "use the newer rcompose",
        ));
    }
    if !found.nameless.is_empty() {
        checks.push(Check::warning(
            "documents",
            format!("volumes without a description: {}", found.nameless.join(", ")),
            "their data is there, and the next `up` that names them takes it over",
            "`rcompose up`; or move the folder away yourself, since nothing else removes it",
        ));
    }
    if checks.is_empty() {
        checks.push(Check::ok("documents", format!("all whole, {} of them", found.whole)));
    }
    checks
}

fn leftovers(left: &[Left]) -> Check {
    if left.is_empty() {
        return Check::ok("leftovers", "none");
    }
    let list: Vec<String> = left.iter().map(|it| format!("{} ({})", it.what, it.paths.len())).collect();
    Check::warning("leftovers", list.join(", "), "they take room, and nothing else", "`rcompose system prune` removes them")
}

/// Reads every document, and changes none.
pub(super) fn documents(places: &Places) -> Documents {
    let mut found = Documents::default();
    let mut look = |path: &Path| match file::read::<Value>(path) {
        Ok(None) => false,
        Ok(Some(value)) => {
            match serde_json::from_value::<Any>(value) {
                Ok(any) if any.form > FORM => found.newer.push(path.display().to_string()),
                Ok(_) => found.whole += 1,
                Err(_) => found.damaged.push(path.display().to_string()),
            }
            true
        }
        Err(_) => {
            found.damaged.push(path.display().to_string());
            true
        }
    };
    let names = |folder: PathBuf| file::names(&folder).unwrap_or_default();
    for id in names(places.containers()).iter().filter(|it| is_name(it)) {
        look(&places.container(id).document());
    }
    for name in names(places.networks()).iter().filter(|it| it.ends_with(".json")) {
        look(&places.networks().join(name));
    }
    let volumes = names(places.volumes()).into_iter().filter(|it| is_name(it));
    let nameless: Vec<String> = volumes.filter(|it| !look(&places.volume(it).join("volume.json"))).collect();
    found.nameless = nameless.into_iter().filter(|it| places.volume(it).join("_data").is_dir()).collect();
    for id in names(places.containers()).iter().filter(|it| is_name(it)) {
        let record = places.container(id).record();
        if Record::read(&record).is_err() {
            found.damaged.push(record.display().to_string());
        }
    }
    found
}

/// Names of all projects that documents tell of; nothing where one cannot be read.
pub(super) fn projects(places: &Places) -> Option<BTreeSet<String>> {
    let containers = places.all().ok()?.into_iter().map(|it| it.labels);
    let networks = places.all_networks().ok()?.into_iter().map(|it| it.labels);
    let name = |all: BTreeMap<String, String>| places.project_name(all.get(labels::PROJECT).map(String::as_str));
    Some(containers.chain(networks).map(name).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Verdict;
    use super::*;

    #[test]
    fn documents_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::new(folder.path().join("root"), folder.path().join("run"));
        assert_eq!(documents(&places), Documents::default());
        places.make().unwrap();
        let write = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(&places.container("aa").document(), "{\"form\":1}");
        write(&places.container("bb").document(), "{\"form\":1");
        write(&places.container("cc").record(), "torn");
        write(&places.networks().join("shop_default.json"), "{\"form\":2}");
        write(&places.volume("data").join("volume.json"), "{\"form\":1}");
        fs::create_dir_all(places.volume("lost").join("_data")).unwrap();
        fs::create_dir_all(places.volume("empty")).unwrap();
        let found = documents(&places);
        let text = |path: &Path| path.display().to_string();
        assert_eq!(found.whole, 2);
        assert_eq!(found.damaged, [text(&places.container("bb").document()), text(&places.container("cc").record())]);
        assert_eq!(found.newer, [text(&places.networks().join("shop_default.json"))]);
        assert_eq!(found.nameless, ["lost"]);
        let verdicts: Vec<Verdict> = documents_are(&found).iter().map(|it| it.verdict).collect();
        assert_eq!(verdicts, [Verdict::Missing, Verdict::Missing, Verdict::Warning]);
    }

    #[test]
    fn disks_are_judged() {
        let good = || Disk { root: "/x".into(), free: 1 << 40, files: Some(1 << 30), ..Disk::default() };
        let verdicts = |disk: &Disk| [room(disk).verdict, flags(disk).verdict, kind(disk).verdict];
        use Verdict::{Missing, Ok, Warning};
        for (disk, expected) in [
            (good(), [Ok, Ok, Ok]),
            (Disk { free: 1 << 20, ..good() }, [Warning, Ok, Ok]),
            (Disk { files: Some(10), ..good() }, [Warning, Ok, Ok]),
            (Disk { is_read_only: true, ..good() }, [Missing, Ok, Ok]),
            (Disk { is_noexec: true, ..good() }, [Ok, Warning, Ok]),
            (Disk { is_nodev: true, ..good() }, [Ok, Warning, Ok]),
            (Disk { magic: 0x794c_7630, ..good() }, [Ok, Ok, Missing]),
            (Disk { magic: TMPFS, ..good() }, [Ok, Ok, Warning]),
        ] {
            assert_eq!(verdicts(&disk), expected, "{disk:?}");
        }
    }
}
