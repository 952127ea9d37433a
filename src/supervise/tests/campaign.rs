//! SIGKILL of shim, of guardian, and of both one after the other, while numbered lines are written.
//!
//! `RCOMPOSE_SOAK_KILLS` sets how often each; without it the campaign is short. `RCOMPOSE_SOAK_SEED` repeats one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rcompose_supervise::{Exit, Phase, Record, Stream, Task};

use crate::bundle;
use crate::rig::{PROGRAM, Rig, kill, until};

/// Least lines of a container that is an ordinary process, and of one of busybox, which is slower.
const LINES: [u32; 2] = [150_000, 30_000];
/// Lines of one that ends at about the time of the kill.
const FEW: u32 = 2000;
const ERR_EVERY: usize = 1000;

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

/// What the containers are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Process,
    Container,
}

impl Kind {
    fn rig(self) -> Rig {
        match self {
            Self::Process => Rig::new(),
            Self::Container => Rig::with(Path::new(env!("CARGO_BIN_EXE_oci-supervisor"))),
        }
    }

    /// Writes on until there is the file that is returned; a `short` one does not wait for it.
    fn task(self, rig: &Rig, short: bool, status: u64) -> (Task, PathBuf) {
        let lines = if short { FEW } else { LINES[self as usize] };
        match self {
            Self::Process => {
                let go = rig.folder.path().join("go");
                let (lines, status) = (lines.to_string(), status.to_string());
                let mut words = vec![PROGRAM, "count", &lines, &status];
                words.extend(Some(go.to_str().unwrap()).filter(|_| !short));
                (rig.task("a", &words), go)
            }
            Self::Container => {
                let more = if short { "false" } else { "[ ! -e /go ]" };
                let script = format!(
                    "i=100000000; least=$((i+{lines})); while [ $i -lt $least ] || {more}; do k=0; while [ $k -lt 1000 ]; do n=${{i#1}}; echo $n; \
                     [ $k = 0 ] && echo $n >&2; i=$((i+1)); k=$((k+1)); done; done; echo end; exit {status}"
                );
                let task = bundle::task(rig, "a", &script, false);
                let go = task.bundle.join("rootfs/go");
                (task, go)
            }
        }
    }
}

#[derive(Debug, Default)]
struct Figures {
    kills: u32,
    /// Kills while the container ran.
    midway: u32,
    /// Kills of which both victims were gone when it ended, so that what it wrote last may be missing, as its record says.
    blind: u32,
    known: u32,
    unknown: u32,
    lines: u64,
    /// From a kill to a shim that answers again.
    longest: Duration,
}

fn times() -> u32 {
    std::env::var("RCOMPOSE_SOAK_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(3)
}

fn seed() -> u64 {
    std::env::var("RCOMPOSE_SOAK_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(0x5eed)
}

/// Kills, and lets the last victim be gone before anything is asked: or else it might still answer.
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

fn round(victim: Victim, kind: Kind, chance: &mut Chance, figures: &mut Figures) {
    let (rig, is_short) = (kind.rig(), figures.kills % 3 == 2);
    let status = 1 + chance.below(100);
    let (task, go) = kind.task(&rig, is_short, status);
    rig.run("a", &task);
    strike(&rig, victim, chance);
    figures.kills += 1;
    let phase = Record::read(&rig.keep("a").join("state.json")).unwrap().unwrap().phase;
    figures.midway += u32::from(matches!(phase, Phase::Running { who, .. } if who.open().is_some()));
    let began = Instant::now();
    // As the next command line would: with nobody left, it brings a guardian.
    rig.client.census().unwrap();
    until("a shim answers, or all is over", || {
        rig.client.control("a").is_ok() || rig.client.status("a").is_ok_and(|it| it.phase == Phase::Ended)
    });
    figures.longest = figures.longest.max(began.elapsed());
    std::fs::write(go, "").unwrap();
    let record = rig.end("a");
    match record.ended.unwrap().exit {
        Exit::Code(code) => {
            assert_eq!(code, i32::try_from(status).unwrap(), "{victim:?}: a wrong status is worse than none");
            figures.known += 1;
        }
        Exit::Unknown => figures.unknown += 1,
        other => panic!("{victim:?}: {other:?}"),
    }
    let is_blind = record.warnings.iter().any(|it| it.contains("may be missing"));
    figures.blind += u32::from(is_blind);
    let out = rig.text("a", Stream::Out);
    let lines = u32::try_from(out.lines().count().saturating_sub(usize::from(out.ends_with("end\n")))).unwrap();
    let numbers: String = (0..lines).map(|it| format!("{it:08}\n")).collect();
    let errors: String = (0..lines).step_by(ERR_EVERY).map(|it| format!("{it:08}\n")).collect();
    let is_whole = out == numbers.clone() + "end\n" && rig.text("a", Stream::Err) == errors;
    // What is missing at the end is said to be; in the middle nothing ever is.
    let is_cut = is_blind && numbers.starts_with(&out) && errors.starts_with(&rig.text("a", Stream::Err));
    let differs = out.bytes().zip(numbers.bytes()).position(|(one, other)| one != other);
    assert!(is_whole || is_cut, "{victim:?}: {} bytes; they differ at {differs:?}; {:?}", out.len(), record.warnings);
    figures.lines += u64::from(lines);
    rig.settle();
    for name in ["shim.sock", "out", "err"] {
        assert!(!rig.place("a").folder().join(name).exists(), "{victim:?}: {name} is left");
    }
    assert!(!rig.project.folder().join("guard.sock").exists(), "{victim:?}: guard.sock is left");
}

fn campaign(victim: Victim) {
    let kinds = if bundle::missing().is_none() {
        vec![Kind::Process, Kind::Container]
    } else {
        vec![Kind::Process]
    };
    for kind in kinds {
        let mut chance = Chance(seed() ^ (victim as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ kind as u64);
        let mut figures = Figures::default();
        for _ in 0..times() {
            round(victim, kind, &mut chance, &mut figures);
        }
        let Figures { kills, midway, blind, known, unknown, lines, longest } = figures;
        println!("{kind:?}, {victim:?} killed {kills} times, {midway} midway: {known} statuses known, {unknown} unknown, none wrong");
        println!("  {lines} lines, none lost, none twice, but for {blind} that say so; a shim answered within {longest:?}");
        // With one of the two alive, somebody always saw the end.
        assert!(victim == Victim::GuardianThenShim || unknown + blind == 0, "{unknown} {blind}");
        assert!(midway >= kills - kills / 3, "a container ended before it was told to: {midway} of {kills}");
    }
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
