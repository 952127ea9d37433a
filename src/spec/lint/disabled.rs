//! Services that no active profile enables: what would keep them from loading once one does.

use std::collections::BTreeSet;

use crate::consistency;
use crate::error::Finding;
use crate::findings::Findings;
use crate::model::Project;
use crate::span::Origins;

/// Checks the disabled services as if every profile were active.
///
/// Names of containers are left out: services of different profiles may well share one.
pub(super) fn check(project: &Project, origins: &Origins) -> Vec<Finding> {
    if project.disabled.is_empty() {
        return Vec::new();
    }
    let mut all = project.clone();
    let names: BTreeSet<String> = all.disabled.keys().cloned().collect();
    all.services.append(&mut all.disabled);
    let mut findings = Findings::default();
    consistency::check_only(&all, origins, &names, &mut findings);
    findings
        .errors
        .into_iter()
        .map(|error| {
            let rest = super::service_of(&error.path).unwrap_or_default();
            let name = names.iter().find(|name| super::is_of(rest, name));
            let profiles = name.and_then(|name| origins.get(&format!("services.{name}.profiles")));
            let mut warning = Finding::new(error.code, error.message).at(error.span.as_ref()).path(error.path).label(error.label);
            warning.notes = error.notes;
            warning.maybe_hint(error.hint).note(profiles, "an error as soon as this profile is active")
        })
        .collect()
}
