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

/// Size of a generated input: 1 MB, less where the code under test is not optimised.
const SIZE: usize = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
/// Most memory that the process may have had, in KB.
const MOST_MEMORY: u32 = 200_000;

/// Repeats numbered pieces behind `head` until the text is large.
fn many(head: &str, piece: impl Fn(usize) -> String) -> String {
    let mut text = head.to_owned();
    for index in 0.. {
        if text.len() >= SIZE {
            break;
        }
        text.push_str(&piece(index));
    }
    text
}

/// Texts that are easy to write and hard to read.
fn generated() -> Vec<(&'static str, String)> {
    let web = "services:\n  web:\n    image: a\n";
    let labels = format!("{web}    labels:\n");
    let half = SIZE / 2;
    let ports = if cfg!(debug_assertions) { 2_000 } else { 65_535 };
    vec![
        ("lists in lists", format!("x-a: {}{}", "[".repeat(half), "]".repeat(half))),
        ("aliases of one value", many(&format!("{web}x-b: &a {{k: v, l: [1, 2]}}\nx-c:\n"), |_| "- *a\n".to_owned())),
        (
            "aliases of aliases",
            many(&format!("{web}x-a:\n- &a0 x\n"), |index| format!("- &a{} [*a{index}]\n", index + 1)),
        ),
        (
            "anchors in anchors",
            format!("x-a: {}[{}]{}\n{web}", "&a [".repeat(100), "1,".repeat(half - 1000), "]".repeat(100)),
        ),
        ("mistakes on one line", many("services: {web: {image: a", |index| format!(", k{index}: 1")) + "}}"),
        ("mistakes on many lines", many(&labels, |index| format!("      l{index}: ${{V{index}\n"))),
        ("keys said twice", many(&labels, |_| "      a: 1\n".to_owned())),
        (
            "letters of several bytes on one line",
            many("services: {web: {image: a, labels: {", |index| format!("é{index}: ü, ")) + "}}}",
        ),
        ("escapes", format!("{labels}      l: \"{}\"\n", "\\u00e9".repeat(SIZE / 6))),
        ("variables in one text", format!("{labels}      l: '{}'\n", many("", |index| format!("$V{index}")))),
        ("variables in variables", format!("{labels}      l: '{}{}'\n", "${A:-".repeat(SIZE / 6), "}".repeat(SIZE / 6))),
        (
            "services that extend the next",
            many("services:\n", |index| format!("  s{index}: {{extends: s{}}}\n", index + 1)),
        ),
        ("services that extend a large one", many(&large_base(), |index| format!("  s{index}: {{extends: base}}\n"))),
        (
            "merged mappings",
            many("x-a: &a {image: a, tty: true}\nservices:\n", |index| format!("  s{index}: {{<<: *a}}\n")),
        ),
        ("a circle of services", circle()),
        ("services that all wait for one", many(web, |index| format!("  s{index}: {{image: a, depends_on: [web]}}\n"))),
        ("all ports", format!("{web}    ports: ['1-{ports}:1-{ports}']\n")),
        (
            "all ports of all services",
            many("services:\n", |index| format!("  s{index}: {{image: a, ports: ['1-{ports}']}}\n")),
        ),
        ("documents", many("", |index| format!("---\nservices: {{s{index}: {{image: a}}}}\n"))),
        ("one image with blanks", format!("services: {{web: {{image: \"{}\"}}}}", "a\\t".repeat(SIZE / 3))),
    ]
}

fn large_base() -> String {
    many("services:\n  base:\n    image: a\n    environment:\n", |index| format!("      K{index}: v\n"))[..SIZE / 2].to_owned() + "\n"
}

fn circle() -> String {
    let count = SIZE / 50;
    let service = |index: usize| format!("  s{index}: {{image: a, depends_on: [s{}]}}\n", (index + 1) % count);
    format!("services:\n{}", (0..count).map(service).collect::<String>())
}

#[test]
fn large_inputs_take_little_time_and_memory() {
    for (name, text) in generated() {
        // The peak begins anew, where the system can do that.
        let measured = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        within(targets::quietly, text.as_bytes(), name);
        if let Some(peak) = peak().filter(|_| measured) {
            assert!(peak < MOST_MEMORY, "{name}: {peak} KB");
        }
    }
}

/// The most memory that this process had at once, in KB; known on Linux only.
fn peak() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
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
