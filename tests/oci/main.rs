//! The view from inside a container is the same through runc and through `rcompose oci`, spec by spec. Needs root, runc and gcc.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a test that is left out says so")]

mod attacks;
mod lifecycle;
mod stage;

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use stage::Stage;

/// Lines that differ in every case, and why that is right.
const ACCEPTED: &[(&str, &str)] = &[
    (
        "devices.list: c 10:200 rwm",
        "runc 1.1 gives /dev/net/tun to everybody; the OCI spec does not list it, and later runc took it away",
    ),
    ("mount / /sys/fs/cgroup ", "the spec says `ro`: ours is, runc's tmpfs stays writable"),
    ("mount /null ", "masks are the host's own null device, not the one in the container's /dev (CVE-2025-31133)"),
    ("bundle/rootfs/dev/null /proc/", "as above, of a container without a /dev of its own"),
    ("SigIgn:", "runc hands on what it was started with ignoring; ours begins at the defaults, which is checked"),
    ("cgroup v2 has no such setting", "runc says nothing of a setting of v1 that v2 lacks"),
    ("dir /dev/console", "a file that only the terminal lies on"),
];

#[test]
fn the_view_from_inside_is_that_of_runc() {
    let Some(stage) = Stage::set("view") else { return };
    if !stage.has_runc() {
        println!("skipped: no runc here");
        return;
    }
    let cases: Vec<Value> = serde_json::from_str(include_str!("cases.json")).unwrap();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let filter = std::env::var("CASE").unwrap_or_default();
    let mut wrong = Vec::new();
    for case in cases.iter().filter(|it| it["name"].as_str().unwrap().contains(&filter)) {
        if let Err(differences) = compare(&stage, case) {
            wrong.push(format!("== {}\n{differences}", case["name"].as_str().unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn compare(stage: &Stage, case: &Value) -> Result<(), String> {
    stage.bundle(&case["patch"]);
    let (theirs, ours) = (stage.run("runc"), stage.run("ours"));
    if case["both_fail"] == true {
        return match (theirs.ok, ours.ok) {
            (false, false) => Ok(()),
            (true, false) if case["on_v2"].is_string() && stage::is_unified() => Ok(()),
            other => Err(format!("should fail through both: {other:?}\n{}\n{}", theirs.text, ours.text)),
        };
    }
    if case["refused"].is_string() {
        return if theirs.ok && !ours.ok {
            Ok(())
        } else {
            Err(format!("ours refuses no more: {}", ours.text))
        };
    }
    if case["alone"].is_string() {
        let held = !theirs.ok && ours.ok && ours.text.contains("warning");
        return if held {
            Ok(())
        } else {
            Err(format!("runc {} ours {}\n{}", theirs.ok, ours.ok, ours.text))
        };
    }
    if !theirs.ok || !ours.ok {
        return Err(format!("runc: {}\nours: {}", theirs.text, ours.text));
    }
    let (theirs, ours) = (view(&theirs.text), view(&ours.text));
    if ours.len() < 200 {
        return Err(format!("only {} lines", ours.len()));
    }
    if !ours.iter().any(|it| it.ends_with("SigIgn:\t0000000000000000")) {
        return Err("a signal is ignored".to_owned());
    }
    let own: Vec<&str> = case["lines"].as_object().into_iter().flatten().map(|(line, _)| line.as_str()).collect();
    let accepted = |line: &str| ACCEPTED.iter().any(|(part, _)| line.contains(part)) || own.iter().any(|part| line.contains(part));
    let less = theirs.difference(&ours).filter(|it| !accepted(it)).map(|it| format!("  runc: {it}"));
    let more = ours.difference(&theirs).filter(|it| !accepted(it)).map(|it| format!("  ours: {it}"));
    let all: Vec<String> = less.chain(more).collect();
    if all.is_empty() { Ok(()) } else { Err(all.join("\n")) }
}

/// Lines without the numbers that differ from run to run.
fn view(text: &str) -> BTreeSet<String> {
    text.lines().map(normal).collect()
}

fn normal(line: &str) -> String {
    if let ["session", session, "group", group, "pid", pid] = line.split(' ').collect::<Vec<_>>().as_slice()
        && session == group
        && group == pid
        && *pid != "1"
    {
        return "session of the host's numbers".to_owned();
    }
    if let Some(rest) = line.strip_prefix("mount /proc/self/mountinfo: ") {
        let mut parts: Vec<&str> = rest.split(' ').skip(3).collect();
        parts.iter_mut().for_each(|part| {
            for word in ["shared", "master", "propagate_from"] {
                if part.strip_prefix(word).is_some_and(|it| it.starts_with(':')) {
                    *part = word;
                }
            }
        });
        return format!("mount {}", parts.join(" "));
    }
    let number = |text: &str| {
        let (before, rest) = text.split_once('[')?;
        let (digits, after) = rest.split_once(']')?;
        let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
        // Namespaces and pipes of one run only; the host's own are compared by the caller's links.
        is_number.then(|| {
            if stage::is_of_host(text) {
                text.to_owned()
            } else {
                format!("{before}[N]{after}")
            }
        })
    };
    number(line).unwrap_or_else(|| line.to_owned())
}

#[test]
fn a_malformed_bundle_names_the_field() {
    let Some(stage) = Stage::set("malformed") else { return };
    for (text, words) in [
        (
            r#"{"ociVersion":"1.0.2","process":{"user":{"uid":"root","gid":0},"args":["a"],"cwd":"/"}}"#,
            "process.user.uid",
        ),
        (r#"{"ociVersion":"1.0.2","mounts":[{"destination":7}]}"#, "mounts[0].destination"),
        (r#"{"ociVersion":"1.0.2","linux":{"namespaces":[{"type":"galaxy"}]}}"#, "linux.namespaces[0].type"),
        (
            r#"{"ociVersion":"1.0.2","linux":{"seccomp":{"defaultAction":"SCMP_ACT_MAYBE"}}}"#,
            "linux.seccomp.defaultAction",
        ),
        (r#"{"ociVersion":"1.0.2","linux":{"resources":{"memory":{"limit":"1g"}}}}"#, "linux.resources.memory.limit"),
        (r#"{"ociVersion":"1.0.2"}"#, "`root`"),
        (r#"{"ociVersion":"1.0.2","root":{"path":"rootfs"},"linux":{"namespaces":[{"type":"mount"}]}}"#, "`process`"),
        (r#"{"ociVersion":"1.0.2","#, "config.json"),
        ("[1]", "config.json"),
    ] {
        fs::write(stage.bundle_folder().join("config.json"), text).unwrap();
        let ran = stage.run("ours");
        assert!(!ran.ok && ran.text.contains(words) && ran.text.contains("level=error"), "{text}: {}", ran.text);
        assert_eq!(ran.text.lines().count(), 1, "one line, no trace: {}", ran.text);
    }
    assert!(stage.leftovers().is_empty(), "{:?}", stage.leftovers());
}
