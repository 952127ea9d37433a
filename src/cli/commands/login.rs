//! `login` and `logout`.

use std::io::Read;
use std::sync::Arc;

use rcompose_credentials::{Credentials, DockerConfig, Kept};
use rcompose_image::{Client, DOCKER_IO, Login, Reference, Watch};

use super::image::registries;
use crate::args::{LoginArgs, LogoutArgs};
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::signals::Interrupts;
use crate::terminal::Hidden;

/// The longest password: some tokens have thousands of letters, none a million.
const LONGEST: u64 = 1 << 20;

/// Runs `login`: asks who it is, asks the registry whether it knows them, and keeps the answer.
pub(crate) async fn run(session: &Session, args: LoginArgs) -> Result<u8, Failure> {
    let registry = registry(args.registry.as_deref())?;
    let folder = folder(session)?;
    if args.password.is_some() && !args.password_stdin {
        session.say("Warning: a password on the command line can be seen by others; --password-stdin cannot.");
    }
    let credentials = credentials(session, &args, &registry, &folder).await?;
    let mut settings = registries(session, None)?;
    let login = Login { username: credentials.username.clone(), password: credentials.password.clone(), ..Login::default() };
    settings.keychain = Arc::new(move |_| Ok(Some(login.clone())));
    let client = Client::new(settings);
    let asked = registry.clone();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let check = tokio::task::spawn_blocking(move || client.check_login(&asked, &Watch::new(&|_| (), &stop)));
    check
        .await
        .map_err(|error| Failure::io("the work ended in the middle", std::io::Error::other(error)))??;
    if let Kept::File(path) = rcompose_credentials::store(&folder, &registry, &credentials)? {
        session.say(&format!(
            "Warning: the password is kept in {}, readable by you and root. A credential helper keeps it better: `credsStore` there names one.",
            path.display()
        ));
    }
    output::line("Login Succeeded")?;
    Ok(0)
}

/// Runs `logout`.
pub(crate) fn out(session: &Session, args: &LogoutArgs) -> Result<u8, Failure> {
    let registry = registry(args.registry.as_deref())?;
    let known = rcompose_credentials::erase(&folder(session)?, &registry)?;
    output::line(&if known {
        format!("Removing login credentials for {registry}")
    } else {
        format!("Not logged in to {registry}")
    })?;
    Ok(0)
}

/// Reads the name of a registry, with or without scheme and path.
fn registry(text: Option<&str>) -> Result<String, Failure> {
    let Some(text) = text else { return Ok(DOCKER_IO.to_owned()) };
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let host = host.split('/').next().unwrap_or(host);
    if matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io") {
        return Ok(DOCKER_IO.to_owned());
    }
    // What can be a host in an image's name, even without a dot.
    let probe: Result<Reference, _> = format!("{host}/x").parse();
    match probe {
        Ok(_) if !host.is_empty() => Ok(host.to_owned()),
        _ => Err(Failure::usage(format!("`{text}` is no registry"), "write HOST or HOST:PORT")),
    }
}

fn folder(session: &Session) -> Result<std::path::PathBuf, Failure> {
    session
        .caller
        .docker_config()
        .ok_or_else(|| Failure::refused_with("there is no folder for the docker configuration", "set HOME or DOCKER_CONFIG"))
}

async fn credentials(session: &Session, args: &LoginArgs, registry: &str, folder: &std::path::Path) -> Result<Credentials, Failure> {
    if args.password_stdin {
        let Some(username) = args.username.clone() else {
            return Err(Failure::usage("--password-stdin needs a name", "write `--username NAME --password-stdin`"));
        };
        let mut password = String::new();
        std::io::stdin()
            .lock()
            .take(LONGEST)
            .read_to_string(&mut password)
            .map_err(|error| Failure::io("cannot read the password", error))?;
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        return whole(username, password);
    }
    let known = DockerConfig::read(folder)?.find(registry)?.and_then(|it| it.username);
    if !session.can_ask() && (args.username.is_none() || args.password.is_none()) {
        return Err(Failure::usage(
            "nobody is there to be asked for name and password",
            "write `--username NAME --password-stdin`",
        ));
    }
    let username = match &args.username {
        Some(username) => username.clone(),
        None => {
            let shown = known.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
            let typed = line(&format!("Username{shown}: "), false).await?;
            if typed.is_empty() { known.unwrap_or_default() } else { typed }
        }
    };
    let password = match &args.password {
        Some(password) => password.clone(),
        None => line("Password: ", true).await?,
    };
    whole(username, password)
}

fn whole(username: String, password: String) -> Result<Credentials, Failure> {
    if username.is_empty() || password.is_empty() || username.contains(':') {
        return Err(Failure::usage(
            "name and password are needed, the name without `:`",
            "write `--username NAME --password-stdin`",
        ));
    }
    Ok(Credentials { username: Some(username), password: Some(password), ..Credentials::default() })
}

/// Asks for a line; `hidden` does not show what is typed.
async fn line(question: &str, hidden: bool) -> Result<String, Failure> {
    output::err(question);
    let mode = hidden.then(Hidden::enter).flatten();
    let mut interrupts = Interrupts::listen();
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = tokio::select! {
        line = answer => Some(line.unwrap_or_else(|error| Err(error.into()))),
        _ = interrupts.next() => None,
    };
    drop(mode);
    if hidden || line.is_none() {
        output::err("\n");
    }
    match line {
        Some(line) => Ok(line
            .map_err(|error| Failure::io("cannot read the answer", error))?
            .trim_end_matches(['\r', '\n'])
            .to_owned()),
        None => Err(Failure::Interrupted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_named_in_one_way() {
        for (text, name) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
            ("http://h:5000/v2/", "h:5000"),
            ("ghcr.io", "ghcr.io"),
            ("reg", "reg"),
        ] {
            assert_eq!(registry(Some(text)).unwrap(), name);
        }
        for text in ["", "h:x", "a b"] {
            assert!(registry(Some(text)).is_err(), "{text}");
        }
    }
}
