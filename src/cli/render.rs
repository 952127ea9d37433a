//! Displays of a run, made from the plan and the executor's events and from nothing else.

mod json;
#[cfg(target_os = "linux")]
mod layers;
mod plain;
mod plan;
mod tree;
mod tty;

use std::collections::BTreeSet;

use rcompose_engine_adapter::ContainerName;
use rcompose_executor::{Event, Outcome};
use rcompose_planner::Plan;

use crate::args::Progress;
use crate::output;
use crate::style::Paint;

pub(crate) use json::redacted;
#[cfg(target_os = "linux")]
pub(crate) use layers::Layers;
pub(crate) use plan::{summary as plan_summary, text as plan_text};
pub(crate) use tty::SHOW_CURSOR;

/// What a display is told before it starts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    /// Colours on the output that shows progress.
    pub(crate) paint: Paint,
    /// Progress goes to standard output (`COMPOSE_STATUS_STDOUT`).
    pub(crate) on_stdout: bool,
    /// Pulls show no layers.
    pub(crate) quiet_pull: bool,
    /// Builds show no output.
    pub(crate) quiet_build: bool,
}

/// One display, for one plan at a time.
#[derive(Debug)]
pub(crate) enum Display {
    /// A live tree.
    Tty(Box<tty::Tty>),
    /// A line for each change.
    Plain(plain::Plain),
    /// One JSON object a line.
    Json(json::Json),
    /// Nothing.
    Quiet,
}

impl Display {
    /// Chooses the display; `is_tty` tells whether progress goes to a terminal.
    pub(crate) fn new(progress: Progress, is_tty: bool, verb: &'static str, look: Look) -> Self {
        match progress {
            Progress::Tty => Self::Tty(Box::new(tty::Tty::new(verb, look))),
            Progress::Auto if is_tty => Self::Tty(Box::new(tty::Tty::new(verb, look))),
            Progress::Auto | Progress::Plain => Self::Plain(plain::Plain::new(look)),
            Progress::Json => Self::Json(json::Json::new(look)),
            Progress::Quiet => Self::Quiet,
        }
    }

    /// Starts with a plan.
    pub(crate) fn begin(&mut self, plan: &Plan) {
        match self {
            Self::Tty(tty) => tty.begin(plan),
            Self::Plain(plain) => plain.begin(plan),
            Self::Json(json) => json.begin(plan),
            Self::Quiet => {}
        }
    }

    /// Shows an event.
    pub(crate) fn event(&mut self, event: &Event) {
        match self {
            Self::Tty(tty) => tty.event(event),
            Self::Plain(plain) => plain.event(event),
            Self::Json(json) => json.event(event),
            Self::Quiet => {}
        }
    }

    /// Moves what moves by itself; called several times a second.
    pub(crate) fn tick(&mut self) {
        if let Self::Tty(tty) = self {
            tty.draw();
        }
    }

    /// Ends with the outcome.
    pub(crate) fn finish(&mut self, outcome: &Outcome) {
        match self {
            Self::Tty(tty) => tty.finish(),
            Self::Json(json) => json.finish(outcome),
            Self::Plain(_) | Self::Quiet => {}
        }
    }

    /// Shows what runs and stays as it is: as docker compose does, or where there is nothing else to do.
    pub(crate) fn stay<'a>(&mut self, plan: &Plan, running: impl Iterator<Item = &'a ContainerName>) {
        match self {
            Self::Plain(plain) => plain.stay(running),
            Self::Tty(_) | Self::Json(_) if plan.is_empty() => {
                let how_many = match plan.unchanged.as_slice() {
                    [] => String::new(),
                    [one] => format!(": container {one} is as the files want it"),
                    all => format!(": {} containers are as the files want them", all.len()),
                };
                self.say(&format!("Nothing to do{how_many}"));
            }
            Self::Tty(_) | Self::Json(_) | Self::Quiet => {}
        }
    }

    /// Shows a sentence between two runs.
    pub(crate) fn say(&mut self, sentence: &str) {
        match self {
            Self::Tty(tty) => tty.say(sentence),
            Self::Plain(_) => output::err(&format!("{sentence}\n")),
            Self::Json(json) => json.say(sentence),
            Self::Quiet => {}
        }
    }
}

/// Writes text to the output that shows progress.
fn write(look: &Look, text: &str) {
    if look.on_stdout {
        // Whoever closed standard output does not want to know how it goes on.
        let _ = output::out(text);
    } else {
        output::err(text);
    }
}

/// Joins names for a sentence.
pub(crate) fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: BTreeSet<String> = names.into_iter().map(|it| it.as_ref().to_owned()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use rcompose_engine_adapter::{ContainerSpec, Namespaces, NetworkMode, Process, Resources, Restart, Security};

    /// A container with nothing but a name.
    pub(crate) fn container(name: &str) -> ContainerSpec {
        ContainerSpec {
            name: name.into(),
            image: "db:1".into(),
            platform: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            process: Process::default(),
            hostname: None,
            domainname: None,
            mounts: Vec::new(),
            volumes_from: Vec::new(),
            files: Vec::new(),
            network: NetworkMode::None,
            mac_address: None,
            ports: Vec::new(),
            expose: BTreeSet::new(),
            dns: Vec::new(),
            dns_options: Vec::new(),
            dns_search: Vec::new(),
            extra_hosts: Vec::new(),
            links: Vec::new(),
            resources: Resources::default(),
            device_requests: Vec::new(),
            security: Security::default(),
            namespaces: Namespaces::default(),
            healthcheck: None,
            restart: Restart::default(),
            logging: None,
            stop_signal: None,
            stop_grace: None,
            init: None,
            runtime: None,
            isolation: None,
            storage_opt: BTreeMap::new(),
            sysctls: BTreeMap::new(),
            auto_remove: false,
            private_environment: BTreeSet::new(),
            config_hash: None,
        }
    }
}
