//! What runs: entrypoint, command, environment, user.

use std::collections::BTreeSet;

use rcompose_engine_adapter::Process;
use rcompose_spec::model::Service;

use super::{Lowering, set};
use crate::World;

pub(super) fn process(lowering: &Lowering<'_>, service: &Service) -> Process {
    let proxies = &lowering.world.proxy_environment;
    let mut environment: std::collections::BTreeMap<String, Option<String>> =
        proxies.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    environment.extend(service.environment.clone());
    Process {
        entrypoint: service.entrypoint.clone(),
        command: service.command.clone(),
        environment,
        user: set(&service.user),
        working_dir: set(&service.working_dir),
        tty: service.tty,
        stdin_open: service.stdin_open,
        stdin_once: false,
    }
}

/// Returns the keys whose values are never shown.
pub(crate) fn private_keys(world: &World, service: &Service) -> BTreeSet<String> {
    let from_files = world.env_file_keys.get(&service.name).into_iter().flatten().cloned();
    let by_name = service.environment.keys().filter(|key| looks_secret(key)).cloned();
    from_files.chain(by_name).collect()
}

/// Words in a variable's name that say its value is a secret.
const SECRET_WORDS: &[&str] = &[
    "PASS",
    "PWD",
    "SECRET",
    "TOKEN",
    "KEY",
    "CREDENTIAL",
    "AUTH",
    "PRIVATE",
    "DSN",
    "DATABASE_URL",
    "CONNECTION_STRING",
    "SALT",
];

pub(crate) fn looks_secret(key: &str) -> bool {
    let key = key.to_ascii_uppercase();
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_names_are_known() {
        for key in ["POSTGRES_PASSWORD", "api_key", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"] {
            assert!(looks_secret(key), "{key}");
        }
        for key in ["DEBUG", "PORT", "PATH", "LANG"] {
            assert!(!looks_secret(key), "{key}");
        }
    }
}
