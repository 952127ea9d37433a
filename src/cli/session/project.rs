//! The project that this invocation is about.

use std::io::Read;
use std::path::{Path, PathBuf};

use rcompose_planner::{Notice, PlanError, Problem, ProblemKind, support};
use rcompose_spec::model::Project;
use rcompose_spec::{
    Code, Discovered, Files, Finding, Given, Kind, LoadOptions, Loaded, Origins, Selection, SpecErrors, check_project_name, discover, load,
    select, strict,
};

use super::Session;
use crate::failure::Failure;
use crate::{output, report};

/// The largest file read: no compose file is that long, and some files have no end.
const LARGEST: u64 = 64 << 20;

/// The file system.
#[derive(Debug)]
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        let file = std::fs::File::open(path)?;
        let length = file.metadata()?.len().min(LARGEST) + 1;
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST {
            let why = format!("it is larger than {} MiB; is it the right file?", LARGEST >> 20);
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why));
        }
        Ok(bytes)
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let found = std::fs::metadata(path).ok()?;
        Some(if found.is_dir() { Kind::Folder } else { Kind::File })
    }
}

/// What of a project is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Want<'a> {
    /// Services named on the command line; empty is all.
    services: &'a [String],
    dependencies: bool,
    options: LoadOptions,
}

impl<'a> Want<'a> {
    /// Everything that is enabled.
    pub(crate) fn all() -> Self {
        Self::default()
    }

    /// The services named, with or without what they depend on; all where none is named.
    pub(crate) fn services(services: &'a [String], dependencies: bool) -> Self {
        Self { services, dependencies, options: LoadOptions::default() }
    }

    /// Leaves stages of loading out.
    pub(crate) fn with(mut self, options: LoadOptions) -> Self {
        self.options = options;
        self
    }
}

/// A project as files describe it, or one that is known by its name only.
#[derive(Debug)]
pub(crate) enum Named {
    /// Its files were found.
    Files(Box<Loaded>),
    /// It was given by name, and there are no files here.
    Name(String),
}

impl Named {
    /// Returns the name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Files(loaded) => &loaded.project.name,
            Self::Name(name) => name,
        }
    }

    /// Returns the project, where its files were found.
    pub(crate) fn project(&self) -> Option<&Project> {
        match self {
            Self::Files(loaded) => Some(&loaded.project),
            Self::Name(_) => None,
        }
    }

    /// Returns where values are written; nowhere without files.
    pub(crate) fn origins(&self) -> Origins {
        match self {
            Self::Files(loaded) => loaded.origins.clone(),
            Self::Name(_) => Origins::default(),
        }
    }
}

impl Session {
    /// Loads the project and says what is worth saying about its files.
    ///
    /// Where a plan follows, what the checks found waits for [`Self::say_checks`].
    pub(crate) fn load(&self, want: &Want<'_>) -> Result<Loaded, Failure> {
        let plans = matches!(self.verb, "up" | "create" | "scale" | "run" | "plan");
        self.load_saying(want, |warning| !(plans && warning.is_check()))
    }

    /// Says what the checks found, less what stands against the plan at the same place.
    pub(crate) fn say_checks<T>(&self, loaded: &Loaded, plan: &Result<T, PlanError>) {
        let problems = plan.as_ref().err().map_or(&[][..], |error| &error.problems);
        let places: Vec<_> = problems.iter().filter_map(|problem| loaded.origins.get(&problem.path)).collect();
        let told = |warning: &&Finding| warning.span.as_ref().is_some_and(|span| places.contains(&span));
        let checks = loaded.warnings.iter().filter(|warning| warning.is_check());
        let warnings: Vec<Finding> = checks.filter(|warning| !told(warning)).cloned().collect();
        output::err(&report::warnings(&warnings, &self.caller, self.err));
    }

    /// Says what has no effect whatever the engine is; an error with `--strict`.
    pub(crate) fn say_without_effect(&self, loaded: &Loaded) -> Result<(), Failure> {
        let notices = support::without_effect(&loaded.project);
        if self.globals.strict && !notices.is_empty() {
            let problem = |it: Notice| Problem::new(ProblemKind::Unsupported, it.path, it.message);
            let problems = notices.into_iter().map(problem).collect();
            return Err(Failure::plan(PlanError { problems }, &loaded.origins));
        }
        output::err(&report::notices(&notices, &loaded.origins, &self.caller, self.err));
        Ok(())
    }

    fn load_saying(&self, want: &Want<'_>, says: impl Fn(&Finding) -> bool) -> Result<Loaded, Failure> {
        let (_, loaded) = self.load_quietly(want)?;
        let said: Vec<Finding> = loaded.warnings.iter().filter(|warning| says(warning)).cloned().collect();
        output::err(&report::warnings(&said, &self.caller, self.err));
        Ok(loaded)
    }

