//! The hidden verbs under which the program starts itself again.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::output;

/// Verbs that a person never types.
const HIDDEN: [&str; 4] = ["__init", "__shim", "__guard", "oci"];
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
        "__init" => {
            let program = words.get(2..).unwrap_or_default();
            let program = program.strip_prefix(&[OsString::from("--")]).unwrap_or(program);
            return match rcompose_runtime::init::run(program) {
                Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
                Err(error) => {
                    output::err(&format!("error: {}\n", error.chain()));
                    ExitCode::from(127)
                }
            };
        }
        _ => {}
    }
    let _ = words;
    output::err(&format!("error: the hidden verb `{verb}`: not in this version\n"));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_word_counts() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(hidden_verb(&words("rcompose __init")), Some("__init"));
        assert_eq!(hidden_verb(&words("/x/rcompose-oci create")), Some("oci"));
        assert_eq!(hidden_verb(&words("rcompose exec web __init")), None);
        assert_eq!(hidden_verb(&words("rcompose")), None);
    }
}
