//! Files copied into containers of ours and out of them: what is mounted, full disks, and what a killed command leaves.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::ground::Ground;
use crate::project::{Project, assert_nothing_left, until};

const MOUNTS: &str = "
services:
  one:
    image: rcompose-test/shell:1
    command: sleep 1000
    init: true
    stop_grace_period: 1s
    tmpfs: [/memory]
    volumes: ['small:/small', 'data:/data/deep/er', './conf:/etc/app.conf']
volumes:
  data: {}
  small: {driver_opts: {type: tmpfs, device: tmpfs, o: 'size=1m'}}
";

fn refused(project: &Project<'_>, words: &[&str], why: &str) {
    let output = project.command(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains(why), "{words:?}: {said}");
}

fn mounts_below(folder: &Path) -> Vec<String> {
    let all = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let folder = folder.display().to_string();
    all.lines()
        .filter_map(|it| it.split(' ').nth(4))
        .filter(|it| it.starts_with(&folder))
        .map(str::to_owned)
        .collect()
}

/// A project with a file that is bound, and files here to be copied.
fn furnish<'a>(ground: &'a Ground, name: &str) -> (Project<'a>, String, String) {
    let project = Project::new(ground, name, MOUNTS);
    let folder = ground.folder.path().join(name);
    std::fs::write(folder.join("conf"), "bound\n").unwrap();
    std::fs::write(folder.join("new"), "new\n").unwrap();
    std::fs::write(folder.join("large"), vec![7; 3 << 20]).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let (new, large) = (path("new"), path("large"));
    (project, new, large)
}

#[test]
fn what_is_mounted_is_not_replaced() {
    let Some(ground) = Ground::new() else { return };
    let (project, new, _) = furnish(&ground, "mounted");
    let bound = ground.folder.path().join("mounted/conf");
    project.ok(&["up", "-d"]);
    let hosts = project.ok(&["exec", "-T", "one", "cat", "/etc/hosts"]);
    for state in ["running", "stopped"] {
        for place in ["one:/etc/app.conf", "one:/etc/hosts"] {
            refused(&project, &["cp", &new, place], "something is mounted there");
        }
        assert_eq!(std::fs::read_to_string(&bound).unwrap(), "bound\n", "{state}");
        project.ok(&["cp", "one:/etc/app.conf", &format!("{new}.{state}")]);
        assert_eq!(std::fs::read_to_string(format!("{new}.{state}")).unwrap(), "bound\n", "{state}");
        project.ok(&["stop"]);
    }
    project.ok(&["start"]);
    assert_eq!(project.ok(&["exec", "-T", "one", "cat", "/etc/app.conf"]), "bound\n");
    assert_eq!(project.ok(&["exec", "-T", "one", "cat", "/etc/hosts"]), hosts);
    project.ok(&["down", "-t", "1", "-v"]);
    assert_nothing_left(&ground, &project.name);
}

#[test]
fn a_full_disk_is_said_and_half_a_file_is_none() {
    let Some(ground) = Ground::new() else { return };
    let (project, _, large) = furnish(&ground, "full");
    project.ok(&["create"]);
    refused(&project, &["cp", &large, "one:/small/large"], "the disk is full");
    project.ok(&["start"]);
    refused(&project, &["cp", &large, "one:/small/large"], "the disk is full");
    assert_eq!(project.ok(&["exec", "-T", "one", "sh", "-c", "ls -A /small"]), "");
    project.ok(&["down", "-t", "1", "-v"]);
    assert_nothing_left(&ground, &project.name);
}

#[test]
fn a_container_that_does_not_run_is_as_before_when_it_was_copied_into() {
    let Some(ground) = Ground::new() else { return };
    let (project, new, _) = furnish(&ground, "stopped");
    let root = ground.root();
    // Never started: the places of its mounts are still to be made.
    project.ok(&["create"]);
    project.ok(&["cp", &new, "one:/data/deep/er/first"]);
    project.ok(&["cp", &new, "one:/data/own"]);
    project.ok(&["cp", &new, "one:/etc/"]);
    refused(&project, &["cp", &new, "one:/memory/lost"], "only while the container runs");
    assert_eq!(mounts_below(&root), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(root.join("run/holds")).map_or(0, Iterator::count), 0, "a volume is still held");
    let volume = root.join("volumes").join(format!("{}_data", project.name)).join("_data");
    assert_eq!(std::fs::read_to_string(volume.join("first")).unwrap(), "new\n", "it is in the volume");
    project.ok(&["start"]);
    for path in ["/data/deep/er/first", "/data/own", "/etc/new"] {
        assert_eq!(project.ok(&["exec", "-T", "one", "cat", path]), "new\n", "{path}");
    }
    project.ok(&["down", "-t", "1", "-v"]);
    assert_nothing_left(&ground, &project.name);
}

#[test]
fn a_killed_copy_leaves_nothing_that_the_next_command_cannot_mend() {
    let Some(ground) = Ground::new() else { return };
    let (project, new, _) = furnish(&ground, "killed");
    project.ok(&["create"]);
    let archive = {
        let output = project.command(&["cp", "one:/bin", "-"]).output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    for part in [700, archive.len() / 2] {
        let mut child = project
            .command(&["cp", "-", "one:/small"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(&archive[..part.min(200 << 10)]).unwrap();
        // It waits for the rest, and holds the container meanwhile.
        std::thread::sleep(Duration::from_millis(700));
        let begun = Instant::now();
        let mut waiting = project.command(&["start"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        assert!(waiting.try_wait().unwrap().is_none(), "it is started while it is copied into");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(waiting.wait().unwrap().success() && begun.elapsed() < Duration::from_secs(20));
        project.ok(&["cp", &new, "one:/small/"]);
        assert_eq!(project.ok(&["exec", "-T", "one", "cat", "/small/new"]), "new\n");
        project.ok(&["stop"]);
        until("nothing is mounted", || mounts_below(&ground.root()).is_empty());
    }
    project.ok(&["down", "-t", "1", "-v"]);
    assert_nothing_left(&ground, &project.name);
}

#[test]
fn a_copy_ends_with_the_container_that_it_is_of() {
    let Some(ground) = Ground::new() else { return };
    let (project, _, large) = furnish(&ground, "ended");
    project.ok(&["up", "-d"]);
    project.ok(&["cp", &large, "one:/large"]);
    // In: it waits for the rest of the archive.
    let mut child = project.command(&["cp", "-", "one:/"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let archive = project.command(&["cp", "one:/large", "-"]).output().unwrap().stdout;
    input.write_all(&archive[..100_000]).unwrap();
    // Out: nobody reads on.
    let mut stalled = project.command(&["cp", "one:/", "-"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    project.ok(&["restart", "-t", "0"]);
    until("the copy has ended", || child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("the container ended meanwhile"), "{said}");
    assert_eq!(
        project.ok(&["exec", "-T", "one", "sh", "-c", "cat /large | wc -c"]).trim(),
        (3 << 20).to_string(),
        "it was lost"
    );
    assert!(!project.ok(&["exec", "-T", "one", "ls", "-a", "/"]).contains(".rcompose"), "half of it was kept");
    stalled.kill().unwrap();
    stalled.wait().unwrap();
    project.ok(&["down", "-t", "1", "-v"]);
    assert_nothing_left(&ground, &project.name);
}