    /// Loads the project; the warnings are for the caller to say.
    pub(crate) fn load_quietly(&self, want: &Want<'_>) -> Result<(Discovered, Loaded), Failure> {
        let mut options = want.options;
        options.compatibility = self.compatibility();
        options.all_resources = self.globals.all_resources;
        let discovered = self.discover(options)?;
        let mut loaded = load(&discovered.sources, &Disk)?;
        loaded.warnings.splice(0..0, discovered.warnings.iter().cloned());
        let selection = Selection { services: want.services.to_vec(), dependencies: want.dependencies };
        let mut loaded = select(loaded, &selection, &Disk)?;
        self.default_platform(&mut loaded.project);
        if self.globals.strict {
            strict(&loaded.warnings)?;
        }
        Ok((discovered, loaded))
    }

    /// Gives services without a platform the one of `DOCKER_DEFAULT_PLATFORM`; `config` shows them as they are written.
    fn default_platform(&self, project: &mut Project) {
        let Some(platform) = project
            .environment
            .get("DOCKER_DEFAULT_PLATFORM")
            .filter(|it| !it.is_empty() && self.verb != "config")
        else {
            return;
        };
        for service in project.services.values_mut().filter(|service| service.platform.is_empty()) {
            service.platform.clone_from(platform);
        }
    }

    /// Loads the project, or takes its name where that is given and no files are here.
    ///
    /// These verbs are about what is there already: what the checks found is no news.
    pub(crate) fn named(&self) -> Result<Named, Failure> {
        match self.load_saying(&Want::all(), |warning| !warning.is_check()) {
            Ok(loaded) => Ok(Named::Files(Box::new(loaded))),
            Err(Failure::Spec(errors)) if nothing_found(&errors) => match self.given_name() {
                Some(name) => {
                    check_project_name(&name)?;
                    Ok(Named::Name(name))
                }
                None => Err(Failure::Spec(errors)),
            },
            Err(failure) => Err(failure),
        }
    }

    /// Returns the files given by `--env-file` or `COMPOSE_ENV_FILES`, absolute.
    pub(crate) fn env_files(&self) -> Vec<PathBuf> {
        let given = &self.globals.env_file;
        let of_variable = || {
            self.caller
                .var("COMPOSE_ENV_FILES")
                .into_iter()
                .flat_map(|list| list.split(','))
                .map(PathBuf::from)
                .collect()
        };
        let files: Vec<PathBuf> = if given.is_empty() { of_variable() } else { given.clone() };
        files.iter().map(|path| self.caller.absolute(path)).collect()
    }

    /// Returns the name that a flag or variable gives the project.
    pub(crate) fn given_name(&self) -> Option<String> {
        self.globals
            .project_name
            .clone()
            .or_else(|| self.caller.var("COMPOSE_PROJECT_NAME").map(str::to_owned))
    }

    fn discover(&self, options: LoadOptions) -> Result<Discovered, Failure> {
        if !self.globals.insecure_registry.is_empty() {
            return Err(Failure::NotInThisVersion("`--insecure-registry`".into()));
        }
        let given = Given {
            files: self.globals.file.iter().map(PathBuf::from).collect(),
            project_directory: self.globals.project_directory.clone().or_else(|| self.globals.older_project_directory.clone()),
            env_files: self.globals.env_file.clone(),
            profiles: self.globals.profile.clone(),
            project_name: self.globals.project_name.clone(),
            stdin: self.standard_input()?,
            options,
        };
        Ok(discover(&given, &self.caller.folder, &self.caller.env, &Disk)?)
    }

    /// Reads standard input, where the file `-` is asked for.
    fn standard_input(&self) -> Result<Option<Vec<u8>>, Failure> {
        let asked = self.globals.file.iter().any(|file| file == "-")
            || (self.globals.file.is_empty()
                && self.caller.var("COMPOSE_FILE").is_some_and(|list| list.split([':', ';']).any(|it| it == "-")));
        if !asked {
            return Ok(None);
        }
        let mut text = Vec::new();
        std::io::stdin()
            .read_to_end(&mut text)
            .map_err(|error| Failure::io("cannot read standard input", error))?;
        Ok(Some(text))
    }
}

fn nothing_found(errors: &SpecErrors) -> bool {
    errors.0.iter().all(|error| error.code == Code::NoComposeFile)
}

/// Refuses services that neither the files nor the containers know.
pub(crate) fn known_services<'a>(named: &Named, asked: &[String], observed: impl Iterator<Item = &'a str> + Clone) -> Result<(), Failure> {
    for service in asked {
        let in_files = named
            .project()
            .is_some_and(|it| it.services.contains_key(service) || it.disabled.contains_key(service));
        if !in_files && !observed.clone().any(|it| it == service) {
            return Err(Failure::refused_with(
                format!("no such service: {service}"),
                "`rcompose config --services` lists those of the files",
            ));
        }
    }
    Ok(())
}
