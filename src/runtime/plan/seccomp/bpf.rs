//! Classic BPF: the words of the kernel's seccomp machine; source: seccomp(2), `linux/filter.h`, `linux/seccomp.h`.

use oci_spec::runtime::LinuxSeccompOperator;

use super::names::X32_BIT;

/// One instruction, `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions to skip when true.
    pub when_true: u8,
    /// Instructions to skip when false.
    pub when_false: u8,
    /// The number to work with.
    pub number: u32,
}

/// What happens to a call, `SECCOMP_RET_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action(pub u32);

impl Action {
    /// Ends the thread.
    pub const KILL_THREAD: Self = Self(0);
    /// Ends the process.
    pub const KILL_PROCESS: Self = Self(0x8000_0000);
    /// Sends SIGSYS.
    pub const TRAP: Self = Self(0x0003_0000);
    /// Logs and allows.
    pub const LOG: Self = Self(0x7FFC_0000);
    /// Allows.
    pub const ALLOW: Self = Self(0x7FFF_0000);

    /// Answers with an errno of at most 16 bits.
    #[must_use]
    pub const fn errno(number: u32) -> Self {
        Self(0x0005_0000 | number)
    }

    /// Tells a tracer, with a number of at most 16 bits.
    #[must_use]
    pub const fn trace(number: u32) -> Self {
        Self(0x7FF0_0000 | number)
    }
}

/// One condition on an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) argument: u32,
    pub(super) op: LinuxSeccompOperator,
    pub(super) value: u64,
    pub(super) second: u64,
}

/// Conditions that hold together, and what then happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) conditions: Vec<Condition>,
    pub(super) action: Action,
}

/// What happens to one call.
#[derive(Debug)]
pub(super) enum Call {
    /// Always this.
    Act(Action),
    /// What the first rule says whose conditions hold; those without any come last.
    Rules(Vec<Rule>),
}

/// The rules of one ABI.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) audit: u32,
    /// Of the numbers with the x32 bit.
    pub(super) x32: bool,
    /// By number, rising.
    pub(super) calls: Vec<(u32, Call)>,
    /// From this number on, this.
    pub(super) beyond: Option<(u32, Action)>,
}

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const AT_NUMBER: u32 = 0;
const AT_ARCH: u32 = 4;
const AT_ARGUMENTS: u32 = 16;

const fn plain(code: u16, number: u32) -> Instruction {
    Instruction { code, when_true: 0, when_false: 0, number }
}

const fn ret(action: Action) -> Instruction {
    plain(RETURN, action.0)
}

/// A program, written from its end: how far to jump is known once what is jumped over is written.
#[derive(Debug, Default)]
struct Backwards(Vec<Instruction>);

impl Backwards {
    fn put(&mut self, instruction: Instruction) {
        self.0.push(instruction);
    }

    /// Puts `when_false` before what is there, and before that the test that else jumps over it, over any distance: conditional jumps reach
    /// 255 instructions.
    fn branch(&mut self, code: u16, number: u32, when_false: impl FnOnce(&mut Self)) {
        let before = self.0.len();
        when_false(self);
        let distance = self.0.len() - before;
        match u8::try_from(distance) {
            Ok(when_true) => self.put(Instruction { code, when_true, when_false: 0, number }),
            Err(_) => {
                self.put(plain(JUMP, u32::try_from(distance).unwrap_or(u32::MAX)));
                self.put(Instruction { code, when_true: 0, when_false: 1, number });
            }
        }
    }

    fn program(mut self) -> Vec<Instruction> {
        self.0.reverse();
        self.0
    }
}

/// Writes the program: architecture, then the tree of its numbers. A call through an ABI that the profile does not name ends the thread.
pub(super) fn assemble(tables: &[Table], default: Action) -> Vec<Instruction> {
    let mut audits: Vec<u32> = tables.iter().map(|it| it.audit).collect();
    audits.dedup();
    let mut code = Backwards::default();
    put_audits(&mut code, &audits, tables, default);
    code.put(plain(LOAD, AT_ARCH));
    code.program()
}

