//! Which compose files, variables and profiles a command line means.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::environment;
use crate::error::{Code, Finding, SpecErrors};
use crate::findings::Findings;
use crate::interpolate::Variables;
use crate::load::Loader;
use crate::paths;
use crate::sources::{Files, Kind, LoadOptions, Sources};
use crate::trace::{Owner, Setting};

/// Names looked for, the preferred first.
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// Names of files merged over the one found, the preferred first.
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// What was given on the command line.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// `--file`
    pub files: Vec<PathBuf>,
    /// `--project-directory`
    pub project_directory: Option<PathBuf>,
    /// `--env-file`
    pub env_files: Vec<PathBuf>,
    /// `--profile`
    pub profiles: Vec<String>,
    /// `--project-name`
    pub project_name: Option<String>,
    /// Content of standard input, for the file `-`.
    pub stdin: Option<Vec<u8>>,
    /// Stages to leave out.
    pub options: LoadOptions,
}

/// What to load, and what was noticed while looking.
#[derive(Debug, Clone)]
pub struct Discovered {
    /// What to load; its `env` holds the variables of `.env` too.
    pub sources: Sources,
    /// What is worth saying.
    pub warnings: Vec<Finding>,
    /// The lines of `.env` or `--env-file`, the strongest first; empty unless [`LoadOptions::trace`] asks for them.
    pub settings: Vec<Setting>,
}

/// Finds the files of a project, starting in the folder `cwd` with the process's variables `env`.
///
/// # Errors
/// No compose file, with the folders that were searched; files of variables that are missing or cannot be read.
pub fn discover(given: &Given, cwd: &Path, env: &BTreeMap<String, String>, files: &dyn Files) -> Result<Discovered, SpecErrors> {
    let mut findings = Findings::tracing(given.options.trace);
    let sources = Search { given, cwd, files, findings: &mut findings }.run(env);
    match sources {
        Some(sources) if findings.errors.is_empty() => {
            let settings = findings.trace.map(|trace| trace.settings).unwrap_or_default();
            Ok(Discovered { sources, warnings: findings.warnings, settings })
        }
        _ => Err(findings.into_errors()),
    }
}

struct Search<'a> {
    given: &'a Given,
    cwd: &'a Path,
    files: &'a dyn Files,
    findings: &'a mut Findings,
}

