//! A disk that is full, at each stage of `up`: the one of the state, its inodes, and the memory of what does not outlive a start.
//!
//! `RCOMPOSE_SOAK_LEVELS` sets how many amounts of space are tried in the campaign.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::leaks::Census;
use crate::machine::{Machine, wait_for};

const PROJECT: &str = "
services:
  db:
    image: rcompose-test/shell:1
    command: sleep 1000000
    stop_grace_period: 0s
    volumes: ['data:/data']
    healthcheck: {test: [CMD, 'true'], interval: 1s, start_interval: 100ms, start_period: 10s}
  web:
    image: rcompose-test/shell:1
    command: sh -c 'mkdir -p /www; hostname > /www/index.html; exec httpd -f -p 80 -h /www'
    stop_grace_period: 0s
    ports: ['127.0.0.1:8080:80']
    deploy: {replicas: 2}
    depends_on: {db: {condition: service_healthy}}
    configs: [{source: settings, target: /settings, mode: 0440}]
  copied:
    image: rcompose-test/shell:1
    command: sleep 1000000
    init: true
    stop_grace_period: 0s
    volumes: ['programs:/bin']
configs: {settings: {content: 'a=1'}}
volumes:
  data: {external: true, name: kept_data}
  programs: {}
";
const KEPT: &str = "
services:
  keeper: {image: 'rcompose-test/shell:1', command: sh -c 'echo precious > /data/precious; sync', volumes: ['data:/data']}
volumes: {data: {}}
";

/// What is full.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Full {
    Disk,
    Inodes,
    Memory,
}

impl Full {
    /// Pages, or files, that `up` needs, so many at the most.
    fn steps(self, machine: &Machine) -> u64 {
        let before = self.free(machine);
        machine.ok(&["up", "-d"]);
        let needed = before - self.free(machine);
        machine.ok(&["down", "-t", "0", "-v"]);
        needed + needed / 10 + 2
    }

    fn folder(self, machine: &Machine) -> std::path::PathBuf {
        let folder = if self == Self::Memory { machine.root().join("run") } else { machine.disk() };
        machine.seen(&folder)
    }

    fn free(self, machine: &Machine) -> u64 {
        let found = statvfs(self.folder(machine)).unwrap();
        if self == Self::Inodes {
            found.f_favail
        } else {
            found.f_bavail * found.f_frsize / 4096
        }
    }

    /// Leaves so much.
    fn fill(self, machine: &Machine, left: u64) {
        let folder = self.folder(machine);
        let filler = folder.join("filler");
        // What was removed just now is not free before that is on the disk.
        machine.inside(&["sync"]);
        let much = self.free(machine).saturating_sub(left);
        if self == Self::Inodes {
            fs::create_dir(&filler).unwrap();
            (1..much).for_each(|it| drop(File::create(filler.join(it.to_string())).unwrap()));
        } else if let Ok(filler) = File::create(&filler) {
            // Who writes meanwhile has taken some.
            let _full = fallocate(filler, FallocateFlags::empty(), 0, much * 4096);
        }
    }

    fn clear(self, machine: &Machine) {
        let filler = self.folder(machine).join("filler");
        let gone = if self == Self::Inodes {
            fs::remove_dir_all(&filler)
        } else {
            fs::remove_file(&filler)
        };
        assert!(gone.is_ok() || !filler.exists());
        machine.inside(&["sync"]);
    }
}

fn machine(name: &str) -> Option<Machine> {
    let machine = Machine::new(name, 48, PROJECT)?;
    let keeper = machine.file().with_file_name("keeper.yaml");
    fs::write(&keeper, KEPT).unwrap();
    let words = ["-f", keeper.to_str().unwrap(), "-p", "kept"];
    for verb in [&["up"][..], &["down"]] {
        machine.bare(&[&words, verb].concat());
    }
    Some(machine)
}

/// Up with so much space left: it works, or says what is full; then it is taken down as it is, or goes on once there is space.
fn level(machine: &Machine, full: Full, left: u64, goes_on: bool) -> bool {
    let what = format!("{full:?}, {left} left");
    full.fill(machine, left);
    let said = machine.run_within(&["up", "-d"], Duration::from_secs(60));
    let worked = said.status.success();
    if !worked {
        let names_path = said.err.contains(machine.disk().to_str().unwrap());
        let says_why = ["the disk is full", "No space left on device"].iter().any(|it| said.err.contains(it));
        assert!(names_path && says_why, "{what}: it does not say what is full: {}", said.err);
    }
    let listed = machine.run_within(&["ps", "-a"], Duration::from_secs(60));
    assert!(listed.status.success(), "{what}: {}", listed.err);
    if goes_on {
        full.clear(machine);
        let said = machine.run(&["up", "-d"]);
        assert!(said.status.success(), "{what}, and with space again: {}", said.err);
        let plan = machine.run(&["plan"]);
        assert_eq!(plan.status.code(), Some(0), "{what}: {}{}", plan.out, plan.err);
        let whole = machine.ok(&["exec", "-T", "copied", "sh", "-c", "cat /bin/busybox | wc -c"]);
        assert_eq!(whole.trim(), fs::metadata("/bin/busybox").unwrap().len().to_string(), "{what}");
    }
    let said = machine.run_within(&["down", "-t", "0", "-v"], Duration::from_secs(60));
    assert!(said.status.success(), "{what}: `down`: {}", said.err);
    full.clear(machine);
    worked
}