fn put_audits(code: &mut Backwards, audits: &[u32], tables: &[Table], default: Action) {
    let Some((audit, others)) = audits.split_first() else {
        return code.put(ret(Action::KILL_THREAD));
    };
    put_audit(code, tables.iter().filter(|it| it.audit == *audit), default);
    code.put(plain(LOAD, AT_NUMBER));
    code.branch(IF_EQUAL, *audit, |code| put_audits(code, others, tables, default));
}

/// The plain numbers and those of x32 share an architecture.
fn put_audit<'a>(code: &mut Backwards, tables: impl Iterator<Item = &'a Table>, default: Action) {
    let mut ranges = Vec::new();
    let mut x32 = vec![(X32_BIT, Leaf::Act(Action::KILL_THREAD))];
    let has_x32_bit = tables.fold(false, |x86_64, table| {
        let found = ranges_of(table, default);
        if table.x32 {
            x32 = found;
            return true;
        }
        ranges = found;
        x86_64 || table.audit == super::names::Abi::X86_64.audit()
    });
    if ranges.is_empty() {
        ranges.push((0, Leaf::Act(Action::KILL_THREAD)));
    }
    if has_x32_bit {
        ranges.extend(x32);
    }
    put_tree(code, &ranges, default);
}

#[derive(Clone, PartialEq, Eq)]
enum Leaf<'a> {
    Act(Action),
    Rules(&'a [Rule]),
}

/// From each number on, what happens; neighbours that say the same are one.
fn ranges_of<'a>(table: &'a Table, default: Action) -> Vec<(u32, Leaf<'a>)> {
    let mut ranges: Vec<(u32, Leaf<'a>)> = Vec::new();
    let mut push = |from: u32, leaf: Leaf<'a>| match ranges.last_mut() {
        Some((_, last)) if *last == leaf => {}
        Some((start, last)) if *start == from => *last = leaf,
        _ => ranges.push((from, leaf)),
    };
    push(if table.x32 { X32_BIT } else { 0 }, Leaf::Act(default));
    for (number, call) in &table.calls {
        let leaf = match call {
            Call::Act(action) => Leaf::Act(*action),
            Call::Rules(rules) => Leaf::Rules(rules),
        };
        push(*number, leaf);
        push(*number + 1, Leaf::Act(default));
    }
    if let Some((from, action)) = table.beyond {
        push(from, Leaf::Act(action));
    }
    ranges
}

