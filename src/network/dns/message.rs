//! Questions and answers as bytes. Source: RFC 1035 (messages), RFC 6891 (EDNS). Answers of other servers are passed on as they are.

use std::net::IpAddr;

/// Bytes before the question.
const HEADER: usize = 12;
/// Longest name, with the lengths of its labels.
const LONGEST_NAME: usize = 255;
/// Longest label.
const LONGEST_LABEL: usize = 63;
/// Largest answer over UDP to who does not say more.
const SMALL: usize = 512;
/// What we say that we take over UDP: what passes any path in one piece. Source: DNS flag day 2020.
const OURS: u16 = 1232;

pub(crate) const A: u16 = 1;
pub(crate) const POINTER: u16 = 12;
pub(crate) const AAAA: u16 = 28;
/// `*`: any kind.
pub(crate) const ANY: u16 = 255;
/// The record that carries EDNS.
const EDNS: u16 = 41;
pub(crate) const INTERNET: u16 = 1;

const RESPONSE: u8 = 0x80;
const AUTHORITATIVE: u8 = 0x04;
const TRUNCATED: u8 = 0x02;
const RECURSION_WANTED: u8 = 0x01;
const RECURSION_OFFERED: u8 = 0x80;

/// What an answer says about the question as a whole. Source: RFC 1035, 4.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Fine = 0,
    Malformed = 1,
    Failed = 2,
    NoSuchName = 3,
    NotSupported = 4,
}

/// A question that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The asker's number for it.
    pub id: u16,
    /// The name in lower case without the last dot; `None` if it is none that a container could have.
    pub name: Option<String>,
    /// What is asked for.
    pub kind: u16,
    /// In which class; 1 is the internet.
    pub class: u16,
    /// The question as it was written.
    pub question: Vec<u8>,
    /// The asker leaves looking around to us.
    pub recursion: bool,
    /// What the asker takes over UDP, if it says so.
    pub takes: Option<u16>,
}

/// A message that is no question, with what can be answered to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// Too short, or an answer: nothing is said to it, lest two servers talk forever.
    Ignore,
    /// It has a number, so it gets an error.
    Refuse(Vec<u8>),
}

impl Query {
    /// Reads a question.
    ///
    /// # Errors
    /// [`Malformed`] says what to answer to what is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let Some(header) = bytes.get(..HEADER).filter(|it| it[2] & RESPONSE == 0) else {
            return Err(Malformed::Ignore);
        };
        let id = u16::from_be_bytes([header[0], header[1]]);
        if header[2] & 0x78 != 0 {
            return Err(Malformed::Refuse(refusal(header, Code::NotSupported)));
        }
        Self::parts(id, header, bytes).ok_or_else(|| Malformed::Refuse(refusal(header, Code::Malformed)))
    }

    fn parts(id: u16, header: &[u8], bytes: &[u8]) -> Option<Self> {
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        if count(4) != 1 {
            return None;
        }
        let (labels, end) = labels(bytes, HEADER)?;
        let question = bytes.get(HEADER..end + 4)?;
        let number = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let records = usize::from(count(6)) + usize::from(count(8)) + usize::from(count(10));
        Some(Self {
            id,
            name: text(&labels),
            kind: number(end)?,
            class: number(end + 2)?,
            question: question.to_vec(),
            recursion: header[2] & RECURSION_WANTED != 0,
            takes: edns(bytes, end + 4, records)?,
        })
    }

    /// The most that the asker takes over UDP.
    pub(crate) fn limit(&self) -> usize {
        self.takes.map_or(SMALL, |it| usize::from(it).clamp(SMALL, usize::from(OURS.max(it))))
    }

    /// Writes an answer that is good for this moment only, no longer than `limit`: what does not fit is left out, and said to be.
    pub(crate) fn answer(&self, code: Code, records: &[Record], limit: usize) -> Vec<u8> {
        let mut bytes = self.id.to_be_bytes().to_vec();
        let recursion = if self.recursion { RECURSION_WANTED } else { 0 };
        bytes.extend([RESPONSE | AUTHORITATIVE | recursion, RECURSION_OFFERED | code as u8]);
        bytes.extend([0, 1, 0, 0, 0, 0, 0, u8::from(self.takes.is_some())]);
        bytes.extend(&self.question);
        let room = limit.saturating_sub(if self.takes.is_some() { 11 } else { 0 });
        let mut written = 0_u16;
        for record in records {
            let record = record.bytes();
            if bytes.len() + record.len() > room {
                bytes[2] |= TRUNCATED;
                break;
            }
            bytes.extend(record);
            written += 1;
        }
        bytes[6..8].copy_from_slice(&written.to_be_bytes());
        if self.takes.is_some() {
            bytes.push(0);
            bytes.extend(EDNS.to_be_bytes());
            bytes.extend(OURS.to_be_bytes());
            bytes.extend([0; 6]);
        }
        bytes
    }
}

