//! What runs, and what happens when it ends.

use bollard::models::{ContainerCreateBody, HostConfigIsolationEnum, HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum};
use rcompose_engine_adapter::{EngineError, ErrorKind, Logging, Process, Restart, Result};

pub(super) fn fill(body: &mut ContainerCreateBody, process: &Process) {
    let Process { entrypoint, command, environment, user, working_dir, tty, stdin_open, stdin_once } = process;
    body.entrypoint = entrypoint.clone();
    body.cmd = command.clone();
    // A bare name takes a variable of the image away.
    let variables = environment
        .iter()
        .map(|(key, value)| value.as_ref().map_or_else(|| key.clone(), |value| format!("{key}={value}")));
    body.env = Some(variables.collect::<Vec<_>>()).filter(|env| !env.is_empty());
    body.user = user.clone();
    body.working_dir = working_dir.clone();
    body.tty = Some(*tty);
    body.open_stdin = Some(*stdin_open);
    body.stdin_once = Some(*stdin_once);
    body.attach_stdin = Some(*stdin_open && *stdin_once);
    body.attach_stdout = Some(true);
    body.attach_stderr = Some(true);
}

pub(super) fn restart(restart: Restart) -> Result<RestartPolicy> {
    let (name, attempts) = match restart {
        Restart::No => (RestartPolicyNameEnum::NO, None),
        Restart::Always => (RestartPolicyNameEnum::ALWAYS, None),
        Restart::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        Restart::OnFailure { attempts } => (RestartPolicyNameEnum::ON_FAILURE, Some(i64::from(attempts))),
        Restart::Paced { failures_only: _, delay: _, attempts: _, window: _ } => {
            let message = "Docker Engine restarts containers at its own pace, without a delay and a window of their own";
            return Err(EngineError::new(ErrorKind::Unsupported, message));
        }
    };
    Ok(RestartPolicy { name: Some(name), maximum_retry_count: attempts })
}

pub(super) fn logging(logging: &Logging) -> HostConfigLogConfig {
    let Logging { driver, options } = logging;
    // An empty driver is the engine's default one.
    HostConfigLogConfig { typ: Some(driver.clone().unwrap_or_default()), config: Some(options.clone().into_iter().collect()) }
}

pub(super) fn isolation(text: &str) -> Result<HostConfigIsolationEnum> {
    match text {
        "default" => Ok(HostConfigIsolationEnum::DEFAULT),
        "process" => Ok(HostConfigIsolationEnum::PROCESS),
        "hyperv" => Ok(HostConfigIsolationEnum::HYPERV),
        other => Err(EngineError::new(ErrorKind::Invalid, format!("isolation `{other}`: Docker knows default, process and hyperv"))),
    }
}
