//! [`load`] and [`select`]: the stages in their order.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Code, Finding, SpecErrors};
use crate::findings::Findings;
use crate::interpolate::Variables;
use crate::load::{Loader, Scope};
use crate::model::{Project, Service};
use crate::sources::{Files, Sources};
use crate::span::{Origins, Span};
use crate::trace::Trace;
use crate::tree::Node;
use crate::{Loaded, consistency, environment, lint, lower, name, normalize, paths, profiles, project, schema};

/// Loads a project: all files merged, resolved and checked.
///
/// # Errors
/// Every mistake that was found, in the order of files and lines.
pub fn load(sources: &Sources, files: &dyn Files) -> Result<Loaded, SpecErrors> {
    let mut findings = Findings::tracing(sources.options.trace);
    let mut loader = Loader::new(files, sources.options, &mut findings);
    loader.stdin = sources.stdin.as_deref();
    loader.home = sources.env.get("HOME").map(String::as_str);
    let loaded = run(&mut loader, sources);
    let routes = Arc::new(std::mem::take(&mut findings.routes));
    findings.explain_rest(&routes);
    match loaded {
        Some((project, mut origins)) if findings.errors.is_empty() => {
            origins.routes = routes;
            let trace = findings.trace.map_or_else(Trace::default, |trace| *trace);
            Ok(Loaded { project, warnings: findings.warnings, origins, trace, options: sources.options })
        }
        _ => Err(findings.into_errors()),
    }
}

fn run(loader: &mut Loader<'_>, sources: &Sources) -> Option<(Project, Origins)> {
    let mut variables = variables(loader, sources);
    let files: Vec<PathBuf> = sources
        .files
        .iter()
        .map(|file| match file.to_str() {
            Some("-") => file.clone(),
            _ => paths::join(&sources.working_dir, file),
        })
        .collect();
    if files.is_empty() {
        let error = Finding::new(Code::NoComposeFile, "no compose file specified");
        loader.findings.error(error.hint("name one with -f"));
        return None;
    }
    let name = name::resolve(loader, sources, &files, &variables);
    variables.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
    let scope = Scope {
        folder: sources.working_dir.clone(),
        lookup: sources.working_dir.clone(),
        variables: &variables,
        including: Vec::new(),
    };
    let named: Vec<(PathBuf, Option<Span>)> = files.iter().map(|file| (file.clone(), None)).collect();
    let model = loader.model(&named, &scope);
    if loader.findings.is_incomplete() {
        return None;
    }
    let mut model = model?;
    loader.findings.begin_stage();
    if !sources.options.no_normalize {
        let none = Variables::new();
        let known = if sources.options.no_interpolate { &none } else { &variables };
        normalize::normalize(&mut model, &name, known);
    }
    let project = Project { name, working_dir: sources.working_dir.clone(), files, environment: variables, ..Project::default() };
    if sources.options.no_interpolate {
        // Texts with variables in them have no types yet, so only the document is of use.
        return Some((project, Origins::new(model)));
    }
    typed(loader, project, model, sources)
}

/// The variables of the process over those of the files of variables.
fn variables(loader: &mut Loader<'_>, sources: &Sources) -> Variables {
    let files: Vec<_> = sources.env_files.iter().map(|file| (paths::join(&sources.working_dir, file), None)).collect();
    let mut variables = environment::env_files(loader, &files, &sources.env, None);
    for (name, value) in &sources.env {
        variables.insert(name.clone(), value.clone());
    }
    variables
}

fn typed(loader: &mut Loader<'_>, frame: Project, model: Node, sources: &Sources) -> Option<(Project, Origins)> {
    let mut model = model;
    schema::formats(&model, loader.findings);
    lower::lower(&mut model, loader.findings);
    loader.findings.begin_stage();
    let mut project = Project {
        name: frame.name,
        working_dir: frame.working_dir,
        files: frame.files,
        environment: frame.environment,
        ..project::read(&model, loader.findings)
    };
    let origins = Origins::new(model);
    profiles::apply(&mut project, &sources.profiles);
    loader.findings.begin_stage();
    project.services.values_mut().for_each(|service| fill_replicas(service));
    complete(loader, &mut project, &origins, sources.options.no_consistency, sources.options.no_env_resolution);
    if !sources.options.all_resources {
        profiles::drop_unused(&mut project);
    }
    Some((project, origins))
}

/// Where both `scale` and `deploy` are written, they agree.
fn fill_replicas(service: &mut Service) {
    if let (Some(scale), Some(deploy)) = (service.scale, &mut service.deploy) {
        deploy.replicas.get_or_insert(scale);
    }
}