/// Something to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Address(IpAddr),
    Pointer(String),
}

impl Record {
    /// Name (that of the question), kind, class, time to live 0, data.
    fn bytes(&self) -> Vec<u8> {
        let (kind, data) = match self {
            Self::Address(IpAddr::V4(it)) => (A, it.octets().to_vec()),
            Self::Address(IpAddr::V6(it)) => (AAAA, it.octets().to_vec()),
            Self::Pointer(name) => (POINTER, encode(name)),
        };
        let mut bytes = vec![0xc0, 12];
        bytes.extend(kind.to_be_bytes());
        bytes.extend(INTERNET.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
        bytes.extend(data);
        bytes
    }
}

/// A name as labels; what is too long is cut off.
fn encode(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|it| !it.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(LONGEST_LABEL)];
        if bytes.len() + label.len() + 2 > LONGEST_NAME {
            break;
        }
        bytes.push(u8::try_from(label.len()).unwrap_or(0));
        bytes.extend(label);
    }
    bytes.push(0);
    bytes
}

/// The labels of a name that is written out, and where it ends. The name of a question has nothing before it to refer to.
fn labels(bytes: &[u8], start: usize) -> Option<(Vec<&[u8]>, usize)> {
    let (mut at, mut labels) = (start, Vec::new());
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return (at - start <= LONGEST_NAME).then_some((labels, at));
        }
        if length > LONGEST_LABEL || at + length - start > LONGEST_NAME {
            return None;
        }
        labels.push(bytes.get(at..at + length)?);
        at += length;
    }
}

/// Nothing for a name with bytes that no container's name has, dots within labels among them.
fn text(labels: &[&[u8]]) -> Option<String> {
    let plain = |it: &u8| it.is_ascii_graphic() && *it != b'.';
    let all = labels.iter().all(|label| label.iter().all(plain));
    all.then(|| {
        labels
            .iter()
            .map(|it| String::from_utf8_lossy(it).to_ascii_lowercase())
            .collect::<Vec<_>>()
            .join(".")
    })
}

/// Looks for EDNS among the records behind the question; nothing for what is cut off.
fn edns(bytes: &[u8], mut at: usize, records: usize) -> Option<Option<u16>> {
    for _ in 0..records {
        at = skip_name(bytes, at)?;
        let fixed = bytes.get(at..at + 10)?;
        if u16::from_be_bytes([fixed[0], fixed[1]]) == EDNS {
            return Some(Some(u16::from_be_bytes([fixed[2], fixed[3]])));
        }
        at += 10 + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
    }
    Some(None)
}

fn skip_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            length if length <= LONGEST_LABEL => at += 1 + length,
            // A reference to an earlier name ends this one.
            length if length >= 0xc0 => return Some(at + 2),
            _ => return None,
        }
    }
}

fn refusal(header: &[u8], code: Code) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..2].copy_from_slice(&header[..2]);
    bytes[2] = RESPONSE | (header[2] & (0x78 | RECURSION_WANTED));
    bytes[3] = RECURSION_OFFERED | code as u8;
    bytes
}

/// Whether bytes answer a question that we passed on: our number, and the same question.
pub(crate) fn answers(bytes: &[u8], id: u16, question: &[u8]) -> bool {
    let same = |asked: &[u8]| bytes.get(HEADER..HEADER + asked.len()).is_some_and(|it| it.eq_ignore_ascii_case(asked));
    let one = bytes.get(4..6) == Some(&[0, 1][..]);
    bytes.get(..2) == Some(&id.to_be_bytes()[..]) && bytes.get(2).is_some_and(|it| it & RESPONSE != 0) && one && same(question)
}

/// Puts another number on a message.
pub(crate) fn renumber(bytes: &mut [u8], id: u16) {
    if let Some(place) = bytes.get_mut(..2) {
        place.copy_from_slice(&id.to_be_bytes());
    }
}

/// Whether an answer says that it failed, so that another server may know better.
pub(crate) fn is_failure(bytes: &[u8]) -> bool {
    bytes.get(3).is_some_and(|it| matches!(it & 0x0f, 2 | 4 | 5))
}
