//! What belongs to this project, and what another folder's project of the same name made.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{ContainerName, Observed, ObservedContainer, labels};
use rcompose_spec::model::Project;

use crate::{Action, Plan, Problem, ProblemKind};

/// Tells whether a container belongs to the project and its service is in no file, enabled or not.
pub(crate) fn is_orphan(project: &Project, container: &ObservedContainer) -> bool {
    let Some(service) = container.service() else { return false };
    let known = project.services.contains_key(service) || project.disabled.contains_key(service);
    container.project() == Some(&project.name) && container.is_listed() && !container.is_oneoff() && !known
}

/// Refuses a plan that would stop or remove what another folder made.
pub(crate) fn check(project: &Project, observed: &Observed, plan: &Plan) -> Option<Problem> {
    let here = project.working_dir.display().to_string();
    let mut others: BTreeMap<&str, Vec<&ContainerName>> = BTreeMap::new();
    for step in &plan.steps {
        let (Action::StopContainer { name, .. } | Action::RemoveContainer { name, .. } | Action::RenameContainer { from: name, .. }) =
            &step.action
        else {
            continue;
        };
        let Some(folder) = observed.containers.get(name).and_then(|it| it.label(labels::WORKING_DIR)) else {
            continue;
        };
        let names = others.entry(folder).or_default();
        if folder != here && !names.contains(&name) {
            names.push(name);
        }
    }
    let (folder, names) = others.into_iter().find(|(folder, names)| *folder != here && !names.is_empty())?;
    let names: Vec<&str> = names.into_iter().map(ContainerName::as_str).collect();
    let message = format!(
        "project `{}` of {here} would change what {folder} made under the same name: {}",
        project.name,
        names.join(", ")
    );
    let problem = Problem::new(ProblemKind::ForeignProject, "", message);
    Some(problem.hint("give one of them another name (`-p NAME` or `name:`), or take these containers over with `--adopt`"))
}