fn campaign(full: Full, levels: u64) {
    let Some(machine) = machine("full") else { return };
    let most = full.steps(&machine);
    wait_for("the guardian has left", || machine.lookers("__guard").is_empty().then_some(()));
    let before = Census::take(&machine);
    let precious = machine.seen(&machine.root().join("volumes/kept_data/_data/precious"));
    let mut worked = 0;
    for number in 0..levels {
        // Most stages are in the first few of what is needed: half of the levels lie there.
        let left = if number % 2 == 0 { number / 2 } else { most * number / levels };
        worked += u32::from(level(&machine, full, left, number % 4 < 2));
        before.assert_again(&machine);
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious\n", "lost from a volume");
    }
    println!("{full:?} full: {levels} amounts of space up to {most}, `up` worked with {worked}, said which path is full with all others,");
    println!("  went on with space again, and `down` worked on what was full; nothing left, nothing lost");
}

#[test]
fn up_on_a_full_disk_says_so_and_goes_on_when_there_is_space() {
    campaign(Full::Disk, 6);
}

#[test]
fn up_without_inodes_says_so_and_goes_on_when_there_are_some() {
    campaign(Full::Inodes, 4);
}

#[test]
fn up_with_full_memory_says_so_and_goes_on_when_there_is_space() {
    campaign(Full::Memory, 4);
}

fn long_campaign(full: Full) {
    campaign(full, std::env::var("RCOMPOSE_SOAK_LEVELS").ok().and_then(|it| it.parse().ok()).unwrap_or(60));
}

#[test]
#[ignore = "campaign: two minutes"]
fn campaign_of_full_disks() {
    long_campaign(Full::Disk);
}

#[test]
#[ignore = "campaign: two minutes"]
fn campaign_without_inodes() {
    long_campaign(Full::Inodes);
}

#[test]
#[ignore = "campaign: two minutes"]
fn campaign_of_full_memory() {
    long_campaign(Full::Memory);
}

const WRITING: &str = "
services:
  writer:
    image: rcompose-test/shell:1
    command: sh -c 'n=0; until [ -e /dev/shm/go ]; do n=$$((n+1)); echo line $$n; [ $$((n % 100)) != 0 ] || sleep 0.01; done; echo end; exit 3'
    stop_grace_period: 0s
";

#[test]
fn what_is_written_and_who_ends_while_the_disk_is_full_is_there_when_there_is_space() {
    let Some(machine) = Machine::new("writing", 48, WRITING) else {
        return;
    };
    machine.ok(&["up", "-d"]);
    machine.inside(&["sync"]);
    Full::Disk.fill(&machine, 0);
    // More than its pipe holds: it waits until the disk takes it.
    std::thread::sleep(Duration::from_secs(2));
    assert!(machine.ok(&["ps"]).contains("Up"), "it does not run on a full disk");
    machine.ok(&["exec", "-T", "writer", "touch", "/dev/shm/go"]);
    std::thread::sleep(Duration::from_secs(1));
    Full::Disk.clear(&machine);
    let ended = wait_for("it ends", || machine.listed().remove("writer-1").filter(|it| it["State"] == "exited"));
    assert_eq!(ended["ExitCode"], 3);
    let log = machine.ok(&["logs", "--no-log-prefix", "writer"]);
    let lines = log.lines().count() - 1;
    let expected: String = (1..=lines).map(|it| format!("line {it}\n")).collect();
    assert!(log == expected + "end\n", "{lines} lines, not all of them in order");
    machine.ok(&["down", "-t", "0"]);
    assert!(!Path::new(&machine.root()).join("filler").exists());
}

#[test]
fn who_writes_on_a_full_disk_is_taken_down() {
    let Some(machine) = Machine::new("talking", 48, &WRITING.replace("[ -e /dev/shm/go ]", "false")) else {
        return;
    };
    machine.ok(&["up", "-d"]);
    machine.ok(&["down", "-t", "0"]);
    wait_for("the guardian has left", || machine.lookers("__guard").is_empty().then_some(()));
    let before = Census::take(&machine);
    machine.ok(&["up", "-d"]);
    machine.inside(&["sync"]);
    Full::Disk.fill(&machine, 0);
    std::thread::sleep(Duration::from_secs(2));
    let said = machine.run_within(&["down", "-t", "0"], Duration::from_secs(15));
    assert!(said.status.success(), "{}", said.err);
    before.assert_again(&machine);
}
