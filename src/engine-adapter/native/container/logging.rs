//! What the options of a logging driver come to here. Pure.
//!
//! Source: Docker's documentation, "JSON File logging driver", "Local file logging driver", "Configure the delivery mode of log messages".

use rcompose_engine_adapter::{EngineError, ErrorKind, Logging, Result};
use rcompose_supervise::Limits;

use crate::error;

/// What `none` keeps: what is on its way to whoever attached.
const NONE: Limits = Limits { max_size: 64 << 10, max_file: 1 };
/// Options of Docker's cache for drivers that cannot be read back; these can.
const CACHE: &str = "cache-";

/// How much is kept, and what is not as asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) limits: Limits,
    /// One for each option that does nothing here.
    pub(super) warnings: Vec<String>,
}

/// Reads what a container says about its log. `who` is named in errors.
///
/// # Errors
/// `Unsupported`: a driver that is not there. `Invalid`: an option that the driver does not have, or a value that it cannot have.
pub(super) fn read(who: &str, logging: Option<&Logging>) -> Result<Kept> {
    let mut kept = Kept::default();
    let idle = |option: &str, why: &str| idle(who, option, why);
    let Some(Logging { driver, options }) = logging else {
        return Ok(kept);
    };
    let driver = match driver.as_deref() {
        None | Some("" | "json-file") => "json-file",
        Some("local") => "local",
        Some("none") => {
            kept.limits = NONE;
            kept.warnings.extend(options.keys().map(|it| idle(it, "the driver `none` keeps nothing")));
            return Ok(kept);
        }
        Some(other) => {
            let message = format!("{who}: logging.driver: `{other}` is not there on the native engine; it has json-file, local and none");
            return Err(EngineError::new(ErrorKind::Unsupported, message));
        }
    };
    let mut warnings = Vec::new();
    for (key, value) in options {
        let wrong = |wanted: &str| error::invalid(format!("{who}: logging.options.{key}: `{value}` is {wanted}"));
        match key.as_str() {
            "max-size" => {
                kept.limits.max_size = bytes(value).filter(|it| *it > 0).ok_or_else(|| wrong("no size above 0, such as 10m"))?;
            }
            "max-file" => {
                let count = value.parse().ok().filter(|it| *it > 0);
                kept.limits.max_file = count.ok_or_else(|| wrong("no number above 0"))?;
            }
            "compress" => match switch(value) {
                None => return Err(wrong("neither true nor false")),
                // Whoever follows a log is sent its files by the kernel, from wherever they are.
                Some(true) => warnings.push(idle(key, "files of the log are kept as they are")),
                Some(false) => {}
            },
            "mode" => match value.as_str() {
                "" | "blocking" => {}
                "non-blocking" => warnings.push(idle(key, "the container waits for the disk, and no line is dropped")),
                _ => return Err(wrong("neither blocking nor non-blocking")),
            },
            "max-buffer-size" => {
                bytes(value).ok_or_else(|| wrong("no size such as 4m"))?;
                if options.get("mode").map(String::as_str) != Some("non-blocking") {
                    return Err(error::invalid(format!("{who}: logging.options.{key}: only with `mode: non-blocking`")));
                }
                warnings.push(idle(key, "no line is dropped, so there is no such buffer"));
            }
            "labels" | "labels-regex" | "env" | "env-regex" | "tag" => warnings.push(idle(key, "nothing is added to lines")),
            _ if key.starts_with(CACHE) => warnings.push(idle(key, "the log itself is read")),
            _ => {
                let message = format!("{who}: logging.options.{key}: the driver {driver} has no such option");
                return Err(error::invalid(message));
            }
        }
    }
    kept.warnings = warnings;
    Ok(kept)
}

fn idle(who: &str, option: &str, why: &str) -> String {
    format!("`logging.options.{option}` of {who} has no effect on the native engine: {why}")
}

/// Reads a size as Docker does: a number, which may have a fraction, and a unit of 1000, which may have `B` or `iB` after it.
fn bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let end = lower.rfind(|it: char| it.is_ascii_digit() || it == '.')? + 1;
    let (number, unit) = lower.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let mut rest = unit.chars();
    let power = match rest.next() {
        None | Some('b') => 0,
        Some('k') => 1,
        Some('m') => 2,
        Some('g') => 3,
        Some('t') => 4,
        Some('p') => 5,
        Some(_) => return None,
    };
    let tail = rest.as_str();
    let fits = if unit.starts_with('b') {
        tail.is_empty()
    } else {
        ["", "b", "ib"].contains(&tail)
    };
    let is_plain = number.starts_with(|it: char| it.is_ascii_digit()) && number.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    let size = number.parse::<f64>().ok().filter(|_| is_plain && fits)? * 1000_f64.powi(power);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0, and a larger one is the largest")]
    Some(size as u64)
}

