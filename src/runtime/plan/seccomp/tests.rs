//! Profiles compiled and run on a machine of our own.

use std::collections::BTreeSet;

use super::*;
use crate::plan::seccomp::names::{Abi, X32_BIT};

fn compiled(json: &str) -> Filter {
    compile(&serde_json::from_str(json).unwrap()).unwrap()
}

fn answer(filter: &Filter, abi: Abi, name: &str, arguments: &[u64]) -> Action {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    Evaluated::of(&filter.program, abi.audit(), abi.number(name).unwrap(), all).unwrap().action
}

const ALL: &str = r#""architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"]"#;

#[test]
fn dockers_profile_answers_as_published() {
    let profile = crate::profile::default_seccomp(&BTreeSet::new()).unwrap();
    let filter = compile(&profile).unwrap();
    let newuser = 0x1000_0000;
    for abi in [Abi::X86_64, Abi::X86, Abi::X32] {
        for name in ["read", "openat", "execve", "futex", "ioctl", "ptrace", "arch_prctl"] {
            assert_eq!(answer(&filter, abi, name, &[]), Action::ALLOW, "{abi:?} {name}");
        }
        for name in ["mount", "reboot", "bpf", "keyctl", "io_uring_setup", "unshare", "kexec_load", "chroot"] {
            assert_eq!(answer(&filter, abi, name, &[]), Action::errno(1), "{abi:?} {name}");
        }
        assert_eq!(answer(&filter, abi, "clone3", &[]), Action::errno(38));
        assert_eq!(answer(&filter, abi, "clone", &[17]), Action::ALLOW);
        assert_eq!(answer(&filter, abi, "clone", &[17 | newuser]), Action::errno(1));
        assert_eq!(answer(&filter, abi, "socket", &[40]), Action::errno(1));
        assert_eq!(answer(&filter, abi, "socket", &[2]), Action::ALLOW);
        assert_eq!(answer(&filter, abi, "personality", &[0xFFFF_FFFF]), Action::ALLOW);
        assert_eq!(answer(&filter, abi, "personality", &[1]), Action::errno(1));
    }
    let foreign = Evaluated::of(&filter.program, Abi::Aarch64.audit(), 0, [0; 6]).unwrap();
    assert_eq!(foreign.action, Action::KILL_THREAD, "an ABI that the profile does not name");
    let steps = (0..500).map(|number| Evaluated::of(&filter.program, Abi::X86_64.audit(), number, [0; 6]).unwrap().steps);
    assert!(steps.max().unwrap() < 60, "a call costs few instructions");
}

#[test]
fn a_capability_adds_its_calls() {
    let admin = crate::profile::default_seccomp(&BTreeSet::from(["CAP_SYS_ADMIN".to_owned(), "CAP_SYS_CHROOT".to_owned()])).unwrap();
    let filter = compile(&admin).unwrap();
    for (name, arguments) in [("mount", &[][..]), ("clone", &[0x1000_0000]), ("clone3", &[]), ("chroot", &[])] {
        assert_eq!(answer(&filter, Abi::X86_64, name, arguments), Action::ALLOW, "{name}");
    }
    assert_eq!(answer(&filter, Abi::X86_64, "reboot", &[]), Action::errno(1));
}

