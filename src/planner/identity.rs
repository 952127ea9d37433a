//! Names and labels that tie objects to a project, as docker compose gives them.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{ContainerName, ImageReference, labels};
use rcompose_spec::model::{Condition, Project, Service};

use crate::World;

/// Returns the name of a service's container with this number.
pub(crate) fn container_name(project: &Project, service: &Service, number: u32, world: &World) -> ContainerName {
    if service.container_name.is_empty() {
        let separator = separator(world);
        return format!("{}{separator}{}{separator}{number}", project.name, service.name).into();
    }
    service.container_name.as_str().into()
}

/// Returns the image a service runs: its own, or the name docker compose gives to what it builds.
pub(crate) fn image(project: &Project, service: &Service, world: &World) -> ImageReference {
    if service.image.is_empty() {
        return format!("{}{}{}", project.name, separator(world), service.name).into();
    }
    service.image.as_str().into()
}

pub(crate) fn separator(world: &World) -> char {
    if world.compatibility { '_' } else { '-' }
}

/// Returns the labels of every container of a service.
pub(crate) fn container_labels(project: &Project, service: &Service, world: &World) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = service.labels.clone();
    let files: Vec<String> = project.files.iter().map(|file| file.display().to_string()).collect();
    all.insert(labels::PROJECT.into(), project.name.clone());
    all.insert(labels::SERVICE.into(), service.name.clone());
    all.insert(labels::VERSION.into(), world.version.clone());
    all.insert(labels::WORKING_DIR.into(), project.working_dir.display().to_string());
    all.insert(labels::CONFIG_FILES.into(), files.join(","));
    if !world.environment_files.is_empty() {
        all.insert(labels::ENVIRONMENT_FILE.into(), world.environment_files.join(","));
    }
    all.insert(labels::DEPENDS_ON.into(), depends_on(service));
    all
}

fn depends_on(service: &Service) -> String {
    let entries = service
        .depends_on
        .iter()
        .map(|(name, dependency)| format!("{name}:{}:{}", condition(dependency.condition), dependency.restart));
    entries.collect::<Vec<_>>().join(",")
}

/// Returns the word of a compose file for a condition.
pub(crate) fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Started => "service_started",
        Condition::Healthy => "service_healthy",
        Condition::Completed => "service_completed_successfully",
    }
}