fn put_tree(code: &mut Backwards, ranges: &[(u32, Leaf<'_>)], default: Action) {
    match ranges {
        [] => code.put(ret(default)),
        [(_, Leaf::Act(action))] => code.put(ret(*action)),
        [(_, Leaf::Rules(rules))] => {
            code.put(ret(default));
            rules.iter().rev().for_each(|it| rule(it).into_iter().rev().for_each(|it| code.put(it)));
        }
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            put_tree(code, high, default);
            code.branch(IF_AT_LEAST, high[0].0, |code| put_tree(code, low, default));
        }
    }
}

/// One rule: its action, or on to what comes after it.
fn rule(rule: &Rule) -> Vec<Instruction> {
    let mut code = vec![ret(rule.action)];
    for condition in rule.conditions.iter().rev() {
        code = [tests(condition, code.len()), code].concat();
    }
    code
}

/// Where a test goes: on to the next instruction, to the end of the condition, or past the rule.
#[derive(Clone, Copy)]
enum Way {
    Next,
    Holds,
    Fails,
}

/// The tests of one condition, `rest` instructions of its rule being behind them.
fn tests(condition: &Condition, rest: usize) -> Vec<Instruction> {
    use LinuxSeccompOperator as Op;
    use Way::{Fails, Holds, Next};
    // Halves in the byte order of x86 and ARM Linux.
    let (low_at, high_at) = (AT_ARGUMENTS + 8 * condition.argument, AT_ARGUMENTS + 8 * condition.argument + 4);
    let halves = |value: u64| (u32::try_from(value >> 32).unwrap_or(0), (value & 0xFFFF_FFFF) as u32);
    let (high, low) = halves(condition.value);
    let (second_high, second_low) = halves(condition.second);
    let upper = |above: Way, below: Way| {
        vec![
            (LOAD, high_at, Next, Next),
            (IF_GREATER, high, above, Next),
            (IF_EQUAL, high, Next, below),
            (LOAD, low_at, Next, Next),
        ]
    };
    let last = |mut steps: Vec<(u16, u32, Way, Way)>, step| {
        steps.push(step);
        steps
    };
    let steps = match condition.op {
        Op::ScmpCmpGt => last(upper(Holds, Fails), (IF_GREATER, low, Holds, Fails)),
        Op::ScmpCmpGe => last(upper(Holds, Fails), (IF_AT_LEAST, low, Holds, Fails)),
        Op::ScmpCmpLt => last(upper(Fails, Holds), (IF_AT_LEAST, low, Fails, Holds)),
        Op::ScmpCmpLe => last(upper(Fails, Holds), (IF_GREATER, low, Fails, Holds)),
        Op::ScmpCmpEq => last(upper(Fails, Fails), (IF_EQUAL, low, Holds, Fails)),
        Op::ScmpCmpNe => last(upper(Holds, Holds), (IF_EQUAL, low, Fails, Holds)),
        Op::ScmpCmpMaskedEq => vec![
            (LOAD, high_at, Next, Next),
            (AND, high, Next, Next),
            (IF_EQUAL, second_high, Next, Fails),
            (LOAD, low_at, Next, Next),
            (AND, low, Next, Next),
            (IF_EQUAL, second_low, Holds, Fails),
        ],
    };
    let count = steps.len();
    let skip = |at: usize, way: Way| match way {
        Next => 0,
        Holds => u8::try_from(count - at - 1).unwrap_or(u8::MAX),
        Fails => u8::try_from(count - at - 1 + rest).unwrap_or(u8::MAX),
    };
    let place = |(at, (code, number, yes, no)): (usize, (u16, u32, Way, Way))| Instruction {
        code,
        when_true: skip(at, yes),
        when_false: skip(at, no),
        number,
    };
    steps.into_iter().enumerate().map(place).collect()
}

/// What a program answers, by a machine of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluated {
    /// The answer.
    pub action: Action,
    /// Instructions that were run.
    pub steps: usize,
}

impl Evaluated {
    /// Runs a program on a call; `None` when the program is none (runs over its end, or has a word that is not written here).
    #[must_use]
    pub fn of(program: &[Instruction], audit: u32, number: u32, arguments: [u64; 6]) -> Option<Self> {
        let load = |at: u32| match at {
            AT_NUMBER => Some(number),
            AT_ARCH => Some(audit),
            _ => {
                let word = at.checked_sub(AT_ARGUMENTS)? / 4;
                let value = arguments.get(usize::try_from(word / 2).ok()?)?;
                Some(if word % 2 == 0 {
                    (value & 0xFFFF_FFFF) as u32
                } else {
                    u32::try_from(value >> 32).unwrap_or(0)
                })
            }
        };
        let (mut at, mut held) = (0, 0u32);
        for steps in 1..=program.len() {
            let Instruction { code, when_true, when_false, number } = *program.get(at)?;
            at += 1;
            let holds = match code {
                LOAD => {
                    held = load(number)?;
                    continue;
                }
                AND => {
                    held &= number;
                    continue;
                }
                JUMP => {
                    at += usize::try_from(number).ok()?;
                    continue;
                }
                RETURN => return Some(Self { action: Action(number), steps }),
                IF_EQUAL => held == number,
                IF_GREATER => held > number,
                IF_AT_LEAST => held >= number,
                _ => return None,
            };
            at += usize::from(if holds { when_true } else { when_false });
        }
        None
    }
}
