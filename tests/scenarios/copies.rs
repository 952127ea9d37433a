//! `cp` and `attach`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Output, Stdio};

use crate::stage::{Stage, text, until};

/// A folder here with something of each kind.
fn furnish(stage: &Stage) {
    let site = stage.path("site");
    fs::create_dir_all(site.join("sub")).unwrap();
    fs::create_dir_all(stage.path("bound")).unwrap();
    fs::write(site.join("index"), "hello\n").unwrap();
    fs::write(site.join("sub/deep"), "deep\n").unwrap();
    fs::hard_link(site.join("index"), site.join("sub/same")).unwrap();
    symlink("../index", site.join("sub/link")).unwrap();
    fs::set_permissions(site.join("index"), fs::Permissions::from_mode(0o640)).unwrap();
    chown(site.join("index"), Some(1003), Some(1004)).unwrap();
}

fn refused(output: &Output, words: &str) {
    let said = text(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains(words), "{}: {said}", output.status);
}

fn cat(stage: &Stage, index: &str, path: &str) -> String {
    stage.ok(&["exec", "-T", "--index", index, "web", "cat", path])
}

#[test]
fn what_is_copied_in_comes_into_every_replica() {
    let Some(stage) = Stage::set("copies") else { return };
    furnish(&stage);
    stage.ok(&["up", "-d", "web"]);
    let output = stage.run(&["cp", "site", "web:/srv"]);
    let said = text(&output.stderr);
    assert!(output.status.success() && said.matches("Copied").count() == 2, "{said}");
    for index in ["1", "2"] {
        assert_eq!(cat(&stage, index, "/srv/index") + &cat(&stage, index, "/srv/sub/link"), "hello\nhello\n");
        let owner = stage.ok(&["exec", "-T", "--index", index, "web", "stat", "-c", "%u:%g %a %h", "/srv/index"]);
        assert_eq!(owner, "0:0 640 2\n", "root's, with its mode and its other name");
    }
    // Into a folder that is there, by its own name; its content by `/.`; a file by another name; one replica only.
    stage.ok(&["cp", "site/sub", "web:/srv"]);
    stage.ok(&["cp", "--index", "2", "site/.", "web:/srv/sub"]);
    stage.ok(&["cp", "-a", "site/index", "web:/srv/other"]);
    stage.ok(&["cp", "-L", "site/sub/link", "web:/srv/followed"]);
    assert_eq!(cat(&stage, "1", "/srv/followed") + &cat(&stage, "2", "/srv/sub/index"), "hello\nhello\n");
    assert_eq!(stage.run(&["exec", "-T", "--index", "1", "web", "cat", "/srv/sub/index"]).status.code(), Some(1));
    let owner = stage.ok(&["exec", "-T", "web", "stat", "-c", "%u:%g", "/srv/other"]);
    assert_eq!(owner, "1003:1004\n", "with -a");
    // Volumes and memory count too.
    stage.ok(&["cp", "--index", "1", "site/index", "web:/data/"]);
    stage.ok(&["cp", "--index", "2", "site/index", "web:data/link-like"]);
    assert_eq!(cat(&stage, "2", "/data/index") + &cat(&stage, "1", "/data/link-like"), "hello\nhello\n");
    let plan = stage.run(&["plan", "web"]);
    assert_eq!(plan.status.code(), Some(0), "nothing of it makes a container differ: {}", text(&plan.stdout));
}