#[test]
fn x32_that_is_not_named_is_no_way_around() {
    let filter = compiled(r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount"],"action":"SCMP_ACT_ERRNO"}]}"#);
    assert_eq!(answer(&filter, Abi::X86_64, "mount", &[]), Action::errno(1));
    assert_eq!(answer(&filter, Abi::X86_64, "read", &[]), Action::ALLOW);
    assert_eq!(answer(&filter, Abi::X32, "mount", &[]), Action::KILL_THREAD);
    let i386 = Evaluated::of(&filter.program, Abi::X86.audit(), 21, [0; 6]).unwrap();
    assert_eq!(i386.action, Action::KILL_THREAD);
}

#[test]
fn every_comparison_is_of_sixty_four_bits() {
    let big = 0x1_0000_0005u64;
    type Case = (&'static str, &'static str, fn(u64) -> bool);
    let cases: [Case; 7] = [
        ("SCMP_CMP_EQ", "", |it| it == 0x1_0000_0005),
        ("SCMP_CMP_NE", "", |it| it != 0x1_0000_0005),
        ("SCMP_CMP_LT", "", |it| it < 0x1_0000_0005),
        ("SCMP_CMP_LE", "", |it| it <= 0x1_0000_0005),
        ("SCMP_CMP_GT", "", |it| it > 0x1_0000_0005),
        ("SCMP_CMP_GE", "", |it| it >= 0x1_0000_0005),
        ("SCMP_CMP_MASKED_EQ", r#","valueTwo":4294967297"#, |it| it & 0x1_0000_0005 == 0x1_0000_0001),
    ];
    for (op, second, holds) in cases {
        let rule = format!(r#"{{"index":3,"value":{big},"op":"{op}"{second}}}"#);
        let filter = compiled(&format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO",{ALL},"syscalls":[{{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{rule}]}}]}}"#
        ));
        for value in [
            0,
            1,
            4,
            5,
            6,
            0x1_0000_0000,
            0x1_0000_0001,
            0x1_0000_0004,
            big,
            0x1_0000_0006,
            0x2_0000_0000,
            0x2_0000_0005,
            u64::MAX,
        ] {
            let wanted = if holds(value) { Action::ALLOW } else { Action::errno(1) };
            assert_eq!(answer(&filter, Abi::X86_64, "read", &[9, 9, 9, value]), wanted, "{op} {value:#x}");
        }
    }
}

#[test]
fn conditions_hold_together_and_alternatives_apart() {
    let filter = compiled(&format!(
        r#"{{"defaultAction":"SCMP_ACT_KILL_PROCESS",{ALL},"syscalls":[
            {{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":7,"args":[{{"index":0,"value":1,"op":"SCMP_CMP_EQ"}},{{"index":1,"value":2,"op":"SCMP_CMP_EQ"}}]}},
            {{"names":["write"],"action":"SCMP_ACT_TRAP","args":[{{"index":0,"value":1,"op":"SCMP_CMP_EQ"}},{{"index":0,"value":2,"op":"SCMP_CMP_EQ"}}]}},
            {{"names":["open"],"action":"SCMP_ACT_ALLOW"}},
            {{"names":["open"],"action":"SCMP_ACT_LOG","args":[{{"index":2,"value":3,"op":"SCMP_CMP_EQ"}}]}},
            {{"names":["close"],"action":"SCMP_ACT_TRACE","errnoRet":9}}]}}"#
    ));
    assert_eq!(answer(&filter, Abi::X86_64, "read", &[1, 2]), Action::errno(7));
    assert_eq!(answer(&filter, Abi::X86_64, "read", &[1, 3]), Action::KILL_PROCESS);
    assert_eq!(answer(&filter, Abi::X86_64, "write", &[2]), Action::TRAP);
    assert_eq!(answer(&filter, Abi::X86_64, "write", &[3]), Action::KILL_PROCESS);
    assert_eq!(answer(&filter, Abi::X86_64, "open", &[0, 0, 3]), Action::LOG);
    assert_eq!(answer(&filter, Abi::X86_64, "open", &[0, 0, 4]), Action::ALLOW);
    assert_eq!(answer(&filter, Abi::X86_64, "close", &[]), Action::trace(9));
}

#[test]
fn calls_newer_than_the_profile_are_unknown_to_programs_too() {
    let filter = compiled(&format!(
        r#"{{"defaultAction":"SCMP_ACT_ERRNO",{ALL},"syscalls":[{{"names":["statx"],"action":"SCMP_ACT_ALLOW"}}]}}"#
    ));
    assert_eq!(answer(&filter, Abi::X86_64, "read", &[]), Action::errno(1));
    assert_eq!(answer(&filter, Abi::X86_64, "clone3", &[]), Action::errno(38));
    let x32 = Evaluated::of(&filter.program, Abi::X32.audit(), X32_BIT | 900, [0; 6]).unwrap().action;
    assert_eq!(x32, Action::errno(38));
}

#[test]
fn what_cannot_hold_is_refused_by_name() {
    for (json, words) in [
        (r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#, "SCMP_ACT_NOTIFY"),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":3}"#, "errnoRet"),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_MIPS"]}"#, "linux.seccomp.architectures"),
        (r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":70000}"#, "70000"),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}]}"#,
            "linux.seccomp.syscalls[0].args",
        ),
    ] {
        let error = compile(&serde_json::from_str(json).unwrap()).unwrap_err().to_string();
        assert!(error.contains(words), "{json}: {error}");
    }
}
