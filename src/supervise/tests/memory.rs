//! What a shim and a guardian cost.

use std::fs;

use rustix::process::Pid;

use crate::rig::Rig;

/// Proportional set size in KiB.
fn pss(pid: Pid) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero())).unwrap();
    let line = text.lines().find(|it| it.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// `RCOMPOSE_PROGRAM` measures another program with the same hidden verbs; the figure that counts is that of a release build.
#[test]
fn a_shim_stays_under_a_mebibyte() {
    let program = std::env::var_os("RCOMPOSE_PROGRAM").unwrap_or_else(|| crate::rig::PROGRAM.into());
    let rig = Rig::with(program.as_ref());
    rig.sh("a", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; sleep 1000");
    crate::rig::until("it has written", || rig.text("a", rcompose_supervise::Stream::Out).ends_with("1999\n"));
    let one = (pss(rig.shim("a").unwrap()), pss(rig.guardian().unwrap()));
    let names: Vec<String> = (0..9).map(|it| format!("b{it}")).collect();
    names.iter().for_each(|it| rig.sh(it, "sleep 1000"));
    let ten = (pss(rig.shim("a").unwrap()), pss(rig.guardian().unwrap()));
    println!("PSS: shim {} KiB, guardian {} KiB alone; {} KiB and {} KiB beside nine others", one.0, one.1, ten.0, ten.1);
    assert!(one.0 <= 1024 || cfg!(debug_assertions), "{one:?}");
    for name in names.iter().map(String::as_str).chain(["a"]) {
        rig.client.control(name).unwrap().stop(None, None).unwrap();
        rig.end(name);
    }
    rig.settle();
}