#[test]
fn what_is_copied_out_belongs_to_whoever_calls() {
    let Some(stage) = Stage::set("copies") else { return };
    furnish(&stage);
    stage.ok(&["up", "-d", "web"]);
    stage.ok(&["cp", "-a", "site", "web:/srv"]);
    stage.ok(&["exec", "-T", "--index", "1", "web", "chmod", "4750", "/srv/sub/deep"]);
    let out = |name: &str| stage.path(name);
    stage.ok(&["cp", "web:/srv", "out"]);
    let found = fs::metadata(out("out/index")).unwrap();
    assert_eq!((found.uid(), found.mode() & 0o7777, found.nlink()), (rustix::process::geteuid().as_raw(), 0o640, 2));
    assert_eq!(fs::metadata(out("out/sub/deep")).unwrap().mode() & 0o7777, 0o750, "no program that is more to others");
    stage.ok(&["cp", "web:/srv/sub", "out"]);
    assert_eq!(fs::read_link(out("out/sub/link")).unwrap(), Path::new("../index"));
    stage.ok(&["cp", "web:/srv/sub/link", "out/plain"]);
    assert!(fs::symlink_metadata(out("out/plain")).unwrap().is_symlink());
    stage.ok(&["cp", "-L", "web:/srv/sub/link", "out/followed"]);
    assert_eq!(fs::read_to_string(out("out/followed")).unwrap(), "hello\n");
    stage.ok(&["cp", "web:/srv/.", "out/sub"]);
    assert_eq!(fs::read_to_string(out("out/sub/sub/deep")).unwrap(), "deep\n");
    if rustix::process::geteuid().is_root() {
        stage.ok(&["cp", "-a", "web:/srv/index", "out/kept"]);
        assert_eq!(fs::metadata(out("out/kept")).unwrap().uid(), 1003);
    }
    // Of one that has ended, too.
    stage.ok(&["stop", "web"]);
    stage.ok(&["cp", "web:/srv/index", "out/ended"]);
    stage.ok(&["cp", "out/sub/deep", "web:/srv/while-stopped"]);
    stage.ok(&["cp", "--index", "1", "out/sub/deep", "web:/data/while-stopped"]);
    stage.ok(&["start", "web"]);
    assert_eq!(cat(&stage, "2", "/srv/while-stopped") + &cat(&stage, "1", "/data/while-stopped"), "deep\ndeep\n");
}

#[test]
fn archives_flow_through_standard_input_and_output() {
    let Some(stage) = Stage::set("copies") else { return };
    furnish(&stage);
    stage.ok(&["up", "-d", "web"]);
    stage.ok(&["cp", "site", "web:/srv"]);
    let output = stage.run(&["cp", "web:/srv", "-"]);
    assert!(output.status.success() && output.stdout.len() > 2048, "{}", text(&output.stderr));
    let mut child = stage
        .command(&["cp", "-", "web:/data"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&output.stdout).unwrap();
    assert!(child.wait().unwrap().success());
    // Both replicas have this volume: it is copied once.
    assert_eq!(cat(&stage, "1", "/data/srv/sub/link") + &cat(&stage, "2", "/data/srv/sub/deep"), "hello\ndeep\n");
    let mut child = stage
        .command(&["cp", "-", "web:/srv"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&output.stdout[..700]).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1), "half of an archive is none");
}

#[test]
fn what_cannot_be_copied_is_said_before_anything_is() {
    let Some(stage) = Stage::set("copies") else { return };
    furnish(&stage);
    refused(&stage.run(&["cp", "site", "web:/srv"]), "has no container");
    stage.ok(&["up", "-d", "web", "locked"]);
    let cases: [(&[&str], &str); 10] = [
        (&["cp", "site", "web:/srv/deep/er"], "there is no folder"),
        (&["cp", "site/index", "web:/srv/"], "there is no folder"),
        (&["cp", "absent", "web:/srv"], "absent"),
        (&["cp", "site", "web:/etc/passwd"], "is a folder"),
        (&["cp", "site/index", "web:/bound"], "nothing can be written there"),
        (&["cp", "web:/absent", "out"], "there is no /absent"),
        (&["cp", "web:/etc", "site/index"], "is a folder"),
        (&["cp", "web:/etc/passwd", "absent/deep"], "there is no folder"),
        (&["cp", "--index", "3", "site", "web:/srv"], "no container with number 3"),
        (&["cp", "site/index", "locked:/srv"], "nothing can be written there"),
    ];
    stage.ok(&["exec", "-T", "--index", "1", "web", "mkdir", "-p", "/etc"]);
    stage.ok(&["exec", "-T", "--index", "1", "web", "touch", "/etc/passwd"]);
    for (words, said) in cases {
        let output = stage.run(words);
        let all = text(&output.stderr);
        // Docker's engine says it in its own words.
        let fits = all.contains(said) || (said.contains("written") && all.contains("takes no writes"));
        assert!(output.status.code() == Some(1) && fits, "{words:?}: {all}");
    }
    assert!(!stage.path("out").exists());
    stage.ok(&["cp", "site/index", "locked:/data/through-a-volume"]);
    let output = stage.run(&["--dry-run", "cp", "site", "web:/dry"]);
    assert!(output.status.success() && text(&output.stdout).matches("copy site to").count() == 2);
    refused(&stage.run(&["cp", "web:/dry", "out"]), "there is no /dry");
    // A folder and something else do not replace each other, nor does anything leave the folder here.
    fs::create_dir_all(stage.path("mixed/etc")).unwrap();
    fs::create_dir_all(stage.path("mixed/passwd")).unwrap();
    refused(&stage.run(&["cp", "web:/etc/passwd", "mixed"]), "would replace a folder");
}

