//! `update`.

use std::fs;
use std::io::{Read, stdin};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Face, OciError, Result};

/// Flags with their place among the resources of a spec.
const PLACES: [(&str, &str, &str); 14] = [
    ("memory", "memory", "limit"),
    ("memory-swap", "memory", "swap"),
    ("memory-reservation", "memory", "reservation"),
    ("cpu-shares", "cpu", "shares"),
    ("cpu-period", "cpu", "period"),
    ("cpu-quota", "cpu", "quota"),
    ("cpu-burst", "cpu", "burst"),
    ("cpu-rt-period", "cpu", "realtimePeriod"),
    ("cpu-rt-runtime", "cpu", "realtimeRuntime"),
    ("cpu-idle", "cpu", "idle"),
    ("cpuset-cpus", "cpu", "cpus"),
    ("cpuset-mems", "cpu", "mems"),
    ("pids-limit", "pids", "limit"),
    ("blkio-weight", "blockIO", "weight"),
];

/// Sets new limits.
pub(super) fn update(face: &Face) -> Result<u8> {
    let (text, name) = match face.words.value("resources") {
        Some("-") => {
            let mut text = Vec::new();
            stdin().read_to_end(&mut text).map_err(|error| OciError::Streams("read the resources", error))?;
            (text, "standard input")
        }
        Some(path) => (fs::read(path).map_err(|error| OciError::file("read", path, error))?, path),
        None => (given(face)?.to_string().into_bytes(), "the flags"),
    };
    let resources = rcompose_runtime::bundle::parse_resources(&text, Path::new(name))?;
    let warnings = face.store.read(face.id(0)?)?.update(&resources)?;
    face.warn(&warnings);
    Ok(0)
}

/// The flags as resources of a spec.
fn given(face: &Face) -> Result<Value> {
    let mut all: Map<String, Value> = Map::new();
    for (flag, group, key) in PLACES {
        let Some(text) = face.words.value(flag) else { continue };
        let value = match flag {
            "cpuset-cpus" | "cpuset-mems" => json!(text),
            "memory" | "memory-swap" | "memory-reservation" => json!(bytes(flag, text)?),
            _ => json!(text.parse::<i64>().map_err(|_| OciError::Words(format!("--{flag} {text}: not a number")))?),
        };
        if let Some(group) = all.entry(group).or_insert_with(|| json!({})).as_object_mut() {
            group.insert(key.to_owned(), value);
        }
    }
    Ok(Value::Object(all))
}

/// A number of bytes, with a unit of 1024 or without.
fn bytes(flag: &str, text: &str) -> Result<i64> {
    let wrong = || OciError::Words(format!("--{flag} {text}: not a number of bytes"));
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (digits, shift) = match lower.as_bytes().last() {
        Some(b'k') => (&lower[..lower.len() - 1], 10),
        Some(b'm') => (&lower[..lower.len() - 1], 20),
        Some(b'g') => (&lower[..lower.len() - 1], 30),
        Some(b't') => (&lower[..lower.len() - 1], 40),
        _ => (lower, 0),
    };
    digits.parse::<i64>().ok().and_then(|it| it.checked_mul(1 << shift)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes("memory", "64m").unwrap(), 64 << 20);
        assert_eq!(bytes("memory", "1GB").unwrap(), 1 << 30);
        assert_eq!((bytes("memory", "-1").unwrap(), bytes("memory", "7").unwrap()), (-1, 7));
        for text in ["", "m", "1x", "9999999999g"] {
            assert!(bytes("memory", text).is_err(), "{text}");
        }
    }
}