/// As Go's `strconv.ParseBool` reads it, which Docker uses.
fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logging(driver: &str, options: &[(&str, &str)]) -> Logging {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Logging { driver: Some(driver.to_owned()).filter(|it| !it.is_empty()), options }
    }

    #[test]
    fn what_is_honoured_changes_limits_and_the_rest_is_a_warning() {
        let default = Limits::default();
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], (u64, u32), &'a [&'a str]);
        let cases: [Case<'_>; 12] = [
            ("", &[], (default.max_size, default.max_file), &[]),
            ("json-file", &[("max-size", "10m"), ("max-file", "2")], (10_000_000, 2), &[]),
            ("local", &[("max-size", "1.5k")], (1500, default.max_file), &[]),
            ("none", &[], (NONE.max_size, NONE.max_file), &[]),
            ("none", &[("max-size", "x")], (NONE.max_size, NONE.max_file), &["max-size"]),
            ("", &[("compress", "true")], (default.max_size, default.max_file), &["compress"]),
            ("", &[("compress", "0")], (default.max_size, default.max_file), &[]),
            ("", &[("mode", "blocking")], (default.max_size, default.max_file), &[]),
            (
                "local",
                &[("mode", "non-blocking"), ("max-buffer-size", "4m")],
                (default.max_size, default.max_file),
                &["max-buffer-size", "mode"],
            ),
            (
                "",
                &[("labels", "a"), ("labels-regex", "a")],
                (default.max_size, default.max_file),
                &["labels", "labels-regex"],
            ),
            ("", &[("env", "A"), ("env-regex", "A")], (default.max_size, default.max_file), &["env", "env-regex"]),
            (
                "",
                &[("tag", "x"), ("cache-disabled", "true")],
                (default.max_size, default.max_file),
                &["cache-disabled", "tag"],
            ),
        ];
        for (driver, options, limits, idle) in cases {
            let kept = read("service web", Some(&logging(driver, options))).unwrap();
            assert_eq!((kept.limits.max_size, kept.limits.max_file), limits, "{driver} {options:?}");
            let named: Vec<&str> = kept
                .warnings
                .iter()
                .filter_map(|it| it.strip_prefix("`logging.options.")?.split('`').next())
                .collect();
            assert_eq!(named, idle, "{driver} {options:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_an_error_that_names_service_and_option() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], ErrorKind, &'a str);
        let cases: [Case<'_>; 11] = [
            ("syslog", &[], ErrorKind::Unsupported, "logging.driver: `syslog`"),
            (
                "json-file",
                &[("syslog-address", "x")],
                ErrorKind::Invalid,
                "logging.options.syslog-address: the driver json-file has no",
            ),
            ("local", &[("max_size", "10m")], ErrorKind::Invalid, "logging.options.max_size: the driver local has no"),
            ("", &[("max-size", "0")], ErrorKind::Invalid, "logging.options.max-size: `0`"),
            ("", &[("max-size", "-1")], ErrorKind::Invalid, "logging.options.max-size: `-1`"),
            ("", &[("max-file", "0")], ErrorKind::Invalid, "logging.options.max-file: `0`"),
            ("", &[("max-file", "two")], ErrorKind::Invalid, "logging.options.max-file: `two`"),
            ("", &[("compress", "yes")], ErrorKind::Invalid, "logging.options.compress: `yes`"),
            ("", &[("mode", "fast")], ErrorKind::Invalid, "logging.options.mode: `fast`"),
            ("", &[("max-buffer-size", "4m")], ErrorKind::Invalid, "logging.options.max-buffer-size: only with"),
            (
                "",
                &[("mode", "non-blocking"), ("max-buffer-size", "x")],
                ErrorKind::Invalid,
                "logging.options.max-buffer-size: `x`",
            ),
        ];
        for (driver, options, kind, words) in cases {
            let error = read("service web", Some(&logging(driver, options))).unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.message.starts_with("service web: ") && error.message.contains(words), "{error}");
        }
    }

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, size) in [
            ("10m", Some(10_000_000)),
            ("1GB", Some(1_000_000_000)),
            ("1 GiB", Some(1_000_000_000)),
            ("200", Some(200)),
            ("200b", Some(200)),
            ("5kb", Some(5000)),
            ("2.5k", Some(2500)),
            ("m", None),
            ("1x", None),
            ("1bb", None),
            ("1kx", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1.2.3", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), size, "{text}");
        }
    }
}
