//! The program: words, variables, folder, user.
//!
//! Source: Docker's documentation of ENTRYPOINT and CMD, and the specs that dockerd writes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use oci_spec::runtime::{Process as SpecProcess, User as SpecUser};
use rcompose_engine_adapter::{ContainerSpec, Process, Result};

use super::init;
use super::resources::OfProcess;
use super::rights::{self, Rights};
use super::{Facts, invalid, mounts};

/// Where programs are looked for, unless image or spec say so.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What a terminal is called, unless image or spec say so.
const TERM: &str = "xterm";

/// The program as a person asked for it, without init.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) args: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) cwd: String,
}

pub(super) fn program(spec: &ContainerSpec, facts: &Facts<'_>, hostname: &str) -> Result<Program> {
    let Process {
        entrypoint: _, // `args`
        command: _,    // `args`
        environment,
        user: _, // resolved in `Facts.user`
        working_dir,
        tty,
        stdin_open: _, // who attaches, `supervise`
        stdin_once: _, // who attaches, `supervise`
    } = &spec.process;
    let given = working_dir.as_deref().filter(|it| !it.is_empty()).unwrap_or(&facts.image.working_dir);
    let cwd = match given {
        "" | "/" => "/".to_owned(),
        given if given.starts_with('/') => mounts::clean(given).map_or_else(|_| "/".to_owned(), |it| it.display().to_string()),
        given => return Err(invalid(format!("working_dir `{given}` must be an absolute path"))),
    };
    Ok(Program { args: args(spec, facts)?, env: env(environment, facts, hostname, *tty), cwd })
}

/// An entrypoint of the spec leaves the image's command out, unless it is empty and so is the spec's command.
fn args(spec: &ContainerSpec, facts: &Facts<'_>) -> Result<Vec<String>> {
    let Process { entrypoint, command, .. } = &spec.process;
    let mut own = command.clone().unwrap_or_default();
    if own.is_empty() && entrypoint.as_ref().is_none_or(Vec::is_empty) {
        own.clone_from(&facts.image.command);
    }
    let mut words = entrypoint.clone().unwrap_or_else(|| facts.image.entrypoint.clone());
    // Docker's way to write that there is none.
    if words == [""] {
        words.clear();
    }
    words.extend(own);
    match words.first() {
        None => Err(invalid("no command: neither the image nor the container names a program to run")),
        Some(first) if first.is_empty() => Err(invalid("the command's first word is empty: it must name a program")),
        Some(_) => Ok(words),
    }
}

/// What every container has first, then the spec's in the order of their names, then the image's; one that is there is replaced in place.
fn env(own: &BTreeMap<String, Option<String>>, facts: &Facts<'_>, hostname: &str, tty: bool) -> Vec<String> {
    let mut all: Vec<(&str, &str)> = vec![("PATH", PATH), ("HOSTNAME", hostname)];
    if tty {
        all.push(("TERM", TERM));
    }
    all.extend(facts.links.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let image = facts.image.environment.iter().filter(|(key, _)| !own.contains_key(*key));
    let image = image.map(|(key, value)| (key.as_str(), Some(value.as_str())));
    for (key, value) in own.iter().map(|(key, value)| (key.as_str(), value.as_deref())).chain(image) {
        let at = all.iter().position(|(name, _)| *name == key);
        match (at, value) {
            (Some(at), Some(value)) => all[at].1 = value,
            (Some(at), None) => drop(all.remove(at)),
            (None, Some(value)) => all.push((key, value)),
            (None, None) => {}
        }
    }
    all.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// Sets variables of devices over those that are there.
pub(super) fn set(env: &mut Vec<String>, more: &[String]) {
    for text in more {
        let key = text.split('=').next().unwrap_or_default();
        match env.iter_mut().find(|it| it.split('=').next() == Some(key)) {
            Some(found) => found.clone_from(text),
            None => env.push(text.clone()),
        }
    }
}

/// Writes the process of the spec.
pub(super) fn lower(
    spec: &ContainerSpec,
    facts: &Facts<'_>,
    program: &Program,
    rights: &Rights,
    limits: OfProcess,
    has_init: bool,
) -> SpecProcess {
    let mut args = program.args.clone();
    if has_init {
        args.splice(0..0, init::WORDS.map(str::to_owned));
    }
    let mut user = SpecUser::default();
    user.set_uid(facts.user.uid)
        .set_gid(facts.user.gid)
        .set_additional_gids(Some(facts.user.groups.clone()));
    let mut made = SpecProcess::default();
    made.set_terminal(Some(spec.process.tty)).set_console_size(None).set_user(user);
    made.set_args(Some(args)).set_env(Some(program.env.clone())).set_cwd(PathBuf::from(&program.cwd));
    made.set_capabilities(Some(rights::sets(&rights.capabilities, facts.user.uid)));
    made.set_rlimits(Some(limits.ulimits)).set_oom_score_adj(Some(limits.oom_score_adj));
    made.set_no_new_privileges(Some(rights.no_new_privileges));
    made.set_apparmor_profile(rights.apparmor.clone()).set_selinux_label(rights.selinux.clone());
    made
}

/// Writes the words as `docker ps` shows them: a word with a blank in it, the program aside, in quotes.
pub(super) fn shown(args: &[String]) -> String {
    let Some((program, rest)) = args.split_first() else {
        return String::new();
    };
    let quoted = rest.iter().map(|it| if it.contains(' ') { format!("'{it}'") } else { it.clone() });
    std::iter::once(program.clone()).chain(quoted).collect::<Vec<_>>().join(" ")
}
