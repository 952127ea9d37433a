//! Starts, ends, restarts, probes.

use std::time::Duration;

use bytes::Bytes;
use rcompose_engine_adapter::{Check, ContainerName, ContainerState, EventAction, Restart, Result, Test};
use rcompose_health::{Monitor, Probe};

use crate::script::{Probes, Script};
use crate::session::echo;
use crate::shell::{End, Program, Surroundings, interpret};
use crate::state::{Container, Line, Process, Run};
use crate::world::{Timer, World, conflict};

/// The first restart by policy comes after this time; each next one waits twice as long. Source: moby's restart manager.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// The longest time between restarts by policy. Source: moby's restart manager.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

impl World {
    /// Starts a container; one that runs is left alone.
    pub(crate) fn start(&mut self, name: &ContainerName, at: Duration) -> Result<()> {
        let container = self.container(name)?;
        match container.state {
            ContainerState::Running => return Ok(()),
            ContainerState::Paused => return Err(conflict(format!("container {name} is paused, and cannot be started"))),
            ContainerState::Created
            | ContainerState::Restarting
            | ContainerState::Removing
            | ContainerState::Exited { .. }
            | ContainerState::Dead => {}
        }
        for id in &container.borrows {
            if !self.by_id(id).is_some_and(|it| it.state == ContainerState::Running) {
                let target = self.names.get(id).map_or("that was removed", |name| name.as_str());
                return Err(conflict(format!("container {name} shares a namespace of container {target}, which does not run")));
            }
        }
        let ports = self.take_ports(name)?;
        let container = self.container_mut(name)?;
        container.ports = ports;
        container.restarts = 0;
        container.stopped_by_hand = false;
        self.run(name, at);
        Ok(())
    }

    fn run(&mut self, name: &ContainerName, at: Duration) {
        let number = self.next_serial();
        let script = self.script(name).cloned();
        let Some(container) = self.containers.get_mut(name) else { return };
        let mut program = match &script {
            Some(script) => Program::scripted(script),
            // A program that nobody scripted and that is not known is taken for a server.
            None => interpret(&command(container), &surroundings(container)).unwrap_or_else(Program::idle),
        };
        if program.end == End::AtEof && !container.spec.process.stdin_open {
            program.end = End::After(Duration::ZERO, 0);
        }
        let mut process = Process::new(program, at);
        let early = std::mem::take(&mut container.early_input);
        if echo(&mut process, &mut container.output, &early, std::mem::take(&mut container.early_eof), at) {
            process.program.end = End::After(Duration::ZERO, 0);
        }
        let monitor = effective_check(container).map(|check| Monitor::new(check, at));
        let due = monitor.as_ref().map(Monitor::due);
        container.state = ContainerState::Running;
        container.starts += 1;
        container.run = Some(Run { number, process, monitor, probes: 0 });
        let id = container.id.clone();
        self.container_event(name, EventAction::Started, at);
        self.step_process(&id, number, at);
        if let Some(due) = due {
            self.schedule(due, Timer::Probe { id, run: number });
        }
    }

    pub(crate) fn script(&self, name: &ContainerName) -> Option<&Script> {
        let container = self.containers.get(name)?;
        if let Some(scripts) = self.scripts.get(name) {
            let index = usize::try_from(container.starts).unwrap_or(usize::MAX).min(scripts.len().saturating_sub(1));
            return scripts.get(index);
        }
        self.image_scripts.get(&crate::image::normal(&container.spec.image))
    }

    /// Puts out what a container's process has to put out by now, and ends it where that is due.
    pub(crate) fn step_process(&mut self, id: &str, run: u64, at: Duration) {
        let Some(container) = self.by_id_mut(id) else { return };
        let Some(current) = container.run.as_mut().filter(|it| it.number == run) else {
            return;
        };
        // What is frozen goes on when it is thawed.
        if container.state == ContainerState::Paused {
            return;
        }
        let next = step(&mut current.process, &mut container.output, at);
        self.touch();
        match next {
            Next::Nothing => {}
            Next::At(due) => self.schedule(due, Timer::Process { id: id.to_owned(), run }),
            Next::Ended(code) => self.end_process(id, code, at),
        }
    }

    /// Ends a container's process, and lets its restart policy answer.
    pub(crate) fn end_process(&mut self, id: &str, code: i64, at: Duration) {
        let Some(name) = self.names.get(id).cloned() else { return };
        let Some(container) = self.containers.get_mut(&name) else { return };
        container.run = None;
        container.state = ContainerState::Exited { code };
        container.ports.clear();
        let again = !container.stopped_by_hand
            && match container.spec.restart {
                Restart::No => false,
                Restart::Always | Restart::UnlessStopped => true,
                Restart::OnFailure { attempts } => code != 0 && (attempts == 0 || container.restarts < attempts),
                // Refused when it was made.
                Restart::Paced { .. } => false,
            };
        let (auto_remove, starts, restarts) = (container.spec.auto_remove, container.starts, container.restarts);
        self.end_execs(id);
        self.container_event(&name, EventAction::Died { code }, at);
        if again {
            if let Some(container) = self.containers.get_mut(&name) {
                container.state = ContainerState::Restarting;
                container.restarts = restarts.saturating_add(1);
            }
            let backoff = FIRST_BACKOFF.saturating_mul(1 << restarts.min(16)).min(LONGEST_BACKOFF);
            self.schedule(at.saturating_add(backoff), Timer::Restart { id: id.to_owned(), starts });
        } else if auto_remove {
            self.delete(&name, true, at);
        }
    }

