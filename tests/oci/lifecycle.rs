//! Verbs one after the other, and what each leaves.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::Stage;

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(5));
    }
}

fn sleeper(stage: &Stage) {
    stage.bundle(&json!({ "process": { "args": ["/bin/sh", "-c", "trap 'echo got; exit 3' TERM; while :; do sleep 0.05; done"] } }));
}

fn status(stage: &Stage) -> String {
    let ran = stage.ours(&["state", "box"]);
    let state: Value = serde_json::from_str(&ran.text).unwrap_or_else(|_| panic!("{}", ran.text));
    state["status"].as_str().unwrap().to_owned()
}

/// Makes the container with its output in a file, as a caller that does not wait does.
pub(crate) fn create(stage: &Stage, words: &[&str]) {
    let out = fs::File::create(stage.path("out")).unwrap();
    let pid_file = stage.path("pid");
    let mut command = stage.command("ours");
    command
        .arg("create")
        .arg("--bundle")
        .arg(stage.bundle_folder())
        .arg("--pid-file")
        .arg(pid_file)
        .args(words)
        .arg("box");
    let status = command.stdout(out.try_clone().unwrap()).stderr(out).status().unwrap();
    assert!(status.success(), "{}", fs::read_to_string(stage.path("out")).unwrap());
}

#[test]
fn a_container_lives_through_every_state() {
    let Some(stage) = Stage::set("lifecycle") else { return };
    sleeper(&stage);
    create(&stage, &[]);
    assert_eq!(status(&stage), "created");
    assert!(!stage.ours(&["create", "--bundle", stage.bundle_folder().to_str().unwrap(), "box"]).ok, "the name is taken");
    let pid: i32 = fs::read_to_string(stage.path("pid")).unwrap().parse().unwrap();
    assert!(fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().contains("create"), "the program does not run yet");
    assert!(stage.ours(&["start", "box"]).ok);
    assert_eq!(status(&stage), "running");
    assert!(!stage.ours(&["start", "box"]).ok && !stage.ours(&["delete", "box"]).ok && !stage.ours(&["resume", "box"]).ok);
    assert!(stage.ours(&["list", "-q"]).text.contains("box"));
    assert!(stage.ours(&["ps", "--format", "json", "box"]).text.contains(&pid.to_string()));
    assert!(stage.ours(&["pause", "box"]).ok);
    assert_eq!(status(&stage), "paused");
    assert!(!stage.ours(&["exec", "box", "/bin/true"]).ok, "nothing begins in a frozen container");
    assert!(stage.ours(&["resume", "box"]).ok);
    assert!(stage.ours(&["kill", "box", "TERM"]).ok);
    until("it ends", || status(&stage) == "stopped");
    assert_eq!(fs::read_to_string(stage.path("out")).unwrap(), "got\n");
    let late = stage.ours(&["kill", "box", "9"]);
    assert!(!late.ok && late.text.contains("container not running"), "{}", late.text);
    assert!(stage.ours(&["delete", "box"]).ok);
    let gone = stage.ours(&["state", "box"]);
    assert!(!gone.ok && gone.text.contains("does not exist"), "{}", gone.text);
    assert!(stage.ours(&["delete", "--force", "box"]).ok && !stage.ours(&["delete", "box"]).ok);
    assert!(stage.leftovers().is_empty(), "{:?}", stage.leftovers());
}

