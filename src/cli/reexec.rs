//! The hidden verbs under which the program starts itself again.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::output;

/// Verbs that a person never types.
const HIDDEN: [&str; 5] = ["__shim", "__guard", "__changed", "__clear", "oci"];
/// The name under which the program is an OCI runtime.
const OCI_NAME: &str = "rcompose-oci";

/// Returns the hidden verb, if the words hold one.
pub(crate) fn hidden_verb(words: &[OsString]) -> Option<&'static str> {
    let name = words.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == OCI_NAME) {
        return Some("oci");
    }
    let first = words.get(1)?;
    HIDDEN.into_iter().find(|verb| first == verb)
}

/// Runs a hidden verb. No thread exists yet.
pub(crate) fn run(verb: &'static str, words: &[OsString]) -> ExitCode {
    #[cfg(target_os = "linux")]
    match verb {
        "oci" => {
            let by_name = words.first().map(Path::new).and_then(Path::file_name).is_some_and(|name| name == OCI_NAME);
            return crate::oci::main(words, if by_name { 1 } else { 2 });
        }
        "__shim" => return shim(words),
        "__guard" => return guardian(words),
        "__changed" => return changed(words),
        "__clear" => return clear(words),
        _ => {}
    }
    let _ = words;
    output::err(&format!("error: the hidden verb `{verb}`: not in this version\n"));
    ExitCode::FAILURE
}

/// Runs the shim of the container whose folder is named, for the order of that number.
#[cfg(target_os = "linux")]
fn shim(words: &[OsString]) -> ExitCode {
    // The shim enters what containers can see: from here on no file of the host is behind `/proc/self/exe`.
    if let Err(error) = rcompose_runtime::protect(words) {
        return failed(&error.chain());
    }
    let ticket = words.get(3).map(|it| it.to_str().and_then(|it| it.parse().ok()).ok_or("__shim FOLDER [NUMBER]"));
    match (words.get(2), ticket.transpose()) {
        (Some(folder), Ok(ticket)) => {
            let done = rcompose_supervise::shim(Path::new(folder), ticket, &rcompose_supervise::Oci);
            done.map_or_else(|error| failed(&error.chain()), |()| ExitCode::SUCCESS)
        }
        (None, _) => failed("__shim FOLDER [NUMBER]"),
        (_, Err(usage)) => failed(usage),
    }
}

/// Brings the guardian of the project whose folder is named.
#[cfg(target_os = "linux")]
fn guardian(words: &[OsString]) -> ExitCode {
    // It enters no container; but the shims that it starts are this very file, and need no second start then.
    if let Err(error) = rcompose_runtime::protect(words) {
        return failed(&error.chain());
    }
    let Some(folder) = words.get(2) else {
        return failed("__guard FOLDER");
    };
    rcompose_supervise::guard(Path::new(folder)).map_or_else(|error| failed(&error.chain()), |()| ExitCode::SUCCESS)
}

/// Does what follows from a change of a container of the native engine: called by its shim.
#[cfg(target_os = "linux")]
fn changed(words: &[OsString]) -> ExitCode {
    let [_, _, root, run, id] = words else {
        return failed("__changed ROOT RUN ID");
    };
    let done = rcompose_native::changed(Path::new(root), Path::new(run), &id.to_string_lossy());
    done.map_or_else(|error| failed(&error.to_string()), |()| ExitCode::SUCCESS)
}

/// Takes away what the native engine removed.
#[cfg(target_os = "linux")]
fn clear(words: &[OsString]) -> ExitCode {
    let [_, _, folder] = words else {
        return failed("__clear FOLDER");
    };
    rcompose_native::clear(Path::new(folder)).map_or_else(|error| failed(&error.to_string()), |()| ExitCode::SUCCESS)
}

#[cfg(target_os = "linux")]
fn failed(words: &str) -> ExitCode {
    output::err(&format!("error: {words}\n"));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_word_counts() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(hidden_verb(&words("rcompose __shim")), Some("__shim"));
        assert_eq!(hidden_verb(&words("/x/rcompose-oci create")), Some("oci"));
        assert_eq!(hidden_verb(&words("rcompose exec web __shim")), None);
        assert_eq!(hidden_verb(&words("rcompose")), None);
    }
}
