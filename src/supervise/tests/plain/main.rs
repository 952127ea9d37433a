//! Runs ordinary processes under the real shim and guardian. For tests: no namespace, no root, no rights are needed.
#![expect(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used, reason = "a program of the tests")]

#[cfg(target_os = "linux")]
mod launcher;
#[cfg(target_os = "linux")]
mod program;

#[cfg(target_os = "linux")]
fn main() {
    let words: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.get(1..).unwrap_or_default() {
        ["__guard", folder] => rcompose_supervise::guard(folder.as_ref()),
        ["__shim", folder, ticket @ ..] => {
            rcompose_supervise::shim(folder.as_ref(), ticket.first().map(|it| it.parse().unwrap()), &launcher::Plain)
        }
        words => std::process::exit(program::run(words)),
    };
    if let Err(error) = done {
        eprintln!("error: {}", error.chain());
        std::process::exit(1);
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