#[test]
fn a_further_process_is_as_confined_as_the_first() {
    let Some(stage) = Stage::set("exec") else { return };
    sleeper(&stage);
    create(&stage, &[]);
    assert!(stage.ours(&["start", "box"]).ok);
    let view = |text: &str| -> Vec<String> {
        let kept = ["status", "cgroup", "mount ", "ns ", "uts", "limit", "open", "syscall", "cwd", "env"];
        let lines = text.lines().filter(|line| kept.iter().any(|it| line.starts_with(it)));
        lines.map(|line| super::normal(line).replace("oci-test/other", "oci-test/case")).collect()
    };
    let inside = stage.ours(&["exec", "box", "/bin/probe"]);
    assert!(inside.ok, "{}", inside.text);
    stage.bundle(&json!({ "process": { "args": ["/bin/probe"] } }));
    let taken = stage.run("ours");
    assert!(!taken.ok && taken.text.contains("linux.cgroupsPath"), "a cgroup with processes is another's: {}", taken.text);
    stage.bundle(&json!({ "process": { "args": ["/bin/probe"] }, "linux": { "cgroupsPath": "/rcompose-oci-test/other" } }));
    let first = stage.run("ours");
    let (first, inside) = (view(&first.text), view(&inside.text));
    let differences: Vec<_> = inside.iter().filter(|it| !first.contains(it) && !it.contains("/made")).collect();
    assert!(inside.len() > 150 && differences.is_empty(), "{differences:?}");
    let as_user = stage.ours(&[
        "exec",
        "--user",
        "1000:1000",
        "--cwd",
        "/data",
        "--env",
        "A=b",
        "box",
        "sh",
        "-c",
        "id -u; pwd; echo $A$HOME; exit 9",
    ]);
    assert_eq!((as_user.status, as_user.text.as_str()), (Some(9), "1000\n/data\nb/home/app\n"));
    assert!(stage.ours(&["delete", "--force", "box"]).ok);
    assert!(stage.leftovers().is_empty());
}

