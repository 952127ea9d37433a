//! What a shim and a guardian cost.

use std::fs;

use rcompose_supervise::Stream;
use rustix::process::Pid;

use crate::bundle;
use crate::rig::{Rig, until};

/// The figure of issue 4.
const MOST: u64 = 1024;

/// Proportional set size in KiB.
fn pss(pid: Pid) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero())).unwrap();
    let line = text.lines().find(|it| it.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// `RCOMPOSE_PROGRAM` measures another program with the same hidden verbs, as the command line itself; its figure is held to the limit,
/// while that of a debug build is only printed.
#[test]
fn a_shim_stays_under_a_mebibyte() {
    let given = std::env::var_os("RCOMPOSE_PROGRAM");
    let is_plain = given.as_ref().is_some_and(|it| it.to_string_lossy().ends_with("plain-supervisor"));
    let is_real = bundle::missing().is_none() && !is_plain;
    let program = given
        .clone()
        .unwrap_or_else(|| if is_real { env!("CARGO_BIN_EXE_oci-supervisor") } else { crate::rig::PROGRAM }.into());
    let rig = Rig::with(program.as_ref());
    let run = |name: &str, script: &str| {
        let task = if is_real {
            bundle::task(&rig, name, script, false)
        } else {
            rig.task(name, &["/bin/sh", "-c", script])
        };
        rig.run(name, &task);
    };
    run("a", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; sleep 1000");
    until("it has written", || rig.text("a", Stream::Out).ends_with("1999\n"));
    rig.client.status("a").unwrap();
    // Memory is given back when nothing happened for a second.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    if std::env::var_os("SMAPS").is_some() {
        println!("{}", fs::read_to_string(format!("/proc/{}/smaps", rig.shim("a").unwrap().as_raw_nonzero())).unwrap());
    }
    let one = (pss(rig.shim("a").unwrap()), pss(rig.guardian().unwrap()));
    let names: Vec<String> = (0..9).map(|it| format!("b{it}")).collect();
    names.iter().for_each(|it| run(it, "sleep 1000"));
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let ten = (pss(rig.shim("a").unwrap()), pss(rig.guardian().unwrap()));
    println!(
        "{}: PSS of a shim {} KiB and its guardian {} KiB; beside nine others {} KiB and {} KiB",
        program.display(),
        one.0,
        one.1,
        ten.0,
        ten.1
    );
    assert!(one.0 <= MOST || given.is_none() && cfg!(debug_assertions), "{one:?}");
    for name in names.iter().map(String::as_str).chain(["a"]) {
        rig.client.control(name).unwrap().stop(Some(9), None).unwrap();
        rig.end(name);
    }
    rig.settle();
}
