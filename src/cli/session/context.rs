//! Where the engine is, as the docker command finds it: `DOCKER_HOST`, a context, or the default socket.

use std::path::{Path, PathBuf};

use rcompose_docker::{Connection, Endpoint, Tls};
use serde::Deserialize;

use crate::caller::Caller;
use crate::failure::Failure;

/// The context that stands for `DOCKER_HOST` or the default socket.
const DEFAULT: &str = "default";

/// A context's `meta.json`, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    name: String,
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Debug, Default, Deserialize)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEndpoint {
    #[serde(default)]
    host: String,
}

/// The docker command's `config.json`, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DockerConfig {
    current_context: String,
    /// Form of `ps`.
    pub(crate) ps_format: String,
    /// Proxies for containers, by engine address.
    pub(crate) proxies: std::collections::BTreeMap<String, super::proxy::Proxies>,
}

/// Reads the docker command's configuration; one that is absent says nothing.
pub(crate) fn docker_config(caller: &Caller) -> Result<DockerConfig, Failure> {
    let Some(path) = caller.docker_config().map(|folder| folder.join("config.json")) else {
        return Ok(DockerConfig::default());
    };
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(DockerConfig::default());
    };
    if text.trim().is_empty() {
        return Ok(DockerConfig::default());
    }
    serde_json::from_str(&text)
        .map_err(|error| Failure::refused_with(format!("{} is malformed: {error}", path.display()), "mend the file, or move it away"))
}

/// Finds out where the engine is. `DOCKER_HOST` is stronger than a context, as with the docker command.
pub(crate) fn connection(caller: &Caller) -> Result<Connection, Failure> {
    let config = caller.docker_config();
    if let Some(host) = caller.var("DOCKER_HOST") {
        return Ok(Connection { endpoint: Endpoint::parse(host, tls_of_environment(caller))?, config });
    }
    let name = match caller.var("DOCKER_CONTEXT") {
        Some(name) => name.to_owned(),
        None => docker_config(caller)?.current_context,
    };
    let endpoint = if name.is_empty() || name == DEFAULT {
        Endpoint::local()
    } else {
        of_context(&name, config.as_deref())?
    };
    Ok(Connection { endpoint, config })
}

/// Tells whether somebody named an engine, so that no other may stand in for it.
pub(crate) fn is_named(caller: &Caller) -> Result<bool, Failure> {
    if caller.var("DOCKER_HOST").is_some() {
        return Ok(true);
    }
    let name = match caller.var("DOCKER_CONTEXT") {
        Some(name) => name.to_owned(),
        None => docker_config(caller)?.current_context,
    };
    Ok(!name.is_empty() && name != DEFAULT)
}

fn tls_of_environment(caller: &Caller) -> Option<Tls> {
    caller.var("DOCKER_TLS_VERIFY")?;
    let folder = caller.var("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| caller.docker_config())?;
    Some(tls_in(&folder))
}

fn tls_in(folder: &Path) -> Tls {
    Tls { ca: folder.join("ca.pem"), cert: folder.join("cert.pem"), key: folder.join("key.pem") }
}

/// Finds a context. Source: `contexts/meta/<hash of the name>/meta.json`, and certificates in `contexts/tls/<hash>/docker`.
fn of_context(name: &str, config: Option<&Path>) -> Result<Endpoint, Failure> {
    let contexts = config.map(|folder| folder.join("contexts"));
    let found = contexts.as_ref().and_then(|contexts| {
        let entries = std::fs::read_dir(contexts.join("meta")).ok()?;
        entries.flatten().find_map(|entry| {
            let meta: Meta = serde_json::from_slice(&std::fs::read(entry.path().join("meta.json")).ok()?).ok()?;
            (meta.name == name).then(|| (entry.file_name(), meta))
        })
    });
    let Some((folder, meta)) = found else {
        return Err(Failure::refused_with(
            format!("the docker context `{name}` is not there"),
            "`docker context ls` shows those that are; DOCKER_CONTEXT and `currentContext` of config.json choose one",
        ));
    };
    let host = meta.endpoints.docker.map(|docker| docker.host).unwrap_or_default();
    if host.is_empty() {
        return Ok(Endpoint::local());
    }
    let certificates = contexts
        .map(|it| it.join("tls").join(folder).join("docker"))
        .filter(|it| it.join("ca.pem").is_file());
    Ok(Endpoint::parse(&host, certificates.map(|it| tls_in(&it)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(folder: &Path, env: &[(&str, &str)]) -> Caller {
        let mut caller = Caller { folder: folder.to_owned(), ..Caller::default() };
        caller.env.insert("DOCKER_CONFIG".into(), folder.display().to_string());
        caller.env.extend(env.iter().map(|(key, value)| ((*key).into(), (*value).into())));
        caller
    }

    #[test]
    fn the_nearest_choice_wins() {
        let folder = tempfile::tempdir().unwrap();
        let meta = folder.path().join("contexts/meta/abc");
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(meta.join("meta.json"), r#"{"Name":"far","Endpoints":{"docker":{"Host":"unix:///far.sock"}}}"#).unwrap();
        let endpoint = |env: &[(&str, &str)]| connection(&caller(folder.path(), env)).map(|it| it.endpoint);
        assert_eq!(endpoint(&[]).unwrap(), Endpoint::local());
        assert_eq!(endpoint(&[("DOCKER_CONTEXT", "far")]).unwrap(), Endpoint::Unix("/far.sock".into()));
        assert_eq!(
            endpoint(&[("DOCKER_CONTEXT", "far"), ("DOCKER_HOST", "unix:///near.sock")]).unwrap(),
            Endpoint::Unix("/near.sock".into())
        );
        std::fs::write(folder.path().join("config.json"), r#"{"currentContext":"far","auths":{}}"#).unwrap();
        assert_eq!(endpoint(&[]).unwrap(), Endpoint::Unix("/far.sock".into()));
        assert!(endpoint(&[("DOCKER_CONTEXT", "gone")]).unwrap_err().to_string().contains("`gone`"));
    }
}
