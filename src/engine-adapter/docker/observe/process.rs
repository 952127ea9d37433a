//! What runs, read back less the image's defaults.

use std::collections::BTreeMap;

use bollard::models::{ContainerConfig, HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum};
use rcompose_engine_adapter::{ImageConfig, Logging, Process, Restart};

pub(super) fn process(config: &mut ContainerConfig, image: &ImageConfig) -> Process {
    let entrypoint = config.entrypoint.take().filter(|entrypoint| *entrypoint != image.entrypoint);
    // The engine shows the image's command where none was given; an entrypoint of the container's own switches it off.
    let command = config
        .cmd
        .take()
        .filter(|command| !command.is_empty() && (entrypoint.is_some() || *command != image.command));
    Process {
        entrypoint,
        command,
        environment: environment(config.env.take().unwrap_or_default(), image),
        user: own(config.user.take(), &image.user),
        working_dir: own(config.working_dir.take(), &image.working_dir),
        tty: config.tty.unwrap_or_default(),
        stdin_open: config.open_stdin.unwrap_or_default(),
        stdin_once: config.stdin_once.unwrap_or_default(),
    }
}

/// Drops what is empty or the image's.
pub(super) fn own(value: Option<String>, image: &str) -> Option<String> {
    value.filter(|value| !value.is_empty() && value != image)
}

fn environment(list: Vec<String>, image: &ImageConfig) -> BTreeMap<String, Option<String>> {
    let mut variables = BTreeMap::new();
    for text in list {
        match text.split_once('=') {
            Some((key, value)) if image.environment.get(key).is_some_and(|own| own == value) => {}
            Some((key, value)) => {
                variables.insert(key.to_owned(), Some(value.to_owned()));
            }
            None => {
                variables.insert(text, None);
            }
        }
    }
    variables
}

pub(super) fn restart(policy: Option<RestartPolicy>) -> Restart {
    let Some(policy) = policy else { return Restart::No };
    match policy.name {
        None | Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO) => Restart::No,
        Some(RestartPolicyNameEnum::ALWAYS) => Restart::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => Restart::UnlessStopped,
        Some(RestartPolicyNameEnum::ON_FAILURE) => {
            Restart::OnFailure { attempts: policy.maximum_retry_count.and_then(|it| u32::try_from(it).ok()).unwrap_or_default() }
        }
    }
}

pub(super) fn logging(found: Option<HostConfigLogConfig>, default: &str) -> Option<Logging> {
    let found = found?;
    let options: BTreeMap<String, String> = found.config.unwrap_or_default().into_iter().collect();
    let driver = found.typ.filter(|driver| !driver.is_empty() && driver != default);
    (driver.is_some() || !options.is_empty()).then_some(Logging { driver, options })
}
