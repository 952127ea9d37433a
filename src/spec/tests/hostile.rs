//! Hostile input: the fuzz targets' seeds and past findings, and mutations of them. What ends badly here is a panic, a
//! hang, or memory without bound.
#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "a test")]

#[path = "../../../fuzz/spec/targets.rs"]
mod targets;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use targets::{TARGETS, Target};

/// Mutations of each target's inputs; more with RCOMPOSE_MUTATIONS, from another start with RCOMPOSE_SEED.
const MUTATIONS: u64 = 100;

#[test]
fn seeds_and_past_findings_are_answered_soon() {
    let mut count = 0;
    for (name, target) in TARGETS {
        for (path, input) in inputs(name) {
            count += 1;
            within(target, &input, &path.display().to_string());
        }
    }
    assert!(count > 80, "only {count} inputs were found");
}

#[test]
fn mutations_of_seeds_are_answered_soon() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let mutations = number("RCOMPOSE_MUTATIONS").unwrap_or(MUTATIONS);
    let mut random = Random(number("RCOMPOSE_SEED").unwrap_or(1));
    let words = dictionary();
    for (name, target) in TARGETS {
        let inputs: Vec<Vec<u8>> = inputs(name).into_iter().map(|(_, input)| input).collect();
        for _ in 0..mutations {
            let input = mutate(&inputs, &words, &mut random);
            within(target, &input, &format!("{name}: {:?}", String::from_utf8_lossy(&input)));
        }
    }
}

/// Runs a target; says on which input it panicked, or that it took too long.
fn within(target: Target, input: &[u8], what: &str) {
    let begin = Instant::now();
    let before = busy();
    let outcome = std::panic::catch_unwind(|| target(input));
    assert!(outcome.is_ok(), "{what}");
    let took = busy().zip(before).map_or(begin.elapsed(), |(after, before)| after.saturating_sub(before));
    assert!(took < limit(), "{took:?}: {what}");
}

/// What one input may take. Generous, since tests run unoptimised; most take less than a millisecond.
fn limit() -> Duration {
    Duration::from_secs(if cfg!(debug_assertions) { 40 } else { 2 })
}

/// How long this thread has run so far, whatever else the machine does; known on Linux only.
fn busy() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/spec")
}

/// Seeds and past findings of a target, in the order of their names.
fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folders = ["seeds", "findings"].map(|kind| folder().join(kind).join(target));
    let files = folders.into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// The words of the fuzz targets' dictionary that need no escape.
fn dictionary() -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(folder().join("compose.dict")).unwrap();
    let words = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    words.filter(|word| !word.contains('\\')).map(|word| word.as_bytes().to_vec()).collect()
}

/// Changes an input in up to four places.
fn mutate(inputs: &[Vec<u8>], words: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(inputs).clone();
    for _ in 0..=random.below(3) {
        let at = random.below(input.len() + 1);
        let length = random.below(9.min(input.len() - at + 1));
        match random.below(6) {
            0 => drop(input.drain(at..at + length)),
            1 => drop(input.splice(at..at + length, random.pick(words).clone())),
            2 => {
                let other = random.pick(inputs).clone();
                let from = random.below(other.len() + 1);
                let to = from + random.below(other.len() - from + 1);
                drop(input.splice(at..at + length, other[from..to].to_vec()));
            }
            3 => input.insert(at, u8::try_from(random.below(128)).unwrap()),
            4 => {
                let piece = input[at..at + length].repeat(1 + random.below(20));
                drop(input.splice(at..at + length, piece));
            }
            _ if at < input.len() => input[at] ^= 1 << random.below(8),
            _ => input.truncate(at),
        }
    }
    input
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