/// Checks enabled services and gives them the content of their files of variables.
fn complete(loader: &mut Loader<'_>, project: &mut Project, origins: &Origins, unchecked: bool, unresolved: bool) {
    if !unchecked {
        consistency::check(project, origins, loader.findings);
        if loader.findings.errors.is_empty() {
            lint::check(project, origins, loader.findings);
        }
    }
    if unresolved {
        return;
    }
    for service in project.services.values_mut() {
        environment::resolve(loader, service, &project.environment, origins);
    }
}

/// What a command is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Services named on the command line; none means all.
    pub services: Vec<String>,
    /// Also the services that they depend on.
    pub dependencies: bool,
}

/// Keeps the selected services enabled; the others become disabled.
///
/// A service named here is enabled whatever its profiles are, with all services of those profiles that it depends on.
///
/// # Errors
/// Names of services that do not exist, and mistakes in services that were disabled until now.
pub fn select(loaded: Loaded, selection: &Selection, files: &dyn Files) -> Result<Loaded, SpecErrors> {
    if selection.services.is_empty() {
        return Ok(loaded);
    }
    let mut loaded = loaded;
    let mut findings = Findings::tracing(loaded.options.trace);
    let Loaded { project, origins, warnings, options, trace } = &mut loaded;
    for name in &selection.services {
        unknown(project, name, &mut findings);
    }
    if !findings.errors.is_empty() {
        return Err(findings.into_errors());
    }
    let mut loader = Loader::new(files, *options, &mut findings);
    enable(&mut loader, project, selection, origins);
    findings.explain_rest(&origins.routes);
    if !findings.errors.is_empty() {
        return Err(findings.into_errors());
    }
    if selection.dependencies {
        forget_disabled(project);
    }
    let wanted = closure(project, selection);
    let all = std::mem::take(&mut project.services);
    for (name, service) in all {
        if wanted.contains(&name) {
            project.services.insert(name, service);
        } else {
            project.disabled.insert(name, service);
        }
    }
    lint::narrow(warnings, project, origins);
    warnings.iter_mut().for_each(|warning| origins.routes.explain(warning));
    if !options.all_resources {
        profiles::drop_unused(project);
    }
    trace.settings.extend(findings.trace.into_iter().flat_map(|trace| trace.settings));
    warnings.append(&mut findings.warnings);
    Ok(loaded)
}

fn unknown(project: &Project, name: &str, findings: &mut Findings) {
    if project.services.contains_key(name) || project.disabled.contains_key(name) {
        return;
    }
    let names = project.services.keys().chain(project.disabled.keys());
    let hint = match schema::closest(name, names.map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`config --services` lists the services".to_owned(),
    };
    let error = Finding::new(Code::Undefined, format!("no such service: {name}"));
    findings.error(error.hint(hint));
}

/// Enables the named services and all services that share their profiles, as far as the options of loading say.
fn enable(loader: &mut Loader<'_>, project: &mut Project, selection: &Selection, origins: &Origins) {
    let named = |name: &String| project.disabled.get(name);
    let active: Vec<String> = selection.services.iter().filter_map(named).flat_map(|service| service.profiles.clone()).collect();
    let (wake, sleep): (Vec<_>, Vec<_>) = std::mem::take(&mut project.disabled)
        .into_iter()
        .partition(|(_, service)| service.profiles.iter().any(|profile| active.contains(profile)));
    project.disabled = sleep.into_iter().collect();
    for (name, mut service) in wake {
        if !loader.options.no_env_resolution {
            environment::resolve(loader, &mut service, &project.environment, origins);
        }
        project.services.insert(name, service);
    }
    if !loader.options.no_consistency {
        consistency::check(project, origins, loader.findings);
    }
}

/// As in docker compose, a selection does not depend on what is disabled, which only optional dependencies may be.
fn forget_disabled(project: &mut Project) {
    let Project { services, disabled, .. } = project;
    for service in services.values_mut() {
        service.depends_on.retain(|name, _| !disabled.contains_key(name));
    }
}

fn closure(project: &Project, selection: &Selection) -> std::collections::BTreeSet<String> {
    let mut wanted = std::collections::BTreeSet::new();
    let mut open = selection.services.clone();
    while let Some(name) = open.pop() {
        let Some(service) = project.services.get(&name) else {
            continue;
        };
        if wanted.insert(name) && selection.dependencies {
            open.extend(service.depends_on.keys().cloned());
        }
    }
    wanted
}