#[test]
fn limits_change_while_it_runs() {
    let Some(stage) = Stage::set("update") else { return };
    sleeper(&stage);
    create(&stage, &[]);
    for (limited, swap) in [("64m", "96m"), ("256m", "300m"), ("32m", "40m")] {
        let ran = stage.ours(&["update", "--memory", limited, "--memory-swap", swap, "box"]);
        assert!(ran.ok, "{}", ran.text);
    }
    assert_eq!(Stage::group("memory/memory.limit_in_bytes", "memory.max"), (32 << 20).to_string());
    let mut child = stage
        .command("ours")
        .args(["update", "--resources", "-", "box"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(br#"{"pids":{"limit":17},"cpu":{"shares":77}}"#).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(Stage::group("pids/pids.max", "pids.max"), "17");
    let wrong = stage.ours(&["update", "--memory", "lots", "box"]);
    assert!(!wrong.ok && wrong.text.contains("--memory lots"), "{}", wrong.text);
    assert!(stage.ours(&["delete", "--force", "box"]).ok);
}

#[test]
fn hooks_run_when_and_where_they_should() {
    let Some(stage) = Stage::set("hooks") else { return };
    let log = stage.path("hooks");
    fs::write(&log, "").unwrap();
    let host = |name: &str| json!([{ "path": "/bin/sh", "args": ["sh", "-c", format!("echo {name} $(cat | tr -d ' ' | grep -o '\"status\":\"[a-z]*\"') >>{}", log.display())] }]);
    // Below the root's folder when the root is not entered yet, and in the root itself afterwards.
    let before = json!([{ "path": "/bin/sh", "args": ["sh", "-c", format!("cat >{}/created", stage.rootfs().display())] }]);
    let after = json!([{ "path": "/bin/sh", "args": ["sh", "-c", "cat >/started"], "env": ["PATH=/bin"] }]);
    stage.bundle(&json!({ "process": { "args": ["/bin/sh", "-c", "cat /created /started; exit 5"] }, "hooks": {
        "prestart": host("prestart"), "createRuntime": host("createRuntime"), "createContainer": before, "startContainer": after,
        "poststart": host("poststart"), "poststop": host("poststop") } }));
    let ran = stage.run("ours");
    assert_eq!(ran.status, Some(5), "{}", ran.text);
    assert!(ran.text.contains(r#""status":"creating""#) && ran.text.contains(r#""status":"created""#), "{}", ran.text);
    let said = fs::read_to_string(&log).unwrap();
    let order: Vec<&str> = said.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(order, ["prestart", "createRuntime", "poststart", "poststop"]);
    assert!(said.contains(r#"poststop "status":"stopped""#), "{said}");
    stage.bundle(&json!({ "hooks": { "prestart": [{ "path": "/bin/sh", "args": ["sh", "-c", "echo no >&2; exit 4"] }] } }));
    let failed = stage.run("ours");
    assert!(!failed.ok && failed.text.contains("prestart") && failed.text.contains("no"), "{}", failed.text);
    stage.bundle(&json!({ "hooks": { "createRuntime": [{ "path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1 }] } }));
    let late = stage.run("ours");
    assert!(!late.ok && late.text.contains("timeout"), "{}", late.text);
    assert!(stage.leftovers().is_empty(), "{:?}", stage.leftovers());
}

#[test]
fn memory_that_runs_out_is_told() {
    let Some(stage) = Stage::set("oom") else { return };
    let greedy = "sleep 0.5; x=$(dd if=/dev/zero bs=1048576 count=100 2>/dev/null | tr '\\0' a); echo ${#x}";
    fs::remove_file(stage.rootfs().join("bin/tr")).ok();
    std::os::unix::fs::symlink("busybox", stage.rootfs().join("bin/tr")).unwrap();
    stage.bundle(&json!({ "process": { "args": ["/bin/sh", "-c", greedy] }, "linux": { "resources": { "memory": { "limit": 16 << 20, "swap": 16 << 20 } } } }));
    create(&stage, &[]);
    let events = stage.command("ours").args(["events", "box"]).stdout(Stdio::piped()).spawn().unwrap();
    assert!(stage.ours(&["start", "box"]).ok);
    let said = String::from_utf8(events.wait_with_output().unwrap().stdout).unwrap();
    assert!(said.contains(r#""type":"oom""#), "{said}");
    assert!(stage.ours(&["delete", "box"]).ok);
}

#[test]
fn descriptors_go_along_only_where_asked() {
    let Some(stage) = Stage::set("fds") else { return };
    stage.bundle(&json!({ "process": { "args": ["/bin/sh", "-c", "ls /proc/self/fd; readlink /proc/self/fd/3"] } }));
    let secret = fs::File::open("/etc/hostname").unwrap();
    // Descriptors without the flag that closes them at execve, as a careless caller leaves them.
    let copies: Vec<_> = (0..40).map(|_| rustix::io::dup(&secret).unwrap()).collect();
    let plain = stage.run("ours");
    assert!(!plain.text.contains("hostname"), "{}", plain.text);
    assert_eq!(
        plain.text.split_whitespace().filter(|it| it.parse::<u32>().is_ok()).collect::<Vec<_>>(),
        ["0", "1", "2", "3"],
        "3 is that of ls itself"
    );
    drop(copies);
    let binary = stage.binary();
    let kept = |count: u32| {
        let line = format!(
            "exec 3</etc/hostname 4</etc/passwd; exec {} oci --root {} run --preserve-fds {count} --bundle {} fds",
            binary.display(),
            stage.path("ours").display(),
            stage.bundle_folder().display()
        );
        std::process::Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().unwrap()
    };
    stage.bundle(&json!({ "process": { "args": ["/bin/sh", "-c", "for i in /proc/self/fd/*; do readlink $i; done; true"] } }));
    let two = kept(2);
    let said = String::from_utf8_lossy(&two.stdout);
    assert!(two.status.success() && said.contains("/etc/hostname") && said.contains("/etc/passwd"), "{said}");
    assert!(!said.contains("socket") && !said.contains("anon_inode") && !said.contains("memfd"), "{said}");
    let many = kept(9);
    let said = String::from_utf8_lossy(&many.stderr);
    assert!(!many.status.success() && said.contains("the descriptor 5"), "{said}");
}

#[test]
fn another_user_of_the_host_finds_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let Some(stage) = Stage::set("private") else { return };
    sleeper(&stage);
    create(&stage, &[]);
    let mut open = Vec::new();
    let mut folders = vec![stage.path("ours")];
    let mode = fs::metadata(stage.path("ours")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let mode = entry.metadata().unwrap().permissions().mode();
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
            if mode & 0o077 != 0 && !entry.path().ends_with("start.sock") {
                open.push((entry.path(), format!("{mode:o}")));
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(stage.ours(&["delete", "--force", "box"]).ok);
}
