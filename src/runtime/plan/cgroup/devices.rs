//! Which devices a container may use: as rules of v1, and as a program of v2.
//!
//! Source: the kernel's cgroup-v1/devices.rst; `linux/bpf.h` (`bpf_cgroup_dev_ctx`).

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use super::Write;
use crate::error::{Result, RuntimeError};

/// Accesses, with the bits of `linux/bpf.h`.
pub(crate) const MKNOD: u8 = 1;
const READ: u8 = 2;
const WRITE: u8 = 4;
const ALL: u8 = MKNOD | READ | WRITE;

/// Devices of one kind and number; no number means all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Exception {
    /// A block device, else a character device.
    pub(crate) block: bool,
    pub(crate) major: Option<u32>,
    pub(crate) minor: Option<u32>,
    pub(crate) access: u8,
}

/// What holds in general, and its exceptions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) allow: bool,
    pub(crate) exceptions: Vec<Exception>,
}

/// Devices that every container can use: those the OCI spec lists ("Default Devices"), the terminals, and making (not using) any node.
const DEFAULTS: [Exception; 10] = [
    Exception { block: false, major: None, minor: None, access: MKNOD },
    Exception { block: true, major: None, minor: None, access: MKNOD },
    // null, zero, full, random, urandom
    character(1, 3),
    character(1, 5),
    character(1, 7),
    character(1, 8),
    character(1, 9),
    // tty, ptmx, and every pseudo terminal
    character(5, 0),
    character(5, 2),
    Exception { block: false, major: Some(136), minor: None, access: ALL },
];

const fn character(major: u32, minor: u32) -> Exception {
    Exception { block: false, major: Some(major), minor: Some(minor), access: ALL }
}

/// Follows the rules of a spec in order, then the defaults.
pub(crate) fn normalise(rules: &[LinuxDeviceCgroup]) -> Result<Rules> {
    let mut state = Rules::default();
    for (at, rule) in rules.iter().enumerate() {
        let field = format!("linux.resources.devices[{at}]");
        let access = access(&field, rule.access().as_deref())?;
        let (major, minor) = (number(&field, rule.major())?, number(&field, rule.minor())?);
        let kinds: &[bool] = match rule.typ().unwrap_or_default() {
            LinuxDeviceType::A => {
                if major.is_some() || minor.is_some() || access != ALL {
                    return Err(RuntimeError::field(field, "a rule for all types must be for all numbers and `rwm`"));
                }
                state = Rules { allow: rule.allow(), exceptions: Vec::new() };
                continue;
            }
            LinuxDeviceType::B => &[true],
            LinuxDeviceType::C | LinuxDeviceType::U => &[false],
            LinuxDeviceType::P => return Err(RuntimeError::field(field, "a pipe is no device")),
        };
        for block in kinds {
            state.apply(rule.allow(), Exception { block: *block, major, minor, access });
        }
    }
    for exception in DEFAULTS {
        state.apply(true, exception);
    }
    Ok(state)
}

impl Rules {
    /// Adds an exception, or takes one back.
    fn apply(&mut self, allow: bool, wanted: Exception) {
        let same = |it: &&mut Exception| (it.block, it.major, it.minor) == (wanted.block, wanted.major, wanted.minor);
        let found = self.exceptions.iter_mut().find(same);
        match (allow == self.allow, found) {
            (true, Some(found)) => found.access &= !wanted.access,
            (true, None) => {}
            (false, Some(found)) => found.access |= wanted.access,
            (false, None) => self.exceptions.push(wanted),
        }
        self.exceptions.retain(|it| it.access != 0);
    }
}

fn number(field: &str, value: Option<i64>) -> Result<Option<u32>> {
    match value {
        None | Some(-1) => Ok(None),
        Some(value) => u32::try_from(value)
            .map(Some)
            .map_err(|_| RuntimeError::field(field, format!("{value} is no device number"))),
    }
}

fn access(field: &str, text: Option<&str>) -> Result<u8> {
    let text = text.filter(|it| !it.is_empty()).unwrap_or("rwm");
    let bit = |letter| match letter {
        'r' => Ok(READ),
        'w' => Ok(WRITE),
        'm' => Ok(MKNOD),
        _ => Err(RuntimeError::field(format!("{field}.access"), format!("`{letter}` is none of r, w, m"))),
    };
    text.chars().try_fold(0, |bits, letter| Ok(bits | bit(letter)?))
}

