//! Containers whose service is in no file, and finished one-offs.

use rcompose_engine_adapter::{ContainerState, ObservedContainer};

use super::Builder;
use crate::Reason;
use crate::verbs::foreign::is_orphan;

impl Builder<'_> {
    pub(super) fn orphans(&mut self) {
        let observed = self.observed;
        let orphans: Vec<&ObservedContainer> = observed
            .containers
            .values()
            .filter(|it| is_orphan(self.project, it) || is_finished_oneoff(self.project, it))
            .collect();
        if orphans.is_empty() {
            return;
        }
        if !self.options.remove_orphans {
            if !self.options.ignore_orphans {
                let names: Vec<&str> = orphans.iter().map(|it| it.name.as_str()).collect();
                let message = format!("found orphan containers ({}) for this project", names.join(", "));
                self.lowering.notice(
                    String::new(),
                    message,
                    Some("if their service was renamed or removed, `--remove-orphans` takes them away"),
                );
            }
            return;
        }
        for container in orphans {
            self.take_away(container, &Reason::Orphan);
        }
    }
}

fn is_finished_oneoff(project: &rcompose_spec::model::Project, container: &ObservedContainer) -> bool {
    let ended = matches!(container.state, ContainerState::Exited { .. } | ContainerState::Dead);
    ended && container.is_oneoff() && container.project() == Some(&project.name)
}
