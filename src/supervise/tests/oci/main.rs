//! Runs OCI bundles under the real shim and guardian, as the command line does with its hidden verbs. For tests.
#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "a program of the tests")]

#[cfg(target_os = "linux")]
fn main() {
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let texts: Vec<&str> = words.iter().map(|it| it.to_str().unwrap()).collect();
    let done = match texts.get(1..).unwrap_or_default() {
        ["__guard", folder] => {
            rcompose_runtime::protect(&words).unwrap();
            rcompose_supervise::guard(folder.as_ref())
        }
        ["__shim", folder, ticket @ ..] => {
            rcompose_runtime::protect(&words).unwrap();
            rcompose_supervise::shim(folder.as_ref(), ticket.first().map(|it| it.parse().unwrap()), &rcompose_supervise::Oci)
        }
        other => panic!("{other:?}"),
    };
    if let Err(error) = done {
        eprintln!("error: {}", error.chain());
        std::process::exit(1);
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
