//! Large inputs of all shapes that once took too long or too much: what each may take of time and memory.
//!
//! The only test of its program, since memory is counted over all threads.
#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "a test")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use rcompose_spec::{InMemory, Sources, load};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Size of an input: 1 MB, less where the code under test is not optimised.
const SIZE: usize = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
/// Most memory for each byte of the input: 200 MB for 1 MB.
const MOST_MEMORY: usize = 200;
/// Most memory for what has a limit of its own, whatever the size of the input: copies of `extends`, and ports.
const MOST_OF_ALL: usize = 200_000_000;
/// What one input may take, in time of a processor: 1 s, and more where the code is not optimised.
const MOST_TIME: Duration = Duration::from_secs(if cfg!(debug_assertions) { 4 } else { 1 });

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
    let ports = if cfg!(debug_assertions) { 20_000 } else { 65_535 };
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
        ("services that all wait for each other", dense()),
        ("services that all wait for one", many(web, |index| format!("  s{index}: {{image: a, depends_on: [web]}}\n"))),
        ("all ports", format!("{web}    ports: ['1-{ports}:1-{ports}']\n")),
        (
            "all ports of all services",
            many("services:\n", |index| {
                format!("  s{index}: {{image: a, hostname: a-name-of-some-length, ports: ['1-{ports}']}}\n")
            }),
        ),
        ("services", many("services:\n", |index| format!("  s{index}: {{image: a}}\n"))),
        (
            "services that extend a small one",
            many("services:\n  base: {image: a, environment: {A: b}}\n", |index| format!("  s{index}: {{extends: base}}\n")),
        ),
        (
            "services that wait for the next",
            many("services:\n", |index| format!("  s{index}: {{image: a, depends_on: [s{}]}}\n", index + 1)),
        ),
        (
            "one mapping merged again and again",
            many(&format!("x-x: &x {{labels: {{a: b}}}}\n{web}    <<: ["), |_| "*x,".to_owned()) + "*x]\n",
        ),
        (
            "mappings that merge the one before",
            many(&format!("{web}x-0: &m0 {{labels: {{a: b}}}}\n"), |index| {
                format!("x-{0}: &m{0} {{<<: *m{index}, k{index}: v}}\n", index + 1)
            }),
        ),
        ("names that are nearly known", nearly_known()),
        ("documents", many("", |index| format!("---\nservices: {{s{index}: {{image: a}}}}\n"))),
        ("one image with blanks", format!("services: {{web: {{image: \"{}\"}}}}", "a\\t".repeat(SIZE / 3))),
    ]
}

fn large_base() -> String {
    many("services:\n  base:\n    image: a\n    environment:\n", |index| format!("      K{index}: v\n"))[..SIZE / 2].to_owned() + "\n"
}

/// Services each of which waits for all others: nearly every edge closes a circle.
fn dense() -> String {
    let count = (1..).find(|count| count * (count * 5 + 20) >= SIZE).unwrap_or_default();
    let all: Vec<String> = (0..count).map(|index| format!("s{index}")).collect();
    let service =
        |index: usize| format!("  s{index}: {{image: a, depends_on: [{}]}}\n", [&all[..index], &all[index + 1..]].concat().join(","));
    format!("services:\n{}", (0..count).map(service).collect::<String>())
}

/// As many dependencies as services, none of which is one, and all of which are similar to each one.
fn nearly_known() -> String {
    let count = SIZE / 60;
    let names: Vec<String> = (0..count).map(|index| format!("a-name-of-a-length-{index:06}")).collect();
    let unknown = names.iter().map(|name| format!("{name}x")).collect::<Vec<_>>().join(",");
    let services = names.iter().map(|name| format!("  {name}: {{image: a}}\n")).collect::<String>();
    format!("services:\n  web:\n    image: a\n    depends_on: [{unknown}]\n{services}")
}

fn circle() -> String {
    let count = SIZE / 50;
    let service = |index: usize| format!("  s{index}: {{image: a, depends_on: [s{}]}}\n", (index + 1) % count);
    format!("services:\n{}", (0..count).map(service).collect::<String>())
}

#[test]
fn large_inputs_take_little_time_and_memory() {
    let mut beyond = Vec::new();
    for (name, text) in generated() {
        let path = PathBuf::from("/p/compose.yaml");
        let sources = Sources { files: vec![path.clone()], working_dir: "/p".into(), ..Sources::default() };
        let files = InMemory([(path, text.clone().into_bytes())].into());
        let (begin, before, held) = (Instant::now(), busy(), MEMORY.current_usage());
        MEMORY.reset_peak_usage();
        if let Err(errors) = load(&sources, &files) {
            assert!(!errors.reports().is_empty(), "{name}");
        }
        let memory = MEMORY.peak_usage() - held;
        let took = busy().zip(before).map_or(begin.elapsed(), |(after, before)| after.saturating_sub(before));
        let most = match name {
            "services that extend a large one" | "all ports" | "all ports of all services" => MOST_OF_ALL,
            // The parser holds all tokens of a list on one line, and a row that grows counts twice while it is moved.
            "anchors in anchors" => MOST_MEMORY * text.len() * 3 / 2,
            _ => MOST_MEMORY * text.len(),
        };
        if memory > most || took > MOST_TIME {
            beyond.push(format!("{name}: {memory} bytes of memory for {}, {took:?}", text.len()));
        }
    }
    assert!(beyond.is_empty(), "{beyond:#?}");
}

/// How long this thread has run so far, whatever else the machine does; known on Linux only.
fn busy() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
