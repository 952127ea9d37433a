//! Volumes: made where missing; made anew, at a risk that somebody accepts, where they differ.

use rcompose_engine_adapter::{ObservedContainer, ObservedVolume, VolumeName, labels};
use rcompose_spec::model::Volume;

use super::Builder;
use crate::{Action, Problem, ProblemKind, Reason, Risk, lower};

impl Builder<'_> {
    pub(super) fn decide_volumes(&mut self) {
        for (key, volume) in &self.project.volumes {
            let name = VolumeName::from(volume.name.as_str());
            let found = self.observed.volumes.get(&name);
            match found {
                _ if volume.external => self.external_volume(key, &name, found.is_some()),
                None => self.create_volume(key, volume, Reason::Missing, None),
                Some(found) => self.existing_volume(key, volume, &name, found),
            }
        }
    }

    /// A volume cannot be made anew while a container that stays uses it.
    pub(super) fn check_volume_users(&mut self) {
        let mut problems = Vec::new();
        for name in self.volume_removals.keys() {
            let uses = |it: &&ObservedContainer| it.mounts.iter().any(|mount| mount.volume.as_ref() == Some(name));
            let users = self.observed.containers.values().filter(uses).filter(|it| !self.leaves(it));
            let users: Vec<&str> = users.map(|it| it.name.as_str()).collect();
            if !users.is_empty() {
                let message = format!("volume `{name}` must be made anew, but {} outside this plan use it", users.join(", "));
                let problem = Problem::new(ProblemKind::Invalid, "volumes", message);
                problems.push(problem.hint("bring the whole project up, or remove these containers first"));
            }
        }
        problems.into_iter().for_each(|problem| self.lowering.problem(problem));
    }

    fn external_volume(&mut self, key: &str, name: &VolumeName, found: bool) {
        if !found {
            let message = format!("external volume `{name}` is not there");
            let problem = Problem::new(ProblemKind::ExternalMissing, format!("volumes.{key}"), message);
            self.lowering
                .problem(problem.hint(format!("make it with `docker volume create {name}`, or take `external` out")));
        }
    }

    fn create_volume(&mut self, key: &str, volume: &Volume, because: Reason, after: Option<crate::draft::Handle>) {
        let spec = lower::volume(&self.lowering, key, volume);
        let name = spec.name.clone();
        let handle = self.draft.add(Action::CreateVolume(Box::new(spec)), because, after);
        self.volumes.insert(name, handle);
    }

    fn existing_volume(&mut self, key: &str, volume: &Volume, name: &VolumeName, found: &ObservedVolume) {
        let path = format!("volumes.{key}");
        match found.labels.get(labels::PROJECT) {
            Some(project) if *project == self.project.name => {}
            Some(project) => {
                let message = format!("volume `{name}` was made by project {project} and is used as it is");
                return self.lowering.notice(path, message, Some("say `external: true` if that is meant"));
            }
            None => {
                let message = format!("volume `{name}` was not made by a project and is used as it is");
                return self.lowering.notice(path, message, Some("say `external: true` if that is meant"));
            }
        }
        let spec = lower::volume(&self.lowering, key, volume);
        let same = found.labels.get(labels::CONFIG_HASH).is_none_or(|label| spec.config_hash.matches(label, |_| None));
        if same {
            return;
        }
        if self.options.keep.contains(name) {
            let message = format!("volume `{name}` differs from the file and stays as it is");
            return self.lowering.notice(path, message, None);
        }
        let removal = self.draft.add(Action::RemoveVolume { name: name.clone() }, Reason::Changed(Vec::new()), []);
        self.draft.risk(removal, Risk::DataLoss(name.clone()));
        self.volume_removals.insert(name.clone(), removal);
        self.create_volume(key, volume, Reason::Replaced, Some(removal));
    }
}
