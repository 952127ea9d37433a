//! What each verb is told beside project and observed state; made by the command line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use rcompose_engine_adapter::{Content, Exec, PullPolicy, VolumeName};

/// What the planner may not find out by itself: content of files, time, the tool's version.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Value of the label `com.docker.compose.version`.
    pub version: String,
    /// Files given by `--env-file`, absolute, for the label.
    pub environment_files: Vec<String>,
    /// Content of configs and secrets; one that could not be read is absent.
    pub contents: BTreeMap<Input, Content>,
    /// Key of the digests in the label [`rcompose_engine_adapter::labels::INPUTS`]; `None` leaves the label out.
    pub inputs_key: Option<[u8; 32]>,
    /// By service, environment keys that came from an env file.
    pub env_file_keys: BTreeMap<String, BTreeSet<String>>,
    /// Seconds since 1970-01-01 UTC.
    pub now: i64,
    /// `_` instead of `-` in container names.
    pub compatibility: bool,
    /// What has no effect stands against a plan.
    pub strict: bool,
    /// What the local paths lead to that [`crate::paths`] names; empty where the engine is on another machine.
    pub paths: BTreeMap<PathBuf, PathKind>,
    /// Proxy variables of the docker configuration; a service's own win.
    pub proxy_environment: BTreeMap<String, String>,
}

/// A file of the project whose content counts as a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// A secret by key.
    Secret(String),
    /// A config by key.
    Config(String),
    /// A seccomp profile by the path in `security_opt`; relative to the project's folder.
    SecurityProfile(String),
}

/// What a local path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// Nothing.
    Missing,
    /// A file, or anything else that is no folder.
    File,
    /// A folder.
    Folder,
}

/// When a container that is there is replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recreate {
    /// Never.
    Never,
    /// When what is wanted differs from what is there.
    #[default]
    Diverged,
    /// Always.
    Force,
}

/// Options of `up` and `create`.
#[derive(Debug, Clone)]
pub struct Up {
    /// Services named on the command line; empty is all. The project holds these and what they depend on.
    pub services: Vec<String>,
    /// For the services named.
    pub recreate: Recreate,
    /// For those they depend on.
    pub recreate_dependencies: Recreate,
    /// Leave out what the services depend on.
    pub no_deps: bool,
    /// Anonymous volumes are made anew.
    pub renew_anonymous_volumes: bool,
    /// Remove containers whose service is in no file.
    pub remove_orphans: bool,
    /// Say nothing of them.
    pub ignore_orphans: bool,
    /// Replicas by service.
    pub scale: BTreeMap<String, u32>,
    /// Start them; `create` and `--no-start` do not.
    pub start: bool,
    /// Wait until they are ready.
    pub wait: Option<Wait>,
    /// Time before SIGKILL for whatever is stopped.
    pub timeout: Option<Duration>,
    /// Take over what another folder made.
    pub adopt: bool,
    /// Volumes that differ but stay as they are: the answer to a risk was no.
    pub keep: BTreeSet<VolumeName>,
}

impl Default for Up {
    fn default() -> Self {
        Self {
            services: Vec::new(),
            recreate: Recreate::Diverged,
            recreate_dependencies: Recreate::Diverged,
            no_deps: false,
            renew_anonymous_volumes: false,
            remove_orphans: false,
            ignore_orphans: false,
            scale: BTreeMap::new(),
            start: true,
            wait: None,
            timeout: None,
            adopt: false,
            keep: BTreeSet::new(),
        }
    }
}

/// How long to wait for services to be ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wait {
    /// At the most; `None` is without limit.
    pub limit: Option<Duration>,
}

/// Options of the round that brings images.
#[derive(Debug, Clone, Default)]
pub struct ImageOptions {
    /// Services to bring images for; empty is all of the project.
    pub services: Vec<String>,
    /// Overrides each service's `pull_policy`.
    pub pull: Option<PullPolicy>,
    /// What happens to services with `build`.
    pub build: Build,
    /// Options of the verb `build` that hold for every service.
    pub build_options: BuildOptions,
    /// Services with `build` are not pulled.
    pub ignore_buildable: bool,
    /// Failures to pull are warnings.
    pub ignore_pull_failures: bool,
    /// Replicas by service: one with 0 needs no image.
    pub scale: BTreeMap<String, u32>,
}