impl Search<'_> {
    fn run(mut self, env: &BTreeMap<String, String>) -> Option<Sources> {
        let mut variables = env.clone();
        variables.entry("PWD".to_owned()).or_insert_with(|| self.cwd.display().to_string());
        let explicit = self.explicit_env_files(env);
        let mut compose: Vec<PathBuf> = self.given.files.iter().map(|file| self.absolute(file)).collect();
        let first = self.env_files(&explicit, &self.working_dir(&compose), env);
        self.add_variables(&first, &mut variables);
        if compose.is_empty() {
            compose = self.named_by(&variables);
        }
        if compose.is_empty() {
            compose = self.default_files(&self.working_dir(&[]));
        }
        if compose.is_empty() {
            self.nothing_found();
            return None;
        }
        let working_dir = self.working_dir(&compose);
        let second = self.env_files(&explicit, &working_dir, env);
        if second != first {
            self.add_variables(&second, &mut variables);
        }
        let profiles = match self.given.profiles.as_slice() {
            [] => split(variables.get("COMPOSE_PROFILES"), ","),
            given => given.to_vec(),
        };
        Some(Sources {
            files: compose,
            working_dir,
            env: variables,
            env_files: explicit,
            profiles,
            project_name: self.given.project_name.clone(),
            stdin: self.given.stdin.clone(),
            options: self.given.options,
        })
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        if path.as_os_str() == "-" {
            path.to_owned()
        } else {
            paths::join(self.cwd, path)
        }
    }

    /// The project directory: as given, else that of the first compose file, else where the command runs.
    fn working_dir(&self, compose: &[PathBuf]) -> PathBuf {
        if let Some(given) = &self.given.project_directory {
            return paths::join(self.cwd, given);
        }
        let first = compose.iter().find(|file| file.as_os_str() != "-");
        first.and_then(|file| file.parent()).unwrap_or(self.cwd).to_owned()
    }

    fn explicit_env_files(&self, env: &BTreeMap<String, String>) -> Vec<PathBuf> {
        let files = match self.given.env_files.as_slice() {
            [] => split(env.get("COMPOSE_ENV_FILES"), ",").into_iter().map(PathBuf::from).collect(),
            given => given.to_vec(),
        };
        files.iter().map(|file| paths::join(self.cwd, file)).collect()
    }

    fn env_files(&mut self, explicit: &[PathBuf], folder: &Path, env: &BTreeMap<String, String>) -> Vec<PathBuf> {
        if !explicit.is_empty() {
            return explicit.to_vec();
        }
        let disabled = match env.get("COMPOSE_DISABLE_ENV_FILE").map(String::as_str) {
            None | Some("0" | "f" | "F" | "false" | "False" | "FALSE") => false,
            Some("1" | "t" | "T" | "true" | "True" | "TRUE") => true,
            Some(other) => {
                let message = format!("COMPOSE_DISABLE_ENV_FILE: `{other}` is not a boolean");
                self.findings.error(Finding::new(Code::InvalidValue, message).hint("use true or false"));
                true
            }
        };
        let default = folder.join(".env");
        if disabled || self.files.kind(&default) != Some(Kind::File) {
            return Vec::new();
        }
        vec![default]
    }

    /// Adds variables of files; those known already win.
    fn add_variables(&mut self, env_files: &[PathBuf], variables: &mut Variables) {
        let mut found = Vec::new();
        for file in env_files {
            match self.files.kind(file) {
                Some(Kind::File) => found.push((file.clone(), None)),
                Some(Kind::Folder) => self.findings.error(Finding::new(Code::File, format!("{} is a directory", file.display()))),
                None => self.findings.error(
                    Finding::new(Code::File, format!("couldn't find env file: {}", file.display()))
                        .hint("check the path given with --env-file or COMPOSE_ENV_FILES"),
                ),
            }
        }
        let before = self.findings.trace.as_ref().map_or(0, |trace| trace.settings.len());
        let mut loader = Loader::new(self.files, LoadOptions::default(), self.findings);
        for (name, value) in environment::env_files(&mut loader, &found, variables, Some(&Owner::Project)) {
            variables.entry(name).or_insert(value);
        }
        if let Some(trace) = &mut self.findings.trace {
            // Of one call the last line wins, of several calls the first one.
            trace.settings[before..].reverse();
        }
    }

    fn named_by(&self, variables: &Variables) -> Vec<PathBuf> {
        let separator = variables
            .get("COMPOSE_PATH_SEPARATOR")
            .filter(|separator| !separator.is_empty())
            .map_or(if cfg!(windows) { ";" } else { ":" }, String::as_str);
        let files = split(variables.get("COMPOSE_FILE"), separator);
        files.iter().map(|file| self.absolute(Path::new(file))).collect()
    }

    /// A default file of `folder` or its nearest parent that has one, and the override beside it.
    fn default_files(&mut self, folder: &Path) -> Vec<PathBuf> {
        for folder in folder.ancestors() {
            let Some(file) = self.pick(folder, &NAMES, "config") else {
                continue;
            };
            let over = self.pick(folder, &OVERRIDES, "override");
            return std::iter::once(file).chain(over).collect();
        }
        Vec::new()
    }

    fn pick(&mut self, folder: &Path, names: &[&str], what: &str) -> Option<PathBuf> {
        let candidates: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).filter(|file| self.files.kind(file).is_some()).collect();
        let first = candidates.first()?.clone();
        if candidates.len() > 1 {
            let list: Vec<String> = candidates.iter().map(|file| file.display().to_string()).collect();
            let message = format!("Found multiple {what} files with supported names: {}", list.join(", "));
            self.findings.warn(Code::SeveralFiles, message, None);
            self.findings.warn(Code::ChosenFile, format!("Using {}", first.display()), None);
        }
        Some(first)
    }

    fn nothing_found(&mut self) {
        let folder = self.working_dir(&[]);
        let folders: Vec<String> = folder.ancestors().map(|folder| folder.display().to_string()).collect();
        self.findings.error(Finding::new(Code::NoComposeFile, "no compose file found").hint(format!(
            "looked for {} in {}",
            NAMES.join(", "),
            folders.join(", ")
        )));
    }
}

fn split(text: Option<&String>, separator: &str) -> Vec<String> {
    let parts = text.map(|text| text.split(separator));
    parts
        .into_iter()
        .flatten()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}
