//! The labels that tie what is on an engine to a project; shared with docker compose.
//!
//! Source: labels read off containers made by docker compose 2.40 and 5.5.

/// The project's name.
pub const PROJECT: &str = "com.docker.compose.project";
/// The service's name.
pub const SERVICE: &str = "com.docker.compose.service";
/// The version of the tool that made the object.
pub const VERSION: &str = "com.docker.compose.version";
/// The project's folder.
pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// The compose files, absolute, joined by commas.
pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// The files given by `--env-file`, joined by commas.
pub const ENVIRONMENT_FILE: &str = "com.docker.compose.project.environment_file";
/// `True` for containers of `run`, else `False`.
pub const ONEOFF: &str = "com.docker.compose.oneoff";
/// The configuration hash; listings take only containers that have it.
pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// The replica's number, from 1.
pub const NUMBER: &str = "com.docker.compose.container-number";
/// `service:condition:restart`, joined by commas.
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// The image's id when the container was made.
pub const IMAGE: &str = "com.docker.compose.image";
/// The container that this one replaces, while that is under way.
pub const REPLACE: &str = "com.docker.compose.replace";
/// The random part of a one-off container's name.
pub const SLUG: &str = "com.docker.compose.slug";
/// The network's key in the file.
pub const NETWORK: &str = "com.docker.compose.network";
/// The volume's key in the file.
pub const VOLUME: &str = "com.docker.compose.volume";
/// Set on containers of `pre_start` hooks, which no listing shows.
pub const HOOK: &str = "com.docker.compose.hook";
/// Ours: keyed digests of the content of configs, secrets and security profiles, as JSON; env files count by config-hash.
pub const INPUTS: &str = "dev.rcompose.inputs";