/// What happens to services with `build`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Build {
    /// They are built where their image is not there.
    #[default]
    Missing,
    /// They are built.
    Always,
    /// They are not built.
    Never,
}

/// Options of the verb `build`.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// Override the file's arguments.
    pub args: BTreeMap<String, String>,
    /// Reuse no layer.
    pub no_cache: bool,
    /// Always look for newer base images.
    pub pull: bool,
    /// Bytes.
    pub memory: Option<i64>,
    /// `--ssh`.
    pub ssh: Vec<String>,
    /// `--provenance`.
    pub provenance: Option<String>,
    /// `--sbom`.
    pub sbom: Option<String>,
}

/// Which images `down` removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveImages {
    /// Those without a name of their own in the file.
    Local,
    /// Every one a service uses.
    All,
}

/// Options of `down`.
#[derive(Debug, Clone, Default)]
pub struct Down {
    /// Services named on the command line; empty is all.
    pub services: Vec<String>,
    /// Remove containers whose service is in no file.
    pub remove_orphans: bool,
    /// Say nothing of them.
    pub ignore_orphans: bool,
    /// Images too.
    pub images: Option<RemoveImages>,
    /// Named and anonymous volumes too.
    pub volumes: bool,
    /// Time before SIGKILL.
    pub timeout: Option<Duration>,
    /// Take over what another folder made.
    pub adopt: bool,
}

/// Options of `start`, `stop`, `restart`, `pause`, `unpause`.
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// Services named on the command line; empty is all.
    pub services: Vec<String>,
    /// Leave out what depends on them (`restart`).
    pub no_deps: bool,
    /// Time before SIGKILL.
    pub timeout: Option<Duration>,
    /// Wait until they are ready (`start`).
    pub wait: Option<Wait>,
}

/// Options of `kill`.
#[derive(Debug, Clone)]
pub struct Kill {
    /// Services named on the command line; empty is all.
    pub services: Vec<String>,
    /// The signal.
    pub signal: String,
    /// Containers whose service is in no file too.
    pub remove_orphans: bool,
}

/// Options of `rm`.
#[derive(Debug, Clone, Default)]
pub struct Remove {
    /// Services named on the command line; empty is all.
    pub services: Vec<String>,
    /// Stop them first.
    pub stop: bool,
    /// Anonymous volumes too.
    pub volumes: bool,
}

/// Options of `run`.
#[derive(Debug, Clone)]
pub struct Run {
    /// The service.
    pub service: String,
    /// 12 hexadecimal digits for the name, drawn by the caller.
    pub slug: String,
    /// Options of `up` for what it depends on.
    pub up: Up,
    /// Name instead of `project-service-run-slug`.
    pub name: Option<String>,
    /// What differs from the service: command, environment, user, folder, terminal.
    pub exec: Exec,
    /// The command given; empty leaves the service's.
    pub entrypoint: Option<Vec<String>>,
    /// Standard input stays open.
    pub interactive: bool,
    /// Remove the container when it ends.
    pub remove: bool,
    /// Publish the service's ports.
    pub service_ports: bool,
    /// Ports to publish, short syntax.
    pub publish: Vec<rcompose_engine_adapter::PortSpec>,
    /// Mounts to add.
    pub mounts: Vec<rcompose_engine_adapter::Mount>,
    /// Labels to add.
    pub labels: BTreeMap<String, String>,
    /// Found by the service's aliases.
    pub use_aliases: bool,
    /// Capabilities to add.
    pub cap_add: Vec<String>,
    /// Capabilities to drop.
    pub cap_drop: Vec<String>,
}

/// Options of `system prune`.
#[derive(Debug, Clone, Default)]
pub struct Prune {
    /// Images with names, too.
    pub all: bool,
    /// Volumes that nobody named, too.
    pub volumes: bool,
    /// Only what was made before: seconds since 1970.
    pub until: Option<i64>,
    /// Only what fits all of these.
    pub labels: Vec<LabelFilter>,
}

/// A filter by label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelFilter {
    /// The label.
    pub key: String,
    /// Its value; nothing is any.
    pub value: Option<String>,
    /// What does not have it.
    pub not: bool,
}
