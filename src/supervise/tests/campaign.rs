//! SIGKILL of shim, of guardian, and of both one after the other, while numbered lines are written.
//!
//! `RCOMPOSE_SOAK_KILLS` sets how often each; without it the campaign is short. `RCOMPOSE_SOAK_SEED` repeats one.

use std::time::{Duration, Instant};

use rcompose_supervise::{Exit, Stream};

use crate::rig::{PROGRAM, Rig, kill, until};

const LINES: u32 = 200_000;

/// Numbers that look random; xorshift.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    Shim,
    Guardian,
    GuardianThenShim,
}

#[derive(Debug, Default)]
struct Figures {
    kills: u32,
    known: u32,
    unknown: u32,
    lines: u64,
    /// From a kill to a shim that answers again.
    longest: Duration,
}

fn times() -> u32 {
    std::env::var("RCOMPOSE_SOAK_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(5)
}

fn seed() -> u64 {
    std::env::var("RCOMPOSE_SOAK_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(0x5eed)
}

fn strike(rig: &Rig, victim: Victim, chance: &mut Chance) {
    std::thread::sleep(Duration::from_micros(chance.below(120_000)));
    match victim {
        Victim::Shim => rig.shim("a").into_iter().for_each(kill),
        Victim::Guardian => rig.guardian().into_iter().for_each(kill),
        Victim::GuardianThenShim => {
            rig.guardian().into_iter().for_each(kill);
            std::thread::sleep(Duration::from_micros(chance.below(60_000)));
            rig.shim("a").into_iter().for_each(kill);
        }
    }
}

fn round(victim: Victim, chance: &mut Chance, figures: &mut Figures) {
    let rig = Rig::new();
    let status = 1 + chance.below(100);
    rig.run_words("a", &[PROGRAM, "count", &LINES.to_string(), &status.to_string()]);
    strike(&rig, victim, chance);
    figures.kills += 1;
    let began = Instant::now();
    // As the next command line would: with nobody left, it brings a guardian.
    rig.client.census().unwrap();
    until("a shim answers, or all is over", || {
        rig.client.control("a").is_ok() || rig.client.status("a").is_ok_and(|it| it.phase == rcompose_supervise::Phase::Ended)
    });
    figures.longest = figures.longest.max(began.elapsed());
    match rig.end("a").ended.unwrap().exit {
        Exit::Code(code) => {
            assert_eq!(code, i32::try_from(status).unwrap(), "{victim:?}: a wrong status is worse than none");
            figures.known += 1;
        }
        Exit::Unknown => figures.unknown += 1,
        other => panic!("{victim:?}: {other:?}"),
    }
    let expected: String = (0..LINES).map(|it| format!("{it:08}\n")).collect();
    let out = rig.text("a", Stream::Out);
    assert!(
        out == expected,
        "{victim:?}: {} of {} bytes; they differ at {:?}",
        out.len(),
        expected.len(),
        differs(&out, &expected)
    );
    let err = rig.text("a", Stream::Err);
    assert!(
        err == (0..LINES).step_by(1000).map(|it| format!("{it:08}\n")).collect::<String>(),
        "{victim:?}: standard error"
    );
    figures.lines += u64::from(LINES);
    rig.settle();
    for name in ["shim.sock", "out", "err"] {
        assert!(!rig.place("a").folder().join(name).exists(), "{victim:?}: {name} is left");
    }
    assert!(!rig.project.folder().join("guard.sock").exists(), "{victim:?}: guard.sock is left");
}

fn differs(one: &str, other: &str) -> Option<usize> {
    one.bytes().zip(other.bytes()).position(|(one, other)| one != other)
}

fn campaign(victim: Victim) {
    let mut chance = Chance(seed() ^ (victim as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut figures = Figures::default();
    for _ in 0..times() {
        round(victim, &mut chance, &mut figures);
    }
    println!(
        "{victim:?} killed {} times: {} statuses known, {} unknown, {} lines and none lost; a shim answered after {:?} at most",
        figures.kills, figures.known, figures.unknown, figures.lines, figures.longest
    );
    // With one of the two alive, somebody always saw the end.
    assert!(victim == Victim::GuardianThenShim || figures.unknown == 0, "{figures:?}");
}

#[test]
fn a_shim_is_killed() {
    campaign(Victim::Shim);
}

#[test]
fn a_guardian_is_killed() {
    campaign(Victim::Guardian);
}

#[test]
fn a_guardian_and_then_a_shim_are_killed() {
    campaign(Victim::GuardianThenShim);
}
