//! Where errors and warnings go: `--log`, in the form that containerd's shim reads, and standard error.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write;

use super::words::Words;
use super::{OciError, Result};
use crate::output;

/// The log of one call.
pub(super) struct Journal {
    file: Option<RefCell<File>>,
    as_json: bool,
}

impl Journal {
    /// Opens the file of `--log`.
    pub(super) fn open(globals: &Words) -> Result<Self> {
        let as_json = match globals.value("log-format") {
            None | Some("text") => false,
            Some("json") => true,
            Some(other) => return Err(OciError::Words(format!("--log-format {other}: neither `text` nor `json`"))),
        };
        let open = |path| {
            let opened = OpenOptions::new().create(true).append(true).open(&path);
            opened.map_err(|error| OciError::file("open the log", path, error))
        };
        Ok(Self { file: globals.path("log").map(open).transpose()?.map(RefCell::new), as_json })
    }

    pub(super) fn error(&self, text: &str) {
        self.line("error", text);
        if self.file.is_some() {
            output::err(&format!("{text}\n"));
        }
    }

    pub(super) fn warning(&self, text: &str) {
        self.line("warning", text);
    }

    fn line(&self, level: &str, text: &str) {
        let now = jiff::Timestamp::now();
        let line = if self.as_json {
            serde_json::json!({ "level": level, "msg": text, "time": now.to_string() }).to_string()
        } else {
            format!("time={now} level={level} msg={text:?}")
        };
        match &self.file {
            // A log that cannot be written keeps no container from running.
            Some(file) => drop(file.borrow_mut().write_all(format!("{line}\n").as_bytes())),
            None => output::err(&format!("{line}\n")),
        }
    }
}
