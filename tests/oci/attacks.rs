//! Ways out of a container that runtimes have had, each tried. Every test fails with its defence taken away; how that was seen is said
//! beside it.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::lifecycle::{create, until};
use crate::stage::Stage;

fn shell(script: &str) -> Value {
    json!({ "process": { "args": ["/bin/sh", "-c", script] } })
}

/// What every attack leaves: nothing.
fn clean(stage: &Stage) {
    stage.ours(&["delete", "--force", "box"]);
    assert!(stage.leftovers().is_empty(), "{:?}", stage.leftovers());
}

/// CVE-2019-5736. A container's program is `/proc/self/exe`, which is the runtime; somebody in the container keeps it open by `/proc/PID/exe`,
/// and opens that for writing when it no longer runs. Without `protect` the write succeeds and the copy of the program is changed.
#[test]
fn the_runtime_itself_cannot_be_written_to() {
    let Some(stage) = Stage::set("self") else { return };
    let program = stage.path("rcompose");
    fs::copy(env!("CARGO_BIN_EXE_rcompose"), &program).unwrap();
    let before = (fs::read(&program).unwrap(), fs::metadata(&program).unwrap().mtime());
    // The runtime's libraries, as an image of the attacker would have them.
    let libraries = Command::new("ldd").arg(&program).output().unwrap();
    for word in String::from_utf8_lossy(&libraries.stdout).split_whitespace().filter(|it| it.starts_with('/')) {
        let place = stage.rootfs().join(word.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(word, place).unwrap();
    }
    stage.bundle(&json!({ "process": { "args": ["/bin/sleep", "100"] }, "linux": { "seccomp": null } }));
    create(&stage, &[]);
    assert!(stage.ours(&["start", "box"]).ok);
    // It waits for resources on standard input, and is the runtime's own file.
    let mut victim = stage
        .command("ours")
        .args(["exec", "box", "/proc/self/exe", "oci", "update", "--resources", "-", "x"])
        .spawn()
        .unwrap();
    let attack = r#"
        for i in 1 2 3 4 5 6 7 8 9 10; do for j in 1 2 3 4 5 6 7 8 9 10; do
          for p in /proc/[0-9]*; do
            case "$(cat $p/cmdline 2>/dev/null)" in /proc/self/exe*update*) found=${p#/proc/};; esac
          done
          [ -n "$found" ] && break 2; sleep 0.1
        done; done
        [ -n "$found" ] || { echo none; exit; }
        exec 9</proc/$found/exe || { echo closed; exit; }
        kill -9 $found; sleep 0.3
        echo pwned 2>&1 >/proc/self/fd/9 && echo WRITTEN
        echo tried"#;
    let tried = stage.ours(&["exec", "box", "sh", "-c", attack]);
    victim.kill().ok();
    victim.wait().unwrap();
    assert!(tried.text.contains("tried") && !tried.text.contains("WRITTEN"), "{}", tried.text);
    assert!(tried.text.contains("Read-only file system"), "held by the mount, not by chance: {}", tried.text);
    assert!(before == (fs::read(&program).unwrap(), fs::metadata(&program).unwrap().mtime()), "the program was changed");
    clean(&stage);
}

/// CVE-2024-21626. A working folder or a path by a descriptor that the runtime left open leads to the host. With the descriptors left
/// open, `/proc/self/fd/N` of the root's parent is a way out.
#[test]
fn no_working_folder_leads_out_of_the_root() {
    let Some(stage) = Stage::set("cwd") else { return };
    for number in 3..40 {
        let folder = format!("/proc/self/fd/{number}");
        // `mkdir -p` of the working folder cannot be the defence.
        stage.bundle(&json!({ "process": { "args": ["/bin/sh", "-c", "ls -d ../../../../etc/hostname && echo OUT"], "cwd": folder } }));
        let ran = stage.run("ours");
        assert!(!ran.ok && !ran.text.contains("OUT"), "{folder}: {}", ran.text);
    }
    stage.bundle(&json!({ "process": { "args": ["/bin/sleep", "100"] } }));
    create(&stage, &[]);
    assert!(stage.ours(&["start", "box"]).ok);
    let held = fs::File::open("/").unwrap();
    let copies: Vec<_> = (0..20).map(|_| rustix::io::dup(&held).unwrap()).collect();
    for number in 3..40 {
        let ran = stage.ours(&[
            "exec",
            "--cwd",
            &format!("/proc/self/fd/{number}"),
            "box",
            "sh",
            "-c",
            "pwd; ls etc/hostname && echo OUT",
        ]);
        assert!(!ran.ok && !ran.text.contains("OUT"), "{number}: {}", ran.text);
    }
    // What the caller keeps on purpose is there, and still no way out for the working folder.
    let mut command = stage.command("ours");
    let kept = command
        .args(["exec", "--preserve-fds", "20", "--cwd", "/proc/self/fd/9", "box", "sh", "-c", "echo IN"])
        .output()
        .unwrap();
    assert!(!kept.status.success(), "a preserved folder of the host is no working folder");
    drop(copies);
    clean(&stage);
}

/// CVE-2025-31133. An image's `/dev/null` is a link to a file of the kernel, and masking binds it over other files, writable.
#[test]
fn a_mask_is_the_hosts_null_device_whatever_the_image_has() {
    let Some(stage) = Stage::set("null") else { return };
    fs::create_dir_all(stage.rootfs().join("dev")).unwrap();
    symlink("/proc/sys/kernel/core_pattern", stage.rootfs().join("dev/null")).unwrap();
    stage.bundle(&json!({ "mounts-": ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"],
        "process": { "args": ["/bin/sh", "-c", "stat -c '%t:%T' /etc/secret /proc/keys"] },
        "linux": { "maskedPaths": ["/etc/secret", "/proc/keys"] } }));
    let ran = stage.run("ours");
    // A node of the image that is not the device is refused where the device is to be.
    assert!(!ran.ok && ran.text.contains("/dev/null"), "{}", ran.text);
    fs::remove_file(stage.rootfs().join("dev/null")).unwrap();
    let ran = stage.run("ours");
    assert!(ran.ok && ran.text == "1:3\n1:3\n", "{}", ran.text);
    clean(&stage);
}

/// CVE-2025-52565. `/dev/console` or `/dev/pts` of an image leads elsewhere, and the terminal is bound there before masks exist.
#[test]
fn the_terminal_lies_at_the_console_and_nowhere_else() {
    let Some(stage) = Stage::set("console") else { return };
    fs::create_dir_all(stage.rootfs().join("dev")).unwrap();
    let terminal = json!({ "mounts-": ["/dev", "/dev/shm", "/dev/mqueue"], "process": { "terminal": true, "args": ["/bin/sh", "-c", "ls -l /dev/console"] } });
    symlink("/proc/sys/kernel/core_pattern", stage.rootfs().join("dev/console")).unwrap();
    stage.bundle(&terminal);
    let ran = stage.run("ours");
    assert!(!ran.ok && ran.text.contains("make the terminal"), "{}", ran.text);
    fs::remove_file(stage.rootfs().join("dev/console")).unwrap();
    // No devpts, but a folder of the image with a `ptmx` of its own.
    fs::create_dir_all(stage.rootfs().join("dev/pts")).unwrap();
    fs::write(stage.rootfs().join("dev/pts/ptmx"), "").unwrap();
    let mut without = terminal.clone();
    without["mounts-"].as_array_mut().unwrap().push(json!("/dev/pts"));
    stage.bundle(&without);
    let ran = stage.run("ours");
    assert!(!ran.ok && ran.text.contains("make the terminal"), "{}", ran.text);
    stage.bundle(&terminal);
    let ran = stage.run("ours");
    assert!(ran.ok && ran.text.contains("136,"), "{}", ran.text);
    clean(&stage);
}

/// CVE-2025-52881. What the runtime writes to procfs (labels, sysctls, ids) goes to a file that the container chose.
#[test]
fn writes_to_proc_go_to_proc() {
    let Some(stage) = Stage::set("procfs") else { return };
    let sysctl = json!({ "net.ipv4.ip_forward": "1" });
    for (source, place) in [("tmpfs", "/proc/sys"), ("tmpfs", "/proc/self"), ("tmpfs", "/proc/sys/net/ipv4")] {
        stage.bundle(&json!({ "mounts+": [{ "destination": place, "type": source, "source": "x" }], "linux": { "sysctl": sysctl } }));
        let ran = stage.run("ours");
        assert!(!ran.ok && ran.text.contains(place), "{place}: {}", ran.text);
    }
    // By a link of the image, so that the words of the spec do not show it.
    symlink("/proc/sys/net", stage.rootfs().join("innocent")).unwrap();
    stage.bundle(&json!({ "mounts+": [{ "destination": "/innocent/ipv4", "type": "bind", "source": "$DATA", "options": ["bind"] }], "linux": { "sysctl": sysctl } }));
    let ran = stage.run("ours");
    assert!(!ran.ok && ran.text.contains("/innocent/ipv4"), "{}", ran.text);
    // Without a procfs in the container at all, the write still reaches the container's own parameter, and no file of the image.
    fs::create_dir_all(stage.rootfs().join("proc/sys/net/ipv4")).unwrap();
    fs::write(stage.rootfs().join("proc/sys/net/ipv4/ip_forward"), "untouched").unwrap();
    let mut patch = shell("cat /proc/sys/net/ipv4/ip_forward");
    patch["mounts-"] = json!(["/proc"]);
    patch["linux"] = json!({ "sysctl": sysctl, "maskedPaths": [], "readonlyPaths": [] });
    stage.bundle(&patch);
    let ran = stage.run("ours");
    assert!(ran.ok && ran.text.trim() == "untouched", "{}", ran.text);
    clean(&stage);
}

/// CVE-2019-16884, CVE-2023-27561: `/proc` of the image is a link, and what is mounted there is not what is checked.
#[test]
fn proc_and_sys_are_mounted_at_themselves() {
    let Some(stage) = Stage::set("links") else { return };
    fs::remove_dir(stage.rootfs().join("proc")).unwrap();
    symlink("/data", stage.rootfs().join("proc")).unwrap();
    stage.bundle(&shell("echo in"));
    let ran = stage.run("ours");
    assert!(!ran.ok && ran.text.contains("mount /proc (proc)"), "{}", ran.text);
    clean(&stage);
}

/// A link in the image leads a mount's place out of the root; and a rename while the place is looked up does so now and then.
#[test]
fn places_of_mounts_stay_in_the_root() {
    let Some(stage) = Stage::set("places") else { return };
    let outside = stage.path("outside");
    fs::create_dir_all(outside.join("victim")).unwrap();
    let root = stage.rootfs();
    let up = "../".repeat(20);
    symlink(format!("{up}{}", outside.strip_prefix("/").unwrap().display()), root.join("relative")).unwrap();
    symlink(&outside, root.join("absolute")).unwrap();
    symlink("absolute", root.join("chained")).unwrap();
    for place in [
        "/relative/victim",
        "/absolute/victim",
        "/chained/victim",
        "/chained/../../../victim",
        "/chained/new",
        "/relative/file",
    ] {
        let source = if place.ends_with("file") { "$DATA/file" } else { "$DATA" };
        let mut patch = shell("echo in");
        patch["mounts+"] = json!([{ "destination": place, "type": "bind", "source": source, "options": ["bind"] }]);
        stage.bundle(&patch);
        stage.run("ours");
        assert_eq!(names(&outside), ["victim"], "{place} made something outside");
        assert!(names(&outside.join("victim")).is_empty(), "{place}");
    }
    race(&stage);
    clean(&stage);
}

/// Another process swaps a folder of the place with a link to the outside, as fast as it can.
fn race(stage: &Stage) {
    let root = stage.rootfs();
    let outside = stage.path("outside");
    fs::create_dir_all(root.join("swap")).unwrap();
    symlink(&outside, root.join("swap-link")).unwrap();
    let script = "while :; do mv -T swap swap-folder; mv -T swap-link swap; mv -T swap swap-link; mv -T swap-folder swap; done";
    let mut swapper = Command::new("sh")
        .args(["-c", script])
        .current_dir(&root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut patch = shell("echo in");
    patch["mounts+"] = json!([{ "destination": "/swap/made/by/mount", "type": "bind", "source": "$DATA", "options": ["bind"] }]);
    stage.bundle(&patch);
    for _ in 0..60 {
        stage.run("ours");
        assert_eq!(names(&outside), ["victim"], "the race was won");
    }
    swapper.kill().unwrap();
    swapper.wait().unwrap();
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().flatten().map(|it| it.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The default container of the native engine has exactly Docker's fourteen capabilities, and so has docker's own spec.
#[test]
fn capabilities_are_exactly_the_fourteen_of_docker() {
    let Some(stage) = Stage::set("capabilities") else { return };
    stage.bundle(&shell("cat /proc/self/status"));
    let ran = stage.run("ours");
    let bits: u64 = rcompose_runtime::profile::CAPABILITIES
        .iter()
        .map(|name| 1u64 << rcompose_runtime::plan::capability_number(name).unwrap())
        .sum();
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert!(ran.text.contains(&format!("{set}:\t{bits:016x}")), "{set}: {}", ran.text);
    }
    for set in ["CapInh", "CapAmb"] {
        assert!(ran.text.contains(&format!("{set}:\t{:016x}", 0)), "{set}: {}", ran.text);
    }
}

/// In the host's network namespace every abstract socket of the host can be reached by name: none may be the runtime's.
#[test]
fn a_container_in_the_hosts_network_finds_no_socket_of_the_runtime() {
    let Some(stage) = Stage::set("sockets") else { return };
    let names = || -> Vec<String> {
        let text = fs::read_to_string("/proc/net/unix").unwrap();
        text.lines()
            .filter_map(|line| line.split_whitespace().nth(7))
            .filter(|it| it.starts_with('@'))
            .map(str::to_owned)
            .collect()
    };
    let before = names();
    let mut patch = json!({ "process": { "args": ["/bin/sleep", "100"] } });
    patch["linux"] =
        json!({ "namespaces": [{ "type": "mount" }, { "type": "pid" }, { "type": "ipc" }, { "type": "uts" }], "sysctl": null });
    stage.bundle(&patch);
    create(&stage, &[]);
    let made: Vec<String> = names().into_iter().filter(|it| !before.contains(it) && it.contains("rcompose")).collect();
    assert!(made.is_empty(), "{made:?}");
    assert!(stage.ours(&["start", "box"]).ok);
    let seen = stage.ours(&["exec", "box", "cat", "/proc/net/unix"]);
    assert!(
        seen.ok && !seen.text.contains("@rcompose") && !seen.text.lines().any(|it| it.contains("@") && it.contains("start.sock")),
        "{}",
        seen.text
    );
    clean(&stage);
}

/// A process that awaits its start holds more than its program will: nobody else in the container may look into it.
#[test]
fn a_process_that_awaits_its_start_cannot_be_looked_into() {
    let Some(stage) = Stage::set("waiting") else { return };
    // Without a filter to load it holds no more capabilities than others do, so that nothing else keeps them out.
    stage.bundle(&json!({ "process": { "args": ["/bin/sleep", "100"], "noNewPrivileges": true } }));
    create(&stage, &[]);
    let seen = stage.ours(&[
        "exec",
        "box",
        "sh",
        "-c",
        "for i in exe root fd/0 fd/1 fd/2 fd/3 fd/4 fd/5; do readlink /proc/1/$i && echo SEEN; done; echo tried",
    ]);
    assert!(seen.text.contains("tried") && !seen.text.contains("SEEN"), "{}", seen.text);
    until("it runs", || stage.ours(&["start", "box"]).ok);
    clean(&stage);
}
