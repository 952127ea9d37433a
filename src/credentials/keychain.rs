//! Helpers: programs `docker-credential-NAME`. Source: docker-credential-helpers, protocol of `get`, `store` and `erase`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::{Deserialize, Serialize};

use crate::config::Credentials;
use crate::error::CredentialsError;

/// The protocol's mark for a token in place of a password.
const TOKEN: &str = "<token>";

/// What a helper answers to `get`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// What a helper is told with `store`.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "ServerURL")]
    server: &'a str,
    #[serde(rename = "Username")]
    username: &'a str,
    #[serde(rename = "Secret")]
    secret: &'a str,
}

/// Names a helper's program, which is found on the search path only.
pub(crate) fn program(helper: &str) -> Result<PathBuf, CredentialsError> {
    if helper.contains(['/', '\\']) {
        return Err(CredentialsError::HelperPath { name: helper.to_owned() });
    }
    Ok(PathBuf::from(format!("docker-credential-{helper}")))
}

/// Asks a helper for the credentials of a registry.
pub(crate) fn get(program: &Path, server: &str) -> Result<Option<Credentials>, CredentialsError> {
    let output = run(program, "get", server.as_bytes())?;
    if !output.status.success() {
        return if is_unknown(&output) {
            Ok(None)
        } else {
            Err(ended(program, server, &output))
        };
    }
    let answer: Answer =
        serde_json::from_slice(&output.stdout).map_err(|_| failed(program, format!("gave no credentials for {server}")))?;
    Ok(Some(if answer.username == TOKEN {
        Credentials { identity_token: Some(answer.secret), ..Credentials::default() }
    } else {
        Credentials { username: Some(answer.username), password: Some(answer.secret), ..Credentials::default() }
    }))
}

/// Gives a helper credentials to keep.
pub(crate) fn store(program: &Path, server: &str, credentials: &Credentials) -> Result<(), CredentialsError> {
    let told = match (&credentials.identity_token, &credentials.username, &credentials.password) {
        (Some(token), ..) => Told { server, username: TOKEN, secret: token },
        (None, Some(username), Some(password)) => Told { server, username, secret: password },
        _ => return Err(failed(program, "keeps only a name with a password, or a token".into())),
    };
    let input = serde_json::to_vec(&told).map_err(|_| failed(program, "cannot be told the credentials".into()))?;
    let output = run(program, "store", &input)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(ended(program, server, &output))
    }
}

/// Tells a helper to forget the credentials of a registry; that it has none is success.
pub(crate) fn erase(program: &Path, server: &str) -> Result<(), CredentialsError> {
    let output = run(program, "erase", server.as_bytes())?;
    if output.status.success() || is_unknown(&output) {
        Ok(())
    } else {
        Err(ended(program, server, &output))
    }
}

fn run(program: &Path, verb: &str, input: &[u8]) -> Result<Output, CredentialsError> {
    let broken =
        |what: &str, error| CredentialsError::Helper { program: program.display().to_string(), what: what.to_owned(), source: Some(error) };
    let mut command = Command::new(program);
    command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| broken("named in config.json cannot be started", error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper may answer without reading; what counts is its answer.
        let _unread = stdin.write_all(input);
    }
    child.wait_with_output().map_err(|error| broken("did not end", error))
}

fn is_unknown(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stdout).contains("credentials not found")
}

fn ended(program: &Path, server: &str, output: &Output) -> CredentialsError {
    failed(program, format!("failed for {server} ({})", output.status))
}

fn failed(program: &Path, what: String) -> CredentialsError {
    CredentialsError::Helper { program: program.display().to_string(), what, source: None }
}

/// A process that starts while a program is being written holds it open, and the program cannot run: one at a time.
#[cfg(test)]
pub(crate) static STARTING: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_helper_is_asked_told_and_made_to_forget() {
        let _alone = STARTING.lock();
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("docker-credential-x");
        let kept = folder.path().join("kept");
        let text = format!(
            "#!/bin/sh\ncase $1 in\nget) read server; [ \"$server\" = h:1 ] || {{ echo credentials not found in native keychain; exit 1; }}\n\
             echo '{{\"Username\":\"<token>\",\"Secret\":\"t\"}}';;\nstore) cat >'{0}';;\nerase) read server; echo \"gone $server\" >'{0}';;\nesac\n",
            kept.display()
        );
        std::fs::write(&program, text).expect("a file");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        let found = get(&program, "h:1").expect("an answer").expect("found");
        assert_eq!((found.identity_token.as_deref(), found.password), (Some("t"), None));
        assert!(get(&program, "h:2").expect("an answer").is_none());
        let credentials = Credentials { username: Some("u".into()), password: Some("p\"".into()), ..Credentials::default() };
        store(&program, "h:1", &credentials).expect("kept");
        assert_eq!(std::fs::read_to_string(&kept).expect("a file"), r#"{"ServerURL":"h:1","Username":"u","Secret":"p\""}"#);
        erase(&program, "h:1").expect("forgotten");
        assert_eq!(std::fs::read_to_string(&kept).expect("a file"), "gone h:1\n");
    }
}
