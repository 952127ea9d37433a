//! `version`.

use crate::args::VersionArgs;
use crate::failure::Failure;
use crate::output;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Prints the version.
pub(crate) fn run(args: &VersionArgs) -> Result<u8, Failure> {
    if args.short {
        output::line(VERSION)?;
        return Ok(0);
    }
    match args.format.as_deref() {
        None | Some("" | "pretty") => pretty(),
        Some("json") => {
            output::line(&serde_json::json!({ "version": VERSION }).to_string())?;
            Ok(0)
        }
        Some(other) => Err(Failure::usage(format!("`{other}` is not a form of the version"), "write `pretty` or `json`")),
    }
}

/// Prints the version as a sentence.
pub(crate) fn pretty() -> Result<u8, Failure> {
    output::line(&format!("rcompose version {VERSION}"))?;
    Ok(0)
}
