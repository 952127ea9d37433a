//! What is on a machine: taken before a project came and after it went, it must be the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::machine::{Machine, groups};

/// How long what ends by itself may take.
const SETTLING: Duration = Duration::from_secs(10);

/// Everything, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Census(BTreeMap<&'static str, BTreeSet<String>>);

impl Census {
    pub(crate) fn take(machine: &Machine) -> Self {
        let mut files = BTreeSet::new();
        list(&machine.seen(&machine.root()), Path::new(""), &mut files);
        let rules = rcompose_network::Firewall::open().and_then(|it| rcompose_network::census::projects(&it)).unwrap();
        let (processes, namespaces) = processes(machine);
        Self(BTreeMap::from([
            ("processes", processes),
            ("namespaces", namespaces),
            ("mounts", mounts(machine)),
            ("interfaces", interfaces()),
            ("rules", rules.into_iter().collect()),
            ("ports", ports()),
            ("groups", groups(&machine.project).iter().map(|it| it.display().to_string()).collect()),
            ("files", files),
        ]))
    }

    /// What is more now than then, and which files are gone; of what the kernel takes away in its own time then may have had more.
    fn differences(&self, then: &Self) -> Vec<String> {
        let more = self
            .0
            .iter()
            .flat_map(|(kind, now)| now.difference(&then.0[kind]).map(move |it| format!("{kind}: + {it}")));
        // What was on its way out then is to be gone.
        let lost = then.0["files"].difference(&self.0["files"]).filter(|it| !it.contains(".gone-"));
        more.chain(lost.map(|it| format!("files: - {it}"))).collect()
    }

    /// The machine is as it was then.
    #[track_caller]
    pub(crate) fn assert_again(&self, machine: &Machine) {
        let until = Instant::now() + SETTLING;
        loop {
            let differences = Self::take(machine).differences(self);
            if differences.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "left, or missing: {differences:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Processes by their words, and namespaces that they are in; the machine's own first process, and its own, left out.
fn processes(machine: &Machine) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut processes, mut namespaces) = (BTreeSet::new(), BTreeSet::new());
    let of = |process: &Path| {
        let links = ["net", "mnt", "pid", "ipc", "uts", "cgroup"].map(|it| fs::read_link(process.join("ns").join(it)));
        links.into_iter().flatten().map(|it| it.display().to_string()).collect::<BTreeSet<_>>()
    };
    for entry in fs::read_dir(machine.seen(Path::new("/proc"))).unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse::<u32>().ok()).filter(|it| *it != 1) else {
            continue;
        };
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        processes.insert(format!("{pid} {}", String::from_utf8_lossy(&words).replace('\0', " ")));
        namespaces.extend(of(&entry.path()));
    }
    let own = of(Path::new(&format!("/proc/{}", machine.first())));
    (processes, namespaces.difference(&own).cloned().collect())
}

fn mounts(machine: &Machine) -> BTreeSet<String> {
    let text = fs::read_to_string(format!("/proc/{}/mountinfo", machine.first())).unwrap();
    // Root within the file system, and where it is; source: proc_pid_mountinfo(5). Others on the host unmount what is theirs.
    let all = text.lines().map(|it| it.split(' ').skip(3).take(2).collect::<Vec<_>>().join(" at "));
    all.filter(|it| it.contains(machine.disk().to_str().unwrap())).collect()
}

fn interfaces() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    text.lines().filter_map(|it| Some(it.split_once(':')?.0.trim().to_owned())).collect()
}

/// Addresses where somebody listens, or has bound a socket of datagrams.
fn ports() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (kind, listens) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{kind}")).unwrap_or_default();
        let words = text.lines().map(|it| it.split_whitespace().collect::<Vec<_>>());
        all.extend(words.filter(|it| it.get(3) == Some(&listens)).map(|it| format!("{kind} {}", it[1])));
    }
    all
}

fn list(base: &Path, inside: &Path, all: &mut BTreeSet<String>) {
    for entry in fs::read_dir(base.join(inside)).into_iter().flatten().flatten() {
        let path: PathBuf = inside.join(entry.file_name());
        all.insert(path.display().to_string());
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            list(base, &path, all);
        }
    }
}

/// Processes with their words, by their number on the host.
pub(crate) fn running() -> impl Iterator<Item = (i32, String)> {
    let pids = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).ok()?).into_owned())))
}

/// Guardian or shims of a project's folder; not what they fork, which has their words until it runs a program of its own.
pub(crate) fn lookers(folder: &Path, verb: &str) -> BTreeSet<i32> {
    let folder = folder.display().to_string();
    let parent = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        if fields.next() == Some("Z") {
            None
        } else {
            fields.next()?.parse::<i32>().ok()
        }
    };
    let all: BTreeMap<i32, i32> = running()
        .filter(|(_, words)| words.contains(verb) && words.contains(&folder))
        .filter_map(|(pid, _)| Some((pid, parent(pid)?)))
        .collect();
    all.iter().filter(|(_, parent)| !all.contains_key(parent)).map(|(pid, _)| *pid).collect()
}