    pub(crate) fn restart_by_policy(&mut self, id: &str, starts: u64, at: Duration) {
        let Some(name) = self.names.get(id).cloned() else { return };
        let waits = self
            .containers
            .get(&name)
            .is_some_and(|it| it.state == ContainerState::Restarting && it.starts == starts);
        if !waits {
            return;
        }
        match self.take_ports(&name) {
            Ok(ports) => {
                if let Some(container) = self.containers.get_mut(&name) {
                    container.ports = ports;
                }
                self.run(&name, at);
            }
            Err(_) => {
                if let Some(container) = self.containers.get_mut(&name) {
                    container.state = ContainerState::Exited { code: 128 };
                }
                self.touch();
            }
        }
    }

    /// Probes a container's health.
    pub(crate) fn probe(&mut self, id: &str, run: u64, at: Duration) {
        let Some(name) = self.names.get(id).cloned() else { return };
        let probes = self.script(&name).map_or(Probes::Interpreted, |it| it.probes);
        let Some(container) = self.containers.get_mut(&name) else { return };
        let Some(check) = effective_check(container) else { return };
        let paused = container.state == ContainerState::Paused;
        let around = surroundings(container);
        let interpreted = || interpret_probe(&check, &around);
        let Some(done) = container.run.as_ref().filter(|it| it.number == run).map(|it| it.probes) else {
            return;
        };
        let result = match probes {
            Probes::Interpreted => interpreted(),
            Probes::PassAfter(fails) if done < fails => Probe::Failed,
            Probes::FailAfter(passes) if done >= passes => Probe::Failed,
            Probes::PassAfter(_) | Probes::FailAfter(_) => Probe::Passed,
        };
        let Some(current) = container.run.as_mut() else { return };
        let Some(monitor) = current.monitor.as_mut() else { return };
        let changed = if paused { None } else { monitor.record(result, at) };
        // A frozen container is not probed; it is looked at again after the usual time.
        let due = if paused { at.saturating_add(check.interval()) } else { monitor.due() };
        current.probes = current.probes.saturating_add(u32::from(!paused));
        self.schedule(due, Timer::Probe { id: id.to_owned(), run });
        if let Some(status) = changed {
            self.container_event(&name, EventAction::Health(status), at);
        }
    }
}

/// How a process goes on.
pub(crate) enum Next {
    /// Only from outside.
    Nothing,
    At(Duration),
    Ended(i64),
}

/// Puts out what a process has to put out by now.
pub(crate) fn step(process: &mut Process, output: &mut Vec<Line>, at: Duration) -> Next {
    let started = process.started;
    while let Some(line) = process.program.lines.get(process.printed) {
        let due = started.saturating_add(line.after);
        if due > at {
            return Next::At(due);
        }
        output.push(Line { at: due, stderr: line.stderr, text: Bytes::from(line.text.clone()) });
        process.printed += 1;
    }
    match process.program.end {
        End::Never | End::AtEof => Next::Nothing,
        End::After(time, code) => {
            let due = started.saturating_add(time);
            if due > at { Next::At(due) } else { Next::Ended(code) }
        }
    }
}

/// Returns what a container runs: its own command line, else the image's.
pub(crate) fn command(container: &Container) -> Vec<String> {
    let process = &container.spec.process;
    let entrypoint = process.entrypoint.as_ref().unwrap_or(&container.defaults.entrypoint);
    // An entrypoint of its own clears the image's command.
    let inherited = if process.entrypoint.is_some() {
        &Vec::new()
    } else {
        &container.defaults.command
    };
    let command = process.command.as_ref().unwrap_or(inherited);
    entrypoint.iter().chain(command).cloned().collect()
}

/// Returns what a container's processes see.
pub(crate) fn surroundings(container: &Container) -> Surroundings<'_> {
    let process = &container.spec.process;
    let mut environment = container.defaults.environment.clone();
    for (key, value) in &process.environment {
        match value {
            Some(value) => environment.insert(key.clone(), value.clone()),
            None => environment.remove(key),
        };
    }
    Surroundings {
        environment,
        tree: Some(&container.tree),
        user: process.user.clone().unwrap_or_else(|| container.defaults.user.clone()),
        working_dir: process.working_dir.clone().unwrap_or_else(|| container.defaults.working_dir.clone()),
    }
}

/// Returns the healthcheck that counts: the container's over the image's, field by field.
pub(crate) fn effective_check(container: &Container) -> Option<Check> {
    let own = container.spec.healthcheck.clone().unwrap_or_default();
    let image = container.defaults.healthcheck.clone().unwrap_or_default();
    let check = Check {
        test: own.test.or(image.test),
        interval: own.interval.or(image.interval),
        timeout: own.timeout.or(image.timeout),
        retries: own.retries.or(image.retries),
        start_period: own.start_period.or(image.start_period),
        start_interval: own.start_interval.or(image.start_interval),
    };
    match check.test {
        None | Some(Test::None) => None,
        Some(Test::Command(_) | Test::Shell(_)) => Some(check),
    }
}

fn interpret_probe(check: &Check, around: &Surroundings<'_>) -> Probe {
    let program = match &check.test {
        None | Some(Test::None) => None,
        Some(Test::Command(command)) => interpret(command, around),
        Some(Test::Shell(text)) => {
            let known = interpret(&["sh".to_owned(), "-c".to_owned(), text.clone()], around);
            // 127 is a program that nobody knows, such as `pg_isready`: a server is taken for well.
            known.filter(|program| !matches!(program.end, End::After(_, 127)))
        }
    };
    match program.map(|it| it.end) {
        None => Probe::Passed,
        Some(End::After(time, _)) if time > check.timeout() => Probe::TimedOut,
        Some(End::After(_, 0) | End::AtEof) => Probe::Passed,
        Some(End::After(..)) => Probe::Failed,
        Some(End::Never) => Probe::TimedOut,
    }
}