/// The rules as writes of v1: the general one takes all exceptions away first.
pub(super) fn writes(rules: &Rules) -> Vec<Write> {
    let (general, exception) = if rules.allow {
        ("devices.allow", "devices.deny")
    } else {
        ("devices.deny", "devices.allow")
    };
    let write = |file: &str, text: String| Write { file: file.to_owned(), text, field: "linux.resources.devices".to_owned() };
    let star = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |it| it.to_string());
    let line = |it: &Exception| {
        let letters: String = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')]
            .iter()
            .filter(|(bit, _)| it.access & bit != 0)
            .map(|(_, at)| *at)
            .collect();
        format!("{} {}:{} {letters}", if it.block { 'b' } else { 'c' }, star(it.major), star(it.minor))
    };
    let exceptions = rules.exceptions.iter().map(|it| write(exception, line(it)));
    std::iter::once(write(general, "a".to_owned())).chain(exceptions).collect()
}

/// One instruction of eBPF, `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EbpfInstruction {
    code: u8,
    registers: u8,
    offset: i16,
    number: i32,
}

/// A program of `BPF_PROG_TYPE_CGROUP_DEVICE`.
pub type DeviceProgram = Vec<EbpfInstruction>;

/// Opcodes: class, operation and source in one byte; source: the kernel's bpf/standardization/instruction-set.rst.
mod op {
    pub(super) const LOAD_WORD: u8 = 0x61;
    pub(super) const MOVE: u8 = 0xb7;
    pub(super) const MOVE_REGISTER: u8 = 0xbf;
    pub(super) const AND: u8 = 0x57;
    pub(super) const SHIFT_RIGHT: u8 = 0x77;
    pub(super) const IF_NOT_EQUAL: u8 = 0x55;
    pub(super) const IF_NOT_EQUAL_REGISTER: u8 = 0x5d;
    pub(super) const IF_EQUAL: u8 = 0x15;
    pub(super) const EXIT: u8 = 0x95;
}

const fn word(code: u8, to: u8, from: u8, offset: i16, number: i32) -> EbpfInstruction {
    EbpfInstruction { code, registers: to | from << 4, offset, number }
}

/// Writes the program: type in r2, access in r3, numbers in r4 and r5, as the context has them.
pub(crate) fn program(rules: &Rules) -> DeviceProgram {
    let mut program = vec![
        word(op::LOAD_WORD, 2, 1, 0, 0),
        word(op::AND, 2, 0, 0, 0xFFFF),
        word(op::LOAD_WORD, 3, 1, 0, 0),
        word(op::SHIFT_RIGHT, 3, 0, 0, 16),
        word(op::LOAD_WORD, 4, 1, 4, 0),
        word(op::LOAD_WORD, 5, 1, 8, 0),
    ];
    for exception in &rules.exceptions {
        program.extend(block(exception, rules.allow));
    }
    program.extend([word(op::MOVE, 0, 0, 0, i32::from(rules.allow)), word(op::EXIT, 0, 0, 0, 0)]);
    program
}

/// One exception: each test that fails goes past its end.
fn block(exception: &Exception, general: bool) -> Vec<EbpfInstruction> {
    let mut code = vec![word(op::IF_NOT_EQUAL, 2, 0, 0, if exception.block { 1 } else { 2 })];
    code.push(word(op::MOVE_REGISTER, 6, 3, 0, 0));
    code.push(word(op::AND, 6, 0, 0, i32::from(exception.access)));
    // Allowed is what asks for nothing more; denied is what asks for any of it.
    code.push(if general {
        word(op::IF_EQUAL, 6, 0, 0, 0)
    } else {
        word(op::IF_NOT_EQUAL_REGISTER, 6, 3, 0, 0)
    });
    for (register, number) in [(4, exception.major), (5, exception.minor)] {
        if let Some(number) = number {
            code.push(word(op::IF_NOT_EQUAL, register, 0, 0, number.cast_signed()));
        }
    }
    code.extend([word(op::MOVE, 0, 0, 0, i32::from(!general)), word(op::EXIT, 0, 0, 0, 0)]);
    let count = code.len();
    for (at, step) in code.iter_mut().enumerate() {
        if matches!(step.code, op::IF_NOT_EQUAL | op::IF_EQUAL | op::IF_NOT_EQUAL_REGISTER) {
            step.offset = i16::try_from(count - at - 1).unwrap_or(i16::MAX);
        }
    }
    code
}