#[test]
fn a_link_in_the_container_leads_nowhere_here() {
    let Some(stage) = Stage::set("copies") else { return };
    furnish(&stage);
    let precious = stage.path("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("canary"), "precious\n").unwrap();
    stage.ok(&["up", "-d", "--scale", "web=1", "web"]);
    let shown = precious.display().to_string();
    // One name, by turns a folder and a link to a folder of the host's.
    let swap = format!(
        "mkdir -p /lab/a; echo inside > /lab/a/canary; ln -s {shown} /lab/b; \
         while :; do mv /lab/a /lab/c; mv /lab/b /lab/a; mv /lab/a /lab/b; mv /lab/c /lab/a; done"
    );
    stage.ok(&["exec", "-d", "web", "sh", "-c", &swap]);
    until("the folder is there", || stage.run(&["cp", "web:/lab/a/canary", "first"]).status.success());
    fs::write(stage.path("canary"), "changed\n").unwrap();
    let (mut ins, mut outs) = (0, 0);
    // As often as it takes until one in each direction met the folder, which is a matter of luck.
    for round in 0..600 {
        if round >= 60 && ins > 0 && outs > 0 {
            break;
        }
        ins += u32::from(stage.run(&["cp", "canary", "web:/lab/a/"]).status.success());
        let out = format!("out{round}");
        outs += u32::from(stage.run(&["cp", "web:/lab/a/canary", &out]).status.success());
        let got = fs::read_to_string(stage.path(&out)).unwrap_or_default();
        assert!(!got.contains("precious"), "round {round}: a file of the host came out");
        // As a link it may come, but nothing is taken through it.
        stage.run(&["cp", "web:/lab", "all"]);
        stage.run(&["cp", "web:/lab/a", "all"]);
        assert_eq!(fs::read_to_string(precious.join("canary")).unwrap(), "precious\n", "round {round}");
        assert_eq!(fs::read_dir(&precious).unwrap().count(), 1, "round {round}");
        fs::remove_dir_all(stage.path("all")).unwrap_or_default();
    }
    assert!(ins > 0 && outs > 0, "none of the copies came to anything: {ins} in, {outs} out");
}

/// Tells whether a process has a handler for a signal. Source: proc_pid_status(5), `SigCgt`.
fn catches(pid: u32, signal: rustix::process::Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|it| it.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).is_ok_and(|it| it >> (signal.as_raw() - 1) & 1 == 1)
}

#[test]
fn attach_carries_input_output_and_status() {
    let Some(stage) = Stage::set("copies") else { return };
    fs::create_dir_all(stage.path("bound")).unwrap();
    stage.ok(&["up", "-d", "cat", "echo"]);
    let mut child = stage.command(&["attach", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"to and fro\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "to and fro");
    stage.ok(&["kill", "cat"]);
    assert_eq!(child.wait().unwrap().code(), Some(137));
    refused(&stage.run(&["attach", "cat"]), "is not running");
    // A signal goes on to the process.
    let mut child = stage.command(&["attach", "echo"]).stdout(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    until("the command passes signals on", || catches(child.id(), rustix::process::Signal::USR1));
    rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((said.as_str(), child.wait().unwrap().code()), ("hurt\n", Some(3)));
}
